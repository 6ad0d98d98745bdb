//! The devices of one device type, as their owner found them.

use std::sync::Arc;

use sriovdp_sdk::abi::wire;
use sriovdp_sdk::{DeviceId, Error, PciAddress, PciFunction};

/// The kubelet takes lists of four megabytes, which are about twice as many devices with short ids.
const MOST_DEVICES: usize = 1 << 16;

/// The devices of one device type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundDevices {
    /// In the owner's order.
    pub devices: Vec<FoundDevice>,
    /// What was left out on purpose, and why.
    pub excluded: Vec<(String, String)>,
}

/// One device, as its owner found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundDevice {
    /// How the kubelet knows it.
    pub id: DeviceId,
    /// The PCI function that it is or belongs to.
    pub function: PciAddress,
    /// The physical function behind it, which may be `function` itself.
    pub physical_function: PciAddress,
    /// The NUMA node.
    pub numa_node: Option<u32>,
    /// Why it is unhealthy, if it is.
    pub unhealthy: Option<Arc<str>>,
}

impl FoundDevices {
    /// What a discovery among `functions` found, if the kubelet can carry it; these are in the order of their addresses.
    pub(super) fn new(answer: wire::Discovered, functions: &[PciFunction]) -> Result<Self, Error> {
        let physical = |address: PciAddress| {
            let at = functions.binary_search_by_key(&address, |function| function.address);
            at.ok()
                .and_then(|at| functions[at].physical_function)
                .unwrap_or(address)
        };
        let count = answer.devices.len();
        if count > MOST_DEVICES {
            return Err(Error::new(format!(
                "the provider found {count} devices, and at most {MOST_DEVICES} can be offered"
            )));
        }
        let devices = answer.devices.into_iter().map(|device| {
            let function = match device.function {
                Some(function) => function,
                None => device.id.as_str().parse()?,
            };
            Ok(FoundDevice {
                function,
                physical_function: physical(function),
                id: device.id,
                numa_node: device.numa_node,
                unhealthy: device.unhealthy.map(Into::into),
            })
        });
        let devices: Vec<FoundDevice> = devices.collect::<Result<_, Error>>()?;
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
}
