//! Rewrites HPACK header blocks so that no `:authority` in them is one that `h2` refuses.
//!
//! A refused authority is replaced by `localhost`, and never enters the dynamic table of `h2`. The peer does not know,
//! so the indices that it sends afterwards are translated. Keeping both tables equal by a replacement of the same
//! length would spare that, but there is none for an authority of length zero.

use http::uri::Authority;

use super::primitives::{Prefix, Reader, Unreadable, write_integer};
use super::table::{Entry, Kind, Table};

/// Blocks that would grow larger than this are [`Unreadable`]. Hyper's servers refuse header lists above 16 KiB.
pub(super) const MAX_BLOCK_LEN: usize = 64 * 1024;

const AUTHORITY: &[u8] = b":authority";

/// `:authority: localhost`, as a literal that does not enter the dynamic table.
pub(super) const SUBSTITUTE: &[u8] = b"\x01\x09localhost";

const INDEXED: Prefix = Prefix {
    pattern: 0x80,
    bits: 7,
};
const INDEXED_LITERAL: Prefix = Prefix {
    pattern: 0x40,
    bits: 6,
};
const UNINDEXED_LITERAL: Prefix = Prefix {
    pattern: 0x00,
    bits: 4,
};
const NEVER_INDEXED_LITERAL: Prefix = Prefix {
    pattern: 0x10,
    bits: 4,
};
const SIZE_UPDATE_BITS: u32 = 5;

/// The compression state of one connection, in the direction from the peer to `h2`.
#[derive(Debug, Default)]
pub(super) struct Hpack {
    table: Table,
}

impl Hpack {
    /// Returns what `h2` is to see in the place of `block`: the same bytes, unless they contain or refer to a refused
    /// authority, or refer to an entry that is older than one.
    ///
    /// Blocks have to be passed in the order in which they arrived. After an error the state is of no use any more.
    pub(super) fn rewrite(&mut self, block: &[u8]) -> Result<Vec<u8>, Unreadable> {
        let mut out = Vec::with_capacity(block.len());
        let mut reader = Reader::new(block);
        while let Some(&first) = reader.rest().first() {
            match first {
                0x80.. => self.indexed(&mut reader, &mut out)?,
                0x40..0x80 => {
                    let entry = self.literal(INDEXED_LITERAL, &mut reader, &mut out)?;
                    self.table.insert(entry);
                }
                0x20..0x40 => self.size_update(&mut reader, &mut out)?,
                0x10..0x20 => {
                    self.literal(NEVER_INDEXED_LITERAL, &mut reader, &mut out)?;
                }
                0x00..0x10 => {
                    self.literal(UNINDEXED_LITERAL, &mut reader, &mut out)?;
                }
            }
            if out.len() > MAX_BLOCK_LEN {
                return Err(Unreadable);
            }
        }
        Ok(out)
    }

    fn indexed(&self, reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), Unreadable> {
        let whole = reader.rest();
        let index = reader.integer(INDEXED.bits)?;
        if self.table.entry(index)?.kind == Kind::Withheld {
            out.extend_from_slice(SUBSTITUTE);
        } else {
            self.write_index(out, INDEXED, index, consumed(whole, reader));
        }
        Ok(())
    }

    /// Handles a literal and returns the table entry that it would make.
    fn literal(
        &self,
        prefix: Prefix,
        reader: &mut Reader<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Entry, Unreadable> {
        let whole = reader.rest();
        let name_index = reader.integer(prefix.bits)?;
        let raw_index = consumed(whole, reader);
        let strings = reader.rest();
        let (name_len, is_authority) = if name_index == 0 {
            let name = reader.string()?;
            (name.len(), *name == *AUTHORITY)
        } else {
            let entry = self.table.entry(name_index)?;
            (entry.name_len, entry.kind != Kind::Other)
        };
        let value = reader.string()?;

        let kind = match is_authority {
            true if Authority::try_from(&*value).is_err() => Kind::Withheld,
            true => Kind::Authority,
            false => Kind::Other,
        };
        if kind == Kind::Withheld {
            out.extend_from_slice(SUBSTITUTE);
        } else {
            self.write_index(out, prefix, name_index, raw_index);
            out.extend_from_slice(consumed(strings, reader));
        }
        Ok(Entry {
            name_len,
            value_len: value.len(),
            kind,
        })
    }

    fn size_update(
        &mut self,
        reader: &mut Reader<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Unreadable> {
        let whole = reader.rest();
        self.table.resize(reader.integer(SIZE_UPDATE_BITS)?)?;
        out.extend_from_slice(consumed(whole, reader));
        Ok(())
    }

    /// Writes the peer's `index` as `h2` counts. If that is the same, so are the bytes, however the peer coded it.
    fn write_index(&self, out: &mut Vec<u8>, prefix: Prefix, index: usize, raw: &[u8]) {
        let translated = self.table.translate(index);
        if translated == index {
            out.extend_from_slice(raw);
        } else {
            write_integer(out, prefix, translated);
        }
    }
}

/// What the reader has read since `before` was its rest.
fn consumed<'a>(before: &'a [u8], reader: &Reader<'_>) -> &'a [u8] {
    &before[..before.len() - reader.rest().len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn huffman(text: &[u8]) -> Vec<u8> {
        let mut coded = Vec::new();
        httlib_huffman::encode(text, &mut coded).unwrap();
        string(0x80, &coded)
    }

    fn plain(text: &[u8]) -> Vec<u8> {
        string(0x00, text)
    }

    fn string(pattern: u8, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        write_integer(&mut out, Prefix { pattern, bits: 7 }, bytes.len());
        out.extend_from_slice(bytes);
        out
    }

    #[test]
    fn refused_authorities_are_replaced_however_they_are_written() {
        let path = b"%2Fvar%2Flib%2Fkubelet%2Fplugins_registry%2Fa.sock";
        let refused: [&[u8]; 8] = [
            path,
            b"/var/lib/a.sock",
            b"",
            b"a b",
            b"a@",
            b"[::1",
            b"\xff",
            &[b'%'; 300],
        ];
        let starts = [
            vec![0x41],
            vec![0x01],
            vec![0x11],
            [&[0x40][..], &plain(AUTHORITY)].concat(),
            [&[0x00][..], &plain(AUTHORITY)].concat(),
            [&[0x10][..], &huffman(AUTHORITY)].concat(),
        ];
        let expected = [&[0x83, 0x86][..], SUBSTITUTE, &[0x84]].concat();
        for (value, start) in refused
            .iter()
            .flat_map(|value| starts.iter().map(move |start| (value, start)))
        {
            for coded in [plain(value), huffman(value)] {
                let block = [&[0x83, 0x86][..], start, &coded, &[0x84]].concat();
                let rewritten = Hpack::default().rewrite(&block);
                assert_eq!(rewritten.as_ref(), Ok(&expected), "{block:x?}");
            }
        }
        assert_eq!(
            Hpack::default().rewrite(&[0x81]),
            Ok(SUBSTITUTE.to_vec()),
            "the static entry"
        );
    }

    #[test]
    fn whatever_is_acceptable_stays_as_it_is() {
        for block in [
            &b""[..],
            b"\x41\x09localhost",
            b"\x41\x0bexample:443",
            b"\x41\x05[::1]",
            b"\x40\x0a:authority\x01a\xbe\xbe",
            // A path, and a header whose name only looks similar.
            b"\x44\x04/%zz",
            b"\x40\x0aauthority:\x01/\xbe",
            // An index of 15 that takes a byte more than needed.
            b"\x0f\x80\x00\x01v",
            b"\x20\x3f\xe1\x1f\x83",
        ] {
            assert_eq!(Hpack::default().rewrite(block).as_deref(), Ok(block));
        }
    }

    /// Each case is a series of blocks on one connection.
    #[test]
    fn references_follow_the_table_of_h2() {
        let cases: [&[(&[u8], &[u8])]; 6] = [
            // A reference to the refused authority, at once and in a later block.
            &[
                (b"\x41\x01/\xbe", &[SUBSTITUTE, SUBSTITUTE].concat()),
                (b"\xbe", SUBSTITUTE),
            ],
            // Older entries move up by one, younger ones stay.
            &[
                (
                    b"\x7a\x01o\x41\x01/\x7a\x01n",
                    &[b"\x7a\x01o", SUBSTITUTE, b"\x7a\x01n"].concat(),
                ),
                (b"\xbe\xc0\x7e\x01v", b"\xbe\xbf\x7e\x01v"),
            ],
            // Also as the name of a literal, with each prefix length.
            &[
                (b"\x7a\x01o\x41\x01/", &[b"\x7a\x01o", SUBSTITUTE].concat()),
                (
                    b"\x0f\x30\x01v\x1f\x30\x01v\x7f\x00\x01v",
                    b"\x0f\x2f\x01v\x1f\x2f\x01v\x7e\x01v",
                ),
            ],
            // The name of a refused authority with another value, good or bad.
            &[
                (b"\x41\x01/", SUBSTITUTE),
                (b"\x7e\x01a", b"\x41\x01a"),
                (b"\x7f\x00\x01?", SUBSTITUTE),
            ],
            // The name of an accepted authority with a bad value.
            &[
                (b"\x41\x01a", b"\x41\x01a"),
                (b"\x0f\x2f\x01/", SUBSTITUTE),
                (b"\xbe", b"\xbe"),
            ],
            // One that does not enter the table moves nothing.
            &[
                (b"\x7a\x01o\x01\x01/", &[b"\x7a\x01o", SUBSTITUTE].concat()),
                (b"\xbe", b"\xbe"),
            ],
        ];
        for (number, case) in cases.into_iter().enumerate() {
            let mut hpack = Hpack::default();
            for (block, expected) in case {
                assert_eq!(
                    hpack.rewrite(block).as_deref(),
                    Ok(*expected),
                    "case {number}, {block:x?}"
                );
            }
        }
    }

    #[test]
    fn blocks_that_no_decoder_accepts_are_unreadable() {
        let grows_too_large =
            [&b"\x41\x01/"[..], &[0xbe; MAX_BLOCK_LEN / SUBSTITUTE.len()]].concat();
        for block in [
            &b"\x80"[..],
            b"\xbe",
            b"\x7f",
            b"\x41",
            b"\x41\x02/",
            b"\x40\x01a",
            b"\x3f\xe2\x1f",
            &grows_too_large,
        ] {
            assert_eq!(
                Hpack::default().rewrite(block),
                Err(Unreadable),
                "{block:x?}"
            );
        }
    }
}
