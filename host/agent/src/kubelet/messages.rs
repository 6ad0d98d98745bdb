//! The kubelet's protocol: a pool as a list of devices, and what a container gets as an answer.

use sriovdp_proto::deviceplugin as dp;

use crate::output::cdi::{CdiNames, PoolSpec};
use crate::pools::{ContainerAllocation, Health, Pool, PoolDevice};

/// The answer of ListAndWatch.
pub(super) fn device_list(pool: &Pool) -> dp::ListAndWatchResponse {
    let devices = pool
        .devices
        .iter()
        .map(|device| to_device(pool, device))
        .collect();
    dp::ListAndWatchResponse { devices }
}

/// Whether two states of a pool look the same to the kubelet, which is not told why a device is unhealthy.
pub(super) fn same_list(one: &Pool, other: &Pool) -> bool {
    let pairs = one.devices.iter().zip(&other.devices);
    one.devices.len() == other.devices.len()
        && pairs
            .into_iter()
            .all(|(a, b)| to_device(one, a) == to_device(other, b))
}

fn to_device(pool: &Pool, device: &PoolDevice) -> dp::Device {
    let node = device.numa_node.filter(|_| !pool.resource.exclude_topology);
    dp::Device {
        id: device.id.to_string(),
        health: match device.health {
            Health::Healthy => dp::HEALTHY,
            Health::Unhealthy(_) | Health::Removed { .. } => dp::UNHEALTHY,
        }
        .to_owned(),
        topology: node.map(|node| dp::TopologyInfo {
            nodes: vec![dp::NumaNode {
                id: i64::from(node),
            }],
        }),
    }
}

/// The kubelet's answer; with CDI it names devices, and the container runtime adds their nodes.
pub(super) fn response(
    grant: ContainerAllocation,
    cdi: Option<&PoolSpec>,
) -> dp::ContainerAllocateResponse {
    let mut response = dp::ContainerAllocateResponse::default();
    let mut nodes = grant.nodes;
    if let Some(spec) = cdi {
        nodes.clear();
        let with_nodes = grant
            .nodes_by_device
            .iter()
            .filter(|(_, nodes)| !nodes.is_empty());
        let names: Vec<String> = with_nodes.map(|(id, _)| spec.qualified(id)).collect();
        match spec.names() {
            CdiNames::Annotations => response.annotations.extend(spec.annotation(&names)),
            CdiNames::Field => {
                let devices = names.into_iter().map(|name| dp::CdiDevice { name });
                response.cdi_devices = devices.collect();
            }
        }
    }
    dp::ContainerAllocateResponse {
        envs: grant.variables.into_iter().collect(),
        devices: nodes
            .into_iter()
            .map(|(host_path, container_path)| dp::DeviceSpec {
                container_path,
                host_path,
                permissions: "rw".to_owned(),
            })
            .collect(),
        mounts: grant
            .mounts
            .into_iter()
            .map(|(host_path, container_path, read_only)| dp::Mount {
                container_path,
                host_path,
                read_only,
            })
            .collect(),
        ..response
    }
}
