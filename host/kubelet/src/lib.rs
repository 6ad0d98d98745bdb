//! A device plugin server for the kubelet.
//!
//! A device plugin offers devices of a node to pods as an extended resource. Its protocol is three gRPC services over
//! unix sockets; its difficulty is that the socket has to be registered with a kubelet that restarts, deletes sockets,
//! cancels streams and may be served by an older instance of the plugin at the same time. This crate does that for
//! anything that implements [`DevicePlugin`].
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use sriovdp_kubelet::deviceplugin::{AllocateRequest, AllocateResponse, ContainerAllocateResponse, DeviceSpec};
//! use sriovdp_kubelet::{
//!     CancellationToken, Device, DeviceList, DevicePlugin, Devices, DirectoryChanges, Health, KubeletPaths,
//!     RegistrationMode, RegistrationStatus, ResourceServer, Status, async_trait,
//! };
//! use tokio::sync::watch;
//!
//! /// The names of device nodes.
//! #[derive(Debug)]
//! struct Names(Vec<String>);
//!
//! impl Devices for Names {
//!     fn iter(&self) -> Box<dyn Iterator<Item = Device<'_>> + '_> {
//!         Box::new(self.0.iter().map(|id| Device {
//!             id,
//!             health: Health::Healthy,
//!             numa_node: None,
//!             other_numa_nodes: &[],
//!         }))
//!     }
//! }
//!
//! /// Serial ports, by the name of the device node.
//! #[derive(Debug)]
//! struct SerialPorts(watch::Sender<DeviceList>);
//!
//! #[async_trait]
//! impl DevicePlugin for SerialPorts {
//!     fn devices(&self) -> watch::Receiver<DeviceList> {
//!         self.0.subscribe()
//!     }
//!
//!     async fn allocate(&self, request: AllocateRequest) -> Result<AllocateResponse, Status> {
//!         let device_node = |id: &String| DeviceSpec {
//!             container_path: format!("/dev/{id}"),
//!             host_path: format!("/dev/{id}"),
//!             permissions: "rw".to_owned(),
//!         };
//!         let containers = request.container_requests.iter().map(|container| ContainerAllocateResponse {
//!             devices: container.devices_ids.iter().map(device_node).collect(),
//!             ..Default::default()
//!         });
//!         Ok(AllocateResponse { container_responses: containers.collect() })
//!     }
//! }
//!
//! # async fn serve() {
//! let ports = Names(vec!["ttyS0".to_owned()]);
//! let (devices, _) = watch::channel(DeviceList::new(Arc::new(ports)));
//! // To rise with each inotify event of the two directories, and once a minute.
//! let (directory_events, counter) = watch::channel(0);
//!
//! let paths = KubeletPaths::below("/var/lib/kubelet");
//! let mode = RegistrationMode::detect(&paths.plugins_registry.path);
//! let server = ResourceServer {
//!     resource: "example.com/serial-port".to_owned(),
//!     plugin: Arc::new(SerialPorts(devices)),
//!     paths,
//!     changes: DirectoryChanges::new(counter),
//!     status: watch::channel(RegistrationStatus::default()).0,
//! };
//! server.run(mode, CancellationToken::new()).await;
//! # drop(directory_events);
//! # }
//! ```
//!
//! # Registration
//!
//! There are two ways to register, and [`RegistrationMode`] selects one. The *plugin watcher* of the kubelet follows a
//! directory and calls each socket in it; otherwise the plugin calls `Register` on `kubelet.sock`. Either way one task
//! per resource keeps it registered:
//!
//! * A new kubelet is registered with at once; failures are retried with exponential backoff and jitter.
//! * A deleted socket is created anew, and so is one whose `ListAndWatch` stream the kubelet has ended.
//! * All streams of a registration end before the next one begins. Kubelets up to 1.36 take the end of an old stream for
//!   the end of the new one.
//! * With `kubelet.sock`, no socket name is used twice. Kubelet 1.37 refuses a path whose old stream it has not seen end,
//!   until it restarts.
//! * A socket gets its name after it listens, so a peer that sees it can connect.
//! * One instance of a plugin at a time registers a resource: another one waits until its process has ended.
//! * The kubelet's `:authority`, which may be the path of a socket, is accepted ([`sriovdp_authority_filter`]).
//!
//! # Limits
//!
//! A socket has at most 64 connections, each with 16 calls; a call ends after 30 s, and a request has a size limit that
//! grows with the device list. What a peer sends is escaped and truncated before it is logged.
//!
//! # Logging
//!
//! Events are logged with `tracing`, and have the field `event`. They carry no resource name: instrument
//! [`ResourceServer::run`] with a span that has one.
//!
//! # Devices in use
//!
//! [`PodDevices`] reads which pods have which devices, from the pod resources API or the kubelet's checkpoint.
#![forbid(unsafe_code)]

mod checkpoint;
mod connection;
mod connections;
mod device_plugin_service;
mod directory_changes;
mod http2;
mod paths;
mod peer_stream;
mod plugin;
mod pod_devices;
mod pod_resources;
mod registration;
mod registration_mode;
mod registration_service;
mod registration_status;
mod resource_server;
mod router;
mod server;
mod socket;
mod socket_names;
mod streams;

pub use sriovdp_proto::deviceplugin;
pub use tokio_util::sync::CancellationToken;
pub use tonic::{Status, async_trait};

pub use directory_changes::DirectoryChanges;
pub use paths::{KubeletDirectory, KubeletPaths};
pub use plugin::{Device, DeviceList, DevicePlugin, Devices, Health};
pub use pod_devices::PodDevices;
pub use pod_resources::{ContainerDevices, PodResourcesError};
pub use registration_mode::RegistrationMode;
pub use registration_status::RegistrationStatus;
pub use resource_server::ResourceServer;
pub use socket::Socket;
