//! Limits of this process: open files, and errors that a shortage causes.

use std::io;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors of the process itself (standard streams, epoll, inotify, signals, netlink, the local socket), one for each
/// built-in provider, short-lived ones of a reload (two for the process of the probe, five for each of six files), and
/// one for accepting a connection.
const RESERVED: u64 = 50;
/// The listening socket of a resource, and the kubelet's connection.
const PER_RESOURCE: u64 = 2;

/// Raises the soft limit on open files to the hard one, which needs no privilege.
pub fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: limit.maximum,
                maximum: limit.maximum,
            },
        )
    {
        tracing::warn!(
            event = "open_files_limit",
            %error,
            "cannot raise the soft limit on open files to the hard limit"
        );
    }
}

/// The soft limit on open files; nothing when unlimited.
pub fn open_files() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// How many resources can be served with so many descriptors: at least one.
pub fn resources_served_with(open_files: u64) -> usize {
    let served = open_files.saturating_sub(RESERVED) / PER_RESOURCE;
    usize::try_from(served).unwrap_or(usize::MAX).max(1)
}

/// Whether the error is a shortage of the system, so that a retry may succeed.
pub fn is_shortage(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::AGAIN | Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)
    )
}
