//! Other instances of the plugin on this node, as during a rolling update: one at a time registers a resource.
//!
//! Two registrations of one resource harm each other: a kubelet up to 1.36 takes the end of either for the end of both,
//! and continues to list the devices of a plugin that it no longer calls. So an instance that finds a socket on which
//! another process listens waits for that process to end, and never removes such a socket. The removal of a file is an
//! event of its directory; a process that is killed leaves its file behind, which only a connection detects.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::{RegisterError, RegistrationLog};
use crate::directory_changes::DirectoryChanges;
use crate::socket::is_listening;

/// How often a waiting instance probes the socket of the other one.
const PROBE_INTERVAL: Duration = Duration::from_secs(2);

/// The first interval between attempts to take the lock, which an instance has for less than a millisecond.
const LOCK_RETRY: Duration = Duration::from_millis(1);
/// The longest interval, while the process with the lock is frozen.
const MAX_LOCK_RETRY: Duration = Duration::from_millis(256);
/// How long registration waits for the lock of another process.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// The shortest unique part of a socket name, which is a time. A shorter one is part of another resource's name.
const MIN_UNIQUE_PART: usize = 10;

/// The wait for the end of another instance.
#[derive(Debug, Default)]
pub(super) struct PeerWait {
    is_logged: bool,
}

impl PeerWait {
    /// Returns when the instance may have ended, so that `socket` has to be checked again.
    pub(super) async fn pause(
        &mut self,
        changes: &mut DirectoryChanges,
        socket: &Path,
        log: &RegistrationLog,
    ) {
        if !self.is_logged {
            log.unregistered(RegisterError::Peer(socket.to_owned()).to_string());
            tracing::info!(
                event = "peer_wait",
                path = %socket.display(),
                "another instance of the plugin serves the resource; waiting for its end"
            );
            self.is_logged = true;
        }
        tokio::select! {
            () = changes.next() => {}
            () = tokio::time::sleep(PROBE_INTERVAL) => {}
        }
    }

    /// No other instance serves the resource.
    pub(super) fn over(self) {
        if self.is_logged {
            tracing::info!(event = "peer_ended", "the other instance has ended");
        }
    }
}

/// The lock under which an instance searches `directory` for others and creates its socket there. Dropping the result
/// releases it.
///
/// Without it, two instances that start at the same moment, as when a kubelet restarts, see no socket and register both.
/// When one of them then ends its stream, a kubelet up to 1.36 loses the other one, whose stream stays open: the kubelet
/// lists its devices and rejects every pod that requests them. The kernel releases the lock of a process that is killed.
/// Registration continues without the lock where the directory cannot be locked, and after `LOCK_TIMEOUT`, because any
/// process that may read the directory can lock it.
pub(super) async fn registration_lock(directory: &Path) -> Option<File> {
    /// One line for all resources, which wait at the same time.
    static WARNED: AtomicBool = AtomicBool::new(false);
    let locked = lock(File::open(directory).ok()?);
    let locked = tokio::time::timeout(LOCK_TIMEOUT, locked).await;
    match locked {
        Ok(_) => WARNED.store(false, Ordering::Relaxed),
        Err(_) if WARNED.swap(true, Ordering::Relaxed) => {}
        Err(_) => tracing::warn!(
            event = "lock_timeout",
            path = %directory.display(),
            "another process has locked the directory for more than {LOCK_TIMEOUT:?}; registering without the lock \
             (hint: `/proc/locks` of the node names the process; end it)"
        ),
    }
    locked.ok().flatten()
}

async fn lock(directory: File) -> Option<File> {
    let mut pause = LOCK_RETRY;
    loop {
        match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Some(directory),
            Err(Errno::WOULDBLOCK | Errno::INTR) => tokio::time::sleep(pause).await,
            Err(_) => return None,
        }
        pause = (pause * 2).min(MAX_LOCK_RETRY);
    }
}

/// The sockets in `directory` whose names begin with `prefix` and on which other instances listen, where each
/// registration has a name of its own. Removes those of processes that were killed.
pub(super) async fn listening_sockets(directory: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let others = entries
        .map(|entry| entry.path())
        .filter(|path| is_socket_of(path, prefix));
    let mut listening = Vec::new();
    for path in others {
        if is_listening(&path).await {
            listening.push(path);
        } else if std::fs::remove_file(&path).is_ok() {
            tracing::info!(
                event = "stale_socket_removed",
                path = %path.display(),
                "removed the socket of a process that was killed"
            );
        }
    }
    listening
}

/// `<prefix>.<unique part>.sock`, or `<prefix>.sock`, as the Go plugin names it.
fn is_socket_of(path: &Path, prefix: &str) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let rest = name
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_suffix(".sock"));
    let is_unique = |part: &str| {
        part.len() >= MIN_UNIQUE_PART && part.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix('.').is_some_and(is_unique))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::socket_names::{socket_prefix, unique_socket_name};

    #[tokio::test]
    async fn only_sockets_without_a_listener_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let bind = |name: &str| UnixListener::bind(dir.path().join(name)).unwrap();
        let _listening = bind("intel.com_a.643b0c0ffee01.sock");
        let of_others = [
            "intel.com_a.be.643b0c0ffee01.sock",
            "intel.com_a.be.sock",
            "intel.com_ab.643b0c0ffee01.sock",
            "kubelet.sock",
        ];
        for name in of_others {
            drop(bind(name));
        }
        drop(bind("intel.com_a.643b0c0ffee03.sock"));
        drop(bind("intel.com_a.sock"));

        let listening = listening_sockets(dir.path(), "intel.com_a").await;

        let ours = "intel.com_a.643b0c0ffee01.sock";
        assert_eq!(listening, [dir.path().join(ours)]);
        let left = std::fs::read_dir(dir.path()).unwrap().flatten();
        let mut left: Vec<_> = left.map(|entry| entry.file_name()).collect();
        left.sort();
        let mut expected: Vec<&str> = [ours].into_iter().chain(of_others).collect();
        expected.sort_unstable();
        assert_eq!(left, expected);
    }

    #[tokio::test]
    async fn one_instance_at_a_time_has_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let first = registration_lock(dir.path()).await;
        assert!(first.is_some());
        let second = registration_lock(dir.path());
        tokio::pin!(second);
        let early = tokio::time::timeout(LOCK_RETRY * 4, &mut second).await;
        assert!(early.is_err(), "another instance has the lock");
        drop(first);
        assert!(second.await.is_some());
        assert!(
            registration_lock(&dir.path().join("none")).await.is_none(),
            "no directory"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_for_a_lock_of_another_process_has_a_timeout() {
        let dir = tempfile::tempdir().unwrap();
        let reader = File::open(dir.path()).unwrap();
        flock(&reader, FlockOperation::NonBlockingLockShared).unwrap();
        let lock = tokio::time::timeout(LOCK_TIMEOUT * 2, registration_lock(dir.path()));
        assert!(lock.await.expect("a timeout").is_none());
    }

    #[tokio::test]
    async fn another_instance_is_found_by_a_long_name_too() {
        let dir = tempfile::tempdir().unwrap();
        let bind = |prefix: &str| {
            let path = dir.path().join(unique_socket_name(prefix));
            (path.clone(), UnixListener::bind(path).unwrap())
        };
        let stem = "a".repeat(90);
        let ours = socket_prefix(dir.path(), &stem);
        let (listening, _listener) = bind(&ours);
        let (abandoned, listener) = bind(&ours);
        drop(listener);
        let (_, _other_resource) = bind(&socket_prefix(dir.path(), &format!("{stem}b")));
        let found = listening_sockets(dir.path(), &ours).await;
        assert_eq!(found, [listening]);
        assert!(!abandoned.exists());
    }
}
