//! The devices of one device type, as their owner found them.

use sriovdp_provider_abi::wire;
use sriovdp_sdk::{DeviceId, Error, Finding, FindingKind, PciAddress, PciFunction};

/// With short ids these are half of the list that a kubelet takes.
const MOST_DEVICES: usize = 1 << 16;
/// The kubelet takes lists of 4 MiB. A quarter is for devices that have left and stay in the list for a while.
const MOST_BYTES: usize = 3 << 20;
/// What a device takes in a list besides its id: the word that says its health, its NUMA node, and what frames these.
const BESIDES_ID: usize = 27;

/// The devices of one device type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiscoveredDevices {
    /// In the owner's order.
    pub devices: Vec<DiscoveredDevice>,
    /// What was left out on purpose, and why.
    pub excluded: Vec<(String, String)>,
}

/// One device, as its owner found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveredDevice {
    /// How the kubelet knows it.
    pub id: DeviceId,
    /// The PCI function that it is or belongs to.
    pub function: PciAddress,
    /// The physical function behind it, which may be `function` itself.
    pub physical_function: PciAddress,
    /// The NUMA node.
    pub numa_node: Option<u32>,
    /// What its owner says against giving it to new pods.
    pub findings: Vec<Finding>,
}

impl DiscoveredDevices {
    /// What a discovery found among `functions`, which are in the order of their addresses.
    pub(super) fn new(answer: wire::Discovered, functions: &[PciFunction]) -> Result<Self, Error> {
        let physical = |address: PciAddress| {
            let at = functions.binary_search_by_key(&address, |function| function.address);
            at.ok()
                .and_then(|at| functions[at].physical_function)
                .unwrap_or(address)
        };
        let devices = answer.devices.into_iter().map(|device| {
            let function = match device.function {
                Some(function) => function,
                None => device.id.as_str().parse()?,
            };
            Ok(DiscoveredDevice {
                function,
                physical_function: physical(function),
                id: device.id,
                numa_node: device.numa_node,
                findings: findings(device.findings, device.unhealthy),
            })
        });
        let devices: Vec<DiscoveredDevice> = devices.collect::<Result<_, Error>>()?;
        let mut ids: Vec<&DeviceId> = devices.iter().map(|device| &device.id).collect();
        ids.sort_unstable();
        if let Some(twice) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
            let id = twice[0];
            return Err(Error::new(format!(
                "the provider found the device `{id}` twice"
            )));
        }
        Ok(Self {
            devices,
            excluded: answer.excluded,
        })
    }

    /// Makes sure that a kubelet takes all of them in one list.
    pub(super) fn require_one_list(&self) -> Result<(), Error> {
        let count = self.devices.len();
        if count > MOST_DEVICES {
            return Err(Error::new(format!(
                "the provider found {count} devices, and at most {MOST_DEVICES} can be offered"
            )));
        }
        let sizes = self.devices.iter();
        let bytes: usize = sizes.map(|d| d.id.as_str().len() + BESIDES_ID).sum();
        if bytes > MOST_BYTES {
            return Err(Error::new(format!(
                "the provider found {count} devices with ids so long that their list has up to {bytes} bytes, and at \
                 most {MOST_BYTES} can be offered"
            )));
        }
        Ok(())
    }
}

/// A provider of an earlier interface has one sentence at most, and no kinds.
pub(super) fn findings(findings: Vec<Finding>, unhealthy: Option<String>) -> Vec<Finding> {
    match unhealthy {
        Some(reason) if findings.is_empty() => vec![Finding::new(FindingKind::Other, reason)],
        _ => findings,
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
            let devices = (0..count).map(|n| sample::found(&format!("{n:0length$}")));
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
