//! Plain values for tests, which set only what they are about.

use std::path::Path;
use std::sync::Arc;

use sriovdp_sdk::{Allocation, DeviceId, PciAddress};

use super::{AllocatedDevice, DeviceEdits, DiscoveredDevice, Fit, Health, PoolDevice, Resource};
use crate::config::{AllocationPolicy, HealthChecks, ResourceName};

pub(crate) fn resource(prefix: &str, name: &str) -> Arc<Resource> {
    Arc::new(Resource {
        name: ResourceName::new(prefix, name, Path::new("/r")).unwrap(),
        device_type: "t".to_owned(),
        cdi_class: "t".to_owned(),
        selectors: Vec::new(),
        exclude_topology: false,
        allocation_policy: AllocationPolicy::default(),
        health: HealthChecks::default(),
        additional_info: None,
    })
}

pub(crate) fn device(id: &str) -> PoolDevice {
    PoolDevice {
        id: DeviceId::new(id).unwrap(),
        function: Some(PciAddress::default()),
        physical_function: Some(PciAddress::default()),
        numa_node: None,
        extras: None,
        health: Health::Healthy,
        selector: Some(0),
        fit: Fit::Matches,
    }
}

pub(crate) fn discovered(id: &str) -> DiscoveredDevice {
    DiscoveredDevice {
        id: DeviceId::new(id).unwrap(),
        function: Some(PciAddress::default()),
        physical_function: Some(PciAddress::default()),
        numa_node: None,
        is_part: false,
        extras: None,
        findings: Vec::new(),
    }
}

pub(crate) fn allocated(id: &str, nodes: &[&str]) -> AllocatedDevice {
    let mut allocation = Allocation::default();
    for node in nodes {
        allocation.node(*node);
    }
    AllocatedDevice {
        id: DeviceId::new(id).unwrap(),
        edits: DeviceEdits {
            nodes: allocation.nodes,
            ..DeviceEdits::default()
        },
    }
}
