//! What can be said about a file without running any of it: whose it is, and whether it is a provider at all.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::{ProviderError, elf};

/// A provider is about half a megabyte, ten in a debug build.
const LARGEST: u64 = 256 << 20;
/// Write permission of group and others.
const OTHERS_WRITE: u32 = 0o022;

/// Reads a file through one descriptor, so that what was judged is what is loaded, and judges it.
///
/// # Errors
///
/// The reason to refuse it.
pub(super) fn verify(path: &Path) -> Result<Vec<u8>, ProviderError> {
    let mut file = open_without_waiting(path).map_err(ProviderError::Read)?;
    let metadata = file.metadata().map_err(ProviderError::Read)?;
    if !metadata.is_file() {
        return Err(ProviderError::NotAFile);
    }
    let owner = metadata.uid();
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Err(ProviderError::ForeignOwner { owner });
    }
    let mode = metadata.mode() & 0o7777;
    if mode & OTHERS_WRITE != 0 {
        return Err(ProviderError::Writable { mode });
    }
    let size = metadata.len();
    if size > LARGEST {
        return Err(ProviderError::TooLarge {
            size,
            limit: LARGEST,
        });
    }
    let mut bytes = Vec::new();
    file.by_ref()
        .take(LARGEST)
        .read_to_end(&mut bytes)
        .map_err(ProviderError::Read)?;
    elf::check(&bytes)?;
    Ok(bytes)
}

/// A FIFO named `x.so` must not stop the host, so nothing is waited for.
fn open_without_waiting(path: &Path) -> std::io::Result<File> {
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    File::options()
        .read(true)
        .custom_flags(nonblocking)
        .open(path)
}
