//! The plugin watcher: registers every plugin whose socket appears in the registry, until the socket is gone.

mod directory;
mod handshake;
mod reconciler;

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

use crate::device_manager::{self, PluginRegistration};
use crate::error::Error;
use crate::journal::EventKind;
use crate::process::Process;
use crate::shared::Shared;

use directory::{Change, Directory};
use reconciler::{Attempt, Reconciler};

pub(crate) struct Watcher {
    shared: Arc<Shared>,
    process: Process,
    directory: Directory,
    reconciler: Reconciler,
}

impl Watcher {
    /// Starts to watch, and takes note of the sockets that are there already.
    pub(crate) fn open(shared: Arc<Shared>, process: Process) -> Result<Self, Error> {
        let mut directory = Directory::new(&shared.node.plugins_registry())?;
        let found = directory.watch(shared.node.plugins_registry())?;
        let mut watcher = Self {
            reconciler: Reconciler::new(&shared.timing),
            shared,
            process,
            directory,
        };
        for socket in found {
            watcher.apply(Change::Appeared(socket));
        }
        Ok(watcher)
    }

    /// Runs until it is dropped; registrations under way are dropped with it.
    pub(crate) async fn run(mut self) {
        let mut tick = interval(self.shared.timing.watcher_tick);
        let mut attempts = JoinSet::new();
        loop {
            tokio::select! {
                change = self.directory.next() => self.apply(change),
                () = self.shared.duplicate_events.notified() => self.reconciler.all_appeared_again(),
                Some(Ok((attempt, outcome))) = attempts.join_next() => {
                    self.conclude(attempt, outcome);
                }
                _ = tick.tick() => {
                    for gone in self.reconciler.outdated() {
                        device_manager::deregister(&self.shared, &self.process, &gone);
                    }
                    for attempt in self.reconciler.due(Instant::now()) {
                        attempts.spawn(self.attempt(attempt));
                    }
                }
            }
        }
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Appeared(socket) => {
                self.note(EventKind::SocketAppeared {
                    socket: socket.clone(),
                });
                self.reconciler.appeared(socket);
            }
            Change::Unreadable(path) => self.note(EventKind::Unreadable { path }),
            Change::Vanished(socket) => {
                if self.reconciler.vanished(&socket) {
                    self.note(EventKind::SocketVanished { socket });
                }
            }
        }
    }

    fn attempt(
        &self,
        attempt: Attempt,
    ) -> impl Future<Output = (Attempt, Result<PluginRegistration, String>)> + use<> {
        let (shared, process) = (Arc::clone(&self.shared), self.process.clone());
        async move {
            let outcome = handshake::register(&shared, &process, &attempt.socket).await;
            (attempt, outcome)
        }
    }

    fn conclude(&mut self, attempt: Attempt, outcome: Result<PluginRegistration, String>) {
        match outcome {
            Ok(registration) => self.reconciler.registered(attempt, registration),
            Err(_) => self.reconciler.failed(attempt, Instant::now()),
        }
    }

    fn note(&self, kind: EventKind) {
        self.shared.update(|state| state.journal.note(kind));
    }
}
