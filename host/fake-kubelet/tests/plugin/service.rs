//! The services of the test plugin: what it answers to whom.

use std::os::unix::net::UnixListener;
use std::pin::Pin;
use std::sync::Arc;

use sriovdp_proto::deviceplugin::device_plugin_server::{DevicePlugin, DevicePluginServer};
use sriovdp_proto::deviceplugin::{
    AllocateRequest, AllocateResponse, ContainerAllocateResponse,
    ContainerPreferredAllocationResponse, Device, DevicePluginOptions, Empty, HEALTHY,
    ListAndWatchResponse, NumaNode, PreStartContainerRequest, PreStartContainerResponse,
    PreferredAllocationRequest, PreferredAllocationResponse, TopologyInfo, UNHEALTHY, VERSION,
};
use sriovdp_proto::pluginregistration::registration_server::{Registration, RegistrationServer};
use sriovdp_proto::pluginregistration::{
    DEVICE_PLUGIN, InfoRequest, PluginInfo, RegistrationStatus, RegistrationStatusResponse,
};
use tokio::sync::{Semaphore, watch};
use tokio_stream::wrappers::{UnixListenerStream, WatchStream};
use tokio_stream::{Stream, StreamExt};
use tonic::codegen::{Service, http};
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use tower::service_fn;

use super::VF;

/// How a plugin answers, apart from its list.
#[derive(Debug, Clone)]
pub(crate) struct Answers {
    pub(crate) options: Result<DevicePluginOptions, Status>,
    pub(crate) info: PluginInfo,
    pub(crate) notified: Result<(), Status>,
    /// Whether `ListAndWatch` begins.
    pub(crate) listing: Result<(), Status>,
    /// `Allocate` takes a permit for each call.
    pub(crate) allocations: Arc<Semaphore>,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            options: Ok(DevicePluginOptions {
                pre_start_required: false,
                get_preferred_allocation_available: true,
            }),
            info: PluginInfo {
                r#type: DEVICE_PLUGIN.to_owned(),
                name: VF.to_owned(),
                endpoint: String::new(),
                supported_versions: vec!["v1alpha1".to_owned(), VERSION.to_owned()],
            },
            notified: Ok(()),
            listing: Ok(()),
            allocations: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
        }
    }
}

/// What is listed, by streams of this generation.
#[derive(Debug, Clone)]
pub(super) struct List {
    pub(super) generation: u64,
    pub(super) devices: Vec<Device>,
    /// How the streams end, if they do.
    pub(super) failure: Option<Status>,
}

/// How often the plugin was asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Calls {
    pub(crate) options: usize,
    pub(crate) listing: usize,
}

impl Default for List {
    fn default() -> Self {
        Self {
            generation: 0,
            devices: vec![healthy("d0"), healthy("d1")],
            failure: None,
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct PluginService {
    pub(super) list: watch::Sender<List>,
    pub(super) statuses: watch::Sender<Vec<RegistrationStatus>>,
    pub(super) calls: watch::Sender<Calls>,
    pub(super) answers: Answers,
}

pub(super) async fn serve(service: PluginService, listener: UnixListener) {
    listener
        .set_nonblocking(true)
        .expect("a socket can be made nonblocking");
    let listener = tokio::net::UnixListener::from_std(listener).expect("within a runtime");
    let plugin = DevicePluginServer::new(service.clone());
    let registration = RegistrationServer::new(service);
    let both = service_fn(move |request: http::Request<tonic::body::Body>| {
        let (mut plugin, mut registration) = (plugin.clone(), registration.clone());
        async move {
            if request.uri().path().starts_with("/pluginregistration.") {
                registration.call(request).await
            } else {
                plugin.call(request).await
            }
        }
    });
    let connections = UnixListenerStream::new(listener);
    let served = Server::builder().serve_with_incoming(both, connections);
    served.await.expect("the plugin serves");
}

#[tonic::async_trait]
impl DevicePlugin for PluginService {
    type ListAndWatchStream =
        Pin<Box<dyn Stream<Item = Result<ListAndWatchResponse, Status>> + Send>>;

    async fn get_device_plugin_options(
        &self,
        _: Request<Empty>,
    ) -> Result<Response<DevicePluginOptions>, Status> {
        self.calls.send_modify(|calls| calls.options += 1);
        self.answers.options.clone().map(Response::new)
    }

    async fn list_and_watch(
        &self,
        _: Request<Empty>,
    ) -> Result<Response<Self::ListAndWatchStream>, Status> {
        self.calls.send_modify(|calls| calls.listing += 1);
        self.answers.listing.clone()?;
        let list = self.list.subscribe();
        let generation = list.borrow().generation;
        let messages = WatchStream::new(list)
            .take_while(move |list| list.generation == generation)
            .map(|list| match list.failure {
                None => Ok(ListAndWatchResponse {
                    devices: list.devices,
                }),
                Some(status) => Err(status),
            });
        Ok(Response::new(Box::pin(messages)))
    }

    async fn get_preferred_allocation(
        &self,
        request: Request<PreferredAllocationRequest>,
    ) -> Result<Response<PreferredAllocationResponse>, Status> {
        let containers = request.into_inner().container_requests.into_iter();
        Ok(Response::new(PreferredAllocationResponse {
            container_responses: containers
                .map(|container| ContainerPreferredAllocationResponse {
                    device_i_ds: container.available_device_i_ds.into_iter().rev().collect(),
                })
                .collect(),
        }))
    }

    async fn allocate(
        &self,
        request: Request<AllocateRequest>,
    ) -> Result<Response<AllocateResponse>, Status> {
        let permit = self.answers.allocations.acquire().await;
        permit.expect("the semaphore is never closed").forget();
        let containers = request.into_inner().container_requests.into_iter();
        Ok(Response::new(AllocateResponse {
            container_responses: containers
                .map(|container| ContainerAllocateResponse {
                    envs: [("IDS".to_owned(), container.devices_ids.join(","))].into(),
                    ..ContainerAllocateResponse::default()
                })
                .collect(),
        }))
    }

    async fn pre_start_container(
        &self,
        _: Request<PreStartContainerRequest>,
    ) -> Result<Response<PreStartContainerResponse>, Status> {
        Err(Status::unimplemented("not offered"))
    }
}

#[tonic::async_trait]
impl Registration for PluginService {
    async fn get_info(&self, _: Request<InfoRequest>) -> Result<Response<PluginInfo>, Status> {
        Ok(Response::new(self.answers.info.clone()))
    }

    async fn notify_registration_status(
        &self,
        request: Request<RegistrationStatus>,
    ) -> Result<Response<RegistrationStatusResponse>, Status> {
        self.statuses
            .send_modify(|statuses| statuses.push(request.into_inner()));
        let notified = self.answers.notified.clone();
        notified.map(|()| Response::new(RegistrationStatusResponse {}))
    }
}

pub(crate) fn healthy(id: &str) -> Device {
    Device {
        id: id.to_owned(),
        health: HEALTHY.to_owned(),
        topology: Some(TopologyInfo {
            nodes: vec![NumaNode { id: 1 }],
        }),
    }
}

pub(crate) fn unhealthy(id: &str) -> Device {
    Device {
        health: UNHEALTHY.to_owned(),
        ..healthy(id)
    }
}
