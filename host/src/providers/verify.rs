//! What can be said about a file without running any of it: whose it is, and whether it is a provider at all.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{ProviderError, elf};
use crate::regular;

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
    let (file, metadata) = regular::open(path).map_err(ProviderError::Read)?;
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
    let bytes = regular::read(file, LARGEST).map_err(ProviderError::Read)?;
    elf::check(&bytes)?;
    Ok(bytes)
}
