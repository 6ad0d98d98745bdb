//! The devices of one device type, as their owner found them.

use std::sync::Arc;

use sriovdp_providers::{DeviceExtras, Excluded, ProviderDevice};
use sriovdp_sdk::{DeviceId, Error, Finding, PciAddress, PciFunction};

/// With short ids these are half of the list that a kubelet takes.
const MAX_DEVICES: usize = 1 << 16;
/// The kubelet takes lists of 4 MiB. A quarter is for removed devices, which stay in the list for a while.
const MAX_BYTES: usize = 3 << 20;
/// What a device takes in a list besides its id: its health, its NUMA node, and their framing.
const BESIDES_ID: usize = 27;
/// What each further NUMA node takes.
const NUMA_NODE: usize = 8;

/// The devices of one device type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiscoveredDevices {
    /// In the order of their ids.
    pub devices: Vec<DiscoveredDevice>,
    /// What was left out on purpose.
    pub excluded: Vec<Excluded>,
}

/// One device, as its owner found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveredDevice {
    /// The id for the kubelet.
    pub id: DeviceId,
    /// The PCI function that it is or belongs to.
    pub function: Option<PciAddress>,
    /// The physical function behind it, which may be `function` itself.
    pub physical_function: Option<PciAddress>,
    /// The first NUMA node.
    pub numa_node: Option<u32>,
    /// It takes a part of its function or parent.
    pub is_part: bool,
    /// What few devices have.
    pub extras: Option<Arc<DeviceExtras>>,
    /// Why it is unhealthy, by its owner.
    pub findings: Vec<Finding>,
}

impl DiscoveredDevices {
    /// No device.
    pub const NONE: Self = Self {
        devices: Vec::new(),
        excluded: Vec::new(),
    };

    /// What a discovery found among `functions`, which are in the order of their addresses.
    pub(super) fn new(
        devices: Vec<ProviderDevice>,
        excluded: Vec<Excluded>,
        functions: &[PciFunction],
    ) -> Result<Self, Error> {
        let physical = |address: PciAddress| {
            let at = functions.binary_search_by_key(&address, |function| function.address);
            at.ok()
                .and_then(|at| functions[at].physical_function)
                .unwrap_or(address)
        };
        let is_part = |device: &ProviderDevice| match (device.function, &device.extras) {
            _ if device.is_independent => false,
            (Some(function), _) => device.id != function.into(),
            (None, extras) => extras
                .as_ref()
                .is_some_and(|extras| extras.parent.is_some()),
        };
        let devices = devices.into_iter().map(|device| DiscoveredDevice {
            is_part: is_part(&device),
            function: device.function,
            physical_function: device.function.map(physical),
            id: device.id,
            numa_node: device.numa_node,
            extras: device.extras,
            findings: device.findings,
        });
        let mut devices: Vec<DiscoveredDevice> = devices.collect();
        devices.sort_by(|a, b| a.id.cmp(&b.id));
        if let Some(twice) = devices.windows(2).find(|pair| pair[0].id == pair[1].id) {
            let id = &twice[0].id;
            return Err(Error::new(format!(
                "the provider found the device `{id}` twice"
            )));
        }
        Ok(Self { devices, excluded })
    }

    /// The device with this id.
    pub fn device(&self, id: &DeviceId) -> Option<&DiscoveredDevice> {
        let at = self.devices.binary_search_by(|device| device.id.cmp(id));
        Some(&self.devices[at.ok()?])
    }

    /// Makes sure that a kubelet takes all of them in one list.
    pub(super) fn require_one_list(&self) -> Result<(), Error> {
        let count = self.devices.len();
        if count > MAX_DEVICES {
            return Err(Error::new(format!(
                "the provider found {count} devices, and at most {MAX_DEVICES} can be offered"
            )));
        }
        let sizes = self.devices.iter();
        let numa_nodes = |device: &DiscoveredDevice| {
            let extras = device.extras.as_ref();
            extras.map_or(0, |extras| extras.other_numa_nodes.len())
        };
        let bytes: usize = sizes
            .map(|d| d.id.as_str().len() + BESIDES_ID + numa_nodes(d) * NUMA_NODE)
            .sum();
        if bytes > MAX_BYTES {
            return Err(Error::new(format!(
                "the provider found {count} devices with ids so long that their list has up to {bytes} bytes, and at \
                 most {MAX_BYTES} can be offered"
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use sriovdp_kubelet::deviceplugin as dp;

    use super::*;
    use crate::pools::sample;

    #[test]
    fn no_device_takes_more_than_is_reckoned_with() {
        for id in [
            "0".to_owned(),
            "x".repeat(127),
            "x".repeat(128),
            "x".repeat(253),
        ] {
            let nodes = vec![dp::NumaNode {
                id: i64::from(u32::MAX),
            }];
            let device = dp::Device {
                id: id.clone(),
                health: "Unhealthy".to_owned(),
                topology: Some(dp::TopologyInfo { nodes }),
            };
            let list = dp::ListAndWatchResponse {
                devices: vec![device],
            };
            assert!(list.encoded_len() <= id.len() + BESIDES_ID, "{id}");
        }
    }

    #[test]
    fn a_list_has_to_fit_into_a_message() {
        let found = |count: usize, length: usize| {
            let devices = (0..count).map(|n| sample::discovered(&format!("{n:0length$}")));
            DiscoveredDevices {
                devices: devices.collect(),
                excluded: Vec::new(),
            }
        };
        for (count, length, fits) in [
            (65_536, 12, true),
            (65_537, 12, false),
            (11_234, 253, true),
            (11_235, 253, false),
        ] {
            let checked = found(count, length).require_one_list();
            assert_eq!(
                checked.is_ok(),
                fits,
                "{count} ids of {length}: {checked:?}"
            );
        }
    }
}
