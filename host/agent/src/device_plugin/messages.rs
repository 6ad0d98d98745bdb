//! A pool as a list of devices, and what its containers get as messages of the kubelet's protocol.

use sriovdp_kubelet::deviceplugin as dp;
use sriovdp_kubelet::{Device, Devices, Health as ListedHealth};

use crate::config::ResourceName;
use crate::output::cdi::{self, CdiNames, PoolSpec};
use crate::pools::{
    ContainerAllocation, Health, Pool, PreferredAllocationRequest, preferred_allocation,
};

/// The devices of a pool, as the kubelet sees them.
impl Devices for Pool {
    fn iter(&self) -> Box<dyn Iterator<Item = Device<'_>> + '_> {
        let has_topology = !self.resource.exclude_topology;
        Box::new(self.devices.iter().map(move |device| Device {
            id: device.id.as_str(),
            health: match device.health {
                Health::Healthy => ListedHealth::Healthy,
                Health::Unhealthy { .. } | Health::Removed { .. } => ListedHealth::Unhealthy,
            },
            numa_node: device.numa_node.filter(|_| has_topology),
            other_numa_nodes: match has_topology {
                true => device.other_numa_nodes(),
                false => &[],
            },
        }))
    }
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

/// What a container gets. With a specification it names devices, and the container runtime adds their nodes and environment
/// variables.
pub(super) fn container_response(
    allocation: ContainerAllocation,
    resource: &ResourceName,
    spec: Option<&PoolSpec>,
    names: CdiNames,
) -> dp::ContainerAllocateResponse {
    let mut response = dp::ContainerAllocateResponse::default();
    let mut cdi_devices = Vec::new();
    if let Some(spec) = spec {
        let specified = allocation.devices.iter().filter(|d| !d.edits.is_empty());
        cdi_devices.extend(specified.map(|device| spec.qualified(device.id.as_str())));
    } else {
        let nodes = allocation.nodes().map(|node| dp::DeviceSpec {
            container_path: node.container_path.clone(),
            host_path: node.host_path.clone(),
            permissions: node.permissions.to_string(),
        });
        response.devices = nodes.collect();
        let env = allocation.device_env();
        response
            .envs
            .extend(env.map(|(name, value)| (name.clone(), value.clone())));
    }
    response.envs.extend(allocation.variables);
    response.annotations.extend(allocation.annotations);
    cdi_devices.extend(allocation.cdi_devices);
    match names {
        _ if cdi_devices.is_empty() => {}
        CdiNames::Annotations => {
            let key = cdi::annotation(resource);
            response.annotations.insert(key, cdi_devices.join(","));
        }
        CdiNames::Field => {
            let devices = cdi_devices.into_iter().map(|name| dp::CdiDevice { name });
            response.cdi_devices = devices.collect();
        }
    }
    let mounts = allocation.mounts.into_iter().map(|mount| dp::Mount {
        container_path: mount.container_path,
        host_path: mount.host_path,
        read_only: mount.read_only,
    });
    response.mounts = mounts.collect();
    response
}
