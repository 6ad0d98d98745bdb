//! Registration by the kubelet's plugin watcher, which finds the socket and calls it.
//!
//! The watcher follows the file: it registers the resource when the file appears, and removes it with the file. When it
//! ends the stream and the file stays, the resource still counts as registered and the watcher does not call again, so
//! the file has to be created anew. A kubelet that restarts finds the file by itself.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::instance_lock::PeerWait;
use super::{Lost, RegisterError, Registration, RegistrationLog};
use crate::directory_changes::DirectoryChanges;
use crate::paths::KubeletDirectory;
use crate::plugin::DevicePlugin;
use crate::registration_service::Notification;
use crate::server::Server;
use crate::socket::{SocketState, is_listening};
use crate::socket_names::file_stem;
use crate::streams::Streams;

/// How long a kubelet that restarts has to open a stream again; it reads the directory once a second.
const RETURN_TIMEOUT: Duration = Duration::from_secs(5);

/// The registration of one resource in `plugins_registry`.
#[derive(Debug)]
pub(crate) struct PluginWatcher {
    resource: String,
    plugin: Arc<dyn DevicePlugin>,
    directory: KubeletDirectory,
    changes: DirectoryChanges,
    /// The kubelet has notified that the server is registered.
    is_registered: bool,
    /// When the kubelet has to have opened a stream again.
    return_by: Option<Instant>,
}

impl PluginWatcher {
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
            is_registered: false,
            return_by: None,
        }
    }

    /// The same in every registration, because the watcher follows the file.
    fn socket_name(&self) -> String {
        format!("{}.sock", file_stem(&self.resource))
    }

    async fn directory_exists(&mut self, log: &RegistrationLog) {
        let mut is_logged = false;
        while !self.directory.path.is_dir() {
            if !is_logged {
                let path = self.directory.path.display();
                log.unregistered(format!("waiting for the kubelet's directory `{path}`"));
                tracing::info!(
                    event = "kubelet_wait",
                    %path,
                    "waiting for the kubelet's directory"
                );
                is_logged = true;
            }
            self.changes.next().await;
        }
    }
}

impl Registration for PluginWatcher {
    async fn ready(&mut self, log: &RegistrationLog) {
        let path = self.directory.path.join(self.socket_name());
        loop {
            self.directory_exists(log).await;
            let mut wait = PeerWait::default();
            while is_listening(&path).await {
                wait.pause(&mut self.changes, &path, log).await;
            }
            wait.over();
            if self.directory.path.is_dir() {
                return;
            }
        }
    }

    async fn register(&mut self, log: &mut RegistrationLog) -> Result<Server, RegisterError> {
        self.is_registered = false;
        self.return_by = None;
        let name = self.socket_name();
        let server = Server::start(&self.directory, &name, &self.resource, &self.plugin);
        let server = server.await.map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => RegisterError::Peer(self.directory.path.join(name)),
            _ => RegisterError::Listen(self.directory.path.clone(), error),
        })?;
        log.unregistered("waiting for the kubelet's plugin watcher".to_owned());
        Ok(server)
    }

    fn check(&mut self, server: &Server, streams: Streams) -> Result<Option<Instant>, Lost> {
        match server.socket_state() {
            SocketState::InPlace => {}
            SocketState::Deleted => return Err(Lost::SocketDeleted),
            SocketState::Replaced => return Err(Lost::SocketReplaced),
        }
        let is_expected = self.is_registered || streams.kubelet_has_come();
        if !is_expected || streams.kubelet_is_here() {
            self.return_by = None;
            return Ok(None);
        }
        let now = Instant::now();
        let return_by = *self.return_by.get_or_insert(now + RETURN_TIMEOUT);
        if now >= return_by {
            return Err(Lost::StreamEnded);
        }
        Ok(Some(return_by))
    }

    /// The kubelet retries by itself, with backoff.
    fn notified(&mut self, notification: Notification, log: &mut RegistrationLog) {
        match notification {
            Notification::Registered => {
                self.is_registered = true;
                log.registered();
            }
            Notification::Refused(reason) => log.failed(&RegisterError::Refused(reason)),
        }
    }

    async fn kubelet_started(&mut self) {
        std::future::pending().await
    }
}
