//! What the kernel says about changes of the node: a reason to look, and where.
//!
//! [`KernelEvents`] follows two netlink sockets, [`Uevent`](uevent::Uevent) and [`Link`](link::Link) are what their
//! messages say, [`PendingChanges`] gathers which functions they are about, and [`Debounce`] turns bursts of them into few looks.
//! What has become of a function is read when the loop looks, so a superfluous event costs a look at most, and lost ones
//! make it a look at everything.

mod debounce;
mod kernel;
mod link;
mod pending_changes;
mod uevent;

use std::collections::BTreeSet;
use std::path::Path;

use tokio::sync::watch;

pub use debounce::Debounce;
pub use kernel::KernelEvents;
pub use pending_changes::{ChangeScope, PendingChanges};

/// The names of kernel subsystems whose devices matter, as their uevents spell them.
pub type Subsystems = BTreeSet<String>;

/// Where the daemon hears that the node has changed.
#[derive(Debug)]
pub struct NodeEvents {
    pub(crate) news: watch::Sender<PendingChanges>,
    /// What the loaded providers want to hear of; nothing as long as nobody knows.
    pub(crate) subsystems: watch::Sender<Option<Subsystems>>,
    /// Has to run for news to come.
    pub(crate) kernel: Option<KernelEvents>,
}

/// The places that a message of the kernel tells of, read by both of its formats.
pub(crate) fn places(message: &[u8]) -> Vec<ChangeScope> {
    let links = link::Link::parse(message).into_iter();
    let links = links.map(|link| link.place());
    let uevent = uevent::Uevent::parse(message).into_iter();
    links.chain(uevent.map(|uevent| uevent.place())).collect()
}

impl NodeEvents {
    /// Those of this machine's kernel, if the node below `root` is this machine. A kernel that does not tell them is
    /// no failure; it is logged, and what changes is found by the timer.
    pub fn of_node(root: &Path) -> Self {
        if root != Path::new("/") {
            return Self::given(watch::Sender::default());
        }
        let subsystems = watch::Sender::new(None);
        match KernelEvents::open(subsystems.subscribe()) {
            Ok(kernel) => Self {
                news: kernel.news(),
                subsystems,
                kernel: Some(kernel),
            },
            Err(error) => {
                tracing::warn!(
                    "the kernel does not tell of changes, so they are found by `--rescan-interval` only: {}",
                    sriovdp_report::inline(&error)
                );
                Self::given(watch::Sender::default())
            }
        }
    }

    /// Those that somebody else tells.
    pub fn given(news: watch::Sender<PendingChanges>) -> Self {
        Self {
            news,
            subsystems: watch::Sender::new(None),
            kernel: None,
        }
    }
}
