//! The SDK's types as messages, and back.

use sriovdp_provider_abi::wire;

use crate::{
    Allocation, BaseDevice, Device, DeviceId, DeviceNode, Error, HexId, Mount, PciAddress,
    PciFunction, Permissions,
};

impl From<&PciFunction> for wire::Function {
    fn from(f: &PciFunction) -> Self {
        Self {
            address: f.address,
            vendor: f.vendor.0,
            device: f.device.0,
            class: f.class,
            driver: f.driver.clone(),
            numa_node: f.numa_node,
            physical_function: f.physical_function,
            vf_index: f.vf_index,
            vf_count: f.vf_count,
        }
    }
}

impl From<wire::Function> for PciFunction {
    fn from(f: wire::Function) -> Self {
        Self {
            address: f.address,
            vendor: HexId(f.vendor),
            device: HexId(f.device),
            class: f.class,
            driver: f.driver,
            numa_node: f.numa_node,
            physical_function: f.physical_function,
            vf_index: f.vf_index,
            vf_count: f.vf_count,
        }
    }
}

impl TryFrom<wire::ExtendedDevice> for BaseDevice {
    type Error = Error;

    fn try_from(device: wire::ExtendedDevice) -> Result<Self, Error> {
        let id = DeviceId::new(device.id)?;
        Ok(Self::new(device.device_type, id, device.function))
    }
}

impl TryFrom<wire::NonPciDevice> for BaseDevice {
    type Error = Error;

    fn try_from(device: wire::NonPciDevice) -> Result<Self, Error> {
        Ok(Self::new(
            device.device_type,
            DeviceId::new(device.id)?,
            None,
        ))
    }
}

/// A device as it crosses.
pub(super) fn device_to_wire<F>(device: &Device<F>) -> wire::Device {
    let is_implied = |function: PciAddress| device.id == function.into();
    let extras = device.extras.as_deref().cloned().unwrap_or_default();
    let attributes = extras.attributes.into_iter();
    wire::Device {
        id: device.id.clone(),
        function: device.function.filter(|&function| !is_implied(function)),
        numa_node: device.numa_node,
        other_numa_nodes: extras.other_numa_nodes,
        parent: extras.parent,
        independent: device.is_independent,
        // A text, a number and a truth value are JSON.
        attributes: attributes
            .filter_map(|(id, value)| Some((id, serde_json::to_value(value).ok()?)))
            .collect(),
        unhealthy: device.findings.first().map(|first| first.reason.clone()),
        findings: device.findings.clone(),
    }
}

impl From<Allocation> for wire::Allocation {
    fn from(allocation: Allocation) -> Self {
        let nodes = allocation.nodes.iter().chain(&allocation.companions);
        let permissions = nodes
            .filter(|node| node.permissions != Permissions::default())
            .map(|node| (node.container_path.clone(), node.permissions.to_string()))
            .collect();
        let pairs = |nodes: Vec<DeviceNode>| {
            nodes
                .into_iter()
                .map(|node| (node.host_path, node.container_path))
                .collect()
        };
        Self {
            nodes: pairs(allocation.nodes),
            companions: pairs(allocation.companions),
            permissions,
            mounts: allocation
                .mounts
                .into_iter()
                .map(|mount| (mount.host_path, mount.container_path, mount.read_only))
                .collect(),
            env: allocation.env,
            env_lists: allocation.env_lists,
            annotations: allocation.annotations,
            cdi_devices: allocation.cdi_devices,
            info: allocation.info,
            device_info: allocation.device_info,
        }
    }
}

impl TryFrom<wire::Allocation> for Allocation {
    type Error = Error;

    fn try_from(allocation: wire::Allocation) -> Result<Self, Error> {
        let permissions = &allocation.permissions;
        let nodes = |pairs: Vec<(String, String)>| {
            pairs
                .into_iter()
                .map(|(host_path, container_path)| {
                    let permissions = match permissions.get(&container_path) {
                        Some(letters) => letters.parse()?,
                        None => Permissions::default(),
                    };
                    Ok(DeviceNode::new(host_path, container_path).with_permissions(permissions))
                })
                .collect::<Result<Vec<_>, Error>>()
        };
        Ok(Self {
            nodes: nodes(allocation.nodes)?,
            companions: nodes(allocation.companions)?,
            mounts: allocation
                .mounts
                .into_iter()
                .map(
                    |(host_path, container_path, is_read_only)| match is_read_only {
                        true => Mount::read_only(host_path, container_path),
                        false => Mount::writable(host_path, container_path),
                    },
                )
                .collect(),
            env: allocation.env,
            env_lists: allocation.env_lists,
            annotations: allocation.annotations,
            cdi_devices: allocation.cdi_devices,
            info: allocation.info,
            device_info: allocation.device_info,
        })
    }
}
