//! Directories that are followed by inotify: one task, one counter that rises when anything in them may have changed.
//!
//! Whoever waits looks for itself at what it cares about. That a directory does not exist yet, is deleted or replaced
//! is part of the job: its nearest existing ancestor is followed as well.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use inotify::{EventStream, Inotify, WatchMask};
use tokio::sync::watch;
use tokio_stream::StreamExt;

/// Events come in bursts and each one only says "look again", so a small buffer does.
const BUFFER: usize = 4096;

/// Not everything gives an event: a directory may be made between a look at it and the watch on its parent, and a
/// mount over one is silent. So everybody looks again after this long.
const SAFETY_NET: Duration = Duration::from_secs(60);

/// A follower of directories.
pub struct DirectoryWatch {
    directories: Vec<PathBuf>,
    events: EventStream<[u8; BUFFER]>,
    ticks: watch::Sender<u64>,
}

impl DirectoryWatch {
    /// Follows `directories`: what changes from now on is told once [`run`](Self::run) is polled.
    ///
    /// # Errors
    ///
    /// When the kernel has no inotify instance left for this user.
    pub fn new(directories: Vec<PathBuf>) -> std::io::Result<Self> {
        let watch = Self {
            directories,
            events: Inotify::init()?.into_event_stream([0; BUFFER])?,
            ticks: watch::channel(0).0,
        };
        watch.follow();
        Ok(watch)
    }

    /// A counter that rises with each burst of changes.
    pub fn ticks(&self) -> watch::Receiver<u64> {
        self.ticks.subscribe()
    }

    /// Follows the directories until it is dropped.
    ///
    /// # Errors
    ///
    /// When the kernel takes the inotify instance away.
    pub async fn run(mut self) -> std::io::Result<()> {
        loop {
            match tokio::time::timeout(SAFETY_NET, self.events.next()).await {
                Ok(Some(event)) => drop(event?),
                Ok(None) => return Ok(()),
                Err(_) => {}
            }
            // A directory may have come or gone with this event.
            self.follow();
            self.ticks.send_modify(|tick| *tick += 1);
        }
    }

    fn follow(&self) {
        let changes = WatchMask::CREATE
            | WatchMask::DELETE
            | WatchMask::MOVE
            | WatchMask::CLOSE_WRITE
            | WatchMask::DELETE_SELF
            | WatchMask::MOVE_SELF
            | WatchMask::ONLYDIR;
        for directory in &self.directories {
            let existing = directory.ancestors().find(|path| path.is_dir());
            // Following the parent as well shows a directory that is replaced by another one of its name.
            let both = existing.into_iter().chain(existing.and_then(Path::parent));
            for path in both {
                // Adding a watch again changes nothing; a directory that vanished just now is caught by its parent.
                if let Err(error) = self.events.watches().add(path, changes) {
                    tracing::debug!(path = %path.display(), %error, "cannot follow the directory");
                }
            }
        }
    }
}

impl fmt::Debug for DirectoryWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectoryWatch")
            .field("directories", &self.directories)
            .finish_non_exhaustive()
    }
}
