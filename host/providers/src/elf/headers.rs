//! Reads of the headers and notes of an ELF file, limited in size, before the file is copied.

use std::cell::Cell;
use std::fs::File;
use std::ops::Range;

use object::read::{ReadCache, ReadRef};

/// A library has some kilobytes of headers and notes; the sizes in a file's headers are not trusted.
const MAX_READ: u64 = 4 << 20;

/// An open file.
#[derive(Debug)]
pub(super) struct Headers<'f> {
    cache: ReadCache<&'f File>,
    left: Cell<u64>,
}

impl<'f> Headers<'f> {
    pub(super) fn of(file: &'f File) -> Self {
        Self {
            cache: ReadCache::new(file),
            left: Cell::new(MAX_READ),
        }
    }
}

impl<'h> ReadRef<'h> for &'h Headers<'_> {
    fn len(self) -> Result<u64, ()> {
        (&self.cache).len()
    }

    fn read_bytes_at(self, offset: u64, size: u64) -> Result<&'h [u8], ()> {
        let left = self.left.get().checked_sub(size).ok_or(())?;
        self.left.set(left);
        self.cache.read_bytes_at(offset, size)
    }

    /// Only symbol tables have strings of unknown length, and they are not read.
    fn read_bytes_at_until(self, _: Range<u64>, _: u8) -> Result<&'h [u8], ()> {
        Err(())
    }
}
