//! The gRPC service `pluginregistration.Registration` of a socket, which the plugin watcher calls.

use std::path::PathBuf;

use sriovdp_proto::{deviceplugin as dp, pluginregistration as reg};
use sriovdp_report::excerpt;
use tokio::sync::{mpsc, watch};
use tonic::{Request, Response, Status};

use super::streams::Streams;

/// The Go plugin sends both, and every kubelet that supports one of them accepts it.
const SUPPORTED_VERSIONS: [&str; 2] = ["v1alpha1", dp::VERSION];

/// The calls of the kubelet's plugin watcher.
#[derive(Clone, Debug)]
pub(super) struct RegistrationService {
    pub(super) resource: String,
    /// The path of the socket on the host.
    pub(super) endpoint: PathBuf,
    pub(super) streams: watch::Sender<Streams>,
    pub(super) notifications: mpsc::Sender<Notification>,
}

/// The status in a call of `NotifyRegistrationStatus`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Notification {
    /// The resource is registered.
    Registered,
    /// It is not, and the kubelet will try again.
    Refused(String),
}

#[tonic::async_trait]
impl reg::registration_server::Registration for RegistrationService {
    async fn get_info(
        &self,
        _: Request<reg::InfoRequest>,
    ) -> Result<Response<reg::PluginInfo>, Status> {
        self.streams.send_modify(Streams::announce_kubelet);
        Ok(Response::new(reg::PluginInfo {
            r#type: reg::DEVICE_PLUGIN.to_owned(),
            name: self.resource.clone(),
            endpoint: self.endpoint.display().to_string(),
            supported_versions: SUPPORTED_VERSIONS.map(str::to_owned).to_vec(),
        }))
    }

    /// Never fails: the kubelet would end a registration that succeeded.
    async fn notify_registration_status(
        &self,
        status: Request<reg::RegistrationStatus>,
    ) -> Result<Response<reg::RegistrationStatusResponse>, Status> {
        let status = status.into_inner();
        let notification = if status.plugin_registered {
            Notification::Registered
        } else {
            self.streams.send_modify(Streams::withdraw_kubelet);
            Notification::Refused(excerpt(&status.error))
        };
        // The channel is full where no task reads it, and closed when the server is being stopped.
        let _ = self.notifications.try_send(notification);
        Ok(Response::new(reg::RegistrationStatusResponse::default()))
    }
}
