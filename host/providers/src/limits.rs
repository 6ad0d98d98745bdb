//! What the system lets this process have: descriptors, and how a shortage shows.

use std::io;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors of the process itself (standard streams, epoll, inotify, signals, netlink), those that a reconcile or
/// the probe of one provider opens for a moment, and one for accepting a connection.
const RESERVED: u64 = 24;
/// A served resource has its listening socket and the connection of the kubelet.
const PER_RESOURCE: u64 = 2;

/// Raises the soft limit on open files to the hard one, which needs no right. It stays as it is where that fails.
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
        tracing::warn!("cannot raise the soft limit on open files to the hard one: {error}");
    }
}

/// The limit on open files; nothing where there is none.
pub fn open_files() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// How many resources can be served with so many descriptors: one at least, since that is what the process is for.
pub fn resources_served_with(open_files: u64) -> usize {
    let served = open_files.saturating_sub(RESERVED) / PER_RESOURCE;
    usize::try_from(served).unwrap_or(usize::MAX).max(1)
}

/// Whether the system lacked something that it may have again in a moment.
pub fn is_shortage(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::AGAIN | Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)
    )
}
