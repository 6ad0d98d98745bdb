//! The attributes of a device: those of its provider, and where it is.

use std::collections::BTreeMap;

use sriovdp_agent::pools::{DiscoveredDevice, PoolDevice};
use sriovdp_agent::reconcile::Reconciler;
use sriovdp_providers::DeviceExtras;
use sriovdp_sdk::{Attribute, PciAddress};

/// Those that every device may have.
pub(super) const OF_HOST: [&str; 3] = ["pciAddress", "pcieRoot", "numaNode"];

/// What a device has of its provider, and where it is.
#[derive(Clone, Copy)]
pub(super) struct Described<'a> {
    extras: Option<&'a DeviceExtras>,
    function: Option<PciAddress>,
    numa_node: Option<u32>,
}

impl<'a> From<&'a DiscoveredDevice> for Described<'a> {
    fn from(device: &'a DiscoveredDevice) -> Self {
        Self {
            extras: device.extras.as_deref(),
            function: device.function,
            numa_node: device.numa_node,
        }
    }
}

impl<'a> From<&'a PoolDevice> for Described<'a> {
    fn from(device: &'a PoolDevice) -> Self {
        Self {
            extras: device.extras.as_deref(),
            function: device.function,
            numa_node: device.numa_node,
        }
    }
}

/// By their ids.
pub(super) fn of(state: &Reconciler, device: Described<'_>) -> BTreeMap<String, Attribute> {
    let mut attributes = match device.extras {
        Some(extras) => extras.attributes.clone(),
        None => BTreeMap::new(),
    };
    let mut add = |id: &str, value: Attribute| drop(attributes.insert(id.to_owned(), value));
    if let Some(function) = device.function {
        add("pciAddress", function.to_string().into());
        if let Some(root) = pcie_root(state, function) {
            add("pcieRoot", root.into());
        }
    }
    if let Some(node) = device.numa_node {
        add("numaNode", node.into());
    }
    attributes
}

/// The root complex of a function, such as `pci0000:17`: the first directory of its path in `/sys/devices`.
fn pcie_root(state: &Reconciler, function: PciAddress) -> Option<String> {
    let devices = state.tree().below_root("/sys/bus/pci/devices");
    let target = std::fs::read_link(devices.join(function.to_string())).ok()?;
    let mut parts = target.iter().filter_map(|part| part.to_str());
    let root = parts.find(|part| part.starts_with("pci") && part.contains(':'))?;
    Some(root.to_owned())
}
