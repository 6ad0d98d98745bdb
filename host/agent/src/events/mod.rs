//! Events of the kernel, which trigger reconciles.
//!
//! [`KernelEvents`] reads two netlink sockets, [`Uevent`](uevent::Uevent) and [`Link`](link::Link) parse their messages,
//! [`PendingChanges`] collects the PCI functions that they concern, and [`Debounce`] spaces reconciles in a burst. A
//! reconcile reads the state of the node itself, so a superfluous event costs one reconcile at most, and lost events make
//! it a full one.

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
pub use pending_changes::{ChangeScope, PendingChanges, ReconcileScope};

/// The source of changes of the node.
#[derive(Debug)]
pub struct NodeEvents {
    pub(crate) changes: watch::Sender<PendingChanges>,
    /// The subsystems of the loaded providers, as uevents spell them; nothing before the first reconcile, when all count.
    pub(crate) subsystems: watch::Sender<Option<BTreeSet<String>>>,
    /// The reader of the kernel's events, which the daemon runs.
    pub(crate) kernel: Option<KernelEvents>,
}

/// The scopes of a message of the kernel, parsed in both formats.
#[cfg(fuzzing)]
pub(crate) fn scopes(message: &[u8]) -> Vec<ChangeScope> {
    let links = link::Link::parse(message).into_iter();
    let links = links.map(|link| link.scope());
    let uevent = uevent::Uevent::parse(message).into_iter();
    links.chain(uevent.map(|uevent| uevent.scope())).collect()
}

impl NodeEvents {
    /// Events of this machine's kernel, if `root` is `/`. Without them, the resync timer finds changes.
    pub fn of_node(root: &Path) -> Self {
        if root != Path::new("/") {
            return Self::from_sender(watch::Sender::default());
        }
        let subsystems = watch::Sender::new(None);
        match KernelEvents::open(subsystems.subscribe()) {
            Ok(kernel) => Self {
                changes: kernel.changes(),
                subsystems,
                kernel: Some(kernel),
            },
            Err(error) => {
                tracing::warn!(
                    event = "kernel_events_unavailable",
                    error = sriovdp_report::inline(&error),
                    "no kernel events; only `--rescan-interval` finds changes of the node"
                );
                Self::from_sender(watch::Sender::default())
            }
        }
    }

    /// Events that the holder of the sender announces.
    pub fn from_sender(changes: watch::Sender<PendingChanges>) -> Self {
        Self {
            changes,
            subsystems: watch::Sender::new(None),
            kernel: None,
        }
    }
}
