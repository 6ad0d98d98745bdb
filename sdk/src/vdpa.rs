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
    /// Its name on the bus.
    pub fn name(&self) -> &str {
        &self.name
    }

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

/// The vDPA devices of each device that has any, by name.
///
/// Most drivers of the kernel make one for each function or subfunction.
#[derive(Debug, Default)]
pub struct VdpaDevices(HashMap<String, Vec<VdpaDevice>>);

impl VdpaDevices {
    /// Those of the node. One directory is read where there is none.
    ///
    /// # Errors
    ///
    /// When the bus is there and cannot be read: then nothing is known, and not that there are none.
    pub fn read(node: &Node) -> Result<Self, Error> {
        let mut devices: HashMap<String, Vec<VdpaDevice>> = HashMap::new();
        for name in node.root().try_list(BUS)? {
            if let Some(parent) = parent(node, &name) {
                let bound_to = VdpaType::of(node, &name);
                let of_parent = devices.entry(parent).or_default();
                of_parent.push(VdpaDevice { name, bound_to });
            }
        }
        Ok(Self(devices))
    }

    /// The first of the PCI function at `address`.
    pub fn of_function(&self, address: PciAddress) -> Option<&VdpaDevice> {
        self.all_of_function(address).first()
    }

    /// Those of the PCI function at `address`. [`vdpa_device_of`] hands out one of several.
    pub fn all_of_function(&self, address: PciAddress) -> &[VdpaDevice] {
        // Most nodes have none, and thousands of functions.
        if self.0.is_empty() {
            return &[];
        }
        self.0.get(&address.to_string()).map_or(&[], Vec::as_slice)
    }

    /// The first of the auxiliary device `name`.
    pub fn of_auxiliary(&self, name: &str) -> Option<&VdpaDevice> {
        self.0.get(name)?.first()
    }
}

/// Adds the first vDPA device of the PCI function or auxiliary device `id` as it is now, which must be of the type
/// `wanted`, and returns the section `vdpa` of the device-info file.
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
    let bus = match id.as_str().parse::<PciAddress>() {
        Ok(_) => "pci",
        Err(_) => "auxiliary",
    };
    let on_bus = node.root().list(BUS);
    let children = node.root().list(&format!("/sys/bus/{bus}/devices/{id}"));
    let device = children
        .iter()
        .find(|name| on_bus.binary_search(name).is_ok())
        .ok_or_else(|| {
            Error::new(format!("`{id}` has no vDPA device any more")).with_hint(RESCAN)
        })?;
    hand_out(node, device, id.as_str(), wanted, allocation)
}

/// Adds the vDPA device `name`, one of those of the PCI function at `function`, as [`vdpa_device`] adds the first one.
///
/// # Errors
///
/// When the function has no such one, it is bound to another driver, or its device node is missing.
pub fn vdpa_device_of(
    node: &Node,
    function: PciAddress,
    name: &str,
    wanted: VdpaType,
    allocation: &mut Allocation,
) -> Result<Value, Error> {
    let id = function.to_string();
    if parent(node, name).as_ref() != Some(&id) {
        let message = format!("`{id}` has no vDPA device `{name}` any more");
        return Err(Error::new(message).with_hint(RESCAN));
    }
    hand_out(node, name, &id, wanted, allocation)
}

/// Adds `device`, a vDPA device of the PCI function or auxiliary device `id`.
fn hand_out(
    node: &Node,
    device: &str,
    id: &str,
    wanted: VdpaType,
    allocation: &mut Allocation,
) -> Result<Value, Error> {
    if VdpaType::of(node, device) != Some(wanted) {
        let message = format!(
            "the vDPA device `{device}` of `{id}` is not bound to `{wanted}_vdpa` any more"
        );
        return Err(Error::new(message).with_hint(RESCAN));
    }
    let mut info = json!({"parent-device": device, "driver": wanted.to_string()});
    if id.parse::<PciAddress>().is_ok() {
        info["pci-address"] = id.into();
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
