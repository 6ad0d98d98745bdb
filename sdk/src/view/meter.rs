//! What this thread reads of the node, for the conformance suite.

#[cfg(feature = "testing")]
pub(crate) use counting::{interrupted, read, watched};

/// Without the feature `testing` nobody counts.
#[cfg(not(feature = "testing"))]
pub(super) const fn read(_: &str) {}

#[cfg(feature = "testing")]
mod counting {
    use std::cell::RefCell;

    /// What happens before one of the reads to come.
    type Interruption = (usize, Box<dyn FnOnce()>);

    /// What is asked of the reads of a thread.
    enum Watch {
        /// Nothing.
        Off,
        /// Their paths.
        Paths(Vec<String>),
        /// Something that happens before one of them.
        Count(usize, Option<Interruption>),
    }

    thread_local! {
        static WATCH: RefCell<Watch> = const { RefCell::new(Watch::Off) };
    }

    /// One read is about to happen.
    pub(crate) fn read(path: &str) {
        let due = WATCH.with_borrow_mut(|watch| match watch {
            Watch::Off => None,
            Watch::Paths(paths) => {
                paths.push(path.to_owned());
                None
            }
            Watch::Count(reads, interruption) => {
                *reads += 1;
                interruption.take_if(|(at, _)| at == reads)
            }
        });
        if let Some((_, happen)) = due {
            happen();
        }
    }

    /// Runs `call`, and says what it read on this thread.
    pub(crate) fn watched<T>(call: impl FnOnce() -> T) -> (T, Vec<String>) {
        WATCH.set(Watch::Paths(Vec::new()));
        let result = call();
        match WATCH.replace(Watch::Off) {
            Watch::Paths(paths) => (result, paths),
            Watch::Off | Watch::Count(..) => (result, Vec::new()),
        }
    }

    /// Runs `call`; `happen` comes right before its read number `at`, counted from 1.
    pub(crate) fn interrupted<T>(
        at: usize,
        happen: impl FnOnce() + 'static,
        call: impl FnOnce() -> T,
    ) -> T {
        WATCH.set(Watch::Count(0, Some((at, Box::new(happen)))));
        let result = call();
        WATCH.set(Watch::Off);
        result
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use crate::HostRoot;

        #[test]
        fn reads_are_watched_and_interrupted() {
            let node = tempfile::tempdir().unwrap();
            let file = node.path().join("there");
            std::fs::write(&file, "text").unwrap();
            let root = HostRoot::new(node.path());
            let look = || {
                (
                    root.read("/there"),
                    root.exists("/there"),
                    root.list("/").len(),
                )
            };
            let (seen, paths) = watched(look);
            assert_eq!(seen, (Some("text".to_owned()), true, 1));
            assert_eq!(paths, ["/there", "/there", "/"]);
            let remove = move || std::fs::remove_file(file).unwrap();
            let seen = interrupted(2, remove, look);
            assert_eq!(seen, (Some("text".to_owned()), false, 0));
        }
    }
}
