//! Directories, and files in them, that are followed by inotify: one task, one counter that rises when anything in them may have changed.
//!
//! Whoever waits looks for itself at what it cares about. That a directory does not exist yet, is deleted or replaced
//! is part of the job: its nearest existing ancestor is followed as well.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use inotify::{Event, EventMask, EventStream, Inotify, WatchDescriptor, WatchMask};
use tokio::sync::watch;
use tokio_stream::StreamExt;

/// Events come in bursts and each one only says "look again", so a small buffer does.
const BUFFER: usize = 4096;

/// Not everything gives an event: a directory may be made between a look at it and the watch on its parent, and a
/// mount over one is unresponsive. So the kubelet's directories are looked at again after this long.
const RESYNC_INTERVAL: Duration = Duration::from_secs(60);

/// A follower of directories.
pub struct DirectoryWatcher {
    directories: Vec<PathBuf>,
    events: EventStream<[u8; BUFFER]>,
    ticks: watch::Sender<u64>,
    /// The files that are followed themselves.
    files: watch::Receiver<Vec<PathBuf>>,
    /// Which directory or file each of the kernel's watches is on.
    watched: HashMap<WatchDescriptor, PathBuf>,
    tick_without_event: Option<Duration>,
}

impl DirectoryWatcher {
    /// Follows `directories`: what changes from now on is told once [`run`](Self::run) is polled.
    ///
    /// # Errors
    ///
    /// When the kernel has no inotify instance left for this user.
    pub fn new(directories: Vec<PathBuf>) -> std::io::Result<Self> {
        let mut watch = Self {
            directories,
            events: Inotify::init()?.into_event_stream([0; BUFFER])?,
            ticks: watch::channel(0).0,
            files: watch::channel(Vec::new()).1,
            watched: HashMap::new(),
            tick_without_event: None,
        };
        watch.follow();
        Ok(watch)
    }

    /// Ticks now and then without an event, for those who do not look again by themselves.
    #[must_use]
    pub fn with_resync(self) -> Self {
        Self {
            tick_without_event: Some(RESYNC_INTERVAL),
            ..self
        }
    }

    /// Follows also `files` of these directories, anew with each value. An entry may be a link, or a mount of its own;
    /// then a write into the file is no event of the directory.
    #[must_use]
    pub fn with_files(self, files: watch::Receiver<Vec<PathBuf>>) -> Self {
        let mut watch = Self { files, ..self };
        watch.follow_files();
        watch
    }

    /// A counter that rises with each change.
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
            let silence = self.tick_without_event.unwrap_or(Duration::MAX);
            let event = tokio::select! {
                event = tokio::time::timeout(silence, self.events.next()) => event,
                Ok(()) = self.files.changed() => {
                    self.follow_files();
                    continue;
                }
            };
            match event.map(|event| event.transpose()) {
                // The file or directory is gone, which was told before.
                Ok(Ok(Some(event))) if event.mask.contains(EventMask::IGNORED) => {
                    self.watched.remove(&event.wd);
                    continue;
                }
                Ok(Ok(Some(event))) if !self.concerns_us(&event) => continue,
                Ok(Ok(None)) => return Ok(()),
                Ok(Err(error)) => return Err(error),
                Ok(Ok(Some(_))) | Err(_) => {}
            }
            // A directory may have come or gone with this event.
            self.follow();
            self.ticks.send_modify(|tick| *tick += 1);
        }
    }

    /// Parents are followed for one child each; what else happens in them, such as in a busy `/tmp`, is nobody's
    /// business here.
    fn concerns_us(&self, event: &Event<OsString>) -> bool {
        let Some(directory) = self.watched.get(&event.wd) else {
            // The kernel lost events, or has just ended a watch.
            return true;
        };
        let path = match &event.name {
            Some(name) => directory.join(name),
            None => directory.clone(),
        };
        let ours = |followed: &PathBuf| path.starts_with(followed) || followed.starts_with(&path);
        self.directories.iter().any(ours)
    }

    fn follow_files(&mut self) {
        let changes = WatchMask::CLOSE_WRITE | WatchMask::ATTRIB;
        for file in self.files.borrow_and_update().iter() {
            // That one comes or goes is an event of its directory.
            if let Ok(watch) = self.events.watches().add(file, changes) {
                self.watched.insert(watch, file.clone());
            }
        }
    }

    fn follow(&mut self) {
        let changes = WatchMask::CREATE
            | WatchMask::DELETE
            | WatchMask::MOVE
            | WatchMask::CLOSE_WRITE
            | WatchMask::ATTRIB
            | WatchMask::DELETE_SELF
            | WatchMask::MOVE_SELF
            | WatchMask::ONLYDIR;
        for directory in &self.directories {
            let existing = directory.ancestors().find(|path| path.is_dir());
            // Following the parent as well shows a directory that is replaced by another one of its name.
            let both = existing.into_iter().chain(existing.and_then(Path::parent));
            for path in both {
                // Adding a watch again changes nothing; a directory that vanished just now is caught by its parent.
                match self.events.watches().add(path, changes) {
                    Ok(watch) => {
                        self.watched.insert(watch, path.to_owned());
                    }
                    Err(error) => {
                        tracing::debug!(path = %path.display(), %error, "cannot follow the directory");
                    }
                }
            }
        }
    }
}

impl fmt::Debug for DirectoryWatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectoryWatcher")
            .field("directories", &self.directories)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_what_happens_to_the_directory_counts() {
        let dir = tempfile::tempdir().unwrap();
        let followed = dir.path().join("a/b");
        let watch = DirectoryWatcher::new(vec![followed.clone()]).unwrap();
        let mut ticks = watch.ticks();
        let running = tokio::spawn(watch.run());
        std::fs::write(dir.path().join("unrelated"), "").unwrap();
        // The directory comes into being, step by step, and then something happens in it.
        for step in ["a", "a/b", "a/b/file"] {
            std::fs::create_dir(dir.path().join(step)).unwrap();
            ticks.changed().await.unwrap();
        }
        let before = *ticks.borrow_and_update();
        std::fs::write(dir.path().join("a/unrelated"), "").unwrap();
        std::fs::remove_dir(followed.join("file")).unwrap();
        ticks.changed().await.unwrap();
        assert_eq!(*ticks.borrow(), before + 1);
        running.abort();
    }
}
