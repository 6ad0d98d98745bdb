//! Other instances of the plugin on this node, as a rolling update may have for a while: one at a time offers a resource.
//!
//! Two registrations of one resource harm each other: a kubelet up to 1.36 takes the end of either for the end of both,
//! and then nobody is told that the devices are gone. So whoever finds a socket that somebody listens on waits for that
//! instance to end, and never removes a living socket. A file that is removed is an event of its directory; a process
//! that is killed leaves its file behind, and only a connection tells that from a living one.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use tokio::net::UnixStream;

use super::resource_server::ResourceServer;
use sriovdp_providers::limits::is_shortage;

/// How often to see whether another instance still lives. Only an instance that waits does so.
const PROBE: Duration = Duration::from_secs(2);

/// A turn takes less than a millisecond, so this is how soon to see whether it is over,
const TURN: Duration = Duration::from_millis(1);
/// and how seldom, while whoever has it is frozen.
const LONG_TURN: Duration = Duration::from_millis(256);
/// How long registration waits for the lock of another process.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// The shortest fresh word of a socket name, which is a time. What is shorter is part of another resource's name.
const SHORTEST_WORD: usize = 10;

/// The wait for the end of another instance.
#[derive(Debug, Default)]
pub(super) struct PeerWait {
    told: bool,
}

impl PeerWait {
    /// Returns when it may have ended: its socket has to be looked at again.
    pub(super) async fn pause(&mut self, offer: &mut ResourceServer, socket: &Path) {
        if !self.told {
            tracing::info!(
                resource = %offer.name,
                "another instance of the plugin serves `{}`; waiting for its end", socket.display()
            );
            self.told = true;
        }
        tokio::select! {
            changed = offer.ticks.changed() => if changed.is_err() {
                // Nobody follows the directories any more: the plugin is ending.
                std::future::pending::<()>().await;
            },
            () = tokio::time::sleep(PROBE) => {}
        }
    }

    /// There is no other instance, or none any more.
    pub(super) fn over(self, offer: &ResourceServer) {
        if self.told {
            tracing::info!(resource = %offer.name, "the other instance has ended");
        }
    }
}

/// Whether somebody listens at `path`. A process that is frozen does, until it is killed.
pub(super) async fn is_listening(path: &Path) -> bool {
    match UnixStream::connect(path).await {
        Ok(_) => true,
        // So many wait for an answer already that the kernel takes no more, or this process cannot ask.
        Err(error) => is_shortage(&error),
    }
}

/// The turn to look for others in `directory` and to make a socket there, for as long as the result lives.
///
/// Without it, two instances that come at the same moment, as when a kubelet restarts, see no socket and register both.
/// The one that gives way then ends its stream, by which a kubelet up to 1.36 loses the other one, whose stream goes on:
/// the kubelet shows its devices and refuses every pod that asks for them. The kernel ends the turn of a process that is
/// killed. Where the directory cannot be locked, there are no turns, nor while a process that may merely read the
/// directory keeps it locked: after `LOCK_TIMEOUT` registration goes on without.
pub(super) async fn turn(directory: &Path) -> Option<File> {
    /// One line for all pools, which wait at the same time.
    static WARNED: AtomicBool = AtomicBool::new(false);
    let locked = lock(File::open(directory).ok()?);
    let locked = tokio::time::timeout(LOCK_TIMEOUT, locked).await;
    match locked {
        Ok(_) => WARNED.store(false, Ordering::Relaxed),
        Err(_) if WARNED.swap(true, Ordering::Relaxed) => {}
        Err(_) => tracing::warn!(
            "another process has locked the directory `{}` for more than {LOCK_TIMEOUT:?}; registering without the lock \
             (hint: `/proc/locks` of the node names the process; end it)",
            directory.display()
        ),
    }
    locked.ok().flatten()
}

async fn lock(directory: File) -> Option<File> {
    let mut pause = TURN;
    loop {
        match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Some(directory),
            Err(Errno::WOULDBLOCK | Errno::INTR) => tokio::time::sleep(pause).await,
            Err(_) => return None,
        }
        pause = (pause * 2).min(LONG_TURN);
    }
}

/// The living sockets of other instances for the resource with this `stem`, in a directory where each registration has
/// a name of its own. Removes what killed processes left.
pub(super) async fn listening_sockets(directory: &Path, stem: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let others = entries
        .map(|entry| entry.path())
        .filter(|path| is_socket_of(path, stem));
    let mut living = Vec::new();
    for path in others {
        if is_listening(&path).await {
            living.push(path);
        } else if std::fs::remove_file(&path).is_ok() {
            tracing::info!(socket = %path.display(), "removed the socket of a process that was killed");
        }
    }
    living
}

/// `<stem>.<fresh>.sock`, or `<stem>.sock`, which is how the Go plugin calls it.
fn is_socket_of(path: &Path, stem: &str) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let rest = name
        .strip_prefix(stem)
        .and_then(|rest| rest.strip_suffix(".sock"));
    let is_fresh = |word: &str| {
        word.len() >= SHORTEST_WORD && word.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix('.').is_some_and(is_fresh))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[tokio::test]
    async fn dead_sockets_are_removed_and_living_ones_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let bind = |name: &str| UnixListener::bind(dir.path().join(name)).unwrap();
        let _living = bind("intel.com_a.643b0c0ffee01.sock");
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

        let living = listening_sockets(dir.path(), "intel.com_a").await;

        let ours = "intel.com_a.643b0c0ffee01.sock";
        assert_eq!(living, [dir.path().join(ours)]);
        let left = std::fs::read_dir(dir.path()).unwrap().flatten();
        let mut left: Vec<_> = left.map(|entry| entry.file_name()).collect();
        left.sort();
        let mut expected: Vec<&str> = [ours].into_iter().chain(of_others).collect();
        expected.sort_unstable();
        assert_eq!(left, expected);
    }

    #[tokio::test]
    async fn turns_come_one_after_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let first = turn(dir.path()).await;
        assert!(first.is_some());
        let second = turn(dir.path());
        tokio::pin!(second);
        let early = tokio::time::timeout(TURN * 4, &mut second).await;
        assert!(early.is_err(), "it is the turn of another");
        drop(first);
        assert!(second.await.is_some());
        assert!(
            turn(&dir.path().join("none")).await.is_none(),
            "none to lock"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_lock_of_another_process_is_waited_for_with_a_bound() {
        let dir = tempfile::tempdir().unwrap();
        let reader = File::open(dir.path()).unwrap();
        flock(&reader, FlockOperation::NonBlockingLockShared).unwrap();
        let bounded = tokio::time::timeout(LOCK_TIMEOUT * 2, turn(dir.path()));
        assert!(bounded.await.expect("an end").is_none());
    }

    #[tokio::test]
    async fn only_a_socket_that_somebody_listens_on_lives() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.sock");
        assert!(!is_listening(&path).await);
        std::fs::write(&path, "no socket at all").unwrap();
        assert!(!is_listening(&path).await);
        std::fs::remove_file(&path).unwrap();
        let listener = UnixListener::bind(&path).unwrap();
        assert!(is_listening(&path).await);
        // Nobody accepts, as with a process that is frozen, until the kernel takes no more.
        rustix::net::listen(&listener, 1).unwrap();
        for _ in 0..8 {
            assert!(is_listening(&path).await);
        }
        drop(listener);
        assert!(!is_listening(&path).await);
    }
}
