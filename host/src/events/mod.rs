//! What the kernel says about changes of the node, as one counter that rises: a reason to look, and nothing more.
//!
//! [`KernelEvents`] follows two netlink sockets, [`Uevent`](uevent::Uevent) and [`Link`](link::Link) are what their
//! messages say, and [`Pace`] turns bursts of them into few looks. An event is never news by itself: what the node
//! looks like is read when the loop looks, so a lost or a superfluous event costs a look at most.

mod kernel;
mod link;
mod pace;
mod uevent;

use std::collections::BTreeSet;
use std::path::Path;

use tokio::sync::watch;

pub use kernel::KernelEvents;
pub use pace::Pace;

/// The names of kernel subsystems whose devices matter, as their uevents spell them.
pub type Subsystems = BTreeSet<String>;

/// Where the daemon hears that the node has changed.
#[derive(Debug)]
pub struct NodeEvents {
    pub(crate) ticks: watch::Receiver<u64>,
    /// What the loaded providers want to hear of; nothing as long as nobody knows.
    pub(crate) subsystems: watch::Sender<Option<Subsystems>>,
    /// Has to run for the ticks to come.
    pub(crate) kernel: Option<KernelEvents>,
}

impl NodeEvents {
    /// Those of this machine's kernel, if the node below `root` is this machine. A kernel that does not tell them is
    /// no failure; it is logged, and what changes is found by the timer.
    pub fn of_node(root: &Path) -> Self {
        if root != Path::new("/") {
            return Self::given(watch::channel(0).1);
        }
        let subsystems = watch::Sender::new(None);
        match KernelEvents::open(subsystems.subscribe()) {
            Ok(kernel) => Self {
                ticks: kernel.ticks(),
                subsystems,
                kernel: Some(kernel),
            },
            Err(error) => {
                tracing::warn!(
                    "the kernel does not tell of changes, so they are found by `--rescan-interval` only: {}",
                    crate::report::one_line(&error)
                );
                Self::given(watch::channel(0).1)
            }
        }
    }

    /// Those that somebody else counts. When its sender is gone, none will come.
    pub fn given(ticks: watch::Receiver<u64>) -> Self {
        Self {
            ticks,
            subsystems: watch::Sender::new(None),
            kernel: None,
        }
    }
}
