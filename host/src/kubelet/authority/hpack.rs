//! Rewrites HPACK header blocks so that no `:authority` in them is one that `h2` refuses.
//!
//! A refused authority is replaced by `localhost`, and never enters the dynamic table of `h2`. The peer does not know,
//! so the indices that it sends afterwards are translated. Keeping both tables equal by a replacement of the same
//! length would spare that, but there is none for an authority of length zero.

use std::ops::Range;

use http::uri::Authority;

use super::primitives::Reader;
use super::primitives::Unreadable;
use super::primitives::write_integer;
use super::table::Entry;
use super::table::Kind;
use super::table::Table;

/// Blocks that would grow larger than this are [`Unreadable`]. Hyper's servers refuse header lists above 16 KiB.
pub(super) const MAX_BLOCK_LEN: usize = 64 * 1024;

const AUTHORITY: &[u8] = b":authority";
const AUTHORITY_INDEX: usize = 1;

/// `:authority: localhost`, as a literal that does not enter the dynamic table.
const SUBSTITUTE: &[u8] = b"\x01\x09localhost";

/// The compression state of one connection, in the direction from the peer to `h2`.
#[derive(Debug, Default)]
pub(super) struct Hpack {
    table: Table,
}

/// How a literal is marked, and what that means.
#[derive(Debug, Clone, Copy)]
struct LiteralForm {
    pattern: u8,
    prefix_bits: u32,
    indexed: bool,
}

impl Hpack {
    /// Returns what `h2` is to see in the place of `block`: the same bytes, unless they contain or refer to a refused authority.
    ///
    /// Blocks have to be passed in the order in which they arrived. After an error the state is of no use any more.
    pub(super) fn rewrite(&mut self, block: &[u8]) -> Result<Vec<u8>, Unreadable> {
        let mut out = Vec::with_capacity(block.len());
        let mut reader = Reader::new(block);
        while let Some(&first) = reader.rest().first() {
            match first {
                0x80.. => self.indexed(&mut reader, &mut out)?,
                0x40..0x80 => {
                    let form = LiteralForm { pattern: 0x40, prefix_bits: 6, indexed: true };
                    self.literal(form, &mut reader, &mut out)?;
                }
                0x20..0x40 => self.size_update(&mut reader, &mut out)?,
                // Of these, 0x10 and above are literals that no proxy may index.
                0x00..0x20 => {
                    let form = LiteralForm { pattern: first & 0x10, prefix_bits: 4, indexed: false };
                    self.literal(form, &mut reader, &mut out)?;
                }
            }
            if out.len() > MAX_BLOCK_LEN {
                return Err(Unreadable);
            }
        }
        Ok(out)
    }

    fn indexed(&self, reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), Unreadable> {
        let before = reader.rest();
        let index = reader.integer(7)?;
        if self.table.entry(index)?.kind == Kind::Withheld {
            out.extend_from_slice(SUBSTITUTE);
        } else {
            self.index(index, 0x80, 7, consumed(before, reader), out);
        }
        Ok(())
    }

    fn literal(&mut self, form: LiteralForm, reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), Unreadable> {
        let before = reader.rest();
        let name_index = reader.integer(form.prefix_bits)?;
        let index_bytes = consumed(before, reader);
        let after_index = reader.rest();
        let (name_len, is_authority) = if name_index == 0 {
            let name = reader.string()?;
            (name.len(), *name == *AUTHORITY)
        } else {
            let entry = self.table.entry(name_index)?;
            (entry.name_len, entry.kind != Kind::Other)
        };
        let value = reader.string()?;

        let kind = match is_authority {
            false => Kind::Other,
            true if Authority::try_from(&*value).is_ok() => Kind::Authority,
            true => Kind::Withheld,
        };
        if kind == Kind::Withheld {
            out.extend_from_slice(SUBSTITUTE);
        } else {
            self.index(name_index, form.pattern, form.prefix_bits, index_bytes, out);
            out.extend_from_slice(consumed(after_index, reader));
        }
        if form.indexed {
            self.table.insert(Entry { name_len, value_len: value.len(), kind });
        }
        Ok(())
    }

    fn size_update(&mut self, reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), Unreadable> {
        let before = reader.rest();
        self.table.resize(reader.integer(5)?)?;
        out.extend_from_slice(consumed(before, reader));
        Ok(())
    }
}
