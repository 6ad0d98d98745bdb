//! The calls to a plugin during the admission of a pod.

use std::time::Duration;

use sriovdp_proto::deviceplugin::{
    AllocateRequest, ContainerAllocateRequest, ContainerAllocateResponse,
    ContainerPreferredAllocationRequest, DevicePluginOptions, Empty, PreStartContainerRequest,
    PreferredAllocationRequest,
};
use tonic::{Request, Status};

use crate::device_manager::Client;
use crate::kubelet::FakeKubelet;
use crate::program::{Command, Program};
use crate::shared::Shared;

/// `KubeletPreStartContainerRPCTimeoutInSecs` of the kubelet.
const PRE_START_TIMEOUT: Duration = Duration::from_secs(30);

impl FakeKubelet {
    /// Calls Allocate as for a container of a pod during admission: without a deadline.
    ///
    /// The ids may be unknown to the plugin.
    pub async fn allocate(
        &self,
        resource: &str,
        ids: &[&str],
    ) -> Result<ContainerAllocateResponse, Status> {
        if let Some(program) = self.program() {
            return allocate_with(&program, resource, owned(ids)).await;
        }
        let mut client = self.endpoint(resource)?;
        let ids = owned(ids);
        let request = AllocateRequest {
            container_requests: vec![ContainerAllocateRequest {
                devices_ids: ids.clone(),
            }],
        };
        let _pending = PendingAllocation::begin(&self.shared, resource, ids);
        let response = client.api.allocate(request).await?.into_inner();
        let first = response.container_responses.into_iter().next();
        first.ok_or_else(|| Status::internal("the plugin's answer is for no container"))
    }

    /// Calls GetDevicePluginOptions, as at registration.
    pub async fn options(&self, resource: &str) -> Result<DevicePluginOptions, Status> {
        let mut client = self.endpoint(resource)?;
        let response = client.api.get_device_plugin_options(Empty {}).await?;
        Ok(response.into_inner())
    }

    /// Calls PreStartContainer as before a container starts, if the plugin has announced it. Returns whether it has.
    ///
    /// The kubelet calls it with the options that it read when the plugin registered, and with a deadline of 30 s.
    pub async fn start_container(&self, resource: &str, ids: &[&str]) -> Result<bool, Status> {
        let mut client = self.endpoint(resource)?;
        if !client.options.pre_start_required {
            return Ok(false);
        }
        let mut request = Request::new(PreStartContainerRequest {
            devices_ids: owned(ids),
        });
        request.set_timeout(PRE_START_TIMEOUT);
        client.api.pre_start_container(request).await?;
        Ok(true)
    }

    /// Calls GetPreferredAllocation; the response is not filtered.
    pub async fn preferred(
        &self,
        resource: &str,
        available: &[&str],
        must_include: &[&str],
        size: i32,
    ) -> Result<Vec<String>, Status> {
        let mut client = self.endpoint(resource)?;
        if !client.options.get_preferred_allocation_available {
            return Err(Status::failed_precondition(
                "the plugin's options do not offer `GetPreferredAllocation`",
            ));
        }
        let request = PreferredAllocationRequest {
            container_requests: vec![ContainerPreferredAllocationRequest {
                available_device_i_ds: owned(available),
                must_include_device_i_ds: owned(must_include),
                allocation_size: size,
            }],
        };
        let response = client.api.get_preferred_allocation(request).await?;
        let containers = response.into_inner().container_responses;
        let ids = containers.into_iter().next();
        Ok(ids.map(|ids| ids.device_i_ds).unwrap_or_default())
    }

    fn endpoint(&self, resource: &str) -> Result<Client, Status> {
        let state = self.shared.state();
        match (state.endpoint(resource), state.view(resource)) {
            (Some(client), _) => Ok(client),
            (None, Some(view)) => Err(Status::unavailable(format!(
                "endpoint {} has been stopped",
                view.endpoint
            ))),
            (None, None) => Err(Status::not_found(format!(
                "cannot allocate unregistered device {resource}"
            ))),
        }
    }
}

async fn allocate_with(
    program: &Program,
    resource: &str,
    ids: Vec<String>,
) -> Result<ContainerAllocateResponse, Status> {
    let resource = resource.to_owned();
    let answer = program.call(Command::Allocate { resource, ids }).await;
    let answer = answer.ok_or_else(|| Status::unavailable("the kubelet has ended"))?;
    let container = answer.container.map(Into::into);
    container.ok_or_else(|| Status::unknown(answer.error))
}

/// An `Allocate` call that has not been answered, given up on included.
struct PendingAllocation<'a> {
    shared: &'a Shared,
    resource: &'a str,
    ids: Vec<String>,
}

impl<'a> PendingAllocation<'a> {
    fn begin(shared: &'a Shared, resource: &'a str, ids: Vec<String>) -> Self {
        shared.state().allocation_began(resource, &ids);
        Self {
            shared,
            resource,
            ids,
        }
    }
}

impl Drop for PendingAllocation<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.allocation_ended(self.resource, &self.ids);
    }
}

fn owned(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}
