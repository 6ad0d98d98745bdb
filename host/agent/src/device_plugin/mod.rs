//! A pool as a device plugin of the kubelet: its device list, and its responses.

mod allocation;
mod in_flight;
mod messages;

use std::path::PathBuf;
use std::sync::Arc;

use sriovdp_kubelet::deviceplugin as dp;
use sriovdp_kubelet::{
    DeviceList, DevicePlugin, KubeletDirectory, KubeletPaths, Status, async_trait,
};
use sriovdp_providers::blocking::Reply;
use sriovdp_providers::{METRICS_TARGET, ThreadCalls, malloc, microseconds};
use sriovdp_report::inline;
use tokio::sync::watch;
use tokio::time::Instant;

use allocation::Allocation;
pub use in_flight::InFlight;
use messages::preferred_response;

use crate::host_paths::HostPaths;
use crate::output::cdi::{CdiNames, PoolSpec};
use crate::pools::{
    AllocateError, Pool, check_pre_start_request, check_preferred_request, check_request,
    pre_start, with_thread, with_thread_replying,
};

/// With more ids and containers than this, a request leaves a hole in the heap.
const LARGE_REQUEST: usize = 4096;

/// One pool, as its socket serves it.
#[derive(Clone, Debug)]
pub struct PoolPlugin {
    /// The states of the pool.
    pub pool: watch::Receiver<Arc<Pool>>,
    /// The device lists of these states.
    pub devices: watch::Receiver<DeviceList>,
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
    fn devices(&self) -> watch::Receiver<DeviceList> {
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
        let ids = request.devices_ids;
        let failed = |error| refuse("PreStartContainer", &error);
        check_pre_start_request(&pool, &ids).map_err(failed)?;
        let started = with_thread(&pool, ids, pre_start).await;
        started.map_err(failed)?;
        Ok(dp::PreStartContainerResponse::default())
    }

    async fn allocate(&self, request: dp::AllocateRequest) -> Result<dp::AllocateResponse, Status> {
        let began = Instant::now();
        let response = self.respond(request, began).await;
        tracing::debug!(
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
        let allocating = self.in_flight.begin(lists.flatten().cloned().collect());
        // Both at one moment, because they change together.
        let pool = Arc::clone(&self.pool.borrow());
        let cdi = self.cdi.borrow().clone();
        let allocation = Allocation {
            pool: Arc::clone(&pool),
            containers,
            cdi,
            cdi_names: self.cdi_names,
            device_info: self.device_info.clone(),
            began,
            span: tracing::Span::current(),
            _trim: trim,
        };
        // The kubelet admits no other pod meanwhile, so the timeout is for all containers of the request together.
        let work = move |calls: &ThreadCalls, reply: Reply<_>| allocation.run(calls, reply);
        let response = with_thread_replying(&pool, allocating.ids(), work).await;
        let response = response.map_err(|error| refuse("Allocate", &error))?;
        response.map_err(|error| {
            let error = inline(&error);
            tracing::error!(
                event = "allocate_failed",
                error,
                "cannot write what Allocate needs"
            );
            Status::internal(error)
        })
    }
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
