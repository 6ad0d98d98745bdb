//! The ELF section `.dep-v0`: the packages as JSON in a zlib stream (`PARSING.md` of cargo-auditable).

use std::io::Error;

use serde_json::{Value, json};

use crate::packages::{Linked, Role};

/// The most bytes of a stored block (RFC 1951, 3.2.4).
const BLOCK: usize = 65_535;

pub(crate) fn section(linked: &Linked<'_>) -> Result<Vec<u8>, Error> {
    let packages = linked.packages.iter().map(|entry| {
        let mut package = json!({
            "name": entry.package.name,
            "version": entry.package.version,
            "source": if entry.package.source.is_some() { "crates.io" } else { "local" },
        });
        if !entry.dependencies.is_empty() {
            package["dependencies"] = json!(entry.dependencies);
        }
        if entry.role == Role::Root {
            package["root"] = Value::Bool(true);
        }
        package
    });
    let list = json!({"packages": packages.collect::<Vec<_>>()});
    Ok(zlib(&serde_json::to_vec(&list)?))
}

/// A zlib stream of stored blocks (RFC 1950): some kilobytes, for which no library is needed.
fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let blocks: Vec<&[u8]> = bytes.chunks(BLOCK).collect();
    for (number, block) in blocks.iter().enumerate() {
        stream.push(u8::from(number + 1 == blocks.len()));
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        stream.extend(length.to_le_bytes());
        stream.extend((!length).to_le_bytes());
        stream.extend(*block);
    }
    stream.extend(adler32(bytes).to_be_bytes());
    stream
}

fn adler32(bytes: &[u8]) -> u32 {
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in bytes {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    (b << 16) | a
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Wikipedia's article about Adler-32.
    #[test]
    fn a_stream_has_a_header_blocks_and_a_checksum() {
        let stream = zlib(b"Wikipedia");
        assert_eq!(stream[..7], [0x78, 0x01, 1, 9, 0, 0xf6, 0xff]);
        assert_eq!(stream[7..16], *b"Wikipedia");
        assert_eq!(stream[16..], [0x11, 0xe6, 0x03, 0x98]);
        let long = zlib(&vec![b' '; BLOCK + 1]);
        assert_eq!(long.len(), 2 + 2 * 5 + BLOCK + 1 + 4);
        assert_eq!((long[2], long[2 + 5 + BLOCK]), (0, 1));
    }
}
