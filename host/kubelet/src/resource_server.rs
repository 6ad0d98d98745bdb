//! One resource, served to the kubelet for as long as it exists.

use std::io;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::server::Server;
use super::{
    DevicePlugin, DirectoryChanges, KubeletDirectory, KubeletPaths, RegistrationMode,
    kubelet_socket, plugin_watcher,
};

/// Serves one resource and keeps it registered.
#[derive(Clone, Debug)]
pub struct ResourceServer {
    /// The name of the resource, such as `example.com/gpu`.
    pub resource: String,
    /// Its devices.
    pub plugin: Arc<dyn DevicePlugin>,
    /// Where the kubelet is.
    pub paths: KubeletPaths,
    /// Changes of these directories.
    pub changes: DirectoryChanges,
}

impl ResourceServer {
    /// Serves and registers the resource until `stop`, whatever the kubelet does. Returns when all streams have ended
    /// and the socket is removed.
    pub async fn run(self, mode: RegistrationMode, stop: CancellationToken) {
        match mode {
            // Each in a box of its own, so that none takes the room of the larger one.
            RegistrationMode::Watcher => Box::pin(plugin_watcher::run(self, stop)).await,
            RegistrationMode::Register => Box::pin(kubelet_socket::run(self, stop)).await,
        }
    }

    /// `<prefix>_<name>`, which the names of the resource's sockets begin with.
    pub(super) fn file_stem(&self) -> String {
        self.resource.replace('/', "_")
    }

    /// Serves at the file `name` in the kubelet's directory `directory`.
    pub(super) async fn serve(
        &self,
        directory: &KubeletDirectory,
        name: &str,
    ) -> io::Result<Server> {
        let path = directory.path.join(name);
        let endpoint = directory.host_path.join(name);
        let plugin = Arc::clone(&self.plugin);
        Server::start(&path, endpoint, self.resource.clone(), plugin).await
    }
}
