//! What a provider under test has found, and what it has excluded.

use sriovdp_provider_abi::wire;
use sriovdp_sdk::{DeviceId, Finding, Provider};

use super::Harness;

/// A device that a provider under test has found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundDevice {
    /// Its id.
    pub id: DeviceId,
    /// Its NUMA node.
    pub numa_node: Option<u32>,
    /// Why no new pod may get it; empty for a healthy device.
    pub findings: Vec<Finding>,
}

/// Something that a provider under test has excluded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Excluded {
    /// What the provider calls it.
    pub device: String,
    /// Why it is no device.
    pub reason: String,
}

impl<P: Provider> Harness<P> {
    /// The devices that were found.
    pub fn devices(&self) -> Vec<FoundDevice> {
        let found = |device: &wire::Device| FoundDevice {
            id: device.id.clone(),
            numa_node: device.numa_node,
            findings: device.findings.clone(),
        };
        self.found.devices.iter().map(found).collect()
    }

    /// What was excluded on purpose, and why.
    pub fn excluded(&self) -> Vec<Excluded> {
        let excluded = |(device, reason): &(String, String)| Excluded {
            device: device.clone(),
            reason: reason.clone(),
        };
        self.found.excluded.iter().map(excluded).collect()
    }
}
