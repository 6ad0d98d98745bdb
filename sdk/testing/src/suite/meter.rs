//! What a provider reads of the node.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
pub(super) struct Meter(Arc<Mutex<Watch>>);

impl Meter {
    /// What the provider's session calls before each read.
    pub(super) fn observer(&self) -> Observer {
        let meter = self.clone();
        Arc::new(move |path| meter.read(path))
    }

    /// Runs `call`, and returns the paths that were read meanwhile.
    pub(super) fn watched<T>(&self, call: impl FnOnce() -> T) -> (T, Vec<String>) {
        *self.watch() = Watch::Paths(Vec::new());
        let result = call();
        match std::mem::take(&mut *self.watch()) {
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
        *self.watch() = Watch::Count(0, Some((at, Box::new(happen))));
        let result = call();
        *self.watch() = Watch::Off;
        result
    }

    fn read(&self, path: &str) {
        let due = match &mut *self.watch() {
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
        if let Some((_, happen)) = due {
            happen();
        }
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
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
