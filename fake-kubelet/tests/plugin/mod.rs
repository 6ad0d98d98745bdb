//! A small but complete device plugin that does what a test tells it to.
#![allow(dead_code, reason = "each test file uses a part of this")]

use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sriovdp_fake_kubelet::{Config, Event, FakeKubelet, Happening, Timing};
use sriovdp_proto::deviceplugin::device_plugin_server::{DevicePlugin, DevicePluginServer};
use sriovdp_proto::deviceplugin::registration_client::RegistrationClient;
use sriovdp_proto::deviceplugin::{
    AllocateRequest, AllocateResponse, ContainerAllocateResponse,
    ContainerPreferredAllocationResponse, Device, DevicePluginOptions, Empty, HEALTHY,
    ListAndWatchResponse, NumaNode, PreStartContainerRequest, PreStartContainerResponse,
    PreferredAllocationRequest, PreferredAllocationResponse, RegisterRequest, TopologyInfo,
    UNHEALTHY, VERSION,
};
use sriovdp_proto::pluginregistration::registration_server::{Registration, RegistrationServer};
use sriovdp_proto::pluginregistration::{
    DEVICE_PLUGIN, InfoRequest, PluginInfo, RegistrationStatus, RegistrationStatusResponse,
};
use tempfile::TempDir;
use tokio::runtime::Builder;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio_stream::wrappers::{UnixListenerStream, WatchStream};
use tokio_stream::{Stream, StreamExt};
use tonic::codegen::{Service, http};
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Response, Status};
use tower::service_fn;

pub(crate) const VF: &str = "example.com/vf";

/// A kubelet whose limits are short enough to wait for, and the node that it runs on.
pub(crate) async fn kubelet(change: impl FnOnce(&mut Config)) -> (FakeKubelet, TempDir) {
    let node = tempfile::tempdir().expect("a directory can be created");
    let mut config = Config::new(node.path());
    config.watcher = false;
    config.timing = Timing {
        dial: Duration::from_millis(300),
        watcher_tick: Duration::from_millis(20),
        first_backoff: Duration::from_millis(30),
        ..Timing::default()
    };
    change(&mut config);
    let kubelet = FakeKubelet::start(config)
        .await
        .expect("the kubelet starts");
    (kubelet, node)
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

/// How a plugin answers, apart from its list.
#[derive(Debug, Clone)]
pub(crate) struct Answers {
    pub(crate) options: Result<DevicePluginOptions, Status>,
    pub(crate) info: PluginInfo,
    pub(crate) notified: Result<(), Status>,
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
            allocations: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
        }
    }
}

/// A plugin that serves one socket. Dropping it is like killing it, which is why it has a runtime of its own.
#[derive(Debug)]
pub(crate) struct Plugin {
    pub(crate) socket: PathBuf,
    service: PluginService,
    stop: Option<oneshot::Sender<()>>,
    process: Option<JoinHandle<()>>,
}

impl Plugin {
    /// Listens and serves; both of a plugin's services are on the one socket.
    pub(crate) fn serve(socket: &Path, answers: Answers) -> Self {
        let listener = UnixListener::bind(socket).expect("the plugin can listen");
        let service = PluginService {
            list: watch::Sender::new(List::default()),
            statuses: watch::Sender::new(Vec::new()),
            answers,
        };
        let (stop, stopped) = oneshot::channel();
        let server = service.clone();
        let process = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("a runtime can be built");
            runtime.block_on(async {
                tokio::select! {
                    () = serve(server, listener) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            socket: socket.to_owned(),
            service,
            stop: Some(stop),
            process: Some(process),
        }
    }

    pub(crate) fn in_device_plugins(kubelet: &FakeKubelet, name: &str) -> Self {
        Self::serve(
            &kubelet.node().device_plugins().join(name),
            Answers::default(),
        )
    }

    pub(crate) fn in_registry(kubelet: &FakeKubelet, name: &str) -> Self {
        Self::serve(
            &kubelet.node().plugins_registry().join(name),
            Answers::default(),
        )
    }

    pub(crate) fn list(&self, devices: &[Device]) {
        let devices = devices.to_vec();
        self.service.list.send_modify(|list| list.devices = devices);
    }

    /// Ends the streams that are open; new ones begin with this list.
    pub(crate) fn end_streams(&self, next: &[Device]) {
        self.service.list.send_modify(|list| {
            list.generation += 1;
            list.devices = next.to_vec();
        });
    }

    /// Waits until the streams that were open have been dropped.
    pub(crate) async fn no_streams(&self) {
        let gone = self.service.list.closed();
        let gone = tokio::time::timeout(Duration::from_secs(10), gone).await;
        gone.expect("the streams end");
    }

    /// The outcomes of the registration that the watcher reported, once there are so many.
    pub(crate) async fn statuses(&self, count: usize) -> Vec<RegistrationStatus> {
        let mut statuses = self.service.statuses.subscribe();
        let seen = statuses.wait_for(|statuses| statuses.len() >= count);
        let seen = tokio::time::timeout(Duration::from_secs(10), seen).await;
        seen.expect("the watcher reports in time")
            .expect("the sender is here")
            .clone()
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.process.take().map(JoinHandle::join);
        if !thread::panicking() {
            ended
                .expect("it is joined once")
                .expect("the plugin did not panic");
        }
    }
}

/// What is listed, by streams of this generation.
#[derive(Debug, Clone)]
struct List {
    generation: u64,
    devices: Vec<Device>,
}

impl Default for List {
    fn default() -> Self {
        Self {
            generation: 0,
            devices: vec![healthy("d0"), healthy("d1")],
        }
    }
}

pub(crate) fn register_request(endpoint: &str) -> RegisterRequest {
    RegisterRequest {
        version: VERSION.to_owned(),
        endpoint: endpoint.to_owned(),
        resource_name: VF.to_owned(),
        options: None,
    }
}

pub(crate) async fn register(
    kubelet: &FakeKubelet,
    request: RegisterRequest,
) -> Result<(), Status> {
    let channel = connect(&kubelet.node().kubelet_socket())
        .await
        .map_err(|error| Status::unavailable(format!("{error:?}")))?;
    let mut client = RegistrationClient::new(channel);
    client.register(request).await.map(|_| ())
}

/// The message of a refused registration; the kubelet has no other code than this.
pub(crate) async fn refusal(kubelet: &FakeKubelet, request: RegisterRequest) -> String {
    let status = register(kubelet, request)
        .await
        .expect_err("the kubelet refuses");
    assert_eq!(status.code(), Code::Unknown, "{status:?}");
    status.message().to_owned()
}

pub(crate) async fn connect(socket: &Path) -> Result<Channel, tonic::transport::Error> {
    let socket = socket.to_owned();
    let connector = service_fn(move |_: http::Uri| {
        let socket = socket.clone();
        async move {
            let stream = tokio::net::UnixStream::connect(socket).await?;
            Ok::<_, std::io::Error>(hyper_util::rt::TokioIo::new(stream))
        }
    });
    Endpoint::from_static("http://localhost")
        .connect_with_connector(connector)
        .await
}

#[derive(Debug, Clone)]
struct PluginService {
    list: watch::Sender<List>,
    statuses: watch::Sender<Vec<RegistrationStatus>>,
    answers: Answers,
}

async fn serve(service: PluginService, listener: UnixListener) {
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
        self.answers.options.clone().map(Response::new)
    }

    async fn list_and_watch(
        &self,
        _: Request<Empty>,
    ) -> Result<Response<Self::ListAndWatchStream>, Status> {
        let list = self.list.subscribe();
        let generation = list.borrow().generation;
        let messages = WatchStream::new(list)
            .take_while(move |list| list.generation == generation)
            .map(|List { devices, .. }| Ok(ListAndWatchResponse { devices }));
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

/// Waits until the kubelet has seen a stream end.
pub(crate) async fn stream_end(kubelet: &FakeKubelet) {
    let is_end = |event: &Event| matches!(event.what, Happening::StreamEnded { .. });
    let seen = kubelet.wait_for_event(is_end).await;
    seen.expect("a stream ends");
}
