//! Unix sockets in directories that the kubelet, administrators and other instances clean up, replace and delete.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::{fs, io};

use rustix::io::Errno;
use tokio::net::{UnixListener, UnixStream};

/// Identifies the file at a path. An inode number alone may be reused at once by the file that replaces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileIdentity {
    device: u64,
    inode: u64,
    made: (i64, i64),
}

impl FileIdentity {
    /// The file at `path` now.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let metadata = fs::symlink_metadata(path).ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            made: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}

/// A listening socket, and the file that leads to it.
#[derive(Debug)]
pub struct Socket {
    path: PathBuf,
    /// The name under which it was bound, until the kubelet has found the other one.
    hidden: Option<PathBuf>,
    identity: FileIdentity,
}

impl Socket {
    /// Listens at `path`. A peer that sees the file can connect: it is bound under a hidden name first, and then linked.
    /// The kubelet's plugin watcher ignores hidden files, but logs an error for one that is gone when it reads it, so
    /// the hidden name stays until [`Socket::found`].
    ///
    /// # Errors
    ///
    /// `AddrInUse` when another process listens there.
    pub async fn listen(path: &Path) -> io::Result<(Self, UnixListener)> {
        if is_listening(path).await {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        remove_abandoned(path.parent().unwrap_or(path)).await;
        let hidden = hidden_name(path);
        let listener = UnixListener::bind(&hidden)?;
        // A file that an earlier process left is removed first: a watcher takes the removal as the end of the old
        // registration.
        let linked = remove_if_there(path).and_then(|()| link_new(&hidden, path));
        if let Err(error) = linked {
            remove_if_there(&hidden)?;
            return Err(error);
        }
        let identity = FileIdentity::of(path).ok_or(io::ErrorKind::NotFound)?;
        let socket = Self {
            path: path.to_owned(),
            hidden: Some(hidden),
            identity,
        };
        Ok((socket, listener))
    }

    /// Removes the hidden name, once the kubelet has found the socket or where it does not search for it. The socket stays
    /// at its path.
    pub fn found(&mut self) {
        let removed = self.hidden.take().map(|hidden| remove_if_there(&hidden));
        if let Some(Err(error)) = removed {
            self.log_not_removed(&error);
        }
    }

    fn log_not_removed(&self, error: &io::Error) {
        tracing::debug!(
            event = "socket_not_removed",
            path = %self.path.display(),
            %error,
            "cannot remove the socket"
        );
    }

    /// Whether the file at the path is that of this socket.
    pub fn is_in_place(&self) -> bool {
        self.state() == SocketState::InPlace
    }

    /// What is at the path now.
    pub(super) fn state(&self) -> SocketState {
        match FileIdentity::of(&self.path) {
            None => SocketState::Deleted,
            // The time may be touched. While this socket listens, its inode number belongs to it.
            Some(now) if (now.device, now.inode) == (self.identity.device, self.identity.inode) => {
                SocketState::InPlace
            }
            Some(_) => SocketState::Replaced,
        }
    }
}

impl Drop for Socket {
    /// Another instance of the plugin may have put its own socket there, which stays.
    fn drop(&mut self) {
        self.found();
        if !self.is_in_place() {
            return;
        }
        if let Err(error) = fs::remove_file(&self.path) {
            self.log_not_removed(&error);
        }
    }
}

/// The state of a socket's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SocketState {
    /// It is there.
    InPlace,
    /// It is gone, so no peer can connect any more.
    Deleted,
    /// Another file is there.
    Replaced,
}

/// Whether a process listens at `path`. A process that is frozen does, until it is killed.
pub(super) async fn is_listening(path: &Path) -> bool {
    match UnixStream::connect(path).await {
        Ok(_) => true,
        // The backlog is full, or this process lacks the means to connect.
        Err(error) => matches!(
            Errno::from_io_error(&error),
            Some(Errno::AGAIN | Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)
        ),
    }
}

/// Removes the hidden names of processes that were killed.
async fn remove_abandoned(directory: &Path) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in entries {
        let path = entry.path();
        let is_socket = entry.file_type().is_ok_and(|kind| kind.is_socket());
        if is_socket && is_of_another_process(&path) && !is_listening(&path).await {
            // An instance that is at this very point now fails to link it, and tries again.
            let _ = remove_if_there(&path);
        }
    }
}

/// Four digits for the process, and four that count: short, so that it fits wherever the final name fits.
fn hidden_name(path: &Path) -> PathBuf {
    static COUNT: AtomicU16 = AtomicU16::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    path.with_file_name(format!(".{:04x}{count:04x}", process()))
}

fn is_of_another_process(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let digits = name.strip_prefix(b".").unwrap_or_default();
    let is_hidden_name = digits.len() == 8 && digits.iter().all(u8::is_ascii_hexdigit);
    is_hidden_name && !digits.starts_with(format!("{:04x}", process()).as_bytes())
}

/// Distinguishes this process from others: in containers every instance may have the same process id.
fn process() -> u16 {
    static PROCESS: LazyLock<u16> = LazyLock::new(|| {
        // Its keys are random.
        let random = RandomState::new().hash_one(std::process::id());
        u16::try_from(random >> 48).unwrap_or_default()
    });
    *PROCESS
}

/// Makes a second name for a file without replacing the socket of an instance that was quicker.
fn link_new(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(io::ErrorKind::AddrInUse.into())
        }
        linked => linked,
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_knows_what_became_of_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("intel.com_x.sock");
        fs::write(&path, "left by an earlier process").unwrap();
        let (mut socket, _listener) = Socket::listen(&path).await.unwrap();
        assert_eq!(socket.state(), SocketState::InPlace);
        let names = || fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(names(), 2, "the hidden name stays");
        socket.found();
        assert_eq!(names(), 1);
        assert_eq!(socket.state(), SocketState::InPlace);
        UnixStream::connect(&path).await.unwrap();
        let second = Socket::listen(&path).await.unwrap_err();
        assert_eq!(second.kind(), io::ErrorKind::AddrInUse);
        assert_eq!(socket.state(), SocketState::InPlace);
        fs::remove_file(&path).unwrap();
        assert_eq!(socket.state(), SocketState::Deleted);
        let (other, _listener) = Socket::listen(&path).await.unwrap();
        assert_eq!(socket.state(), SocketState::Replaced);
        drop(socket);
        assert!(path.exists(), "the other one's socket must stay");
        drop(other);
        // Of a process that was killed before the kubelet had found its socket.
        let abandoned = format!(".{:04x}0000", !process());
        drop(UnixListener::bind(dir.path().join(abandoned)).unwrap());
        drop(Socket::listen(&path).await.unwrap());
        assert!(
            fs::read_dir(dir.path()).unwrap().next().is_none(),
            "nothing is left behind"
        );
    }

    #[tokio::test]
    async fn is_listening_needs_a_process() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.sock");
        assert!(!is_listening(&path).await);
        fs::write(&path, "no socket at all").unwrap();
        assert!(!is_listening(&path).await);
        fs::remove_file(&path).unwrap();
        let listener = UnixListener::bind(&path).unwrap();
        assert!(is_listening(&path).await);
        // Without accepting, as a process that is frozen, until the backlog is full.
        rustix::net::listen(&listener, 1).unwrap();
        for _ in 0..8 {
            assert!(is_listening(&path).await);
        }
        drop(listener);
        assert!(!is_listening(&path).await);
    }
}
