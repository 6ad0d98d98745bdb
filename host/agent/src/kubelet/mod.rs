//! The kubelet's side of a pool: a socket with the device plugin service, and a registration that holds.
//!
//! There are two ways to register. The *plugin watcher* looks at a directory and calls us; in *Register* mode we call
//! `kubelet.sock`. Either way the same [`Server`](server::Server) serves, and one task for each pool keeps it
//! registered through restarts of the kubelet, deleted sockets and cancelled streams: [`ResourceServer::run`].

mod backoff;
mod checkpoint;
mod connections;
mod device_plugin_service;
mod http2;
mod in_flight;
mod instance_lock;
mod kubelet_socket;
mod messages;
mod plugin_watcher;
mod pod_devices;
mod resource_server;
mod router;
mod server;
mod socket;
mod socket_names;
mod streams;
mod until_cancelled;

use std::fmt;

pub(crate) use checkpoint::parse as parse_checkpoint;
pub use in_flight::InFlight;
pub use pod_devices::{PodDevices, PodResourcesError};
pub use resource_server::ResourceServer;

use crate::host_paths::HostPaths;

/// How a node's kubelet takes registrations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistrationMode {
    /// It watches `plugins_registry`.
    Watcher,
    /// It serves `Register` on `device-plugins/kubelet.sock`.
    Register,
}

impl RegistrationMode {
    /// By what exists, as the Go plugin chooses.
    pub fn detect(tree: &HostPaths) -> Self {
        if tree.real(tree.plugins_registry()).is_dir() {
            Self::Watcher
        } else {
            Self::Register
        }
    }
}

impl fmt::Display for RegistrationMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Watcher => "plugin watcher",
            Self::Register => "kubelet.sock",
        })
    }
}
