//! Watches directories, and files in them, by inotify: one task, and one counter that rises with every possible change.
//!
//! Subscribers read the state that they need themselves. Directories may be missing, deleted or replaced: the nearest
//! existing ancestor is watched as well.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use inotify::{Event, EventMask, EventStream, Inotify, WatchDescriptor, WatchMask};
use rustix::io::Errno;
use tokio::sync::watch;
use tokio_stream::StreamExt;

/// Events are only triggers, so a small buffer is sufficient.
const BUFFER: usize = 4096;

/// Some changes cause no event: a directory that is created just before the watch on its parent, or a mount over one. So
/// the counter also rises after this long without an event.
const RESYNC_INTERVAL: Duration = Duration::from_secs(60);

/// What an event is about.
enum Subject {
    /// One of the directories, or an ancestor: the event may have created or removed it, so watches are added again.
    Directory,
    /// An entry of one of the directories.
    Entry,
    /// Another entry of a watched ancestor, such as a busy `/tmp`.
    Other,
}

/// A watcher of directories.
pub struct DirectoryWatcher {
    directories: Vec<PathBuf>,
    events: EventStream<[u8; BUFFER]>,
    changes: watch::Sender<u64>,
    /// Files with watches of their own.
    files: watch::Receiver<Vec<PathBuf>>,
    /// The paths of the kernel's watches.
    watched: HashMap<WatchDescriptor, PathBuf>,
    resync_interval: Option<Duration>,
    is_limit_logged: bool,
}

impl DirectoryWatcher {
    /// Watches `directories`: changes from now on count once [`run`](Self::run) is polled.
    ///
    /// # Errors
    ///
    /// When the kernel has no inotify instance left for this user.
    pub fn new(directories: Vec<PathBuf>) -> std::io::Result<Self> {
        let mut watcher = Self {
            directories,
            events: Inotify::init()?.into_event_stream([0; BUFFER])?,
            changes: watch::channel(0).0,
            files: watch::channel(Vec::new()).1,
            watched: HashMap::new(),
            resync_interval: None,
            is_limit_logged: false,
        };
        watcher.add_watches();
        Ok(watcher)
    }

    /// Also reports a change after an interval without events.
    #[must_use]
    pub fn with_resync(self) -> Self {
        Self {
            resync_interval: Some(RESYNC_INTERVAL),
            ..self
        }
    }

    /// Also watches `files` of these directories, renewed with each value: a write to a file that is a link or a mount
    /// causes no event of its directory.
    #[must_use]
    pub fn with_files(self, files: watch::Receiver<Vec<PathBuf>>) -> Self {
        let mut watcher = Self { files, ..self };
        watcher.add_file_watches();
        watcher
    }

    /// A counter that rises with each change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Watches until it is dropped.
    ///
    /// # Errors
    ///
    /// When reading inotify fails.
    pub async fn run(mut self) -> std::io::Result<()> {
        loop {
            let silence = self.resync_interval.unwrap_or(Duration::MAX);
            let event = tokio::select! {
                event = tokio::time::timeout(silence, self.events.next()) => event,
                Ok(()) = self.files.changed() => {
                    self.add_file_watches();
                    continue;
                }
            };
            match event.map(|event| event.transpose()) {
                // Follows the event for the removal itself.
                Ok(Ok(Some(event))) if event.mask.contains(EventMask::IGNORED) => {
                    self.watched.remove(&event.wd);
                    continue;
                }
                Ok(Ok(Some(event))) => match self.subject_of(&event) {
                    Subject::Other => continue,
                    Subject::Entry => {}
                    Subject::Directory => self.add_watches(),
                },
                Ok(Ok(None)) => return Ok(()),
                Ok(Err(error)) => return Err(error),
                Err(_) => self.add_watches(),
            }
            self.changes.send_modify(|tick| *tick += 1);
        }
    }

    fn subject_of(&self, event: &Event<OsString>) -> Subject {
        let Some(directory) = self.watched.get(&event.wd) else {
            // Events were lost, or the watch has just ended.
            return Subject::Directory;
        };
        let path = match &event.name {
            Some(name) => directory.join(name),
            None => directory.clone(),
        };
        if self
            .directories
            .iter()
            .any(|known| known.starts_with(&path))
        {
            Subject::Directory
        } else if self.directories.iter().any(|known| path.starts_with(known)) {
            Subject::Entry
        } else {
            Subject::Other
        }
    }

    fn add_file_watches(&mut self) {
        let changes = WatchMask::CLOSE_WRITE | WatchMask::ATTRIB;
        for file in self.files.borrow_and_update().iter() {
            // Its creation and removal are events of its directory.
            match self.events.watches().add(file, changes) {
                Ok(watch) => drop(self.watched.insert(watch, file.clone())),
                Err(error) => log_unwatched(&mut self.is_limit_logged, file, &error),
            }
        }
    }

    fn add_watches(&mut self) {
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
            // The watch on the parent covers a replaced directory.
            let both = existing.into_iter().chain(existing.and_then(Path::parent));
            for path in both {
                // Adding a watch twice has no effect, and the parent's watch covers a directory that vanished just now.
                match self.events.watches().add(path, changes) {
                    Ok(watch) => drop(self.watched.insert(watch, path.to_owned())),
                    Err(error) => log_unwatched(&mut self.is_limit_logged, path, &error),
                }
            }
        }
    }
}

/// A file or directory may be gone already. A limit that is reached is logged once.
fn log_unwatched(is_limit_logged: &mut bool, path: &Path, error: &std::io::Error) {
    let path = path.display();
    if Errno::from_io_error(error) == Some(Errno::NOSPC) {
        if !std::mem::replace(is_limit_logged, true) {
            tracing::warn!(
                event = "watches_exhausted",
                %path,
                hint = "raise the sysctl `fs.inotify.max_user_watches`",
                "no inotify watch is left for this user; changes of files take effect with the next resync only"
            );
        }
    } else {
        tracing::debug!(event = "directory_unwatched", %path, %error, "cannot watch a path");
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
    use std::sync::Arc;

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::history::History;

    #[test]
    fn a_limit_is_logged_once() {
        let history = Arc::<History>::default();
        let log = tracing_subscriber::registry().with(history.layer());
        tracing::subscriber::with_default(log, || {
            let mut is_logged = false;
            for error in [Errno::NOSPC, Errno::NOSPC] {
                log_unwatched(&mut is_logged, Path::new("/etc/pcidp"), &error.into());
            }
        });
        let logged = history.to_json(None);
        assert_eq!(logged.matches("max_user_watches").count(), 1, "{logged}");
    }

    #[tokio::test]
    async fn only_events_of_the_directory_count() {
        let dir = tempfile::tempdir().unwrap();
        let watched = dir.path().join("a/b");
        let watcher = DirectoryWatcher::new(vec![watched.clone()]).unwrap();
        let mut changes = watcher.changes();
        let running = tokio::spawn(watcher.run());
        std::fs::write(dir.path().join("unrelated"), "").unwrap();
        // The directory is created step by step, and then an entry in it.
        for step in ["a", "a/b", "a/b/file"] {
            std::fs::create_dir(dir.path().join(step)).unwrap();
            changes.changed().await.unwrap();
        }
        let before = *changes.borrow_and_update();
        std::fs::write(dir.path().join("a/unrelated"), "").unwrap();
        std::fs::remove_dir(watched.join("file")).unwrap();
        changes.changed().await.unwrap();
        assert_eq!(*changes.borrow(), before + 1);
        running.abort();
    }
}
