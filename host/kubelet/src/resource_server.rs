//! One resource, served to the kubelet for as long as it exists.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::directory_changes::DirectoryChanges;
use super::paths::KubeletPaths;
use super::plugin::DevicePlugin;
use super::registration::backoff::Backoff;
use super::registration::kubelet_socket::KubeletSocket;
use super::registration::plugin_watcher::PluginWatcher;
use super::registration::{RegistrationLog, keep_registered};
use super::registration_mode::RegistrationMode;
use super::registration_status::RegistrationStatus;

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
    /// What becomes of the registration.
    pub status: watch::Sender<RegistrationStatus>,
}

impl ResourceServer {
    /// Serves and registers the resource until `stop`, whatever the kubelet does. Returns when all streams have ended
    /// and the socket is removed.
    pub async fn run(self, mode: RegistrationMode, stop: CancellationToken) {
        let Self {
            resource,
            plugin,
            paths,
            changes,
            status,
        } = self;
        let log = RegistrationLog::new(status);
        let backoff = Backoff::new(RandomState::new().hash_one(&resource));
        let own_changes = changes.clone();
        match mode {
            // Each in a box of its own, so that none takes the room of the larger one.
            RegistrationMode::Watcher => {
                let directory = paths.plugins_registry;
                let registration = PluginWatcher::new(resource, plugin, directory, own_changes);
                Box::pin(keep_registered(registration, changes, backoff, log, stop)).await;
            }
            RegistrationMode::Register => {
                let directory = paths.device_plugins;
                let registration = KubeletSocket::new(resource, plugin, directory, own_changes);
                Box::pin(keep_registered(registration, changes, backoff, log, stop)).await;
            }
        }
    }
}
