//! The two gRPC services of a pool's socket.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use sriovdp_proto::{deviceplugin as dp, pluginregistration as reg};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_stream::wrappers::WatchStream;
use tokio_stream::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::InFlight;
use super::connections::Connection;
use super::messages::{device_list, response, same_list};
use super::streams::{OpenStream, Streams};
use super::until_cancelled::UntilCancelled;
use crate::output::cdi::PoolSpec;
use crate::output::{WriteError, device_info};
use crate::pools::{
    AllocateError, ContainerAllocation, Pool, PreferredAllocationRequest, allocate,
    check_preferred_request, check_request, preferred_allocation,
};
use sriovdp_providers::malloc;
use sriovdp_report::{excerpt, inline};

/// Sent by the Go plugin, and accepted by every kubelet that knows one of them.
const SUPPORTED_VERSIONS: [&str; 2] = ["v1alpha1", dp::VERSION];

/// The least size of a request that a socket reads, in bytes. It grows with the pool.
const MIN_REQUEST_LIMIT: usize = 256 * 1024;
/// What surrounds an id in a request, in bytes.
const ID_OVERHEAD: usize = 4;
/// With more ids and containers than this, a request leaves a hole in the heap.
const LARGE_REQUEST: usize = 4096;

/// Everything that one pool's socket answers with.
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) pool: watch::Receiver<Arc<Pool>>,
    /// What this service's own calls of Allocate are about.
    pub(super) in_flight: InFlight,
    /// The socket as the kubelet knows it.
    pub(super) endpoint: PathBuf,
    /// Where files go.
    pub(super) outputs: Outputs,
    /// Ends all streams.
    pub(super) end: CancellationToken,
    pub(super) streams: watch::Sender<Streams>,
    /// What the plugin watcher says about the registration.
    pub(super) notified: mpsc::Sender<Notification>,
}

/// What an allocation writes besides its answer.
#[derive(Clone, Debug)]
pub(super) struct Outputs {
    /// The directory of the device-info files.
    pub(super) device_info: PathBuf,
    /// The pool's CDI specification, when device nodes are handed out through CDI.
    pub(super) cdi: watch::Receiver<Option<Arc<PoolSpec>>>,
}

/// The plugin watcher's verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Notification {
    /// The pool is registered.
    Registered,
    /// It is not, and the kubelet will try again.
    Refused(String),
}

/// Returns what a request took to the kernel, which is much for one with many ids.
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

#[tonic::async_trait]
impl dp::device_plugin_server::DevicePlugin for Service {
    async fn get_device_plugin_options(
        &self,
        request: Request<dp::Empty>,
    ) -> Result<Response<dp::DevicePluginOptions>, Status> {
        let connection = connection(&request);
        connection.has_requested_options.store(true, Relaxed);
        Ok(Response::new(options()))
    }

    type ListAndWatchStream =
        Pin<Box<dyn Stream<Item = Result<dp::ListAndWatchResponse, Status>> + Send>>;

    /// The current list, and each one that differs from the one before it, until the server ends the stream.
    async fn list_and_watch(
        &self,
        request: Request<dp::Empty>,
    ) -> Result<Response<Self::ListAndWatchStream>, Status> {
        let open = OpenStream::new(self.streams.clone(), connection(&request));
        let mut last: Option<Arc<Pool>> = None;
        let lists = WatchStream::new(self.pool.clone()).filter_map(move |pool| {
            // Moved in here, so that it is dropped with the stream, whoever ends that.
            let _counted = &open;
            let is_news = last.as_ref().is_none_or(|last| !same_list(last, &pool));
            is_news.then(|| {
                let list = device_list(&pool);
                last = Some(pool);
                Ok(list)
            })
        });
        Ok(Response::new(Box::pin(UntilCancelled {
            stream: Box::pin(lists),
            ended: Box::pin(self.end.clone().cancelled_owned()),
        })))
    }

    /// Fails for what no kubelet asks. An error refuses the pod, and an empty answer leaves the choice to the kubelet.
    async fn get_preferred_allocation(
        &self,
        request: Request<dp::PreferredAllocationRequest>,
    ) -> Result<Response<dp::PreferredAllocationResponse>, Status> {
        let pool = Arc::clone(&self.pool.borrow());
        // Dropped after the request.
        let mut trim = TrimAfter::default();
        let containers = request.into_inner().container_requests;
        let ids = containers.iter().map(|container| {
            [
                container.available_device_i_ds.as_slice(),
                container.must_include_device_i_ds.as_slice(),
            ]
        });
        trim.ids = containers.len() + ids.clone().flatten().map(<[_]>::len).sum::<usize>();
        check_preferred_request(&pool, ids)
            .map_err(|error| refuse(&pool, "GetPreferredAllocation", &error))?;
        let preferred = containers
            .iter()
            .map(|container| preferred(&pool, container));
        Ok(Response::new(dp::PreferredAllocationResponse {
            container_responses: preferred.collect(),
        }))
    }

    async fn allocate(
        &self,
        request: Request<dp::AllocateRequest>,
    ) -> Result<Response<dp::AllocateResponse>, Status> {
        // Dropped after the request.
        let mut trim = TrimAfter::default();
        let containers = request.into_inner().container_requests;
        let lists = containers
            .iter()
            .map(|container| container.devices_ids.as_slice());
        trim.ids = containers.len() + lists.clone().map(<[_]>::len).sum::<usize>();
        let pool = Arc::clone(&self.pool.borrow());
        check_request(&pool, lists.clone()).map_err(|error| refuse(&pool, "Allocate", &error))?;
        let ids = lists.flatten();
        // Before the pool is looked at, so that a device which is in it stays.
        let _allocating = self.in_flight.begin(ids.cloned().collect());
        // Both at one moment, because they change together.
        let pool = Arc::clone(&self.pool.borrow());
        let cdi = self.outputs.cdi.borrow().clone();
        // The kubelet waits with its whole pod loop, so this is for all containers of the request together.
        let deadline = Instant::now() + pool.resource.allocate_timeout();
        let mut grants = Vec::new();
        for container in &containers {
            let grant = allocate(&pool, &container.devices_ids, deadline).await;
            grants.push(grant.map_err(|error| refuse(&pool, "Allocate", &error))?);
        }
        // Effects come last, so that a failure above leaves nothing behind.
        self.outputs
            .write(&grants, cdi.as_deref())
            .map_err(|error| {
                tracing::error!(resource = %pool.resource.name, "{}", inline(&error));
                Status::internal(inline(&error))
            })?;
        let container_responses = grants
            .into_iter()
            .map(|grant| response(grant, cdi.as_deref()))
            .collect();
        Ok(Response::new(dp::AllocateResponse {
            container_responses,
        }))
    }

    async fn pre_start_container(
        &self,
        _: Request<dp::PreStartContainerRequest>,
    ) -> Result<Response<dp::PreStartContainerResponse>, Status> {
        Ok(Response::new(dp::PreStartContainerResponse::default()))
    }
}

#[tonic::async_trait]
impl reg::registration_server::Registration for Service {
    async fn get_info(
        &self,
        _: Request<reg::InfoRequest>,
    ) -> Result<Response<reg::PluginInfo>, Status> {
        self.streams.send_modify(Streams::announce_kubelet);
        Ok(Response::new(reg::PluginInfo {
            r#type: reg::DEVICE_PLUGIN.to_owned(),
            name: self.pool.borrow().resource.name.to_string(),
            endpoint: self.endpoint.display().to_string(),
            supported_versions: SUPPORTED_VERSIONS.map(str::to_owned).to_vec(),
        }))
    }

    /// Never fails: the kubelet would take that as the end of a good registration.
    async fn notify_registration_status(
        &self,
        status: Request<reg::RegistrationStatus>,
    ) -> Result<Response<reg::RegistrationStatusResponse>, Status> {
        let status = status.into_inner();
        let notification = if status.plugin_registered {
            Notification::Registered
        } else {
            self.streams.send_modify(Streams::withdraw_kubelet);
            Notification::Refused(excerpt(&status.error))
        };
        // The channel is full where no task reads it, and closed when the server is being stopped.
        let _ = self.notified.try_send(notification);
        Ok(Response::new(reg::RegistrationStatusResponse::default()))
    }
}

/// How large a request about the pool may be: one of GetPreferredAllocation has two lists, and neither more than twice as
/// many ids as there are devices.
pub(super) fn request_limit(pool: &Pool) -> usize {
    let ids = pool.devices.iter();
    let ids = ids.map(|device| device.id.as_str().len() + ID_OVERHEAD);
    MIN_REQUEST_LIMIT.max(4 * ids.sum::<usize>())
}

/// The one that a request came on.
fn connection<T>(request: &Request<T>) -> Arc<Connection> {
    let connection = request.extensions().get::<Arc<Connection>>();
    connection.cloned().unwrap_or_default()
}

/// The same for both registrations, because kubelets differ in which one they believe.
pub(super) fn options() -> dp::DevicePluginOptions {
    dp::DevicePluginOptions {
        pre_start_required: false,
        get_preferred_allocation_available: true,
    }
}

fn preferred(
    pool: &Pool,
    container: &dp::ContainerPreferredAllocationRequest,
) -> dp::ContainerPreferredAllocationResponse {
    let wish = PreferredAllocationRequest {
        available: &container.available_device_i_ds,
        must_include: &container.must_include_device_i_ds,
        size: usize::try_from(container.allocation_size).unwrap_or_default(),
    };
    let ids = preferred_allocation(pool, pool.resource.allocation_policy, wish);
    dp::ContainerPreferredAllocationResponse {
        device_i_ds: ids.into_iter().map(str::to_owned).collect(),
    }
}

impl Outputs {
    fn write(
        &self,
        grants: &[ContainerAllocation],
        cdi: Option<&PoolSpec>,
    ) -> Result<(), WriteError> {
        for grant in grants {
            if let Some(cdi) = cdi {
                cdi.update(grant.nodes_by_device.iter().cloned())?;
            }
            for file in &grant.device_info {
                device_info::write(&self.device_info, file)?;
            }
        }
        Ok(())
    }
}

fn refuse(pool: &Pool, call: &str, error: &AllocateError) -> Status {
    let text = inline(error);
    tracing::error!(resource = %pool.resource.name, "{call} is refused: {text}");
    match error {
        AllocateError::UnknownDevice { .. } => Status::not_found(text),
        AllocateError::Twice { .. }
        | AllocateError::TooManyContainers { .. }
        | AllocateError::TooManyIds { .. } => Status::invalid_argument(text),
        AllocateError::Left { .. }
        | AllocateError::Mismatch { .. }
        | AllocateError::Provider { .. } => Status::failed_precondition(text),
        AllocateError::WrongNumber(_) | AllocateError::Forbidden(_) => Status::internal(text),
    }
}
