//! What one discovery keeps for the next, for what cannot be read then.

use std::sync::Arc;

use sriovdp_sdk::{Memory, Node, Recall};

use crate::uplink::Uplink;

/// What was read in the last discovery that was about it.
#[derive(Debug, Default)]
pub(crate) struct Memories {
    /// While a pod has a network interface, it is not in sysfs.
    uplinks: Memory<Arc<Uplink>>,
    /// The firmware gives a function its number once, and a read of it can fail.
    acpi_indexes: Memory<Arc<String>>,
    /// The virtual functions that are offered whatever the default route of the node does.
    without_route: Memory<()>,
    /// The functions that have had several vDPA devices, until they have none. A pod may have one of them: if the last one
    /// became the device of its function, another pod would get it under that id.
    divided: Memory<()>,
}

/// The memories in a discovery.
pub(crate) struct Recalls<'a> {
    pub(crate) uplinks: Recall<'a, Arc<Uplink>>,
    pub(crate) acpi_indexes: Recall<'a, Arc<String>>,
    pub(crate) without_route: Recall<'a, ()>,
    pub(crate) divided: Recall<'a, ()>,
}

impl Memories {
    pub(crate) fn recall<'a>(&'a self, node: &'a Node) -> Recalls<'a> {
        Recalls {
            uplinks: self.uplinks.recall(node),
            acpi_indexes: self.acpi_indexes.recall(node),
            without_route: self.without_route.recall(node),
            divided: self.divided.recall(node),
        }
    }
}

impl Recalls<'_> {
    pub(crate) fn keep(self) {
        self.uplinks.keep();
        self.acpi_indexes.keep();
        self.without_route.keep();
        self.divided.keep();
    }
}
