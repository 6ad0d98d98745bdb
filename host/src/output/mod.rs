//! Files that other programs of the node read.

pub mod cdi;
pub mod device_info;

use std::io;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A file that cannot be written or removed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {change} the file `{}`", path.display())]
pub struct WriteError {
    change: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl crate::report::Hint for WriteError {}

/// Writes a file whole or not at all: a reader never sees half of it, and an older one is replaced.
fn write_whole(directory: &Path, name: &str, content: &str) -> Result<(), WriteError> {
    let path = directory.join(name);
    replace(directory, &path, content).map_err(|source| WriteError {
        change: "write",
        path,
        source,
    })
}

/// Removes a file, which may be gone already.
fn remove(path: PathBuf) -> Result<(), WriteError> {
    match std::fs::remove_file(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(WriteError {
            change: "remove",
            path,
            source,
        }),
        _ => Ok(()),
    }
}

fn replace(directory: &Path, path: &Path, content: &str) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    let mut file = tempfile::Builder::new()
        .prefix(".")
        .tempfile_in(directory)?;
    file.write_all(content.as_bytes())?;
    file.as_file()
        .set_permissions(std::fs::Permissions::from_mode(0o644))?;
    // The directories are below `/var/run`, which does not outlive the machine's run, so nothing is synced.
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let directory = dir.path().join("devinfo/dp");
        for content in ["{\"a\":1}", "{}"] {
            write_whole(&directory, "x.json", content).unwrap();
            assert_eq!(
                std::fs::read_to_string(directory.join("x.json")).unwrap(),
                content
            );
        }
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 1);
    }
}
