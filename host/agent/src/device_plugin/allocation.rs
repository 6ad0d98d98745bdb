//! What the thread of an Allocate does: the calls of the providers, the files, the response, and the line of the log.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sriovdp_kubelet::deviceplugin as dp;
use sriovdp_providers::blocking::Reply;
use sriovdp_providers::{ThreadCalls, microseconds};
use sriovdp_report::excerpt;
use tokio::time::Instant;

use super::TrimAfter;
use super::messages::container_response;
use crate::output::cdi::{CdiNames, PoolSpec};
use crate::output::{WriteError, device_info};
use crate::pools::{AllocateError, ContainerAllocation, Pool, allocate};

/// The response, or the file that cannot be written.
pub(super) type Written = Result<dp::AllocateResponse, WriteError>;

/// One call of Allocate.
#[derive(Debug)]
pub(super) struct Allocation {
    pub(super) pool: Arc<Pool>,
    pub(super) containers: Vec<dp::ContainerAllocateRequest>,
    pub(super) cdi: Option<Arc<PoolSpec>>,
    pub(super) cdi_names: CdiNames,
    pub(super) device_info: PathBuf,
    pub(super) began: Instant,
    /// Of the pool, for the log.
    pub(super) span: tracing::Span,
    /// Dropped after the request.
    pub(super) _trim: TrimAfter,
}

impl Allocation {
    /// Replies first and logs then, because the kubelet waits for the response.
    pub(super) fn run(self, calls: &ThreadCalls, reply: Reply<Result<Written, AllocateError>>) {
        let containers = self.containers.iter();
        let allocated = containers
            .map(|container| allocate(&self.pool, &container.devices_ids, calls))
            .collect::<Result<Vec<_>, _>>();
        let allocations = match allocated {
            Ok(allocations) => allocations,
            Err(error) => return drop(reply.send(Err(error))),
        };
        // Effects come last, so that a failure leaves no file behind.
        if calls
            .begin_writing("writing the files of the devices")
            .is_err()
        {
            return;
        }
        if let Err(error) = self.write_files(&allocations) {
            return drop(reply.send(Ok(Err(error))));
        }
        let allocated = Allocated::new(&allocations, self.began);
        let response = self.response(allocations);
        if reply.send(Ok(Ok(response))).is_ok() {
            self.span.in_scope(|| allocated.log());
        }
    }

    fn write_files(&self, allocations: &[ContainerAllocation]) -> Result<(), WriteError> {
        for allocation in allocations {
            if let Some(cdi) = &self.cdi {
                cdi.update(allocation.devices.iter().cloned())?;
            }
            for file in &allocation.device_info {
                device_info::write(&self.device_info, file)?;
            }
        }
        Ok(())
    }

    fn response(&self, allocations: Vec<ContainerAllocation>) -> dp::AllocateResponse {
        let resource = &self.pool.resource.name;
        let response = |allocation| {
            container_response(allocation, resource, self.cdi.as_deref(), self.cdi_names)
        };
        dp::AllocateResponse {
            container_responses: allocations.into_iter().map(response).collect(),
        }
    }
}

/// What the log has of an Allocate.
struct Allocated {
    devices: String,
    device_nodes: String,
    took: Duration,
}

impl Allocated {
    fn new(allocations: &[ContainerAllocation], began: Instant) -> Self {
        let devices = || allocations.iter().flat_map(|container| &container.devices);
        let ids: Vec<&str> = devices().map(|device| device.id.as_str()).collect();
        let nodes = devices().flat_map(|device| &device.edits.nodes);
        let nodes: Vec<&str> = nodes.map(|node| node.host_path.as_str()).collect();
        Self {
            devices: ids.join(","),
            device_nodes: nodes.join(","),
            took: began.elapsed(),
        }
    }

    fn log(&self) {
        tracing::info!(
            event = "allocated",
            devices = excerpt(&self.devices),
            device_nodes = excerpt(&self.device_nodes),
            duration_us = microseconds(self.took),
            "allocated devices to a pod"
        );
    }
}
