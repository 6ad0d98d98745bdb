//! One pool, offered to the kubelet for as long as it exists.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::device_plugin_service::Outputs;
use super::server::Server;
use super::{InFlight, RegistrationMode, kubelet_socket, plugin_watcher};
use crate::config::ResourceName;
use crate::host_paths::HostPaths;
use crate::output::cdi::PoolSpec;
use crate::pools::Pool;

/// What the task of one pool needs to keep it registered.
#[derive(Clone, Debug)]
pub struct ResourceServer {
    /// The resource.
    pub name: ResourceName,
    /// Its states.
    pub pool: watch::Receiver<Arc<Pool>>,
    /// The CDI specification that its device nodes are handed out through, if they are. It is another one when the
    /// pool's kind of device changes, and changes before the pool does.
    pub cdi: watch::Receiver<Option<Arc<PoolSpec>>>,
    /// What calls of Allocate are about.
    pub in_flight: InFlight,
    /// Where the kubelet is.
    pub tree: HostPaths,
    /// Rises when the kubelet's directories may have changed.
    pub ticks: watch::Receiver<u64>,
}

impl ResourceServer {
    /// Serves and registers the pool until `stop`, whatever the kubelet does. Returns when its streams have ended and
    /// its socket is gone.
    pub async fn run(self, mode: RegistrationMode, stop: CancellationToken) {
        match mode {
            // Each in a box of its own, so that none takes the room of the larger one.
            RegistrationMode::Watcher => Box::pin(plugin_watcher::run(self, stop)).await,
            RegistrationMode::Register => Box::pin(kubelet_socket::run(self, stop)).await,
        }
    }

    /// Serves at the file `name` in the kubelet's directory `directory`.
    pub(super) async fn serve(&self, directory: &Path, name: &str) -> std::io::Result<Server> {
        let endpoint = directory.join(name);
        let path = self.tree.real(&endpoint);
        let outputs = Outputs {
            device_info: self.tree.device_info(),
            cdi: self.cdi.clone(),
        };
        let in_flight = self.in_flight.clone();
        Server::start(&path, endpoint, outputs, self.pool.clone(), in_flight).await
    }
}
