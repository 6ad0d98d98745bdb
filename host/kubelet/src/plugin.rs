//! What a resource implements to be served: [`DevicePlugin`].

use std::fmt;
use std::sync::Arc;

use sriovdp_proto::deviceplugin as dp;
use tokio::sync::watch;
use tonic::Status;

/// What surrounds an id in a request, in bytes.
const ID_OVERHEAD: usize = 4;

/// The devices of one resource, and the responses to the kubelet's calls.
///
/// A [`Status`] from a call fails the admission of the pod that the call is for. The kubelet waits for `allocate` and
/// `preferred_allocation` without a timeout and admits no other pod meanwhile, so an implementation needs one.
#[tonic::async_trait]
pub trait DevicePlugin: fmt::Debug + Send + Sync + 'static {
    /// The device list; each new value is sent to the kubelet.
    ///
    /// Kubelets from 1.34 on crash when a device leaves the list while they allocate it: make it unhealthy, and remove
    /// it later.
    fn devices(&self) -> watch::Receiver<DeviceList>;

    /// Which optional calls the kubelet makes. Both registrations report the same options.
    fn options(&self) -> dp::DevicePluginOptions {
        dp::DevicePluginOptions::default()
    }

    /// What containers get for their devices. May be called again for devices that are allocated already.
    async fn allocate(&self, request: dp::AllocateRequest) -> Result<dp::AllocateResponse, Status>;

    /// Which of the available devices to prefer. With an empty response, the kubelet chooses.
    async fn preferred_allocation(
        &self,
        request: dp::PreferredAllocationRequest,
    ) -> Result<dp::PreferredAllocationResponse, Status> {
        let _ = request;
        Ok(dp::PreferredAllocationResponse::default())
    }

    /// Prepares devices before each start of a container.
    async fn pre_start_container(
        &self,
        request: dp::PreStartContainerRequest,
    ) -> Result<dp::PreStartContainerResponse, Status> {
        let _ = request;
        Ok(dp::PreStartContainerResponse::default())
    }
}

/// What a plugin has its devices in, so that they are not in memory twice.
pub trait Devices: fmt::Debug + Send + Sync + 'static {
    /// The devices, always in the same order.
    fn iter(&self) -> Box<dyn Iterator<Item = Device<'_>> + '_>;
}

/// A device list. Two are equal when their devices are.
#[derive(Clone, Debug)]
pub struct DeviceList {
    devices: Arc<dyn Devices>,
    id_bytes: usize,
}

/// One device of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device<'a> {
    /// Unique within the resource.
    pub id: &'a str,
    /// Whether new pods may get it.
    pub health: Health,
    /// The NUMA node for the topology manager.
    pub numa_node: Option<u32>,
    /// Further NUMA nodes.
    pub other_numa_nodes: &'a [u32],
}

/// Whether new pods may get a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// They may.
    Healthy,
    /// They may not; a running pod keeps the device.
    Unhealthy,
}

impl DeviceList {
    /// The list of `devices`.
    pub fn new(devices: Arc<dyn Devices>) -> Self {
        let id_bytes = devices.iter().map(|device| device.id.len() + ID_OVERHEAD);
        Self {
            id_bytes: id_bytes.sum(),
            devices,
        }
    }

    /// What all ids take in a request, in bytes.
    pub(crate) fn id_bytes(&self) -> usize {
        self.id_bytes
    }

    /// The `ListAndWatch` response with these devices.
    pub(crate) fn response(&self) -> dp::ListAndWatchResponse {
        let devices = self.devices.iter().map(|device| dp::Device {
            id: device.id.to_owned(),
            health: match device.health {
                Health::Healthy => dp::HEALTHY,
                Health::Unhealthy => dp::UNHEALTHY,
            }
            .to_owned(),
            topology: device.numa_node.map(|node| dp::TopologyInfo {
                nodes: std::iter::once(node)
                    .chain(device.other_numa_nodes.iter().copied())
                    .map(|node| dp::NumaNode { id: node.into() })
                    .collect(),
            }),
        });
        dp::ListAndWatchResponse {
            devices: devices.collect(),
        }
    }
}

impl PartialEq for DeviceList {
    fn eq(&self, other: &Self) -> bool {
        self.devices.iter().eq(other.devices.iter())
    }
}
