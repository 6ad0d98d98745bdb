//! Header blocks (RFC 7541): what is to stand in the place of an authority that `h2` refuses.

use std::borrow::Cow;

use httlib_huffman::DecoderSpeed;
use http::uri::Authority;

/// `:authority`, whose index in the static table is 1, as a literal that enters no dynamic table.
pub(crate) const SUBSTITUTE: &[u8] = b"\x01\x09localhost";

/// The bytes that continue an integer at most. `h2` has the same limit, and it keeps values within 29 bits.
const MAX_CONTINUATION_BYTES: usize = 4;

/// Returns what `h2` is to read in the place of `block`, or `None` where that is the same bytes: no authority in it is
/// refused, or it cannot be decoded, or its replacement would be longer than `max_len`.
///
/// An authority that the peer adds to its dynamic table is replaced by one of the same length, so that the table of
/// `h2` has the same entries of the same sizes under the same indexes, and all references stay right.
pub(crate) fn rewritten(block: &[u8], max_len: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut copied = 0;
    let mut rest = block;
    while !rest.is_empty() {
        let start = block.len() - rest.len();
        let Some(replacement) = replacement(&mut rest)? else {
            continue;
        };
        out.extend_from_slice(&block[copied..start]);
        out.extend(replacement);
        copied = block.len() - rest.len();
        if out.len() > max_len {
            return None;
        }
    }
    out.extend_from_slice(&block[copied..]);
    (copied > 0 && out.len() <= max_len).then_some(out)
}

/// Takes one field representation off `rest`, and returns its replacement, if there is one.
fn replacement(rest: &mut &[u8]) -> Option<Option<Vec<u8>>> {
    let (is_added, index_bits) = match *rest.first()? {
        // Indexed. The authority of the static table is the empty one.
        0x80.. => return Some((integer(rest, 7)? == 1).then(|| SUBSTITUTE.to_vec())),
        0x40..0x80 => (true, 6),
        // The new size of the dynamic table.
        0x20..0x40 => return integer(rest, 5).map(|_| None),
        0x00..0x20 => (false, 4),
    };
    let is_authority = match integer(rest, index_bits)? {
        0 => *string(rest)?.decoded()? == *b":authority",
        // Encoders find this name in the static table first, so the dynamic one is not searched.
        index => index == 1,
    };
    let value = string(rest)?;
    if !is_authority {
        return Some(None);
    }
    let value = value.decoded()?;
    let is_refused = Authority::try_from(&*value).is_err();
    Some(is_refused.then(|| match is_added {
        true => added(value.len()),
        false => SUBSTITUTE.to_vec(),
    }))
}

/// An authority of this length, as a literal that enters the dynamic table. None is accepted that has no length, so
/// that one entry is a byte longer than the peer counts.
fn added(length: usize) -> Vec<u8> {
    let length = length.max(1);
    let mut out = vec![0x41];
    match u8::try_from(length) {
        Ok(short @ ..0x7f) => out.push(short),
        _ => {
            out.push(0x7f);
            let mut left = length - 0x7f;
            while left >= 0x80 {
                out.push(0x80 | low_byte(left));
                left >>= 7;
            }
            out.push(low_byte(left));
        }
    }
    out.resize(out.len() + length, b'x');
    out
}

/// Reads an integer (section 5.1) that begins in the low `prefix_bits` of the next byte.
fn integer(rest: &mut &[u8], prefix_bits: u32) -> Option<usize> {
    let mask = u8::MAX >> (u8::BITS - prefix_bits);
    let prefix = rest.split_off_first()? & mask;
    let mut value = usize::from(prefix);
    if prefix < mask {
        return Some(value);
    }
    for position in 0..MAX_CONTINUATION_BYTES {
        let byte = rest.split_off_first()?;
        value += usize::from(byte & 0x7f) << (7 * position);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// A string as it is in a block.
struct Text<'a> {
    raw: &'a [u8],
    is_huffman_coded: bool,
}

/// Reads a string (section 5.2).
fn string<'a>(rest: &mut &'a [u8]) -> Option<Text<'a>> {
    let is_huffman_coded = rest.first()? & 0x80 != 0;
    let length = integer(rest, 7)?;
    let raw = rest.split_off(..length)?;
    Some(Text {
        raw,
        is_huffman_coded,
    })
}

impl<'a> Text<'a> {
    /// Without its Huffman coding, of which it is at most 8/5 as long.
    fn decoded(&self) -> Option<Cow<'a, [u8]>> {
        if !self.is_huffman_coded {
            return Some(Cow::Borrowed(self.raw));
        }
        let mut decoded = Vec::new();
        // Bit by bit is the one speed at which nothing is left over at the end of the input to be guessed at.
        httlib_huffman::decode(self.raw, &mut decoded, DecoderSpeed::OneBit).ok()?;
        Some(Cow::Owned(decoded))
    }
}

fn low_byte(value: usize) -> u8 {
    value.to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::{huffman, plain};

    const PATH: &[u8] = b"%2Fvar%2Flib%2Fkubelet%2Fplugins_registry%2Fa.sock";
    const REFUSED: [&[u8]; 8] = [
        PATH,
        b"/var/lib/a.sock",
        b"",
        b"a b",
        b"a@",
        b"[::1",
        b"\xff",
        &[b'%'; 300],
    ];

    /// The field that begins with `start` and ends with one of the refused values, among others.
    #[track_caller]
    fn check(start: &[u8], expected: impl Fn(&[u8]) -> Vec<u8>) {
        for value in REFUSED {
            for coded in [plain(value), huffman(value)] {
                let block = [&[0x83, 0x86][..], start, &coded, &[0x84]].concat();
                let expected = [&[0x83, 0x86][..], &expected(value), &[0x84]].concat();
                assert_eq!(rewritten(&block, 4096), Some(expected), "{block:x?}");
            }
        }
    }

    #[test]
    fn refused_authorities_are_replaced_however_they_are_written() {
        let spelt = |pattern, name: Vec<u8>| [&[pattern][..], &name].concat();
        for start in [
            vec![0x01],
            vec![0x11],
            spelt(0x00, plain(b":authority")),
            spelt(0x10, huffman(b":authority")),
        ] {
            check(&start, |_| SUBSTITUTE.to_vec());
        }
        for start in [vec![0x41], spelt(0x40, plain(b":authority"))] {
            check(&start, |value| {
                let value = vec![b'x'; value.len().max(1)];
                [&[0x41][..], &plain(&value)].concat()
            });
        }
        assert_eq!(rewritten(&[0x81], 4096), Some(SUBSTITUTE.to_vec()));
    }

    #[test]
    fn what_replaces_an_authority_is_accepted() {
        for length in [0, 1, 126, 127, 128, 254, 255, 300, 16_000] {
            let replaced = added(length);
            let value = string(&mut &replaced[1..]).unwrap();
            let value = value.decoded().unwrap();
            assert_eq!(value.len(), length.max(1));
            assert!(Authority::try_from(&*value).is_ok());
        }
    }

    #[test]
    fn everything_else_stays_as_it_is() {
        for block in [
            &b""[..],
            b"\x41\x09localhost",
            b"\x41\x0bexample:443",
            b"\x41\x05[::1]",
            b"\x40\x0a:authority\x01a\xbe\xbe",
            // A path, a header with a similar name, and one whose name is in the dynamic table.
            b"\x44\x04/%zz",
            b"\x40\x0aauthority:\x01/\xbe",
            b"\x7e\x01/",
            // An index of 15 that takes a byte more than needed.
            b"\x0f\x80\x00\x01v",
            b"\x20\x3f\xe1\x1f\x83",
            // None of these can be decoded.
            b"\x01\x01/\xff",
            b"\x01\x01/\xff\xff\xff\xff\xff\xff",
            b"\x41",
            b"\x41\x02/",
            b"\x40\x01a",
            b"\x01\x81\xff",
            b"\x01\x84\xff\xff\xff\xff",
        ] {
            assert_eq!(rewritten(block, 4096), None, "{block:x?}");
        }
        assert_eq!(rewritten(&[0x81; 10], 100), None, "it would be too long");
    }

    #[test]
    fn integers() {
        // The examples of RFC 7541, appendix C.1, and the edges of each encoding.
        for (prefix_bits, bytes, value) in [
            (5, &[0x0a][..], Some(10)),
            (5, &[0x1f, 0x9a, 0x0a], Some(1337)),
            (4, &[0x0f, 0x00], Some(15)),
            (7, &[0x7f, 0x80, 0x01], Some(255)),
            (7, &[0x7f, 0xff, 0xff, 0xff, 0x7f], Some(0x7f + 0x0fff_ffff)),
            (7, &[], None),
            (7, &[0x7f, 0x80], None),
            (7, &[0x7f, 0xff, 0xff, 0xff, 0xff, 0x00], None),
        ] {
            assert_eq!(integer(&mut { bytes }, prefix_bits), value, "{bytes:x?}");
        }
    }

    #[test]
    fn strings() {
        for (bytes, expected) in [
            (&b"\x03abc"[..], Some(&b"abc"[..])),
            // `www.example.com` of RFC 7541, appendix C.4.1.
            (
                b"\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff",
                Some(b"www.example.com"),
            ),
            (b"\x80", Some(b"")),
            (b"", None),
            (b"\x04abc", None),
            // Padding of a whole byte, and the end-of-string symbol.
            (b"\x81\xff", None),
            (b"\x84\xff\xff\xff\xff", None),
        ] {
            let decoded = string(&mut { bytes }).and_then(|text| text.decoded());
            assert_eq!(decoded.as_deref(), expected, "{bytes:x?}");
        }
        for byte in 0..=u8::MAX {
            let coded = huffman(&[byte, byte]);
            let text = string(&mut &coded[..]).unwrap();
            assert_eq!(*text.decoded().unwrap(), [byte, byte]);
        }
    }
}
