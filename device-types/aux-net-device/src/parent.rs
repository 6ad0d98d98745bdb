//! The PCI function below which subfunctions are, read once per scan and remembered while a pod has its interface.

use std::sync::Arc;

use sriovdp_sdk::node::Netdev;
use sriovdp_sdk::selector::{CaseInsensitive, PcieRoot, PcieRoots};
use sriovdp_sdk::{HexId, Node, PciAddress};

/// What all subfunctions of one function have in common.
#[derive(Debug)]
pub(crate) struct Parent {
    pub(crate) address: PciAddress,
    pub(crate) numa_node: Option<u32>,
    pub(crate) vendor: HexId,
    pub(crate) device: HexId,
    pub(crate) pcie_root: Option<PcieRoot>,
    pub(crate) driver: String,
    pub(crate) acpi_index: Option<String>,
    /// There is one, and it cannot be read now.
    pub(crate) is_acpi_index_unread: bool,
    /// Its names in `pfNames`.
    pub(crate) names: Vec<CaseInsensitive>,
    pub(crate) link_type: Option<CaseInsensitive>,
    /// The function with its names has a network interface, so an attribute of it that is absent cannot be read now.
    pub(crate) has_netdev: bool,
}

/// A parent, or the reason why a function can have no subfunctions.
pub(crate) type Known = Result<Arc<Parent>, String>;

/// PCI base class 0x02 (PCI Code and ID Assignment Specification, section 1.3).
const NETWORK_CONTROLLER: u8 = 0x02;

impl Parent {
    /// The parent at `address`, given what it was `before`, or why its subfunctions are not offered.
    ///
    /// A network interface that was moved into a pod is no longer in sysfs. Its function keeps the name and the link
    /// that it had, so that a subfunction does not fall out of its pool because of that.
    pub(crate) fn at(node: &Node, address: PciAddress, before: Option<&Known>) -> Known {
        let function = node
            .function(address)
            .filter(|function| function.base_class() == NETWORK_CONTROLLER)
            .ok_or_else(|| format!("its parent {address} is no network function"))?;
        let driver = function
            .driver
            .clone()
            .ok_or_else(|| format!("no driver is bound to its parent {address}"))?;
        // As in the Go plugin. The directory is there as long as any network namespace has an interface in it, so one
        // that a pod took away does not matter here.
        if !node
            .root()
            .exists(&format!("/sys/bus/pci/devices/{address}/net"))
        {
            return Err(format!("its parent {address} makes no network interface"));
        }
        let before = before.and_then(|known| known.as_ref().ok());
        let before = before.filter(|known| known.driver == driver);
        // A virtual function is known by the network interfaces of its physical one.
        let uplink = function.physical_function.unwrap_or(address);
        let netdevs = node.pf_netdevs(uplink);
        if let (true, Some(before)) = (netdevs.is_empty(), before) {
            return Ok(Arc::clone(before));
        }
        let link_type = netdevs.iter().find_map(Netdev::link_type);
        let directory = node.pci(address);
        let acpi_index = directory.constant_attribute("acpi_index", || before?.acpi_index.clone());
        Ok(Arc::new(Self {
            address: function.address,
            numa_node: function.numa_node,
            vendor: function.vendor,
            device: function.device,
            pcie_root: PcieRoots::new(node).of(address),
            driver,
            is_acpi_index_unread: acpi_index.is_none() && directory.has("acpi_index"),
            acpi_index,
            names: netdevs.iter().map(|netdev| netdev.name().into()).collect(),
            link_type: link_type
                .as_deref()
                .map(CaseInsensitive::from)
                // The interface is there, and its type cannot be read: it may just be getting another name.
                .or_else(|| before?.link_type.clone()),
            has_netdev: node.pci(uplink).has_netdev(),
        }))
    }
}
