//! Reports the sockets that appear in and vanish from a directory and its subdirectories.

use std::collections::{HashMap, VecDeque};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use inotify::{Event, EventMask, EventStream, Inotify, WatchDescriptor, WatchMask};
use tokio_stream::StreamExt;

use crate::error::Error;
use crate::node::{entries, is_socket};

/// What the watcher reacts to. A file that is renamed away is not among it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A socket was created here or renamed to here.
    Appeared(PathBuf),
    /// A file was created or renamed here, and is gone.
    Unreadable(PathBuf),
    /// A file was removed.
    Vanished(PathBuf),
}

pub(super) struct Directory {
    events: EventStream<[u8; 4096]>,
    watched: HashMap<WatchDescriptor, PathBuf>,
    pending: VecDeque<Change>,
}

impl Directory {
    pub(super) fn new(path: &Path) -> Result<Self, Error> {
        let open = || Inotify::init()?.into_event_stream([0; 4096]);
        Ok(Self {
            events: open().map_err(|source| watch_failed(path, source))?,
            watched: HashMap::new(),
            pending: VecDeque::new(),
        })
    }

    /// Watches a directory and all those below it; returns the sockets in them.
    pub(super) fn watch(&mut self, path: PathBuf) -> Result<Vec<PathBuf>, Error> {
        let mask = WatchMask::CREATE | WatchMask::MOVED_TO | WatchMask::DELETE | WatchMask::ONLYDIR;
        let descriptor = self
            .events
            .watches()
            .add(&path, mask)
            .map_err(|source| watch_failed(&path, source))?;
        let found = entries(&path)?;
        self.watched.insert(descriptor, path);
        let mut sockets = Vec::new();
        for entry in found.into_iter().filter(|entry| !is_hidden(entry)) {
            if is_socket(&entry) {
                sockets.push(entry);
            } else if entry.is_dir() {
                sockets.extend(self.watch(entry)?);
            }
        }
        Ok(sockets)
    }

    /// The next change; never ends.
    pub(super) async fn next(&mut self) -> Change {
        loop {
            if let Some(change) = self.pending.pop_front() {
                return change;
            }
            match self.events.next().await {
                Some(Ok(event)) => self.interpret(event),
                // A failed inotify only stops the reports.
                Some(Err(_)) | None => std::future::pending().await,
            }
        }
    }

    fn interpret(&mut self, event: Event<OsString>) {
        if event.mask.contains(EventMask::IGNORED) {
            self.watched.remove(&event.wd);
            return;
        }
        let (Some(directory), Some(name)) = (self.watched.get(&event.wd), event.name) else {
            return;
        };
        let path = directory.join(name);
        if event.mask.contains(EventMask::DELETE) {
            self.pending.push_back(Change::Vanished(path));
        } else if path.symlink_metadata().is_err() {
            self.pending.push_back(Change::Unreadable(path));
        } else if is_hidden(&path) {
            // Ignored, but only after it is read.
        } else if event.mask.contains(EventMask::ISDIR) {
            // A directory that is removed again has no sockets.
            let found = self.watch(path).unwrap_or_default();
            self.pending.extend(found.into_iter().map(Change::Appeared));
        } else if is_socket(&path) {
            self.pending.push_back(Change::Appeared(path));
        }
    }
}

/// The watcher ignores files whose name begins with a dot.
fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.as_encoded_bytes().starts_with(b".")
}

fn watch_failed(path: &Path, source: io::Error) -> Error {
    Error::WatchDirectory {
        path: path.to_owned(),
        source,
    }
}
