//! The network interfaces of a physical function, read once per scan and remembered while they are away.

use std::sync::Arc;

use sriovdp_sdk::node::Netdev;
use sriovdp_sdk::selector::CaseInsensitive;
use sriovdp_sdk::{Node, PciAddress};

/// A function that is the way out for its virtual functions, or for itself where it has none.
#[derive(Debug)]
pub(crate) struct Uplink {
    pub(crate) address: PciAddress,
    /// Its names in `pfNames`.
    pub(crate) names: Vec<CaseInsensitive>,
    pub(crate) link_type: Option<Arc<CaseInsensitive>>,
    /// It has a network interface, so an attribute of it that is absent cannot be read now.
    pub(crate) has_netdev: bool,
    /// What is remembered holds for this driver only.
    driver: Option<String>,
}

impl Uplink {
    /// The uplink at `address`, given what it was `before`.
    ///
    /// A network interface that was moved into a pod is no longer in sysfs. Its function keeps the name and the link
    /// that it had, so that a device does not fall out of its pool because a pod uses it.
    pub(crate) fn at(node: &Node, address: PciAddress, before: Option<&Arc<Self>>) -> Arc<Self> {
        // As in the scan of the host, which has it also while the link to it cannot be read.
        let driver = node
            .function(address)
            .and_then(|known| known.driver.clone());
        let netdevs = node.pf_netdevs(address);
        let remembered = before.filter(|known| known.driver == driver);
        if let (true, Some(remembered)) = (netdevs.is_empty(), remembered) {
            return Arc::clone(remembered);
        }
        let link_type = netdevs.iter().find_map(Netdev::link_type);
        Arc::new(Self {
            address,
            names: netdevs.iter().map(|netdev| netdev.name().into()).collect(),
            link_type: link_type
                .as_deref()
                .map(CaseInsensitive::from)
                .map(Arc::new)
                // Its kind does not change, so one that cannot be read is what it was.
                .or_else(|| remembered?.link_type.clone()),
            has_netdev: node.pci(address).has_netdev(),
            driver,
        })
    }
}
