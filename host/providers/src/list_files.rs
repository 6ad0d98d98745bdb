//! The provider files in the provider directory.

use std::path::{Path, PathBuf};

use super::ProviderError;
use sriovdp_report::Hint;

/// Why no provider is loaded.
#[derive(Debug, thiserror::Error)]
pub enum NoProvider {
    /// The directory does not exist.
    #[error("the provider directory `{}` does not exist", .0.display())]
    Directory(PathBuf),
    /// No file is a candidate.
    #[error("no file in the provider directory `{}` ends with `.so`", .0.display())]
    File(PathBuf),
    /// All files are refused.
    #[error("every file of the provider directory `{}` is refused", .0.display())]
    Refused(PathBuf),
}

impl Hint for NoProvider {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Directory(_) => {
                "name the directory of the provider libraries with `--provider-dir`".to_owned()
            }
            Self::File(path) => format!("put provider libraries into `{}`", path.display()),
            Self::Refused(_) => "`sriovdp providers` lists the reasons".to_owned(),
        })
    }
}

/// The `*.so` files in `directory`, sorted by name. A directory that does not exist has none.
///
/// # Errors
///
/// When the directory exists and cannot be listed.
pub(super) fn list_files(directory: &Path) -> Result<Vec<PathBuf>, ProviderError> {
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
        let hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|extension| extension == "so") {
            files.push(path);
        }
    }
    files.sort_unstable();
    Ok(files)
}
