//! From entries to files.

use std::collections::HashSet;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::entries::{Entries, Entry};

/// Writes `entries` below `root`. What was removed goes first, so that a device can leave and come again in one text;
/// links come last, so that no file is written through one. More than `most` files and directories are an error. An
/// entry below a link, or with `.` or `..` in its path, is one before anything is written.
pub(super) fn write(entries: &Entries, root: &Path, most: usize) -> io::Result<()> {
    let refused = |why: String| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    if let Some(path) = entries.crooked_path() {
        return refused(format!("the path `{path}` has an empty part, `.` or `..`"));
    }
    if let Some((entry, link)) = entries.below_link() {
        return refused(format!("the entry `{entry}` is below the link `{link}`"));
    }
    for path in entries.removed() {
        let full = root.join(path.trim_start_matches('/'));
        remove(&full).map_err(|error| at("remove", &full, &error))?;
    }
    let mut directories = Directories::default();
    let (links, others): (Vec<_>, Vec<_>) = entries
        .iter()
        .partition(|(_, entry)| matches!(entry, Entry::Link(_)));
    for (number, (path, entry)) in others.into_iter().chain(links).enumerate() {
        if number + directories.made.len() > most {
            return Err(io::Error::other(format!(
                "it has more than {most} files and directories"
            )));
        }
        let relative = Path::new(path.trim_start_matches('/'));
        let full = root.join(relative);
        let written = match entry {
            Entry::Directory => directories.make(root, relative),
            Entry::File(contents) => directories
                .make_parent(root, relative)
                .and_then(|()| write_file(&full, contents)),
            Entry::Link(target) => directories
                .make_parent(root, relative)
                .and_then(|()| write_link(&full, target)),
        };
        written.map_err(|error| at("write", &full, &error))?;
    }
    Ok(())
}

/// The directories that exist for sure: thousands of entries share a few, and a query of the disk each time is slow.
#[derive(Default)]
struct Directories {
    made: HashSet<PathBuf>,
}

impl Directories {
    fn make_parent(&mut self, root: &Path, path: &Path) -> io::Result<()> {
        self.make(root, path.parent().unwrap_or(path))
    }

    fn make(&mut self, root: &Path, path: &Path) -> io::Result<()> {
        if !self.made.contains(path) {
            fs::create_dir_all(root.join(path))?;
            self.made.extend(path.ancestors().map(Path::to_owned));
        }
        Ok(())
    }
}

/// An attribute that exists keeps its inode, as one in sysfs does: an inotify watch reports a change, not a new file.
fn write_file(path: &Path, contents: &[u8]) -> io::Result<()> {
    match fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
    {
        Ok(mut file) => io::Write::write_all(&mut file, contents),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if path.is_symlink() {
                fs::remove_file(path)?;
            }
            fs::write(path, contents)
        }
        Err(error) => Err(error),
    }
}

fn write_link(path: &Path, target: &str) -> io::Result<()> {
    match symlink(target, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            remove(path)?;
            symlink(target, path)
        }
        result => result,
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// An `io::Error` has no path.
fn at(verb: &str, path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(
        error.kind(),
        format!("cannot {verb} `{}`: {error}", path.display()),
    )
}
