//! What tests write header blocks and frames with.

/// A string as it is.
pub(crate) fn plain(text: &[u8]) -> Vec<u8> {
    string(0x00, text)
}

/// A string in Huffman coding.
pub(crate) fn huffman(text: &[u8]) -> Vec<u8> {
    let mut coded = Vec::new();
    httlib_huffman::encode(text, &mut coded).unwrap();
    string(0x80, &coded)
}

/// A frame of stream 1.
pub(crate) fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
    [&head, payload].concat()
}

fn string(pattern: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = match bytes.len() {
        short @ ..0x7f => vec![pattern | u8::try_from(short).unwrap()],
        long => {
            let left = long - 0x7f;
            assert!(left < 1 << 14);
            let byte = |value: usize| value.to_le_bytes()[0];
            match left {
                ..0x80 => vec![pattern | 0x7f, byte(left)],
                _ => vec![pattern | 0x7f, 0x80 | byte(left), byte(left >> 7)],
            }
        }
    };
    out.extend_from_slice(bytes);
    out
}
