//! vDPA devices of PCI functions: which there are, what they are bound to, and what a container gets of them.
//!
//! A vDPA device is a child of the function that brings it and is listed on the vDPA bus (Linux:
//! `Documentation/ABI/testing/sysfs-bus-vdpa`), so nothing needs netlink.

use std::collections::HashMap;
use std::fmt;

use serde_json::{Value, json};
use sriovdp_sdk::{
    Allocation, Deserialize, Error, Finding, FindingKind, JsonSchema, Node, PciAddress, schemars,
    serde,
};

const BUS: &str = "/sys/bus/vdpa/devices";

const RESCAN: &str =
    "wait until the plugin has seen the change; `vdpa dev show` lists what there is";

/// The driver of the vDPA bus that a vDPA device is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(crate = "serde", rename_all = "lowercase")]
#[schemars(crate = "schemars")]
pub enum VdpaType {
    /// `vhost_vdpa`: a character device, for a virtual machine or a userspace driver.
    Vhost,
    /// `virtio_vdpa`: a virtio network interface.
    Virtio,
}

impl VdpaType {
    fn of(node: &Node, device: &str) -> Option<Self> {
        match node
            .root()
            .link_name(&format!("{BUS}/{device}/driver"))?
            .as_str()
        {
            "vhost_vdpa" => Some(Self::Vhost),
            "virtio_vdpa" => Some(Self::Virtio),
            _ => None,
        }
    }
}

impl fmt::Display for VdpaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vhost => "vhost",
            Self::Virtio => "virtio",
        })
    }
}

/// A vDPA device on the bus.
pub(crate) struct VdpaDevice {
    name: String,
    /// What it is bound to, if a container could use it.
    pub(crate) bound_to: Option<VdpaType>,
}

impl VdpaDevice {
    /// That the character device of vhost is missing, which the device is bound to. An entry that is not there yet is
    /// no finding: the driver may be about to finish.
    pub(crate) fn finding(&self, node: &Node) -> Option<Finding> {
        self.bound_to.filter(|kind| *kind == VdpaType::Vhost)?;
        let path = vhost_node(node, &self.name)?;
        let missing = require(node, &self.name, &path).err()?;
        Some(missing.to_finding(FindingKind::DeviceNode))
    }
}

/// The first vDPA device, by name, of each function that has any.
///
/// One directory is read where there is none.
///
/// # Errors
///
/// When the bus is there and cannot be read: then nothing is known, and not that there are none.
pub(crate) fn devices(node: &Node) -> Result<HashMap<PciAddress, VdpaDevice>, Error> {
    let mut devices = HashMap::new();
    for name in node.root().try_list(BUS)? {
        if let Some(function) = parent(node, &name) {
            devices.entry(function).or_insert_with(|| VdpaDevice {
                bound_to: VdpaType::of(node, &name),
                name,
            });
        }
    }
    Ok(devices)
}

/// Adds the vDPA device of `function` as it is now, which must be of the type `wanted`, and returns the section `vdpa` of
/// the device-info file.
pub(crate) fn allocate(
    node: &Node,
    function: PciAddress,
    wanted: VdpaType,
    allocation: &mut Allocation,
) -> Result<Value, Error> {
    let on_bus = node.root().list(BUS);
    let children = node.pci(function).list("");
    let device = children
        .iter()
        .find(|name| on_bus.binary_search(name).is_ok())
        .ok_or_else(|| {
            Error::new(format!("`{function}` has no vDPA device any more")).with_hint(RESCAN)
        })?;
    if VdpaType::of(node, device) != Some(wanted) {
        let message = format!(
            "the vDPA device `{device}` of `{function}` is not bound to `{wanted}_vdpa` any more"
        );
        return Err(Error::new(message).with_hint(RESCAN));
    }
    let mut info = json!({"parent-device": device, "driver": wanted.to_string(), "pci-address": function.to_string()});
    // The section is there for both types.
    allocation.info.entry("vdpa".to_owned()).or_default();
    if wanted == VdpaType::Vhost {
        let path = vhost_node(node, device).ok_or_else(|| {
            Error::new(format!(
                "the vDPA device `{device}` has no entry `vhost-vdpa-N`"
            ))
            .with_hint("see that the module `vhost_vdpa` is loaded")
        })?;
        require(node, device, &path)?;
        info["path"] = path.as_str().into();
        allocation.node(path.as_str()).info("vdpa", "mount", path);
    }
    Ok(info)
}

/// `vhost_vdpa` gives its character device the name of its entry below the vDPA device.
fn vhost_node(node: &Node, device: &str) -> Option<String> {
    let entries = node.root().list(&format!("{BUS}/{device}"));
    let entry = entries.iter().find(|name| name.starts_with("vhost-vdpa-"));
    entry.map(|entry| format!("/dev/{entry}"))
}

fn require(node: &Node, device: &str, path: &str) -> Result<(), Error> {
    node.require_device_node(path).map_err(|missing| {
        missing
            .context(format!("cannot hand out the vDPA device `{device}`"))
            .with_hint("see that the plugin sees the `/dev` of the node")
    })
}

/// The PCI function that a vDPA device is a child of: the last but one component of where its link leads.
fn parent(node: &Node, device: &str) -> Option<PciAddress> {
    let target = node.root().link_target(&format!("{BUS}/{device}"))?;
    target.parent()?.file_name()?.to_str()?.parse().ok()
}
