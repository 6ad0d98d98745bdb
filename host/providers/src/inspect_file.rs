//! What can be said about a file without running any of it: whose it is, and whether it is a provider that may be loaded.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::digests::{Digest, DigestError, Digests, UnusableList};
use super::elf::Note;
use super::path_trust::OTHERS_WRITE;
use super::sealed::SealedCopy;
use super::{ProviderError, elf, path_trust};
use crate::bounded_read;

/// A provider is about half a megabyte, and fourteen in a debug build, most of which only a debugger reads.
const LARGEST: u64 = 256 << 20;
/// What is loaded of it stays in memory for good.
const LARGEST_LOADED: u64 = 32 << 20;

/// Which files may be loaded: all, those in a list, or none because there is no list where one was asked for.
pub(super) type Allowed = Option<Result<Digests, UnusableList>>;

/// A file that may be run.
#[derive(Debug)]
pub(super) struct Verified {
    /// What will be run.
    pub(super) copy: SealedCopy,
    /// Of the whole file.
    pub(super) digest: Digest,
    /// What the SDK wrote into it.
    pub(super) note: Note,
}

/// Judges a file by its headers, copies what is loaded of it through one descriptor, and judges the copy, which is what
/// is loaded. A file that is no provider costs no memory.
///
/// # Errors
///
/// The reason to refuse it.
pub(super) fn verify(path: &Path, allowed: &Allowed) -> Result<Verified, ProviderError> {
    path_trust::check(path).map_err(ProviderError::Place)?;
    let (file, metadata) = bounded_read::open(path).map_err(ProviderError::Read)?;
    let owner = metadata.uid();
    if !path_trust::is_ours(owner) {
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
    let loaded = elf::check(&file)?.loaded;
    let loaded_size = loaded.iter().map(|part| part.end - part.start).sum();
    if loaded_size > LARGEST_LOADED {
        return Err(ProviderError::LoadsTooMuch {
            size: loaded_size,
            limit: LARGEST_LOADED,
        });
    }
    let name = path.file_name().unwrap_or_default();
    let (copy, digest) = SealedCopy::of(&name.to_string_lossy(), &file, size, &loaded)
        .map_err(ProviderError::Copy)?;
    let after = file.metadata().map_err(ProviderError::Read)?;
    let written =
        |metadata: &std::fs::Metadata| (metadata.len(), metadata.mtime(), metadata.mtime_nsec());
    if written(&metadata) != written(&after) {
        return Err(ProviderError::BeingWritten);
    }
    let note = elf::check(copy.file())?.note;
    if let Some(list) = allowed {
        let list = list
            .as_ref()
            .map_err(|error| DigestError::List(error.clone()))?;
        list.admit(name, digest)?;
    }
    Ok(Verified { copy, digest, note })
}
