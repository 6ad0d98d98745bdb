//! Inspection: the checks of a provider file that run none of its code.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::digests::{Digest, DigestError, Digests, UnusableList};
use super::elf::Note;
use super::path_trust::OTHERS_WRITE;
use super::sealed::SealedCopy;
use super::{ProviderError, elf, path_trust};
use crate::bounded_read;

/// A provider has about half a megabyte, fourteen in a debug build.
const MAX_SIZE: u64 = 256 << 20;
/// Loaded segments stay in memory forever.
const MAX_LOADED: u64 = 32 << 20;

/// Which files may be loaded: all, those in the list of digests, or none because that list is unusable.
pub(super) type Allowed = Option<Result<Digests, UnusableList>>;

/// A file that passed the inspection.
#[derive(Debug)]
pub(super) struct InspectedFile {
    /// What is probed and loaded.
    pub(super) copy: SealedCopy,
    /// Of the whole file.
    pub(super) digest: Digest,
    /// The SDK's note.
    pub(super) note: Note,
}

/// Checks the headers of a file, copies its loadable segments through the same descriptor, and checks the copy, which is
/// what gets loaded. The first check keeps other files from costing memory.
///
/// # Errors
///
/// The reason to refuse it.
pub(super) fn inspect_file(path: &Path, allowed: &Allowed) -> Result<InspectedFile, ProviderError> {
    path_trust::check(path).map_err(ProviderError::PathTrust)?;
    let (file, metadata) = bounded_read::open(path).map_err(ProviderError::Read)?;
    let owner = metadata.uid();
    if !path_trust::is_trusted(owner) {
        return Err(ProviderError::ForeignOwner { owner });
    }
    let mode = metadata.mode() & 0o7777;
    if mode & OTHERS_WRITE != 0 {
        return Err(ProviderError::Writable { mode });
    }
    let size = metadata.len();
    if size > MAX_SIZE {
        return Err(ProviderError::TooLarge {
            size,
            limit: MAX_SIZE,
        });
    }
    let loaded = elf::check(&file)?.loaded;
    let loaded_size = loaded.iter().map(|part| part.end - part.start).sum();
    if loaded_size > MAX_LOADED {
        return Err(ProviderError::LoadsTooMuch {
            size: loaded_size,
            limit: MAX_LOADED,
        });
    }
    let name = path.file_name().unwrap_or_default();
    let (copy, digest) = SealedCopy::of(&name.to_string_lossy(), &file, size, &loaded)
        .map_err(ProviderError::Copy)?;
    let after = file.metadata().map_err(ProviderError::Read)?;
    let version =
        |metadata: &std::fs::Metadata| (metadata.len(), metadata.mtime(), metadata.mtime_nsec());
    if version(&metadata) != version(&after) {
        return Err(ProviderError::BeingWritten);
    }
    let note = elf::check(copy.file())?.note;
    if let Some(list) = allowed {
        let list = list
            .as_ref()
            .map_err(|error| DigestError::List(error.clone()))?;
        list.check(name, digest)?;
    }
    Ok(InspectedFile { copy, digest, note })
}
