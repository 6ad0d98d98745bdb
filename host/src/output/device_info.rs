//! Device-info files: what Multus and CNIs may know about an allocated device.

use std::io;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;

use crate::pools::DeviceInfoFile;

/// A file that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the device-info file `{}`", path.display())]
pub struct WriteError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl crate::report::Hint for WriteError {}

/// Writes a file whole or not at all: a reader never sees half of it, and an older one is replaced.
///
/// # Errors
///
/// When the directory cannot be made or written to.
pub fn write(directory: &Path, file: &DeviceInfoFile) -> Result<(), WriteError> {
    let path = directory.join(&file.name);
    write_whole(directory, &path, &file.content).map_err(|source| WriteError { path, source })
}

fn write_whole(directory: &Path, path: &Path, content: &str) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    let mut file = tempfile::Builder::new().prefix(".").tempfile_in(directory)?;
    file.write_all(content.as_bytes())?;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    // The directory is below `/var/run`, which does not outlive the machine's run, so nothing is synced.
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
            let file = DeviceInfoFile {
                name: "x-device.json".to_owned(),
                content: content.to_owned(),
            };
            write(&directory, &file).unwrap();
            assert_eq!(std::fs::read_to_string(directory.join("x-device.json")).unwrap(), content);
        }
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 1);
    }
}
