//! What one discovery keeps for the next, for what cannot be read then.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sriovdp_sdk::{Node, PciAddress};

use crate::uplink::Uplinks;

/// What was read in the last discovery that was about it.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// While a pod has a network interface, it is not in sysfs.
    pub(crate) uplinks: Uplinks,
    /// The firmware gives a function its number once, and asking for it may fail.
    pub(crate) acpi_indexes: HashMap<PciAddress, Arc<String>>,
    /// The virtual functions that are offered whatever the default route of the node does.
    pub(crate) without_route: HashSet<PciAddress>,
}

impl Memory {
    /// Takes what a discovery of `node` has read; what that was not about stays.
    pub(crate) fn take(&mut self, node: &Node, read: Self) {
        self.uplinks
            .retain(|&address, _| !node.is_in_scope(address));
        self.uplinks.extend(read.uplinks);
        self.acpi_indexes
            .retain(|&address, _| !node.is_in_scope(address));
        self.acpi_indexes.extend(read.acpi_indexes);
        self.without_route
            .retain(|&address| !node.is_in_scope(address));
        self.without_route.extend(read.without_route);
    }
}
