//! Files of the node below one root directory.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Access, AtFlags, CWD, Dir, Mode, OFlags, accessat, openat, readlinkat};

use super::directory::{Place, below};
use super::unread;
use crate::Error;
use crate::regular::{self, Limited};

/// Kernel attributes end at one page of 4 KiB on most machines; larger files are read on until they end.
const CHUNK: usize = 4096;
/// A table of `/proc/net` has about 150 bytes for each entry.
const LARGEST: u64 = 4 << 20;

/// A directory that stands for `/`. Every path given to it is absolute on the node.
///
/// ```
/// use sriovdp_sdk::HostRoot;
///
/// let root = HostRoot::new("/");
/// assert!(root.exists("/proc"));
/// assert_eq!(root.read("/sys/no/such/attribute"), None);
/// ```
#[derive(Clone)]
pub struct HostRoot {
    directory: PathBuf,
    observer: Option<Observer>,
}

/// Is called with the path before each read.
#[doc(hidden)]
pub type Observer = Arc<dyn Fn(&str) + Send + Sync>;

impl HostRoot {
    /// The root at `directory`; `/` in production.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            observer: None,
        }
    }

    /// The same root, which calls `observer` before each read. For tests of providers.
    #[doc(hidden)]
    #[must_use]
    pub fn observed_by(self, observer: Option<Observer>) -> Self {
        Self { observer, ..self }
    }

    /// Where a path of the node really is.
    pub fn path(&self, path: &str) -> PathBuf {
        self.directory.join(path.trim_start_matches('/'))
    }

    /// The root directory itself.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The text of a file without white space around it, or nothing when it cannot be read.
    ///
    /// An attribute that the kernel does not support for a device is absent or fails the read (`EINVAL`,
    /// `EOPNOTSUPP`); both mean that the device has no such value. Bytes that are not UTF-8 are replaced.
    pub fn read(&self, path: &str) -> Option<String> {
        // Many attributes are absent, and an error is several texts.
        self.text(Place::Path(path)).ok()
    }

    /// The text of a file that has to be there.
    ///
    /// # Errors
    ///
    /// When it cannot be read, naming the path.
    pub fn try_read(&self, path: &str) -> Result<String, Error> {
        let text = self.text(Place::Path(path));
        text.map_err(|source| Error::from_std(&source).context(format!("cannot read `{path}`")))
    }

    /// The last component of what a symbolic link points to, such as the driver's name behind `driver`.
    pub fn link_name(&self, path: &str) -> Option<String> {
        last_component(&self.link(Place::Path(path)).ok()?)
    }

    /// The same, where a link that cannot be read now is an error.
    ///
    /// # Errors
    ///
    /// When there is one and it cannot be read, naming the path.
    pub fn try_link_name(&self, path: &str) -> Result<Option<String>, Error> {
        self.link_name_of(Place::Path(path))
    }

    /// What a symbolic link points to, as it is written. In sysfs its components are the place of a device.
    pub fn link_target(&self, path: &str) -> Option<PathBuf> {
        self.link(Place::Path(path)).ok()
    }

    /// The names in a directory in byte order; empty when there is none or it cannot be read.
    pub fn list(&self, path: &str) -> Vec<String> {
        self.try_list(path).unwrap_or_default()
    }

    /// The names in a directory in byte order; empty when there is none.
    ///
    /// # Errors
    ///
    /// When there is one and it cannot be read, naming the path.
    pub fn try_list(&self, path: &str) -> Result<Vec<String>, Error> {
        match self.names(Place::Path(path)) {
            Ok(names) => Ok(names),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(Error::from_std(&error).context(format!("cannot list `{path}`"))),
        }
    }

    /// Whether something is there.
    pub fn exists(&self, path: &str) -> bool {
        self.has(Place::Path(path))
    }

    /// The text of an attribute is read without its metadata, which costs as much as the text in sysfs, where attributes
    /// are regular files.
    pub(super) fn text(&self, place: Place<'_>) -> io::Result<String> {
        let is_sysfs = match place {
            Place::Path(path) => path.starts_with("/sys/"),
            Place::In(..) => true,
        };
        self.at(place, |directory, path| {
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let file = File::from(openat(directory, path, flags, Mode::empty())?);
            if let Place::Path(_) = place {
                regular::check(&file)?;
            }
            let mut file = Limited::new(file, LARGEST);
            let mut page = [0; CHUNK];
            let length = file.read(&mut page)?;
            let mut bytes = page[..length].to_vec();
            // Attributes of less than a page end here. In procfs, less than was requested is no end.
            if length == CHUNK || !is_sysfs {
                file.read_to_end(&mut bytes)?;
            }
            Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
        })
    }

    pub(super) fn link(&self, place: Place<'_>) -> io::Result<PathBuf> {
        self.at(place, |directory, path| {
            let target = readlinkat(directory, path, Vec::new())?;
            Ok(OsStr::from_bytes(target.to_bytes()).into())
        })
    }

    /// The last component of a link; nothing when there is none.
    pub(super) fn link_name_of(&self, place: Place<'_>) -> Result<Option<String>, Error> {
        match self.link(place) {
            Ok(target) => Ok(last_component(&target)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => {
                let path = place.path();
                Err(Error::from_std(&error).context(format!("cannot read the link `{path}`")))
            }
        }
    }

    pub(super) fn names(&self, place: Place<'_>) -> io::Result<Vec<String>> {
        self.at(place, |directory, path| {
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let entries = Dir::new(openat(directory, path, flags, Mode::empty())?)?;
            let names = entries.map_while(Result::ok).map(|entry| {
                let name = entry.file_name().to_bytes();
                String::from_utf8_lossy(name).into_owned()
            });
            let mut names: Vec<String> = names.filter(|name| name != "." && name != "..").collect();
            names.sort_unstable();
            Ok(names)
        })
    }

    pub(super) fn has(&self, place: Place<'_>) -> bool {
        let found = self.at(place, |directory, path| {
            Ok(accessat(directory, path, Access::EXISTS, AtFlags::empty())?)
        });
        found.is_ok()
    }

    fn at<T>(
        &self,
        place: Place<'_>,
        work: impl FnOnce(BorrowedFd<'_>, &Path) -> io::Result<T>,
    ) -> io::Result<T> {
        if let Some(observer) = &self.observer {
            observer(&place.path());
        }
        let result = match place {
            Place::Path(path) => work(CWD, &self.path(path)),
            Place::In(directory, name) => match directory.open(self) {
                Ok(directory) => work(directory, below(name)),
                Err(error) => Err(error.into()),
            },
        };
        result.inspect_err(|error| unread::note(|| self.path(&place.path()), error))
    }
}

impl fmt::Debug for HostRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HostRoot").field(&self.directory).finish()
    }
}

fn last_component(target: &Path) -> Option<String> {
    Some(target.file_name()?.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_attribute_is_refused_and_never_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let root = HostRoot::new(dir.path());
        std::os::unix::fs::symlink("/dev/zero", dir.path().join("zero")).unwrap();
        let large = File::create(dir.path().join("large")).unwrap();
        large.set_len(LARGEST + 1).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
        for name in ["zero", "large", "socket"] {
            let refused = root.try_read(name).unwrap_err().to_string();
            assert_eq!(refused, format!("cannot read `{name}`"));
        }
        large.set_len(LARGEST).unwrap();
        assert_eq!(root.read("large").unwrap().len() as u64, LARGEST);
    }

    #[test]
    fn a_file_of_procfs_is_read_to_its_end() {
        // Each read returns whole entries, so less than a page.
        let mappings = HostRoot::new("/")
            .read("/proc/self/smaps")
            .unwrap_or_default();
        assert!(mappings.len() > CHUNK, "{mappings}");
    }
}
