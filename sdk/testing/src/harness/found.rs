//! What a provider under test has found, and what it has excluded.

use std::collections::BTreeMap;

use sriovdp_provider_abi::wire;
use sriovdp_sdk::{Attribute, DeviceId, Finding, PciAddress, Provider};

use super::Harness;

/// A device that a provider under test has found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundDevice {
    /// Its id.
    pub id: DeviceId,
    /// The PCI function that it is, or that it belongs to.
    pub function: Option<PciAddress>,
    /// The NUMA node for the kubelet's topology manager.
    pub numa_node: Option<u32>,
    /// All its NUMA nodes.
    pub numa_nodes: Vec<u32>,
    /// The directory in `/sys/devices` of the device that it is a part of.
    pub parent: Option<String>,
    /// Whether it takes nothing of its function or parent.
    pub is_independent: bool,
    /// Its attributes by their ids.
    pub attributes: BTreeMap<String, Attribute>,
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
            function: device.function.or_else(|| device.id.as_str().parse().ok()),
            numa_node: device.numa_node,
            numa_nodes: [device.numa_node.as_slice(), &device.other_numa_nodes].concat(),
            parent: device.parent.clone(),
            is_independent: device.independent,
            attributes: attributes(device),
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

fn attributes(device: &wire::Device) -> BTreeMap<String, Attribute> {
    let attributes = device.attributes.iter();
    attributes
        .filter_map(|(id, value)| Some((id.clone(), serde_json::from_value(value.clone()).ok()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use sriovdp_sdk::prelude::*;

    use super::*;

    #[derive(Default)]
    struct Parts;

    #[selectors]
    struct Nothing {}

    impl Provider for Parts {
        type Selectors = Nothing;
        type Facts = ();

        fn manifest(&self) -> Manifest {
            Manifest::device_type(
                "parts",
                "A function, a part of it, and a part of something else",
            )
        }

        fn discover(&self, node: &Node) -> Result<Discovery<()>, Error> {
            let whole = Device::of(&node.functions()[0], ());
            let part =
                Device::new(DeviceId::new("part")?, ()).with_function(node.functions()[0].address);
            let other = Device::new(DeviceId::new("other")?, ())
                .with_parent("/sys/devices/virtual/other")
                .with_numa_nodes([1, 0])
                .with_attribute("size", 16_i64);
            Ok([whole, part.independent(), other].into_iter().collect())
        }

        fn matches(&self, _: &Nothing, _: &Device<()>) -> Result<(), Mismatch> {
            Ok(())
        }

        fn allocate(&self, _: &Node, _: &Nothing, _: &Device<()>) -> Result<Allocation, Error> {
            Ok(Allocation::default())
        }
    }

    #[test]
    fn a_device_is_what_the_provider_made() {
        let parts = Harness::on(Parts, "pci 0000:17:00.0 ac3e:0001 class=120000 numa=1");
        let [whole, part, other] = parts.devices().try_into().unwrap();
        let function = "0000:17:00.0".parse().ok();
        assert_eq!(
            (whole.function, part.function, other.function),
            (function, function, None)
        );
        assert_eq!((whole.is_independent, part.is_independent), (false, true));
        assert_eq!((whole.numa_nodes, other.numa_nodes), (vec![1], vec![1, 0]));
        assert_eq!(other.parent.as_deref(), Some("/sys/devices/virtual/other"));
        assert_eq!(other.attributes["size"], Attribute::Int(16));
    }
}
