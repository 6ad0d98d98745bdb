//! Reads and writes the primitives of HPACK, integers and strings, as RFC 7541 defines them in section 5.

use std::borrow::Cow;

use httlib_huffman::DecoderSpeed;

/// The bytes that continue an integer at most. `h2` has the same limit, and it keeps values within 29 bits.
const MAX_CONTINUATION_BYTES: usize = 4;

/// The bytes make no sense as a header block, or a larger one than `h2` would accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable;

/// The first byte of a representation: an integer begins in its low `bits`, the others are `pattern`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prefix {
    pub(super) pattern: u8,
    pub(super) bits: u32,
}

/// The part of a header block that is still to be read.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(block: &'a [u8]) -> Self {
        Self { rest: block }
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Reads an integer that begins in the low `prefix_bits` of the next byte.
    pub(super) fn integer(&mut self, prefix_bits: u32) -> Result<usize, Unreadable> {
        let mask = prefix_mask(prefix_bits);
        let prefix = self.byte()? & mask;
        let mut value = usize::from(prefix);
        if prefix < mask {
            return Ok(value);
        }
        for position in 0..MAX_CONTINUATION_BYTES {
            let byte = self.byte()?;
            value += usize::from(byte & 0x7f) << (7 * position);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Unreadable)
    }

    /// Reads a string and undoes its Huffman coding. The decoded string is at most 8/5 as long as the coded one.
    pub(super) fn string(&mut self) -> Result<Cow<'a, [u8]>, Unreadable> {
        let first = self.rest.first().ok_or(Unreadable)?;
        let huffman_coded = first & 0x80 != 0;
        let len = self.integer(7)?;
        let (raw, rest) = self.rest.split_at_checked(len).ok_or(Unreadable)?;
        self.rest = rest;
        if !huffman_coded {
            return Ok(Cow::Borrowed(raw));
        }
        let mut decoded = Vec::new();
        // Bit by bit is the one speed at which nothing is left over at the end of the input to be guessed at.
        httlib_huffman::decode(raw, &mut decoded, DecoderSpeed::OneBit).map_err(|_| Unreadable)?;
        Ok(Cow::Owned(decoded))
    }

    fn byte(&mut self) -> Result<u8, Unreadable> {
        let (&byte, rest) = self.rest.split_first().ok_or(Unreadable)?;
        self.rest = rest;
        Ok(byte)
    }
}

pub(super) fn write_integer(out: &mut Vec<u8>, Prefix { pattern, bits }: Prefix, value: usize) {
    let mask = prefix_mask(bits);
    let Some(mut left) = value.checked_sub(usize::from(mask)) else {
        out.push(pattern | low_byte(value));
        return;
    };
    out.push(pattern | mask);
    while left >= 0x80 {
        out.push(0x80 | low_byte(left));
        left >>= 7;
    }
    out.push(low_byte(left));
}

fn low_byte(value: usize) -> u8 {
    value.to_le_bytes()[0]
}

fn prefix_mask(prefix_bits: u32) -> u8 {
    u8::MAX >> (u8::BITS - prefix_bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 7541, appendix C.1, and the edges of each encoding.
    #[test]
    fn integers() {
        for (prefix_bits, value, bytes) in [
            (5, 10, &[0x0a][..]),
            (5, 1337, &[0x1f, 0x9a, 0x0a]),
            (8, 42, &[0x2a]),
            (4, 14, &[0x0e]),
            (4, 15, &[0x0f, 0x00]),
            (7, 126, &[0x7e]),
            (7, 127, &[0x7f, 0x00]),
            (7, 127 + 127, &[0x7f, 0x7f]),
            (7, 127 + 128, &[0x7f, 0x80, 0x01]),
            (7, 127 + 0x0fff_ffff, &[0x7f, 0xff, 0xff, 0xff, 0x7f]),
        ] {
            let mut written = Vec::new();
            write_integer(
                &mut written,
                Prefix {
                    pattern: 0,
                    bits: prefix_bits,
                },
                value,
            );
            assert_eq!(written, bytes, "{value} in {prefix_bits} bits");
            let mut reader = Reader::new(bytes);
            assert_eq!(reader.integer(prefix_bits), Ok(value));
            assert_eq!(reader.rest(), b"");
        }
    }

    #[test]
    fn integers_that_end_early_or_never() {
        for bytes in [
            &[][..],
            &[0x7f],
            &[0x7f, 0x80],
            &[0x7f, 0xff, 0xff, 0xff, 0xff, 0x00],
        ] {
            assert_eq!(Reader::new(bytes).integer(7), Err(Unreadable), "{bytes:x?}");
        }
    }

    #[test]
    fn strings() {
        // The second is `www.example.com` of RFC 7541, appendix C.4.1.
        for (bytes, expected) in [
            (&b"\x03abc"[..], Ok(&b"abc"[..])),
            (
                b"\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff",
                Ok(b"www.example.com"),
            ),
            (b"\x00", Ok(b"")),
            (b"\x80", Ok(b"")),
            (b"", Err(Unreadable)),
            (b"\x04abc", Err(Unreadable)),
            // Padding of a whole byte.
            (b"\x81\xff", Err(Unreadable)),
            // The end-of-string symbol.
            (b"\x84\xff\xff\xff\xff", Err(Unreadable)),
        ] {
            let read = Reader::new(bytes).string();
            assert_eq!(
                read.as_deref().map_err(|&error| error),
                expected,
                "{bytes:x?}"
            );
        }
    }

    #[test]
    fn every_byte_survives_huffman_coding() {
        for byte in 0..=u8::MAX {
            let mut coded = Vec::new();
            httlib_huffman::encode(&[byte, byte], &mut coded).unwrap();
            let mut string = Vec::new();
            write_integer(
                &mut string,
                Prefix {
                    pattern: 0x80,
                    bits: 7,
                },
                coded.len(),
            );
            string.extend(coded);
            assert_eq!(Reader::new(&string).string().unwrap()[..], [byte, byte]);
        }
    }
}
