//! The two gRPC services of a pool's socket.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use sriovdp_proto::{deviceplugin as dp, pluginregistration as reg};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_stream::wrappers::WatchStream;
use tokio_stream::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::InFlight;
use super::until_cancelled::UntilCancelled;
use crate::output::cdi::{CdiNames, PoolSpec};
use crate::output::{WriteError, device_info};
use crate::pools::{AllocateError, Grant, Health, Pool, PoolDevice, Wish, allocate, prefer};
use crate::report::one_line;

/// Sent by the Go plugin, and accepted by every kubelet that knows one of them.
const SUPPORTED_VERSIONS: [&str; 2] = ["v1alpha1", dp::VERSION];

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
    pub(super) notified: mpsc::UnboundedSender<Notification>,
}

/// What an allocation writes besides its answer.
#[derive(Clone, Debug)]
pub(super) struct Outputs {
    /// The directory of the device-info files.
    pub(super) device_info: PathBuf,
    /// The pool's CDI specification, when device nodes are handed out through CDI.
    pub(super) cdi: watch::Receiver<Option<Arc<PoolSpec>>>,
}

/// The ListAndWatch streams of a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Streams {
    /// How many there have been.
    pub(super) opened: u64,
    /// How many there are.
    pub(super) open: u64,
}

/// The plugin watcher's verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Notification {
    /// The pool is registered.
    Registered,
    /// It is not, and the kubelet will try again.
    Refused(String),
}

/// Counts a stream for as long as it lives.
struct OpenStream(watch::Sender<Streams>);

impl OpenStream {
    fn new(streams: watch::Sender<Streams>) -> Self {
        streams.send_modify(|streams| {
            streams.opened += 1;
            streams.open += 1;
        });
        Self(streams)
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.send_modify(|streams| streams.open -= 1);
    }
}

#[tonic::async_trait]
impl dp::device_plugin_server::DevicePlugin for Service {
    async fn get_device_plugin_options(
        &self,
        _: Request<dp::Empty>,
    ) -> Result<Response<dp::DevicePluginOptions>, Status> {
        Ok(Response::new(options()))
    }

    type ListAndWatchStream =
        Pin<Box<dyn Stream<Item = Result<dp::ListAndWatchResponse, Status>> + Send>>;

    /// The current list, and each one that differs from the one before it, until the server ends the stream.
    async fn list_and_watch(
        &self,
        _: Request<dp::Empty>,
    ) -> Result<Response<Self::ListAndWatchStream>, Status> {
        let open = OpenStream::new(self.streams.clone());
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

    /// Never fails: an error would refuse the pod, and an empty answer leaves the choice to the kubelet.
    async fn get_preferred_allocation(
        &self,
        request: Request<dp::PreferredAllocationRequest>,
    ) -> Result<Response<dp::PreferredAllocationResponse>, Status> {
        let pool = Arc::clone(&self.pool.borrow());
        let containers = request.into_inner().container_requests.into_iter();
        let preferred = containers.map(|container| preferred(&pool, &container));
        Ok(Response::new(dp::PreferredAllocationResponse {
            container_responses: preferred.collect(),
        }))
    }

    async fn allocate(
        &self,
        request: Request<dp::AllocateRequest>,
    ) -> Result<Response<dp::AllocateResponse>, Status> {
        let containers = request.into_inner().container_requests;
        let ids = containers
            .iter()
            .flat_map(|container| &container.devices_ids);
        // Before the pool is looked at, so that a device which is in it stays.
        let _allocating = self.in_flight.begin(ids.cloned().collect());
        // Both at one moment, because they change together.
        let pool = Arc::clone(&self.pool.borrow());
        let cdi = self.outputs.cdi.borrow().clone();
        // The kubelet waits with its whole pod loop, so this is for all containers of the request together.
        let deadline = Instant::now() + pool.resource.allocate_budget();
        let mut grants = Vec::new();
        for container in containers {
            let grant = allocate(&pool, &container.devices_ids, deadline).await;
            grants.push(grant.map_err(|error| refuse(&pool, &error))?);
        }
        // Effects come last, so that a failure above leaves nothing behind.
        self.outputs
            .write(&grants, cdi.as_deref())
            .map_err(|error| {
                tracing::error!(resource = %pool.resource.name, "{}", one_line(&error));
                Status::internal(one_line(&error))
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
            Notification::Refused(status.error)
        };
        // Nobody listens any more when the server is being stopped.
        let _ = self.notified.send(notification);
        Ok(Response::new(reg::RegistrationStatusResponse::default()))
    }
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
    let wish = Wish {
        available: &container.available_device_i_ds,
        must_include: &container.must_include_device_i_ds,
        size: usize::try_from(container.allocation_size).unwrap_or_default(),
    };
    let ids = prefer(pool, pool.resource.allocation_policy, wish);
    dp::ContainerPreferredAllocationResponse {
        device_i_ds: ids.into_iter().map(str::to_owned).collect(),
    }
}

fn device_list(pool: &Pool) -> dp::ListAndWatchResponse {
    let devices = pool
        .devices
        .iter()
        .map(|device| to_device(pool, device))
        .collect();
    dp::ListAndWatchResponse { devices }
}

/// Whether two states of a pool look the same to the kubelet, which is not told why a device is unhealthy.
fn same_list(one: &Pool, other: &Pool) -> bool {
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
            Health::Unhealthy(_) | Health::Left { .. } => dp::UNHEALTHY,
        }
        .to_owned(),
        topology: node.map(|node| dp::TopologyInfo {
            nodes: vec![dp::NumaNode {
                id: i64::from(node),
            }],
        }),
    }
}

impl Outputs {
    fn write(&self, grants: &[Grant], cdi: Option<&PoolSpec>) -> Result<(), WriteError> {
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

/// The kubelet's answer; with CDI it names devices, and the container runtime adds their nodes.
fn response(grant: Grant, cdi: Option<&PoolSpec>) -> dp::ContainerAllocateResponse {
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

fn refuse(pool: &Pool, error: &AllocateError) -> Status {
    let text = one_line(error);
    tracing::error!(resource = %pool.resource.name, "Allocate is refused: {text}");
    match error {
        AllocateError::UnknownDevice { .. } => Status::not_found(text),
        AllocateError::Left { .. } | AllocateError::Provider { .. } => {
            Status::failed_precondition(text)
        }
        AllocateError::WrongNumber(_) | AllocateError::Forbidden(_) => Status::internal(text),
    }
}
