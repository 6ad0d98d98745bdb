//! A copy of a file in memory that nobody can change or cut any more.

use std::fs::File;
use std::io::{self, Read, Seek};

use rustix::fs::{MemfdFlags, SealFlags};

/// The sealed copy: whatever happens to the file on disk, what was judged is what is loaded, and no call into the
/// library can end in `SIGBUS` or in half-written code.
#[derive(Debug)]
pub(super) struct SealedCopy(File);

impl SealedCopy {
    /// Copies at most `limit` bytes of `source`.
    pub(super) fn of(name: &str, source: &File, limit: u64) -> io::Result<Self> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        // Kernels before 6.3 do not know the flag and allow execution always.
        let memory = rustix::fs::memfd_create(name, flags | MemfdFlags::EXEC)
            .or_else(|_| rustix::fs::memfd_create(name, flags))?;
        let mut copy = File::from(memory);
        io::copy(&mut source.take(limit), &mut copy)?;
        let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        rustix::fs::fcntl_add_seals(&copy, seals)?;
        Ok(Self(copy))
    }

    /// What it holds.
    pub(super) fn bytes(&self) -> io::Result<Vec<u8>> {
        let mut file = &self.0;
        file.rewind()?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// A second descriptor of it.
    pub(super) fn file(&self) -> io::Result<File> {
        self.0.try_clone()
    }

    /// The descriptor itself, for the one who loads it.
    pub(super) fn into_file(self) -> File {
        self.0
    }
}
