//! vDPA devices of PCI functions and subfunctions: which there are, what they are bound to, and what a container gets of
//! them.
//!
//! A vDPA device is a child of the device that brings it and is listed on the vDPA bus (Linux:
//! `Documentation/ABI/testing/sysfs-bus-vdpa`), so nothing needs netlink.

use std::collections::HashMap;
use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Allocation, DeviceId, Error, Finding, FindingKind, Node, PciAddress};

const BUS: &str = "/sys/bus/vdpa/devices";

const RESCAN: &str =
    "wait until the plugin has seen the change; `vdpa dev show` lists what there is";

/// The driver of the vDPA bus that a vDPA device is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(clippy::exhaustive_enums, reason = "the bus has two drivers")]
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
#[derive(Debug)]
pub struct VdpaDevice {
    name: String,
    bound_to: Option<VdpaType>,
}

impl VdpaDevice {
    /// What it is bound to, if a container could use it.
    pub fn bound_to(&self) -> Option<VdpaType> {
        self.bound_to
    }

    /// That the character device of vhost is missing, which the device is bound to. An entry that is not there yet is
    /// no finding: the driver may be about to finish.
    pub fn finding(&self, node: &Node) -> Option<Finding> {
        self.bound_to.filter(|kind| *kind == VdpaType::Vhost)?;
        let path = vhost_node(node, &self.name)?;
        let missing = require(node, &self.name, &path).err()?;
        Some(missing.to_finding(FindingKind::DeviceNode))
    }
}

/// The first vDPA device, by name, of each device that has any.
///
/// The drivers of the kernel make one for each function or subfunction.
#[derive(Debug, Default)]
pub struct VdpaDevices(HashMap<String, VdpaDevice>);

impl VdpaDevices {
    /// Those of the node. One directory is read where there is none.
    ///
    /// # Errors
    ///
    /// When the bus is there and cannot be read: then nothing is known, and not that there are none.
    pub fn read(node: &Node) -> Result<Self, Error> {
        let mut devices = HashMap::new();
        for name in node.root().try_list(BUS)? {
            if let Some(parent) = parent(node, &name) {
                devices.entry(parent).or_insert_with(|| VdpaDevice {
                    bound_to: VdpaType::of(node, &name),
                    name,
                });
            }
        }
        Ok(Self(devices))
    }

    /// That of the PCI function at `address`.
    pub fn of_function(&self, address: PciAddress) -> Option<&VdpaDevice> {
        // Most nodes have none, and thousands of functions.
        (!self.0.is_empty()).then(|| self.0.get(&address.to_string()))?
    }

    /// That of the auxiliary device `name`.
    pub fn of_auxiliary(&self, name: &str) -> Option<&VdpaDevice> {
        self.0.get(name)
    }
}

/// Adds the vDPA device of the PCI function or auxiliary device `id` as it is now, which must be of the type `wanted`, and
/// returns the section `vdpa` of the device-info file.
///
/// # Errors
///
/// When there is none, it is bound to another driver, or its device node is missing.
pub fn vdpa_device(
    node: &Node,
    id: &DeviceId,
    wanted: VdpaType,
    allocation: &mut Allocation,
) -> Result<Value, Error> {
    let function: Option<PciAddress> = id.as_str().parse().ok();
    let bus = function.map_or("auxiliary", |_| "pci");
    let on_bus = node.root().list(BUS);
    let children = node.root().list(&format!("/sys/bus/{bus}/devices/{id}"));
    let device = children
        .iter()
        .find(|name| on_bus.binary_search(name).is_ok())
        .ok_or_else(|| {
            Error::new(format!("`{id}` has no vDPA device any more")).with_hint(RESCAN)
        })?;
    if VdpaType::of(node, device) != Some(wanted) {
        let message = format!(
            "the vDPA device `{device}` of `{id}` is not bound to `{wanted}_vdpa` any more"
        );
        return Err(Error::new(message).with_hint(RESCAN));
    }
    let mut info = json!({"parent-device": device, "driver": wanted.to_string()});
    if let Some(function) = function {
        info["pci-address"] = function.to_string().into();
    }
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

/// The name of the device that a vDPA device is a child of: the last but one component of where its link leads.
fn parent(node: &Node, device: &str) -> Option<String> {
    let target = node.root().link_target(&format!("{BUS}/{device}"))?;
    Some(target.parent()?.file_name()?.to_str()?.to_owned())
}
