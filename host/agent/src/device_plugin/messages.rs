//! A pool as a list of devices, and what its containers get as messages of the kubelet's protocol.

use std::sync::Arc;

use sriovdp_kubelet::deviceplugin as dp;
use sriovdp_kubelet::{Device, Health as ListedHealth};

use crate::output::cdi::{CdiNames, PoolSpec};
use crate::pools::{
    ContainerAllocation, Health, Pool, PreferredAllocationRequest, preferred_allocation,
};

/// The devices of a pool, as the kubelet sees them.
pub fn device_list(pool: &Pool) -> Arc<[Device]> {
    let devices = pool.devices.iter().map(|device| Device {
        id: device.id.to_string(),
        health: match device.health {
            Health::Healthy => ListedHealth::Healthy,
            Health::Unhealthy { .. } | Health::Removed { .. } => ListedHealth::Unhealthy,
        },
        numa_node: device.numa_node.filter(|_| !pool.resource.exclude_topology),
    });
    devices.collect()
}

/// Which of the available devices a container should get.
pub(super) fn preferred_response(
    pool: &Pool,
    container: &dp::ContainerPreferredAllocationRequest,
) -> dp::ContainerPreferredAllocationResponse {
    let request = PreferredAllocationRequest {
        available: &container.available_device_i_ds,
        must_include: &container.must_include_device_i_ds,
        size: usize::try_from(container.allocation_size).unwrap_or_default(),
    };
    let ids = preferred_allocation(pool, pool.resource.allocation_policy, request);
    dp::ContainerPreferredAllocationResponse {
        device_i_ds: ids.into_iter().map(str::to_owned).collect(),
    }
}

/// What a container gets; with CDI it names devices, and the container runtime adds their nodes.
pub(super) fn container_response(
    allocation: ContainerAllocation,
    cdi: Option<&PoolSpec>,
) -> dp::ContainerAllocateResponse {
    let mut response = dp::ContainerAllocateResponse::default();
    if let Some(spec) = cdi {
        let with_nodes = allocation.devices.iter().filter(|d| !d.nodes.is_empty());
        let names = with_nodes.map(|device| spec.qualified(device.id.as_str()));
        let names: Vec<String> = names.collect();
        match spec.names() {
            CdiNames::Annotations => response.annotations.extend(spec.annotation(&names)),
            CdiNames::Field => {
                let devices = names.into_iter().map(|name| dp::CdiDevice { name });
                response.cdi_devices = devices.collect();
            }
        }
    } else {
        let nodes = allocation.nodes().map(|node| dp::DeviceSpec {
            container_path: node.container_path.clone(),
            host_path: node.host_path.clone(),
            permissions: "rw".to_owned(),
        });
        response.devices = nodes.collect();
    }
    dp::ContainerAllocateResponse {
        envs: allocation.variables.into_iter().collect(),
        mounts: allocation
            .mounts
            .into_iter()
            .map(|mount| dp::Mount {
                container_path: mount.container_path,
                host_path: mount.host_path,
                read_only: mount.read_only,
            })
            .collect(),
        ..response
    }
}
