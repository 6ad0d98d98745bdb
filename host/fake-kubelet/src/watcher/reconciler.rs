//! What the plugin watcher has to do: the difference between the sockets that are there and those it registered.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use crate::config::Timing;
use crate::device_manager::PluginRegistration;

pub(super) struct Reconciler {
    first_backoff: Duration,
    longest_backoff: Duration,
    /// The sockets that are there; the number changes with every event of one.
    present: BTreeMap<PathBuf, u64>,
    registered: BTreeMap<PathBuf, (u64, PluginRegistration)>,
    under_way: BTreeSet<PathBuf>,
    /// Since when a socket pauses, and for how long. A new file with the same name still has to wait.
    backoffs: BTreeMap<PathBuf, (Instant, Duration)>,
    events: u64,
}

/// A registration to be tried.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) socket: PathBuf,
    appearance: u64,
}

impl Reconciler {
    pub(super) fn new(timing: &Timing) -> Self {
        Self {
            first_backoff: timing.first_backoff,
            longest_backoff: timing.longest_backoff,
            present: BTreeMap::new(),
            registered: BTreeMap::new(),
            under_way: BTreeSet::new(),
            backoffs: BTreeMap::new(),
            events: 0,
        }
    }

    /// A socket appeared. If one was registered at its path, the new one is registered again.
    pub(super) fn appeared(&mut self, socket: PathBuf) {
        self.events += 1;
        self.present.insert(socket, self.events);
    }

    /// Whether the path was one of the watcher's sockets.
    pub(super) fn vanished(&mut self, socket: &Path) -> bool {
        self.present.remove(socket).is_some()
    }

    pub(super) fn all_appeared_again(&mut self) {
        for socket in self.present.keys().cloned().collect::<Vec<_>>() {
            self.appeared(socket);
        }
    }

    /// Takes out the registrations whose socket is gone, or is not the same any more.
    pub(super) fn outdated(&mut self) -> Vec<PluginRegistration> {
        let Self {
            present,
            registered,
            ..
        } = self;
        let outdated = registered
            .extract_if(.., |socket, (appearance, _)| {
                present.get(socket) != Some(appearance)
            })
            .map(|(_, (_, registration))| registration);
        outdated.collect()
    }

    /// The registrations to be tried now.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Attempt> {
        let mut due = Vec::new();
        for (socket, appearance) in &self.present {
            let pauses = self
                .backoffs
                .get(socket)
                .is_some_and(|(since, pause)| now < *since + *pause);
            if pauses || self.registered.contains_key(socket) {
                continue;
            }
            if self.under_way.insert(socket.clone()) {
                due.push(Attempt {
                    socket: socket.clone(),
                    appearance: *appearance,
                });
            }
        }
        due
    }

    pub(super) fn registered(&mut self, attempt: Attempt, registration: PluginRegistration) {
        self.under_way.remove(&attempt.socket);
        self.backoffs.remove(&attempt.socket);
        self.registered
            .insert(attempt.socket, (attempt.appearance, registration));
    }

    pub(super) fn failed(&mut self, attempt: Attempt, now: Instant) {
        self.under_way.remove(&attempt.socket);
        let pause = match self.backoffs.get(&attempt.socket) {
            Some((_, last)) => (*last * 2).min(self.longest_backoff),
            None => self.first_backoff,
        };
        self.backoffs.insert(attempt.socket, (now, pause));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::RegistrationMode;
    use crate::node::NodeSocket;

    fn registration(socket: &Path) -> PluginRegistration {
        PluginRegistration {
            resource: "example.com/vf".to_owned(),
            endpoint: String::new(),
            socket: NodeSocket {
                name: socket.to_owned(),
                location: socket.to_owned(),
            },
            mode: RegistrationMode::Watcher,
            file: socket.to_owned(),
        }
    }

    #[test]
    fn failures_double_the_pause_up_to_the_longest() {
        let mut reconciler = Reconciler::new(&Timing::default());
        let mut now = Instant::now();
        reconciler.appeared(PathBuf::from("vf.sock"));

        for seconds in [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 122.0, 122.0] {
            let attempt = reconciler.due(now).pop().unwrap();
            assert_eq!(reconciler.due(now), [], "one attempt at a time");
            reconciler.failed(attempt, now);
            now += Duration::from_secs_f64(seconds) - Duration::from_millis(1);
            assert_eq!(reconciler.due(now), [], "pausing for {seconds} s");
            now += Duration::from_millis(1);
        }
    }

    #[test]
    fn a_socket_that_appears_again_is_registered_anew() {
        let mut reconciler = Reconciler::new(&Timing::default());
        let socket = PathBuf::from("vf.sock");
        let now = Instant::now();
        reconciler.appeared(socket.clone());
        let attempt = reconciler.due(now).pop().unwrap();
        reconciler.registered(attempt, registration(&socket));
        assert!(reconciler.outdated().is_empty());
        assert_eq!(reconciler.due(now), []);

        reconciler.appeared(socket);

        assert_eq!(reconciler.outdated().len(), 1);
        assert_eq!(reconciler.due(now).len(), 1);
    }

    #[test]
    fn a_socket_that_vanishes_during_its_registration_is_deregistered() {
        let mut reconciler = Reconciler::new(&Timing::default());
        let socket = PathBuf::from("vf.sock");
        reconciler.appeared(socket.clone());
        let attempt = reconciler.due(Instant::now()).pop().unwrap();

        assert!(reconciler.vanished(&socket));
        reconciler.registered(attempt, registration(&socket));

        assert_eq!(reconciler.outdated().len(), 1);
    }
}
