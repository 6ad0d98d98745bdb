//! A copy of a file in memory that cannot be changed or truncated any more.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use rustix::fs::{MemfdFlags, SealFlags};
use sha2::{Digest as _, Sha256};

use super::digests::Digest;

/// The size of one read.
const CHUNK: usize = 64 << 10;

/// The sealed copy: what was vetted is what is loaded, whatever happens to the file on disk, and no call into the library
/// can end in `SIGBUS` or in half-written code.
#[derive(Debug)]
pub(super) struct SealedCopy {
    file: File,
}

impl SealedCopy {
    /// Copies `parts` of the first `length` bytes of `source`; the rest, such as debug information, is a hole and takes no
    /// memory. The digest is that of all `length` bytes.
    pub(super) fn of(
        name: &str,
        source: &File,
        length: u64,
        parts: &[Range<u64>],
    ) -> io::Result<(Self, Digest)> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        // Kernels before 6.3 lack the flag and always allow execution.
        let memory = rustix::fs::memfd_create(name, flags | MemfdFlags::EXEC)
            .or_else(|_| rustix::fs::memfd_create(name, flags))?;
        let file = File::from(memory);
        file.set_len(length)?;
        let mut digest = Sha256::new();
        let mut chunk = vec![0; CHUNK];
        let mut begin = 0;
        while begin < length {
            let most = usize::try_from(length - begin).unwrap_or(CHUNK).min(CHUNK);
            let bytes = match source.read_at(&mut chunk[..most], begin)? {
                0 => break,
                read => &chunk[..read],
            };
            digest.update(bytes);
            let end = begin + bytes.len() as u64;
            for part in parts {
                let (from, to) = (part.start.max(begin), part.end.min(end));
                if from < to {
                    let within = |at: u64| usize::try_from(at - begin).unwrap_or(CHUNK);
                    file.write_all_at(&bytes[within(from)..within(to)], from)?;
                }
            }
            begin = end;
        }
        let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        rustix::fs::fcntl_add_seals(&file, seals)?;
        Ok((Self { file }, digest.into()))
    }

    /// The descriptor itself.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// The descriptor itself, to load it.
    pub(super) fn into_file(self) -> File {
        self.file
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn only_loadable_parts_take_memory() {
        let mut content: Vec<u8> = (0..=255).cycle().take(5 * CHUNK + 7).collect();
        let source = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(source.path(), &content).unwrap();
        let (chunk, length) = (CHUNK as u64, content.len() as u64);
        let parts = [0..64, chunk - 1..chunk + 9, length - 3..length];
        let (copy, digest) = SealedCopy::of("x", source.as_file(), length, &parts).unwrap();
        let whole = Digest::from(Sha256::new_with_prefix(&content));
        assert_eq!(digest, whole);
        assert!(copy.file().metadata().unwrap().blocks() * 512 < length);
        let is_part = |at: u64| parts.iter().any(|part| part.contains(&at));
        for (at, byte) in (0..).zip(&mut content) {
            *byte = if is_part(at) { *byte } else { 0 };
        }
        let mut copied = vec![0; content.len()];
        copy.file().read_exact_at(&mut copied, 0).unwrap();
        assert!(copied == content, "the parts, and zeros between them");
        assert!(copy.file().set_len(0).is_err(), "it is sealed");
    }
}
