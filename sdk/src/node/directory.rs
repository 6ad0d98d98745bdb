//! A directory of the node that is opened once.

use std::borrow::Cow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::OnceLock;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;

use super::HostRoot;
use crate::PciAddress;

/// A directory, which is opened when the first file in it is read.
///
/// The kernel checks each component of a path, and that of a device has about ten behind its link. From the open
/// directory, an attribute of sysfs takes about half the time.
#[derive(Debug)]
pub(super) struct Directory {
    /// On the node.
    path: String,
    opened: OnceLock<Result<OwnedFd, Errno>>,
}

/// What is read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place<'a> {
    /// A path of the node.
    Path(&'a str),
    /// A name in a directory of sysfs, or nothing for the directory itself.
    In(&'a Directory, &'a str),
}

impl Directory {
    pub(super) fn new(path: String) -> Self {
        Self {
            path,
            opened: OnceLock::new(),
        }
    }

    pub(super) fn of_function(address: PciAddress) -> Self {
        Self::new(format!("/sys/bus/pci/devices/{address}"))
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The directory, which may not be there any more.
    pub(super) fn open(&self, root: &HostRoot) -> Result<BorrowedFd<'_>, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = self
            .opened
            .get_or_init(|| open(root.path(&self.path), flags, Mode::empty()));
        opened.as_ref().map(AsFd::as_fd).map_err(|&error| error)
    }
}

impl<'a> Place<'a> {
    /// The path on the node.
    pub(super) fn path(self) -> Cow<'a, str> {
        match self {
            Self::Path(path) => Cow::Borrowed(path),
            Self::In(directory, name) => Cow::Owned(format!("{}/{name}", directory.path)),
        }
    }
}

/// `name` as a path below a directory: as in a longer path, more slashes in front of it change nothing.
pub(super) fn below(name: &str) -> &Path {
    match name.trim_start_matches('/') {
        "" => Path::new("."),
        name => Path::new(name),
    }
}
