//! What a container gets for one device.

mod validate;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::Permissions;

/// A device node of the node that appears in the container.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceNode {
    /// The path on the node.
    pub host_path: String,
    /// The path in the container; mostly the same.
    pub container_path: String,
    /// What the container may do with it.
    pub permissions: Permissions,
}

impl DeviceNode {
    /// A device node with its two paths, readable and writable.
    pub fn new(host_path: impl Into<String>, container_path: impl Into<String>) -> Self {
        Self {
            host_path: host_path.into(),
            container_path: container_path.into(),
            permissions: Permissions::default(),
        }
    }

    /// The same device node with other permissions.
    #[must_use]
    pub fn with_permissions(self, permissions: Permissions) -> Self {
        Self {
            permissions,
            ..self
        }
    }
}

/// A file or directory of the node that appears in the container.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mount {
    /// The path on the node.
    pub host_path: String,
    /// The path in the container.
    pub container_path: String,
    /// Whether the container may not write to it.
    pub read_only: bool,
}

impl Mount {
    /// A mount that the container may not write to.
    pub fn read_only(host_path: impl Into<String>, container_path: impl Into<String>) -> Self {
        Self {
            host_path: host_path.into(),
            container_path: container_path.into(),
            read_only: true,
        }
    }

    /// A mount that the container may write to.
    pub fn writable(host_path: impl Into<String>, container_path: impl Into<String>) -> Self {
        Self {
            read_only: false,
            ..Self::read_only(host_path, container_path)
        }
    }
}

/// What one provider contributes to a container for one device.
///
/// The host merges the contributions of the device type and of its extensions for all devices of the container: the owner's
/// first, then those of the extensions, in the order of the devices. Equal contributions merge. Different ones for the
/// same environment variable, annotation, path in the container or key of `_INFO` fail the Allocate with an error that names
/// both providers; where the devices of a container have different values, use [`env_list`](Self::env_list).
///
/// ```
/// use sriovdp_sdk::{Allocation, Permissions};
///
/// let mut allocation = Allocation::default();
/// allocation.node("/dev/cxi0").node_with("/dev/cxi_health0", Permissions::READ);
/// allocation.mount_read_only("/usr/lib/cxi");
/// allocation.env_list("FI_CXI_DEVICE_NAME", "cxi0").env("FI_PROVIDER", "cxi");
/// allocation.annotation("example.com/fabric", "blue");
/// allocation.info("cxi", "mount", "/dev/cxi0");
/// allocation.validate()?;
/// # Ok::<(), sriovdp_sdk::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Allocation {
    /// Device nodes, in the order in which the container shall see them.
    pub nodes: Vec<DeviceNode>,
    /// Device nodes that accompany the device rather than belong to it (`/dev/net/tun`); they come after those of all
    /// extensions.
    pub companions: Vec<DeviceNode>,
    /// Mounts.
    pub mounts: Vec<Mount>,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// Environment variables with one item for each device.
    pub env_lists: BTreeMap<String, String>,
    /// Annotations of the container, for its runtime.
    pub annotations: BTreeMap<String, String>,
    /// Devices of CDI specifications that others write, as `vendor.com/class=name`.
    pub cdi_devices: Vec<String>,
    /// Sections of the device's entry in `PCIDEVICE_…_INFO`: section, key, value.
    pub info: BTreeMap<String, BTreeMap<String, String>>,
    /// Fields of the device-info file (Device Information Specification 1.1.0 of the Network Plumbing Working Group),
    /// merged over what others contribute. Without any, no file is written. The host adds `version`.
    pub device_info: BTreeMap<String, Value>,
}

impl Allocation {
    /// Adds a device node that has the same path on the node and in the container.
    pub fn node(&mut self, path: impl Into<String>) -> &mut Self {
        let path = path.into();
        self.node_as(path.clone(), path)
    }

    /// Adds a device node under another path in the container.
    pub fn node_as(
        &mut self,
        host_path: impl Into<String>,
        container_path: impl Into<String>,
    ) -> &mut Self {
        self.nodes.push(DeviceNode::new(host_path, container_path));
        self
    }

    /// Adds a device node that has the same path on the node and in the container, with `permissions` other than reading
    /// and writing.
    pub fn node_with(&mut self, path: impl Into<String>, permissions: Permissions) -> &mut Self {
        let path = path.into();
        let node = DeviceNode::new(path.clone(), path).with_permissions(permissions);
        self.nodes.push(node);
        self
    }

    /// Adds a device node that accompanies the device, after those of the device itself.
    pub fn shared_node(&mut self, path: impl Into<String>) -> &mut Self {
        let path = path.into();
        self.companions.push(DeviceNode::new(path.clone(), path));
        self
    }

    /// Adds a file or directory that has the same path on the node and in the container, and that the container may not
    /// write to.
    pub fn mount_read_only(&mut self, path: impl Into<String>) -> &mut Self {
        let path = path.into();
        self.mount(Mount::read_only(path.clone(), path))
    }

    /// Adds a file or directory of the node.
    pub fn mount(&mut self, mount: Mount) -> &mut Self {
        self.mounts.push(mount);
        self
    }

    /// Sets an environment variable. Names that begin with `PCIDEVICE_` belong to the host.
    ///
    /// With `--use-cdi`, the variable is part of the device's entry in the CDI specification.
    pub fn env(&mut self, name: impl Into<String>, value: impl Into<String>) -> &mut Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Adds an item to an environment variable whose value is a list: the items of all devices of the container, joined by
    /// commas in the order of the devices, each once. There is one item for each device: a second one of the same variable
    /// replaces it. Such a variable is never part of a CDI specification.
    pub fn env_list(&mut self, name: impl Into<String>, item: impl Into<String>) -> &mut Self {
        self.env_lists.insert(name.into(), item.into());
        self
    }

    /// Sets an annotation of the container, which its runtime and the runtime's hooks read. It is no annotation of the pod.
    pub fn annotation(&mut self, key: impl Into<String>, value: impl Into<String>) -> &mut Self {
        self.annotations.insert(key.into(), value.into());
        self
    }

    /// Adds a device of a CDI specification that another program writes, as `vendor.com/class=name`. It gets to the
    /// container runtime with and without `--use-cdi`, as `--cdi-names` has it.
    pub fn cdi_device(&mut self, name: impl Into<String>) -> &mut Self {
        self.cdi_devices.push(name.into());
        self
    }

    /// Adds one value to the device's entry in `PCIDEVICE_…_INFO`.
    pub fn info(&mut self, section: &str, key: &str, value: impl Into<String>) -> &mut Self {
        self.info
            .entry(section.to_owned())
            .or_default()
            .insert(key.to_owned(), value.into());
        self
    }

    /// Adds one field to the device-info file.
    pub fn device_info(&mut self, field: &str, value: impl Into<Value>) -> &mut Self {
        self.device_info.insert(field.to_owned(), value.into());
        self
    }
}
