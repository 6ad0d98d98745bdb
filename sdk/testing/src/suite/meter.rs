//! What a provider reads of the node.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;

use sriovdp_sdk::runtime::Observer;

/// What happens before one of the reads to come.
type Interruption = (usize, Box<dyn FnOnce() + Send>);

/// What is done with the reads.
#[derive(Default)]
enum Watch {
    #[default]
    Off,
    /// Their paths are collected.
    Paths(Vec<String>),
    /// They are counted, and something happens before one of them.
    Count(usize, Option<Interruption>),
}

/// Observes the reads of one provider.
#[derive(Clone, Default)]
pub(super) struct Meter(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    watch: Watch,
    /// The thread that calls run on.
    thread: Option<ThreadId>,
    /// The first read on another thread.
    elsewhere: Option<String>,
}

impl Meter {
    /// What the provider's session calls before each read.
    pub(super) fn observer(&self) -> Observer {
        let meter = self.clone();
        Arc::new(move |path| meter.read(path))
    }

    /// Sets the thread that calls run on.
    pub(super) fn expect_on(&self, thread: ThreadId) {
        self.state().thread = Some(thread);
    }

    /// What was read on another thread since the last call of this.
    pub(super) fn read_elsewhere(&self) -> Option<String> {
        self.state().elsewhere.take()
    }

    /// Runs `call`, and returns the paths that were read meanwhile.
    pub(super) fn watched<T>(&self, call: impl FnOnce() -> T) -> (T, Vec<String>) {
        self.state().watch = Watch::Paths(Vec::new());
        let result = call();
        match std::mem::take(&mut self.state().watch) {
            Watch::Paths(paths) => (result, paths),
            Watch::Off | Watch::Count(..) => (result, Vec::new()),
        }
    }

    /// Runs `call`; `happen` comes right before its read number `at`, counted from 1.
    pub(super) fn interrupted<T>(
        &self,
        at: usize,
        happen: impl FnOnce() + Send + 'static,
        call: impl FnOnce() -> T,
    ) -> T {
        self.state().watch = Watch::Count(0, Some((at, Box::new(happen))));
        let result = call();
        self.state().watch = Watch::Off;
        result
    }

    fn read(&self, path: &str) {
        let mut state = self.state();
        if state
            .thread
            .is_some_and(|thread| thread != std::thread::current().id())
        {
            state.elsewhere.get_or_insert_with(|| path.to_owned());
        }
        let due = match &mut state.watch {
            Watch::Off => None,
            Watch::Paths(paths) => {
                paths.push(path.to_owned());
                None
            }
            Watch::Count(reads, interruption) => {
                *reads += 1;
                interruption.take_if(|(at, _)| at == reads)
            }
        };
        drop(state);
        if let Some((_, happen)) = due {
            happen();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use sriovdp_sdk::HostRoot;

    use super::*;

    #[test]
    fn reads_are_watched_and_interrupted() {
        let node = tempfile::tempdir().unwrap();
        let file = node.path().join("there");
        std::fs::write(&file, "text").unwrap();
        let meter = Meter::default();
        let root = HostRoot::new(node.path()).observed_by(Some(meter.observer()));
        let read = || {
            (
                root.read("/there"),
                root.exists("/there"),
                root.list("/").len(),
            )
        };
        let (found, paths) = meter.watched(read);
        assert_eq!(found, (Some("text".to_owned()), true, 1));
        assert_eq!(paths, ["/there", "/there", "/"]);
        let remove = move || std::fs::remove_file(file).unwrap();
        let found = meter.interrupted(2, remove, read);
        assert_eq!(found, (Some("text".to_owned()), false, 0));
    }
}
