//! Follows the peer's HPACK table: of each entry its size, whether it names an authority, and whether `h2` has it too.

use std::collections::VecDeque;

use super::primitives::Unreadable;

/// The table size that peers are allowed: the default of `SETTINGS_HEADER_TABLE_SIZE`, which tonic's servers keep.
const MAX_SIZE: usize = 4096;

/// What RFC 7541, section 4.1, adds to the lengths of name and value.
const ENTRY_OVERHEAD: usize = 32;

/// The header that the peer means by an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name_len: usize,
    pub(super) value_len: usize,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An `:authority` that `h2` accepts.
    Authority,
    /// An `:authority` that `h2` refuses, and that is therefore in the peer's table but not in that of `h2`.
    Withheld,
    /// Any other header.
    Other,
}

/// The static table and, from index 62 on, the dynamic one, newest entry first.
#[derive(Debug)]
pub(super) struct Table {
    dynamic: VecDeque<Entry>,
    size: usize,
    max_size: usize,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            dynamic: VecDeque::new(),
            size: 0,
            max_size: MAX_SIZE,
        }
    }
}

impl Table {
    pub(super) fn entry(&self, index: usize) -> Result<Entry, Unreadable> {
        match index {
            0 => Err(Unreadable),
            // Its value is empty.
            AUTHORITY_INDEX => Ok(Entry {
                name_len: STATIC_NAMES[0].len(),
                value_len: 0,
                kind: Kind::Withheld,
            }),
            2..=STATIC_LEN => {
                // Static headers are never inserted as they are, so nobody asks for the length of their values.
                Ok(Entry {
                    name_len: STATIC_NAMES[index - 1].len(),
                    value_len: 0,
                    kind: Kind::Other,
                })
            }
            _ => self
                .dynamic
                .get(index - STATIC_LEN - 1)
                .copied()
                .ok_or(Unreadable),
        }
    }

    /// The index under which `h2` has the entry that the peer has under `index`, or at least the name of that entry.
    ///
    /// Entries are counted from the newest. `h2` lacks those withheld, and so drops old ones later, never earlier, than
    /// the peer: whatever the peer may still refer to is there.
    pub(super) fn translate(&self, index: usize) -> usize {
        let Some(newer) = index.checked_sub(STATIC_LEN + 1) else {
            return index;
        };
        if self
            .dynamic
            .get(newer)
            .is_some_and(|entry| entry.kind == Kind::Withheld)
        {
            return AUTHORITY_INDEX;
        }
        index
            - self
                .dynamic
                .iter()
                .take(newer)
                .filter(|entry| entry.kind == Kind::Withheld)
                .count()
    }

    pub(super) fn insert(&mut self, entry: Entry) {
        self.size += entry.size();
        self.dynamic.push_front(entry);
        self.evict();
    }

    /// Follows the peer's size update.
    pub(super) fn resize(&mut self, max_size: usize) -> Result<(), Unreadable> {
        if max_size > MAX_SIZE {
            return Err(Unreadable);
        }
        self.max_size = max_size;
        self.evict();
        Ok(())
    }

    fn evict(&mut self) {
        while self.size > self.max_size {
            let Some(oldest) = self.dynamic.pop_back() else {
                break;
            };
            self.size -= oldest.size();
        }
    }
}

impl Entry {
    fn size(&self) -> usize {
        self.name_len + self.value_len + ENTRY_OVERHEAD
    }
}

const AUTHORITY_INDEX: usize = 1;
const STATIC_LEN: usize = STATIC_NAMES.len();

/// RFC 7541, appendix A.
const STATIC_NAMES: [&str; 61] = [
    ":authority",
    ":method",
    ":method",
    ":path",
    ":path",
    ":scheme",
    ":scheme",
    ":status",
    ":status",
    ":status",
    ":status",
    ":status",
    ":status",
    ":status",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "accept",
    "access-control-allow-origin",
    "age",
    "allow",
    "authorization",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "etag",
    "expect",
    "expires",
    "from",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-modified",
    "link",
    "location",
    "max-forwards",
    "proxy-authenticate",
    "proxy-authorization",
    "range",
    "referer",
    "refresh",
    "retry-after",
    "server",
    "set-cookie",
    "strict-transport-security",
    "transfer-encoding",
    "user-agent",
    "vary",
    "via",
    "www-authenticate",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(value_len: usize, kind: Kind) -> Entry {
        Entry {
            name_len: 10,
            value_len,
            kind,
        }
    }

    #[test]
    fn the_newest_entry_has_the_lowest_dynamic_index() {
        let mut table = Table::default();
        table.insert(entry(1, Kind::Other));
        table.insert(entry(2, Kind::Authority));
        assert_eq!(table.entry(62), Ok(entry(2, Kind::Authority)));
        assert_eq!(table.entry(63), Ok(entry(1, Kind::Other)));
        assert_eq!(table.entry(64), Err(Unreadable));
        assert_eq!(table.entry(0), Err(Unreadable));
    }

    #[test]
    fn the_static_table_knows_its_names() {
        let table = Table::default();
        for (index, name) in [
            (2, ":method"),
            (4, ":path"),
            (31, "content-type"),
            (58, "user-agent"),
            (61, "www-authenticate"),
        ] {
            assert_eq!(
                table.entry(index).map(|entry| entry.name_len),
                Ok(name.len()),
                "{name}"
            );
        }
    }

    #[test]
    fn indices_are_lowered_by_the_withheld_entries_that_are_newer() {
        let mut table = Table::default();
        for kind in [
            Kind::Other,
            Kind::Withheld,
            Kind::Other,
            Kind::Withheld,
            Kind::Other,
        ] {
            table.insert(entry(1, kind));
        }
        for (peers, h2s) in [
            (2, 2),
            (61, 61),
            (62, 62),
            (64, 63),
            (66, 64),
            (63, 1),
            (65, 1),
        ] {
            assert_eq!(table.translate(peers), h2s, "index {peers}");
        }
    }

    #[test]
    fn the_oldest_entries_make_room() {
        let mut table = Table::default();
        table.resize(3 * 43).unwrap();
        for value_len in [1, 1, 1] {
            table.insert(entry(value_len, Kind::Other));
        }
        table.insert(entry(2, Kind::Authority));
        assert_eq!(table.entry(63), Ok(entry(1, Kind::Other)));
        assert_eq!(table.entry(64), Err(Unreadable));
        // One that is larger than the table empties it, and is not kept either.
        table.insert(entry(3 * 43, Kind::Authority));
        assert_eq!(table.entry(62), Err(Unreadable));
    }

    #[test]
    fn a_size_update_is_limited_to_what_the_server_allows() {
        let mut table = Table::default();
        assert_eq!(table.resize(4097), Err(Unreadable));
        table.insert(entry(1, Kind::Other));
        table.resize(0).unwrap();
        assert_eq!(table.entry(62), Err(Unreadable));
        table.resize(4096).unwrap();
        table.insert(entry(1, Kind::Other));
        assert_eq!(table.entry(62), Ok(entry(1, Kind::Other)));
    }
}
