//! The fields of the device-info file that the Go plugin leaves out, for resources that want them.

use serde_json::Value;
use sriovdp_sdk::node::Netdev;
use sriovdp_sdk::userspace::VHOST_NET;
use sriovdp_sdk::{Device, Node, PciAddress};

use crate::facts::Facts;
use crate::selectors::Selectors;

/// Adds the physical function of a virtual one, its representor in switchdev mode, and the device node of vhost-net to
/// `info`, the section `pci` or `vdpa` (Device Information Specification 1.1.0).
pub(crate) fn complete(
    node: &Node,
    selectors: &Selectors,
    device: &Device<Facts>,
    info: &mut Value,
) {
    if !selectors.complete_device_info {
        return;
    }
    if let Some(pf) = &device.facts.pf {
        info["pf-pci-address"] = pf.address.to_string().into();
        let index = device.facts.vf_index;
        if let Some(name) = index.and_then(|index| representor(node, pf.address, index)) {
            info["representor-device"] = name.into();
        }
    }
    if selectors.need_vhost_net && selectors.vdpa_type.is_none() {
        info["vhost-net"] = VHOST_NET.into();
    }
}

/// The network interface that stands for virtual function `index` on the switch of its physical function, a port such
/// as `pf0vf3` beside the uplink `p0` (Linux: `Documentation/networking/devlink/devlink-port.rst`).
fn representor(node: &Node, pf: PciAddress, index: u16) -> Option<String> {
    let netdevs = node.pci(pf).netdevs();
    let port = |netdev: &Netdev<'_>| netdev.attribute("phys_port_name");
    let mut uplinks = netdevs.iter().filter_map(port);
    let number = uplinks.find_map(|name| name.strip_prefix('p')?.parse::<u16>().ok());
    let is_of_function = |netdev: &&Netdev<'_>| {
        let name = port(netdev).unwrap_or_default();
        let numbers = name
            .strip_prefix("pf")
            .and_then(|name| name.split_once("vf"));
        numbers.is_some_and(|(pf, vf)| {
            let parsed = |text: &str| text.parse::<u16>().ok();
            parsed(vf) == Some(index) && (number.is_none() || parsed(pf) == number)
        })
    };
    let found = netdevs.iter().find(is_of_function)?;
    Some(found.name().to_owned())
}
