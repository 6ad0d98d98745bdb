//! A small but complete device plugin, controlled by a test.
#![allow(
    dead_code,
    unused_imports,
    reason = "each test file uses a part of this"
)]

mod service;

use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sriovdp_fake_kubelet::{Config, Event, EventKind, FakeKubelet, Timing};
use sriovdp_proto::deviceplugin::registration_client::RegistrationClient;
use sriovdp_proto::deviceplugin::{Device, RegisterRequest, VERSION};
use sriovdp_proto::pluginregistration::RegistrationStatus;
use tempfile::TempDir;
use tokio::runtime::Builder;
use tokio::sync::{oneshot, watch};
use tonic::codegen::http;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tower::service_fn;

use service::{List, PluginService, serve};

pub(crate) use service::{Answers, Calls, healthy, unhealthy};

pub(crate) const VF: &str = "example.com/vf";

/// A kubelet whose limits are short enough to wait for, and the node that it runs on.
pub(crate) async fn kubelet(change: impl FnOnce(&mut Config)) -> (FakeKubelet, TempDir) {
    let node = tempfile::tempdir().expect("a directory can be created");
    let mut config = Config::new(node.path());
    config.watcher = false;
    // `make kubelet` sets the variable, which shows that these tests are true of real kubelets.
    config.device_manager = std::env::var_os("SRIOVDP_DEVICE_MANAGER").map(PathBuf::from);
    config.timing = Timing {
        dial: Duration::from_secs(1),
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
            calls: watch::Sender::new(Calls::default()),
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

    /// Lets the open streams fail.
    pub(crate) fn fail_streams(&self, status: Status) {
        self.service
            .list
            .send_modify(|list| list.failure = Some(status));
    }

    /// How often it was asked so far.
    pub(crate) fn calls(&self) -> Calls {
        *self.service.calls.borrow()
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

/// A kubelet with a plugin that is registered and has listed its devices.
pub(crate) async fn registered() -> (FakeKubelet, Plugin, TempDir) {
    let (kubelet, node) = kubelet(|_| ()).await;
    let plugin = Plugin::in_device_plugins(&kubelet, "vf.sock");
    register(&kubelet, register_request("vf.sock"))
        .await
        .expect("the plugin registers");
    kubelet
        .wait_for(VF, |vf| vf.messages == 1)
        .await
        .expect("the plugin lists");
    (kubelet, plugin, node)
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

/// Waits until the kubelet has seen a stream end.
pub(crate) async fn stream_end(kubelet: &FakeKubelet) {
    let is_end = |event: &Event| matches!(event.kind, EventKind::StreamEnded { .. });
    let seen = kubelet.wait_for_event(is_end).await;
    seen.expect("a stream ends");
}
