//! Fuzzes the filter for `:authority` with frames of HTTP/2.
#![no_main]

mod filtered;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| frames(bytes));

/// Checks whole frames of a connection, with kinds and flags from the input.
fn frames(bytes: &[u8]) {
    let mut connection = vec![3];
    connection.extend(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    for part in bytes.chunks(24) {
        let [kind, flags, stream, payload @ ..] = part else {
            break;
        };
        let length = u8::try_from(payload.len()).unwrap_or_default();
        connection.extend([0, 0, length, kind % 11, *flags, 0, 0, 0, stream % 8]);
        connection.extend(payload);
    }
    filtered::check(&connection);
}
