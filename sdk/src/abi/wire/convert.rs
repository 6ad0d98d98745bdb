//! From what crosses the boundary to what an author sees, and back.

use super::{Allocation, ExtendedDevice, Function};
use crate::{DeviceId, Error, HexId, PciFunction};

impl From<&PciFunction> for Function {
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

impl From<Function> for PciFunction {
    fn from(f: Function) -> Self {
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

impl TryFrom<ExtendedDevice> for crate::ExtendedDevice {
    type Error = Error;

    fn try_from(device: ExtendedDevice) -> Result<Self, Error> {
        Ok(Self {
            device_type: device.device_type,
            id: DeviceId::new(device.id)?,
            function: device.function,
        })
    }
}

impl From<crate::Allocation> for Allocation {
    fn from(allocation: crate::Allocation) -> Self {
        let pairs = |nodes: Vec<crate::DeviceNode>| {
            nodes
                .into_iter()
                .map(|node| (node.host_path, node.container_path))
                .collect()
        };
        Self {
            nodes: pairs(allocation.nodes),
            companions: pairs(allocation.companions),
            mounts: allocation
                .mounts
                .into_iter()
                .map(|mount| (mount.host_path, mount.container_path, mount.read_only))
                .collect(),
            info: allocation.info,
            device_info: allocation.device_info,
        }
    }
}

// Serde hands the field by reference.
