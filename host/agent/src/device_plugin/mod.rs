//! A pool as a device plugin of the kubelet: its device list, and its responses.

mod in_flight;
mod messages;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sriovdp_kubelet::deviceplugin as dp;
use sriovdp_kubelet::{Device, DevicePlugin, KubeletDirectory, KubeletPaths, Status, async_trait};
use sriovdp_providers::{METRICS_TARGET, blocking, malloc, microseconds};
use sriovdp_report::{excerpt, inline};
use tokio::sync::watch;
use tokio::time::Instant;

pub use in_flight::InFlight;
pub use messages::device_list;
use messages::{container_response, preferred_response};

use crate::host_paths::HostPaths;
use crate::output::cdi::{CdiNames, PoolSpec};
use crate::output::{WriteError, device_info};
use crate::pools::{
    AllocateError, ContainerAllocation, Pool, allocate, check_pre_start_request,
    check_preferred_request, check_request, pre_start,
};

/// With more ids and containers than this, a request leaves a hole in the heap.
const LARGE_REQUEST: usize = 4096;

/// One pool, as its socket serves it.
#[derive(Clone, Debug)]
pub struct PoolPlugin {
    /// The states of the pool.
    pub pool: watch::Receiver<Arc<Pool>>,
    /// The device lists of these states.
    pub devices: watch::Receiver<Arc<[Device]>>,
    /// The pool's CDI specification, when containers get device nodes through CDI. It is replaced when the pool's device
    /// type changes, before the pool is.
    pub cdi: watch::Receiver<Option<Arc<PoolSpec>>>,
    /// How the names of CDI devices get to the container runtime.
    pub cdi_names: CdiNames,
    /// The directory of the device-info files.
    pub device_info: PathBuf,
    /// The devices of the calls of Allocate that are under way.
    pub in_flight: InFlight,
}

/// Where the kubelet's directories are on this node.
pub fn kubelet_paths(tree: &HostPaths) -> KubeletPaths {
    let directory = |host_path| KubeletDirectory {
        path: tree.below_root(&host_path),
        host_path,
    };
    KubeletPaths {
        device_plugins: directory(tree.device_plugins()),
        plugins_registry: directory(tree.plugins_registry()),
    }
}

/// Returns the memory of a large request to the kernel.
#[derive(Debug, Default)]
struct TrimAfter {
    ids: usize,
}

impl Drop for TrimAfter {
    fn drop(&mut self) {
        if self.ids > LARGE_REQUEST {
            malloc::trim();
        }
    }
}

#[async_trait]
impl DevicePlugin for PoolPlugin {
    fn devices(&self) -> watch::Receiver<Arc<[Device]>> {
        self.devices.clone()
    }

    fn options(&self) -> dp::DevicePluginOptions {
        dp::DevicePluginOptions {
            pre_start_required: self.pool.borrow().resource.has_pre_start(),
            get_preferred_allocation_available: true,
        }
    }

    /// Fails for requests that no kubelet sends: an error refuses the pod, and an empty response leaves the choice to
    /// the kubelet.
    async fn preferred_allocation(
        &self,
        request: dp::PreferredAllocationRequest,
    ) -> Result<dp::PreferredAllocationResponse, Status> {
        let pool = Arc::clone(&self.pool.borrow());
        // Dropped after the request.
        let mut trim = TrimAfter::default();
        let containers = request.container_requests;
        let ids = containers.iter().map(|container| {
            [
                container.available_device_i_ds.as_slice(),
                container.must_include_device_i_ds.as_slice(),
            ]
        });
        trim.ids = containers.len() + ids.clone().flatten().map(<[_]>::len).sum::<usize>();
        check_preferred_request(&pool, ids)
            .map_err(|error| refuse("GetPreferredAllocation", &error))?;
        let preferred = containers
            .iter()
            .map(|container| preferred_response(&pool, container));
        Ok(dp::PreferredAllocationResponse {
            container_responses: preferred.collect(),
        })
    }

    async fn pre_start_container(
        &self,
        request: dp::PreStartContainerRequest,
    ) -> Result<dp::PreStartContainerResponse, Status> {
        let pool = Arc::clone(&self.pool.borrow());
        let ids = &request.devices_ids;
        let failed = |error| refuse("PreStartContainer", &error);
        check_pre_start_request(&pool, ids).map_err(failed)?;
        let deadline = Instant::now() + pool.resource.allocate_timeout();
        pre_start(&pool, ids, deadline).await.map_err(failed)?;
        Ok(dp::PreStartContainerResponse::default())
    }

    async fn allocate(&self, request: dp::AllocateRequest) -> Result<dp::AllocateResponse, Status> {
        let began = Instant::now();
        let response = self.respond(request, began).await;
        tracing::trace!(
            target: METRICS_TARGET,
            event = "allocate_ended",
            result = if response.is_ok() { "ok" } else { "error" },
            duration_us = microseconds(began.elapsed()),
            "Allocate has ended"
        );
        response
    }
}

impl PoolPlugin {
    async fn respond(
        &self,
        request: dp::AllocateRequest,
        began: Instant,
    ) -> Result<dp::AllocateResponse, Status> {
        // Dropped after the request.
        let mut trim = TrimAfter::default();
        let containers = request.container_requests;
        let lists = containers
            .iter()
            .map(|container| container.devices_ids.as_slice());
        trim.ids = containers.len() + lists.clone().map(<[_]>::len).sum::<usize>();
        let pool = Arc::clone(&self.pool.borrow());
        check_request(&pool, lists.clone()).map_err(|error| refuse("Allocate", &error))?;
        // Before the pool is read, so that a device which is in it stays.
        let _allocating = self.in_flight.begin(lists.flatten().cloned().collect());
        // Both at one moment, because they change together.
        let pool = Arc::clone(&self.pool.borrow());
        let cdi = self.cdi.borrow().clone();
        // The kubelet admits no other pod meanwhile, so this is for all containers of the request together.
        let deadline = Instant::now() + pool.resource.allocate_timeout();
        let mut allocations = Vec::new();
        for container in &containers {
            let allocation = allocate(&pool, &container.devices_ids, deadline).await;
            allocations.push(allocation.map_err(|error| refuse("Allocate", &error))?);
        }
        // Effects come last, so that a failure above leaves no file behind.
        let written = self.write(allocations, cdi.clone(), deadline).await;
        let allocations = written.map_err(|error| {
            tracing::error!(
                event = "allocate_failed",
                error,
                "cannot write what Allocate needs"
            );
            Status::internal(error)
        })?;
        log_allocated(&allocations, began.elapsed());
        let container_responses = allocations
            .into_iter()
            .map(|allocation| {
                let resource = &pool.resource.name;
                container_response(allocation, resource, cdi.as_deref(), self.cdi_names)
            })
            .collect();
        Ok(dp::AllocateResponse {
            container_responses,
        })
    }

    /// Writes the files of a request beside the runtime, because a file system may hang.
    async fn write(
        &self,
        allocations: Vec<ContainerAllocation>,
        cdi: Option<Arc<PoolSpec>>,
        deadline: Instant,
    ) -> Result<Vec<ContainerAllocation>, String> {
        let directory = self.device_info.clone();
        let writing = blocking::start(move || {
            let written = write_files(&allocations, cdi.as_deref(), &directory);
            written.map(|()| allocations)
        });
        let writing = writing.map_err(|error| inline(&error))?;
        match tokio::time::timeout_at(deadline, writing).await {
            Ok(Ok(written)) => written.map_err(|error| inline(&error)),
            Ok(Err(panicked)) => Err(panicked.to_string()),
            Err(_) => Err("the files of the devices are not written in time".to_owned()),
        }
    }
}

fn write_files(
    allocations: &[ContainerAllocation],
    cdi: Option<&PoolSpec>,
    device_info: &Path,
) -> Result<(), WriteError> {
    for allocation in allocations {
        if let Some(cdi) = cdi {
            cdi.update(allocation.devices.iter().cloned())?;
        }
        for file in &allocation.device_info {
            device_info::write(device_info, file)?;
        }
    }
    Ok(())
}

fn log_allocated(allocations: &[ContainerAllocation], took: Duration) {
    let devices = || allocations.iter().flat_map(|container| &container.devices);
    let ids: Vec<&str> = devices().map(|device| device.id.as_str()).collect();
    let nodes = devices().flat_map(|device| &device.edits.nodes);
    let nodes: Vec<&str> = nodes.map(|node| node.host_path.as_str()).collect();
    tracing::info!(
        event = "allocated",
        devices = excerpt(&ids.join(",")),
        device_nodes = excerpt(&nodes.join(",")),
        duration_us = microseconds(took),
        "allocated devices to a pod"
    );
}

fn refuse(call: &str, error: &AllocateError) -> Status {
    let text = inline(error);
    tracing::error!(
        event = "allocate_refused",
        call,
        error = text,
        "a request for devices is refused"
    );
    match error {
        AllocateError::UnknownDevice { .. } => Status::not_found(text),
        AllocateError::Twice { .. }
        | AllocateError::TooManyContainers { .. }
        | AllocateError::TooManyIds { .. } => Status::invalid_argument(text),
        AllocateError::Left { .. }
        | AllocateError::Mismatch { .. }
        | AllocateError::Provider { .. }
        | AllocateError::Join(_) => Status::failed_precondition(text),
        AllocateError::WrongNumber { .. } | AllocateError::Invalid { .. } => Status::internal(text),
    }
}
