//! What outlives the kubelet's process: the node, the books, the faults that are switched on.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use crate::config::{Config, Timing};
use crate::device_manager::Books;
use crate::faults::Faults;
use crate::node::Node;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) node: Node,
    pub(crate) timing: Timing,
    pub(crate) duplicate_events: Notify,
    books: Mutex<Books>,
    faults: Mutex<Faults>,
    /// Changes with the books.
    revision: watch::Sender<u64>,
}

impl Shared {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            node: Node::new(config.root),
            timing: config.timing,
            duplicate_events: Notify::new(),
            books: Mutex::new(Books::new(config.version)),
            faults: Mutex::new(Faults::none(config.authority)),
            revision: watch::Sender::new(0),
        }
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        lock(&self.books)
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        lock(&self.faults)
    }

    /// Tells when the books change.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// Changes the books and wakes who waits for that.
    pub(crate) fn update<T>(&self, change: impl FnOnce(&mut Books) -> T) -> T {
        let result = change(&mut self.books());
        self.revision.send_modify(|revision| *revision += 1);
        result
    }

    /// Looks again after each change, until there is something to see or patience ends.
    pub(crate) async fn when<T>(&self, look: impl Fn() -> Option<T>) -> Option<T> {
        let mut changes = self.changes();
        let patient = async {
            loop {
                if let Some(found) = look() {
                    return found;
                }
                // Cannot fail: the sender is in `self`.
                let _ = changes.changed().await;
            }
        };
        let found = tokio::time::timeout(self.timing.patience, patient).await;
        found.ok()
    }
}

/// A test that panicked while it looked at something has not broken it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
