//! Files of the node below one root directory.

use std::fmt;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::unread;
use crate::regular::Limited;
use crate::{Error, regular};

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

    fn observe(&self, path: &str) {
        if let Some(observer) = &self.observer {
            observer(path);
        }
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
        self.text(path).ok()
    }

    /// The text of a file that has to be there.
    ///
    /// # Errors
    ///
    /// When it cannot be read, naming the path.
    pub fn try_read(&self, path: &str) -> Result<String, Error> {
        let text = self.text(path);
        text.map_err(|source| Error::from_std(&source).context(format!("cannot read `{path}`")))
    }

    fn text(&self, path: &str) -> std::io::Result<String> {
        self.observe(path);
        let real = self.path(path);
        read_trimmed(&real).inspect_err(|error| unread::note(&real, error))
    }

    /// The last component of what a symbolic link points to, such as the driver's name behind `driver`.
    pub fn link_name(&self, path: &str) -> Option<String> {
        let target = self.link_target(path)?;
        Some(target.file_name()?.to_string_lossy().into_owned())
    }

    /// The same, where a link that cannot be read now is an error.
    ///
    /// # Errors
    ///
    /// When there is one and it cannot be read, naming the path.
    pub fn try_link_name(&self, path: &str) -> Result<Option<String>, Error> {
        self.observe(path);
        let real = self.path(path);
        match fs::read_link(&real) {
            Ok(target) => {
                let name = target.file_name();
                Ok(name.map(|name| name.to_string_lossy().into_owned()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => {
                unread::note(&real, &error);
                Err(Error::from_std(&error).context(format!("cannot read the link `{path}`")))
            }
        }
    }

    /// What a symbolic link points to, as it is written. In sysfs its components are the place of a device.
    pub fn link_target(&self, path: &str) -> Option<PathBuf> {
        self.observe(path);
        let real = self.path(path);
        let target = fs::read_link(&real);
        target.map_err(|error| unread::note(&real, &error)).ok()
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
        self.observe(path);
        let real = self.path(path);
        let entries = match fs::read_dir(&real) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                unread::note(&real, &error);
                return Err(Error::from_std(&error).context(format!("cannot list `{path}`")));
            }
        };
        let mut names: Vec<String> = entries
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Whether something is there.
    pub fn exists(&self, path: &str) -> bool {
        self.observe(path);
        self.path(path).exists()
    }
}

impl fmt::Debug for HostRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HostRoot").field(&self.directory).finish()
    }
}

/// One `read` for an attribute of less than a page.
fn read_trimmed(path: &Path) -> std::io::Result<String> {
    let (file, _) = regular::open(path)?;
    let mut file = Limited::new(file, LARGEST);
    let mut page = [0; CHUNK];
    let length = file.read(&mut page)?;
    let mut bytes = page[..length].to_vec();
    if length == CHUNK {
        file.read_to_end(&mut bytes)?;
    }
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_attribute_is_refused_and_never_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let root = HostRoot::new(dir.path());
        std::os::unix::fs::symlink("/dev/zero", dir.path().join("zero")).unwrap();
        let large = fs::File::create(dir.path().join("large")).unwrap();
        large.set_len(LARGEST + 1).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
        for name in ["zero", "large", "socket"] {
            let refused = root.try_read(name).unwrap_err().to_string();
            assert_eq!(refused, format!("cannot read `{name}`"));
        }
        large.set_len(LARGEST).unwrap();
        assert_eq!(root.read("large").unwrap().len() as u64, LARGEST);
    }
}
