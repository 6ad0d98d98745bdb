//! Registration by calling `Register` on the kubelet's own socket.
//!
//! A kubelet that restarts deletes the plugin's socket and creates a new `kubelet.sock`; one that is killed leaves its
//! own behind; one that runs may cancel a stream and remove the resource. Each of these ends the server, and a new one
//! is registered under a name that was never used before: kubelet 1.37 refuses a path whose old stream it has not seen
//! end, until it restarts.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sriovdp_proto::deviceplugin as dp;
use sriovdp_proto::deviceplugin::registration_client::RegistrationClient;
use tokio::time::Instant;

use super::instance_lock::{PeerWait, listening_sockets, registration_lock};
use super::{Lost, RegisterError, Registration, RegistrationLog};
use crate::directory_changes::DirectoryChanges;
use crate::http2;
use crate::paths::KubeletDirectory;
use crate::plugin::DevicePlugin;
use crate::registration_service::Notification;
use crate::server::Server;
use crate::socket::{FileIdentity, SocketState};
use crate::socket_names::{socket_prefix, unique_socket_name};
use crate::streams::Streams;

/// The kubelet connects back inside the call, for at most 10 s.
const REGISTER_TIMEOUT: Duration = Duration::from_secs(15);
/// A kubelet opens the stream at once after the call.
const STREAM_TIMEOUT: Duration = Duration::from_secs(15);

/// The registration of one resource in `device-plugins`.
#[derive(Debug)]
pub(crate) struct KubeletSocket {
    resource: String,
    plugin: Arc<dyn DevicePlugin>,
    directory: KubeletDirectory,
    changes: DirectoryChanges,
    /// The `kubelet.sock` of the last attempt.
    kubelet: Option<FileIdentity>,
    /// When the kubelet has to have opened its stream.
    stream_by: Instant,
}

impl KubeletSocket {
    pub(crate) fn new(
        resource: String,
        plugin: Arc<dyn DevicePlugin>,
        directory: KubeletDirectory,
        changes: DirectoryChanges,
    ) -> Self {
        Self {
            resource,
            plugin,
            directory,
            changes,
            kubelet: None,
            stream_by: Instant::now(),
        }
    }

    fn kubelet_path(&self) -> PathBuf {
        self.directory.path.join("kubelet.sock")
    }

    /// What the names of this resource's sockets begin with, in every instance.
    fn socket_prefix(&self) -> String {
        socket_prefix(&self.directory.host_path, &self.resource)
    }

    /// The socket of another instance that serves the resource.
    async fn peer(&self) -> Option<PathBuf> {
        let mut sockets = listening_sockets(&self.directory.path, &self.socket_prefix()).await;
        sockets.pop()
    }

    async fn kubelet_exists(&mut self, log: &RegistrationLog) -> FileIdentity {
        let path = self.kubelet_path();
        let mut is_logged = false;
        loop {
            if let Some(identity) = FileIdentity::of(&path) {
                return identity;
            }
            if !is_logged {
                log.unregistered(format!(
                    "waiting for the kubelet's socket `{}`",
                    path.display()
                ));
                tracing::info!(
                    event = "kubelet_wait",
                    path = %path.display(),
                    "waiting for the kubelet's socket"
                );
                is_logged = true;
            }
            self.changes.next().await;
        }
    }

    async fn call_register(&self, endpoint: String) -> Result<(), RegisterError> {
        let path = self.kubelet_path();
        let request = dp::RegisterRequest {
            version: dp::VERSION.to_owned(),
            endpoint,
            resource_name: self.resource.clone(),
            options: Some(self.plugin.options()),
        };
        let call = http2::connect(&path, |kubelet| async {
            let mut client = RegistrationClient::with_origin(kubelet, http2::localhost());
            client.register(request).await
        });
        match tokio::time::timeout(REGISTER_TIMEOUT, call).await {
            Ok(Ok(Ok(_))) => Ok(()),
            Ok(Ok(Err(status))) => Err(RegisterError::Refused(status.message().to_owned())),
            Ok(Err(error)) => Err(RegisterError::Connect(path, error)),
            Err(_) => Err(RegisterError::Timeout(REGISTER_TIMEOUT)),
        }
    }
}

impl Registration for KubeletSocket {
    async fn ready(&mut self, log: &RegistrationLog) {
        self.kubelet_exists(log).await;
        let mut wait = PeerWait::default();
        while let Some(peer) = self.peer().await {
            wait.pause(&mut self.changes, &peer, log).await;
        }
        wait.over();
        self.kubelet = Some(self.kubelet_exists(log).await);
    }

    /// Serves first, because the kubelet connects back inside the call.
    async fn register(&mut self, log: &mut RegistrationLog) -> Result<Server, RegisterError> {
        let name = unique_socket_name(&self.socket_prefix());
        let mut server = {
            // Other instances check for sockets before this one exists, or when it listens.
            let _lock = registration_lock(&self.directory.path).await;
            if let Some(peer) = self.peer().await {
                return Err(RegisterError::Peer(peer));
            }
            Server::start(&self.directory, &name, &self.resource, &self.plugin)
                .await
                .map_err(|error| RegisterError::Listen(self.directory.path.clone(), error))?
        };
        server.found();
        server.announce_kubelet();
        if let Err(error) = self.call_register(name).await {
            server.stop().await;
            return Err(error);
        }
        self.stream_by = Instant::now() + STREAM_TIMEOUT;
        log.registered();
        Ok(server)
    }

    fn check(&mut self, server: &Server, streams: Streams) -> Result<Option<Instant>, Lost> {
        let has_come = streams.kubelet_has_come();
        if has_come && !streams.kubelet_is_here() {
            return Err(Lost::StreamEnded);
        }
        // The kubelet may have been replaced before the first check.
        let kubelet = FileIdentity::of(&self.kubelet_path());
        if kubelet.is_some() && kubelet != self.kubelet {
            return Err(Lost::NewKubelet);
        }
        match server.socket_state() {
            SocketState::InPlace if has_come => Ok(None),
            SocketState::InPlace if Instant::now() >= self.stream_by => Err(Lost::NoStream),
            SocketState::InPlace => Ok(Some(self.stream_by)),
            SocketState::Deleted => Err(Lost::SocketDeleted),
            SocketState::Replaced => Err(Lost::SocketReplaced),
        }
    }

    /// No plugin watcher follows this directory.
    fn notified(&mut self, _: Notification, _: &mut RegistrationLog) {}

    async fn kubelet_started(&mut self) {
        let path = self.kubelet_path();
        loop {
            let kubelet = FileIdentity::of(&path);
            if kubelet.is_some() && kubelet != self.kubelet {
                return;
            }
            self.changes.next().await;
        }
    }
}
