//! The provider files in the provider directory.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{ProviderError, path_trust};
use sriovdp_report::Hint;

/// Why no provider is loaded.
#[derive(Debug, thiserror::Error)]
pub enum NoProvider {
    /// The directory does not exist.
    #[error("the provider directory {} does not exist", names(.0))]
    Directory(Vec<PathBuf>),
    /// No file is a candidate.
    #[error("no file in the provider directory {} ends with `.so`", names(.0))]
    File(Vec<PathBuf>),
    /// All files are refused.
    #[error("every file of the provider directory {} is refused", names(.0))]
    Refused(Vec<PathBuf>),
}

impl Hint for NoProvider {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Directory(_) => {
                "name the directory of the provider libraries with `--provider-dir`".to_owned()
            }
            Self::File(paths) => format!("put provider libraries into {}", names(paths)),
            Self::Refused(_) => "`sriovdp providers` lists the reasons".to_owned(),
        })
    }
}

fn names(directories: &[PathBuf]) -> String {
    let names = directories
        .iter()
        .map(|path| format!("`{}`", path.display()));
    names.collect::<Vec<_>>().join(", ")
}

/// The identity of a file's version; nothing for a file that must be vetted again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileFingerprint(pub(super) Option<(u64, u64, i64, i64)>);

impl FileFingerprint {
    pub(super) fn of(file: &Path) -> Self {
        let metadata = std::fs::metadata(file).ok();
        // Unlike mtime, ctime also changes with the owner and the mode.
        Self(metadata.map(|m| (m.ino(), m.size(), m.ctime(), m.ctime_nsec())))
    }

    /// The file's size in bytes.
    pub(super) fn size(&self) -> u64 {
        self.0.map_or(0, |(_, size, ..)| size)
    }
}

/// What one reload finds in the directories.
#[derive(Default)]
pub(super) struct Listed {
    pub(super) files: Vec<(FileFingerprint, PathBuf)>,
    pub(super) digests: Option<FileFingerprint>,
    /// The unusable directories.
    pub(super) unusable: Vec<PathBuf>,
    /// Why each of them is.
    pub(super) errors: Vec<ProviderError>,
}

impl Listed {
    pub(super) fn of(directories: &[PathBuf], digests: Option<FileFingerprint>) -> Self {
        let mut listed = Self {
            digests,
            ..Self::default()
        };
        for directory in directories {
            match list_trusted(directory) {
                Ok(files) => {
                    let files = files.into_iter();
                    let fingerprinted = files.map(|file| (FileFingerprint::of(&file), file));
                    listed.files.extend(fingerprinted);
                }
                Err(error) => {
                    listed.unusable.push(directory.clone());
                    listed.errors.push(error);
                }
            }
        }
        listed
    }
}

/// Whether a file of this name in a provider directory is a provider file.
pub(super) fn is_provider_name(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    let is_hidden = name.as_encoded_bytes().starts_with(b".");
    !is_hidden && path.extension().is_some_and(|extension| extension == "so")
}

/// The provider files of the directory, if its path is trusted.
fn list_trusted(directory: &Path) -> Result<Vec<PathBuf>, ProviderError> {
    let files = list_files(directory)?;
    if !files.is_empty() {
        path_trust::check(directory).map_err(|source| ProviderError::Directory {
            path: directory.to_owned(),
            source,
        })?;
    }
    Ok(files)
}

/// The `*.so` files in `directory`, sorted by name. A directory that does not exist has none.
///
/// # Errors
///
/// When the directory exists and cannot be listed.
fn list_files(directory: &Path) -> Result<Vec<PathBuf>, ProviderError> {
    let failed = |source: std::io::Error| ProviderError::List {
        path: directory.to_owned(),
        source,
    };
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if is_provider_name(&path) {
            files.push(path);
        }
    }
    files.sort_unstable();
    Ok(files)
}
