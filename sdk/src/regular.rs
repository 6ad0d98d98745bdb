//! Bounded reads of regular files. Whatever is at a path, neither opening nor reading it blocks or takes unlimited memory.

use std::fs::{File, Metadata};
use std::io::{self, Read, Take};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// `O_NONBLOCK` of `asm-generic/fcntl.h`, which all architectures of this interface share; the standard library has no
/// name for it. Without the flag, opening a FIFO waits for a writer.
pub const NONBLOCK: i32 = 0o4000;

/// Opens a file, if it is a regular one. Files of sysfs and procfs are.
///
/// # Errors
///
/// When it cannot be opened, or is a directory, a FIFO, a socket or a device.
pub fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let file = File::options()
        .read(true)
        .custom_flags(NONBLOCK)
        .open(path)?;
    let metadata = check(&file)?;
    Ok((file, metadata))
}

/// Checks that an open file is a regular one.
///
/// # Errors
///
/// When it is not.
pub(crate) fn check(file: &File) -> io::Result<Metadata> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    Ok(metadata)
}

/// The whole of an open file, if it has at most `limit` bytes.
///
/// # Errors
///
/// When it cannot be read, or is longer.
pub fn read(file: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    Limited::new(file, limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A reader that fails after `limit` bytes, where [`Take`] would end.
#[derive(Debug)]
pub struct Limited<R> {
    inner: Take<R>,
    limit: u64,
}

impl<R: Read> Limited<R> {
    /// Reads at most `limit` bytes of `inner`.
    pub fn new(inner: R, limit: u64) -> Self {
        Self {
            inner: inner.take(limit.saturating_add(1)),
            limit,
        }
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        if self.inner.limit() == 0 {
            let limit = self.limit;
            return Err(io::Error::other(format!("it is longer than {limit} bytes")));
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_within_the_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "0123456789").unwrap();
        assert_eq!(read(open(&path).unwrap().0, 10).unwrap(), b"0123456789");
        let refused = read(open(&path).unwrap().0, 9).unwrap_err();
        assert_eq!(refused.to_string(), "it is longer than 9 bytes");
        for other in [dir.path(), Path::new("/dev/zero")] {
            let refused = open(other).unwrap_err();
            assert_eq!(refused.to_string(), "it is not a regular file");
        }
    }
}
