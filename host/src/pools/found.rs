//! The devices of one device type, as their owner found them.

use sriovdp_sdk::abi::wire;
use sriovdp_sdk::{Cause, DeviceId, Error, Finding, PciAddress, PciFunction};

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
    /// What its owner says against giving it to new pods.
    pub findings: Vec<Finding>,
}

impl FoundDevices {
    /// What a discovery found among `functions`, which are in the order of their addresses, if the kubelet can carry it.
    pub(super) fn new(answer: wire::Discovered, functions: &[PciFunction]) -> Result<Self, Error> {
        Self::can_be_carried(answer.devices.len())?;
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
            Ok(FoundDevice {
                function,
                physical_function: physical(function),
                id: device.id,
                numa_node: device.numa_node,
                findings: findings(device.findings, device.unhealthy),
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

    /// That the kubelet can carry so many.
    pub(super) fn can_be_carried(count: usize) -> Result<(), Error> {
        if count > MOST_DEVICES {
            return Err(Error::new(format!(
                "the provider found {count} devices, and at most {MOST_DEVICES} can be offered"
            )));
        }
        Ok(())
    }
}

/// A provider of an earlier interface has one sentence at most, and no kinds.
pub(super) fn findings(findings: Vec<Finding>, unhealthy: Option<String>) -> Vec<Finding> {
    match unhealthy {
        Some(reason) if findings.is_empty() => vec![Finding::new(Cause::Other, reason)],
        _ => findings,
    }
}
