//! Files that other programs of the node read.

pub mod cdi;
pub mod device_info;

use std::fs::Metadata;
use std::io;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use sriovdp_providers::bounded_read;

/// What the name of a file begins with until it is complete. No reader of these directories reads hidden files.
const UNFINISHED: &str = ".sriovdp-";
/// Every user reads these files, and only their owner writes them.
const MODE: u32 = 0o644;

/// A file that cannot be written or removed.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Writing failed; an older file is still there.
    #[error("cannot write the file `{}`", .0.display())]
    Write(PathBuf, #[source] io::Error),
    /// Removing failed.
    #[error("cannot remove the file `{}`", .0.display())]
    Remove(PathBuf, #[source] io::Error),
}

impl sriovdp_report::Hint for WriteError {}

/// Identifies a file with its content: a file in its place has another identity, and so has another content, unless it has
/// the same length and was written within one tick of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileIdentity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl FileIdentity {
    /// The file at `path` now.
    fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::symlink_metadata(path).ok()?;
        Some(Self::new(&metadata))
    }

    fn new(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

/// Writes a file whole or not at all: a reader never sees a part of it, and an older one is replaced. A file with this
/// content stays as it is: a device gets the same file from each Allocate.
fn write_whole(directory: &Path, name: &str, content: &str) -> Result<FileIdentity, WriteError> {
    let path = directory.join(name);
    if let Some(written) = written(&path, content) {
        return Ok(written);
    }
    let written = match replace(directory, &path, content) {
        // There is no directory yet, or another instance removed the unfinished file before it was locked.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            std::fs::create_dir_all(directory).and_then(|()| replace(directory, &path, content))
        }
        written => written,
    };
    written.map_err(|source| WriteError::Write(path, source))
}

/// The file at `path`, if it has this content and every user can read it.
fn written(path: &Path, content: &str) -> Option<FileIdentity> {
    let (mut file, metadata) = bounded_read::open(path).ok()?;
    if metadata.len() != content.len() as u64 || metadata.permissions().mode() & 0o777 != MODE {
        return None;
    }
    let mut written = vec![0; content.len()];
    file.read_exact(&mut written).ok()?;
    (written == content.as_bytes()).then(|| FileIdentity::new(&metadata))
}

/// Removes a file, if it exists.
fn remove(path: PathBuf) -> Result<(), WriteError> {
    match std::fs::remove_file(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(WriteError::Remove(path, source))
        }
        _ => Ok(()),
    }
}

/// Removes the file of a process that was killed while it wrote it. A running process has a lock on its file.
fn remove_unfinished(path: &Path) {
    let name = path.file_name().unwrap_or_default();
    if !name.as_encoded_bytes().starts_with(UNFINISHED.as_bytes()) {
        return;
    }
    let Ok((file, _)) = bounded_read::open(path) else {
        return;
    };
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
        && std::fs::remove_file(path).is_ok()
    {
        tracing::info!(
            event = "unfinished_file_removed",
            path = %path.display(),
            "removed the unfinished file of a process that was killed"
        );
    }
}

fn replace(directory: &Path, path: &Path, content: &str) -> io::Result<FileIdentity> {
    let mut file = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .tempfile_in(directory)?;
    // Where the file system has no locks, no instance removes unfinished files either.
    let _ = flock(&file, FlockOperation::NonBlockingLockExclusive);
    file.write_all(content.as_bytes())?;
    file.as_file()
        .set_permissions(std::fs::Permissions::from_mode(MODE))?;
    // The directories are below `/var/run`, which does not outlive the machine's run, so nothing is synced.
    let file = file.persist(path)?;
    Ok(FileIdentity::new(&file.metadata()?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

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

    #[test]
    fn only_an_equal_file_that_others_can_read_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.json");
        let inode = || std::fs::metadata(&path).unwrap().ino();
        let write = || write_whole(dir.path(), "x.json", "{\"a\":1}").unwrap();
        write();
        let first = inode();
        write();
        assert_eq!(inode(), first);
        let spoil: [&dyn Fn(); 3] = [
            &|| std::fs::write(&path, "{\"a\":2}").unwrap(),
            &|| std::fs::write(&path, "{\"a\":1}\n").unwrap(),
            &|| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap(),
        ];
        for spoil in spoil {
            spoil();
            let spoiled = inode();
            write();
            assert_ne!(inode(), spoiled);
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(
                (std::fs::read_to_string(&path).unwrap(), mode & 0o777),
                ("{\"a\":1}".to_owned(), MODE)
            );
        }
    }

    #[test]
    fn only_unfinished_files_of_processes_that_ended_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in [".sriovdp-dead", ".sriovdp-used", ".other-dead", "x.json"] {
            std::fs::write(at(name), "{").unwrap();
        }
        let writer = std::fs::File::open(at(".sriovdp-used")).unwrap();
        flock(&writer, FlockOperation::NonBlockingLockExclusive).unwrap();
        let remaining = || {
            let entries = std::fs::read_dir(dir.path()).unwrap().flatten();
            let paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
            paths.iter().for_each(|path| remove_unfinished(path));
            paths.into_iter().filter(|path| path.exists()).count()
        };
        assert_eq!(remaining(), 3);
        assert!(!at(".sriovdp-dead").exists());
        drop(writer);
        assert_eq!(remaining(), 2);
        assert!(!at(".sriovdp-used").exists());
    }
}
