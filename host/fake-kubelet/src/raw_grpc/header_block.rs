//! Encodes header fields so that the values are sent exactly as given: literal, never indexed, never Huffman coded.

/// Appends one field to a header block (RFC 7541, section 6.2.2, with a literal name).
pub(super) fn write_field(block: &mut Vec<u8>, name: &str, value: &str) {
    const LITERAL_WITHOUT_INDEXING: u8 = 0x00;
    block.push(LITERAL_WITHOUT_INDEXING);
    for text in [name, value] {
        write_length(block, text.len());
        block.extend_from_slice(text.as_bytes());
    }
}

/// An integer with a prefix of seven bits, whose eighth means that no Huffman code follows (section 5.1).
fn write_length(block: &mut Vec<u8>, length: usize) {
    const PREFIX_MAX: u8 = 0x7f;
    match u8::try_from(length) {
        Ok(short) if short < PREFIX_MAX => block.push(short),
        _ => {
            block.push(PREFIX_MAX);
            let mut rest = length - usize::from(PREFIX_MAX);
            while rest >= 0x80 {
                block.push(0x80 | low_seven_bits(rest));
                rest >>= 7;
            }
            block.push(low_seven_bits(rest));
        }
    }
}

fn low_seven_bits(number: usize) -> u8 {
    number.to_le_bytes()[0] & 0x7f
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_every_length_survive() {
        for length in [0, 1, 126, 127, 128, 254, 255, 400, 20_000] {
            let value = "%2F".repeat(length / 3 + 1)[..length].to_owned();
            let mut block = Vec::new();
            write_field(&mut block, ":authority", &value);

            let fields = loona_hpack::Decoder::new().decode(&block).unwrap();

            assert_eq!(fields, [(b":authority".to_vec(), value.into_bytes())]);
        }
    }
}
