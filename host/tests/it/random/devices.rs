//! The devices of a resource, as a plugin means them and as the kubelet has them.

use std::collections::{BTreeMap, BTreeSet};

use sriovdp_agent::pools::{Health, Pool};
use sriovdp_fake_kubelet::ResourceView;

/// Each device: whether it is healthy, and its NUMA nodes.
pub(super) type Devices = BTreeMap<String, (bool, Vec<i64>)>;

pub(super) fn devices_of(pool: &Pool) -> Devices {
    let numa = |node: Option<u32>| node.map(i64::from).into_iter().collect();
    let devices = pool.devices.iter().map(|device| {
        let shown = device.numa_node.filter(|_| !pool.resource.exclude_topology);
        let healthy = device.health == Health::Healthy;
        (device.id.to_string(), (healthy, numa(shown)))
    });
    devices.collect()
}

pub(super) fn listed(view: &ResourceView) -> Devices {
    let devices = view.devices.iter();
    let devices: Devices = devices
        .map(|device| (device.id.clone(), (device.healthy, device.numa.clone())))
        .collect();
    let ids: BTreeSet<&String> = devices.keys().collect();
    assert_eq!(ids.len(), view.devices.len(), "no id is listed twice");
    devices
}
