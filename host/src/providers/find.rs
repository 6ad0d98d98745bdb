//! The files of a provider directory.

use std::path::{Path, PathBuf};

use super::ProviderError;

/// The `*.so` files in `directory`, by name. A directory that does not exist has none.
///
/// # Errors
///
/// When it exists and cannot be listed.
pub(super) fn find(directory: &Path) -> Result<Vec<PathBuf>, ProviderError> {
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
