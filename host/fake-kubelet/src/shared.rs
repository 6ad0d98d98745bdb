//! What outlives the kubelet's process: the node, the device manager's state, and the active faults.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::config::{Config, Timing};
use crate::faults::Faults;
use crate::node::Node;
use crate::state::DeviceManagerState;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) node: Node,
    pub(crate) timing: Timing,
    pub(crate) duplicate_events: Notify,
    state: Mutex<DeviceManagerState>,
    faults: Mutex<Faults>,
    revision: watch::Sender<u64>,
}

impl Shared {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            node: Node::new(config.root),
            timing: config.timing,
            duplicate_events: Notify::new(),
            state: Mutex::new(DeviceManagerState::new(config.version)),
            faults: Mutex::new(Faults::none(config.authority)),
            revision: watch::Sender::new(0),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, DeviceManagerState> {
        lock(&self.state)
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        lock(&self.faults)
    }

    /// Changes with the state.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// Changes the state and notifies subscribers.
    pub(crate) fn update<T>(&self, change: impl FnOnce(&mut DeviceManagerState) -> T) -> T {
        let result = change(&mut self.state());
        self.revision.send_modify(|revision| *revision += 1);
        result
    }

    /// Evaluates `condition` after each change until it has a value, or the timeout is over.
    pub(crate) async fn when<T>(&self, condition: impl Fn() -> Option<T>) -> Option<T> {
        self.when_within(self.timing.wait_timeout, condition).await
    }

    /// The same with another timeout.
    pub(crate) async fn when_within<T>(
        &self,
        timeout: Duration,
        condition: impl Fn() -> Option<T>,
    ) -> Option<T> {
        let mut changes = self.changes();
        let fulfilled = async {
            loop {
                if let Some(value) = condition() {
                    return value;
                }
                // Cannot fail: the sender is in `self`.
                let _ = changes.changed().await;
            }
        };
        let value = tokio::time::timeout(timeout, fulfilled).await;
        value.ok()
    }
}

/// A test that panicked while it held the lock has not changed the value.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
