//! The extension for RDMA: `isRdma` and `pKeys`, for device types whose devices carry RDMA devices.

#![forbid(unsafe_code)]

mod character_devices;
mod partition_key;
mod rdma_device;
mod selectors;
#[cfg(test)]
mod tests;

use serde_json::json;
use sriovdp_sdk::{
    Allocation, BaseDevice, Device, DeviceId, Discovery, Error, Finding, FindingKind, Manifest,
    Memory, Mismatch, Node, PciAddress, Provider, export_provider,
};

use rdma_device::{Parent, Presence};

pub use partition_key::PartitionKey;
pub use selectors::Selectors;

/// The device type whose owner writes a device-info file of the type `pci`, which has a field for RDMA devices.
const PCI_DEVICE_INFO: &str = "netDevice";

/// The provider.
#[derive(Debug, Default)]
pub struct MellanoxRdma {
    /// Of the devices on each function by their ids, for those whose RDMA device is in a pod, where its key cannot be read.
    partition_keys: Memory<Vec<KnownKey>>,
}

/// The partition key of a device.
#[derive(Clone, Debug)]
struct KnownKey {
    device: DeviceId,
    key: PartitionKey,
}

/// What selectors are compared with.
#[derive(Debug)]
pub struct Facts {
    presence: Presence,
    partition_key: Option<PartitionKey>,
    /// There may be one, and it cannot be read now.
    is_partition_key_unread: bool,
    has_pci_device_info: bool,
    /// Why no new pod may get its RDMA devices.
    finding: Option<Finding>,
}

impl Provider for MellanoxRdma {
    type Selectors = Selectors;
    type Facts = Facts;

    fn manifest(&self) -> Manifest {
        let summary =
            "RDMA devices of network functions and subfunctions, and their partition keys";
        Manifest::extension(&["netDevice", "auxNetDevice"], summary)
            .conflicts_with("isRdma", "vdpaType")
            .watch_uevents(&["infiniband", "infiniband_mad", "infiniband_verbs"])
            .incremental()
    }

    fn discover(&self, node: &Node) -> Result<Discovery<Facts>, Error> {
        let mut keys = self.partition_keys.recall(node);
        let in_devlink = node.devlink_devices();
        let facts = |device: &BaseDevice, function: PciAddress| {
            let parent = Parent::of(node, device.id.as_str(), function);
            let names = parent.rdma_devices();
            let presence = parent.presence(&names, &in_devlink);
            let before = keys.before(function).and_then(|keys| {
                let at = keys.binary_search_by(|known| known.device.cmp(&device.id));
                at.ok().map(|at| keys[at].key)
            });
            let (partition_key, is_unread) = match presence {
                Presence::Here => match parent.partition_key(&names) {
                    Some(key) => (key.or(before), key.is_none()),
                    None => (None, false),
                },
                Presence::InPod => (before, true),
                Presence::Absent => (None, false),
            };
            Facts {
                presence,
                partition_key,
                is_partition_key_unread: is_unread,
                has_pci_device_info: device.device_type == PCI_DEVICE_INFO,
                finding: parent
                    .require_node_guids(&names)
                    .err()
                    .map(|missing| missing.to_finding(FindingKind::DeviceNode))
                    .or_else(|| character_devices::finding(&parent, &names)),
            }
        };
        let devices = node
            .devices()
            .iter()
            .filter_map(|device| Some(Device::extending(device, facts(device, device.function?))));
        let devices: Vec<Device<Facts>> = devices.collect();
        for device in &devices {
            if let (Some(key), Some(function)) = (device.facts.partition_key, device.function) {
                let known = keys.now_mut(function);
                let at = known.partition_point(|known| known.device < device.id);
                let device = device.id.clone();
                known.insert(at, KnownKey { device, key });
            }
        }
        keys.keep();
        Ok(devices.into_iter().collect())
    }

    fn matches(&self, selectors: &Selectors, device: &Device<Facts>) -> Result<(), Mismatch> {
        selectors.matches(&device.facts)
    }

    /// Only resources with `isRdma` hand out the RDMA device. RDMA devices that are in a pod have no finding.
    fn findings(&self, selectors: &Selectors, device: &Device<Facts>) -> Vec<Finding> {
        let finding = device.facts.finding.iter().filter(|_| selectors.is_rdma);
        finding.cloned().collect()
    }

    fn allocate(
        &self,
        node: &Node,
        selectors: &Selectors,
        device: &Device<Facts>,
    ) -> Result<Allocation, Error> {
        let mut allocation = Allocation::default();
        if !selectors.is_rdma {
            return Ok(allocation);
        }
        let parent = Parent::of(node, device.id.as_str(), device.pci_function()?);
        let names = parent.rdma_devices();
        let Some(first) = names.first() else {
            return Err(parent.has_no_rdma_device());
        };
        for name in &names {
            character_devices::add(&parent, name, &mut allocation)?;
        }
        allocation.info("rdma", "rdma_dev", first.as_str());
        if device.facts.has_pci_device_info {
            allocation.device_info("pci", json!({"rdma-device": names.join(",")}));
        }
        Ok(allocation)
    }
}

export_provider!(MellanoxRdma);
