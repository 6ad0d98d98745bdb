//! What a container gets for one device.

use std::collections::BTreeMap;

use serde_json::Value;

/// A device node of the node that appears in the container, readable and writable.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceNode {
    /// The path on the node.
    pub host_path: String,
    /// The path in the container; mostly the same.
    pub container_path: String,
}

impl DeviceNode {
    /// A device node with its two paths.
    pub fn new(host_path: impl Into<String>, container_path: impl Into<String>) -> Self {
        Self {
            host_path: host_path.into(),
            container_path: container_path.into(),
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
/// The host joins the contributions of the device type and of its extensions, removes device nodes named twice, and
/// turns them into the kubelet's answer, the `PCIDEVICE_…` variables and the device-info file.
///
/// ```
/// use sriovdp_sdk::Allocation;
///
/// let mut allocation = Allocation::default();
/// allocation.node("/dev/vfio/vfio").node("/dev/vfio/19");
/// allocation.info("vfio", "dev-mount", "/dev/vfio/19");
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
