//! A resource that has nothing to do with pools, served to a fake kubelet in both registration modes.
#![allow(clippy::unwrap_used, reason = "it is for tests only")]

use std::sync::Arc;
use std::time::Duration;

use sriovdp_fake_kubelet::{Config, EventKind, FakeKubelet, ResourceView};
use sriovdp_kubelet::deviceplugin::{
    AllocateRequest, AllocateResponse, ContainerAllocateResponse, DevicePluginOptions,
    PreStartContainerRequest, PreStartContainerResponse,
};
use sriovdp_kubelet::{
    CancellationToken, Device, DeviceList, DevicePlugin, Devices, DirectoryChanges, Health,
    KubeletDirectory, KubeletPaths, RegistrationMode, RegistrationStatus, ResourceServer, Status,
    async_trait,
};
use tokio::sync::watch;
use tokio::task::JoinSet;

const RESOURCE: &str = "example.com/serial-port";

#[derive(Debug)]
struct SerialPorts(watch::Sender<DeviceList>);

#[derive(Debug)]
struct Ports(Vec<(&'static str, Health)>);

impl Devices for Ports {
    fn iter(&self) -> Box<dyn Iterator<Item = Device<'_>> + '_> {
        Box::new(self.0.iter().map(|&(id, health)| Device {
            id,
            health,
            numa_node: None,
            other_numa_nodes: &[],
        }))
    }
}

#[async_trait]
impl DevicePlugin for SerialPorts {
    fn devices(&self) -> watch::Receiver<DeviceList> {
        self.0.subscribe()
    }

    fn options(&self) -> DevicePluginOptions {
        DevicePluginOptions {
            pre_start_required: true,
            get_preferred_allocation_available: false,
        }
    }

    async fn allocate(&self, request: AllocateRequest) -> Result<AllocateResponse, Status> {
        let containers = request.container_requests.into_iter().map(|container| {
            if container.devices_ids.iter().any(|id| id == "refused") {
                return Err(Status::failed_precondition("it is in use"));
            }
            Ok(ContainerAllocateResponse {
                envs: [("PORTS".to_owned(), container.devices_ids.join(","))].into(),
                ..Default::default()
            })
        });
        Ok(AllocateResponse {
            container_responses: containers.collect::<Result<_, _>>()?,
        })
    }

    async fn pre_start_container(
        &self,
        _: PreStartContainerRequest,
    ) -> Result<PreStartContainerResponse, Status> {
        Ok(PreStartContainerResponse::default())
    }
}

fn ports(ports: &[(&'static str, Health)]) -> DeviceList {
    DeviceList::new(Arc::new(Ports(ports.to_vec())))
}

async fn is_served(mode: RegistrationMode) {
    let node = tempfile::tempdir().unwrap();
    let mut config = Config::new(node.path());
    config.watcher = mode == RegistrationMode::Watcher;
    config.timing.watcher_tick = Duration::from_millis(20);
    let kubelet = FakeKubelet::start(config).await.unwrap();
    // The node's `/` is mounted below `node`.
    let directory = |name: &str| KubeletDirectory {
        path: node.path().join("var/lib/kubelet").join(name),
        host_path: format!("/var/lib/kubelet/{name}").into(),
    };
    let paths = KubeletPaths {
        device_plugins: directory("device-plugins"),
        plugins_registry: directory("plugins_registry"),
    };
    assert_eq!(RegistrationMode::detect(&paths.plugins_registry.path), mode);

    let (devices, _) = watch::channel(ports(&[("ttyS0", Health::Healthy)]));
    let (directory_events, counter) = watch::channel(0);
    let (status, mut registration) = watch::channel(RegistrationStatus::default());
    let server = ResourceServer {
        resource: RESOURCE.to_owned(),
        plugin: Arc::new(SerialPorts(devices.clone())),
        paths,
        changes: DirectoryChanges::new(counter),
        status,
    };
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(server.run(mode, stop.clone()));
    let polling = tokio::spawn(async move {
        let mut interval = tokio::time::interval(Duration::from_millis(10));
        loop {
            interval.tick().await;
            directory_events.send_modify(|count| *count += 1);
        }
    });

    let registered = kubelet.wait_for(RESOURCE, |view| view.allocatable() == 1);
    registered.await.unwrap();
    let registered = registration.wait_for(RegistrationStatus::is_registered);
    registered.await.unwrap();
    devices.send_replace(ports(&[
        ("ttyS0", Health::Unhealthy),
        ("ttyS1", Health::Healthy),
    ]));
    let changed = |view: &ResourceView| view.allocatable() == 1 && view.devices.len() == 2;
    kubelet.wait_for(RESOURCE, changed).await.unwrap();
    let container = kubelet.allocate(RESOURCE, &["ttyS1"]).await.unwrap();
    assert_eq!(container.envs["PORTS"], "ttyS1");
    let refused = kubelet.allocate(RESOURCE, &["refused"]).await.unwrap_err();
    assert_eq!(refused.message(), "it is in use");

    kubelet.restart().await.unwrap();
    let again = |view: &ResourceView| view.registrations == 2 && view.allocatable() == 1;
    kubelet.wait_for(RESOURCE, again).await.unwrap();
    assert_eq!(kubelet.violations(), [""; 0]);
    for event in kubelet.journal() {
        let is_unreadable = matches!(event.kind, EventKind::Unreadable { .. });
        assert!(!is_unreadable, "kubelets log an error: {}", event.kind);
    }
    stop.cancel();
    tasks.join_next().await.unwrap().unwrap();
    let gone = |view: &ResourceView| !view.connected && !view.socket.exists();
    kubelet.wait_for(RESOURCE, gone).await.unwrap();
    polling.abort();
}

#[tokio::test]
async fn plugin_watcher() {
    is_served(RegistrationMode::Watcher).await;
}

#[tokio::test]
async fn kubelet_socket() {
    is_served(RegistrationMode::Register).await;
}
