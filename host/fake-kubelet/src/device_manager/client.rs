//! The kubelet's end of a connection to a plugin.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use sriovdp_proto::deviceplugin::device_plugin_client::DevicePluginClient;
use sriovdp_proto::deviceplugin::{DevicePluginOptions, Empty};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use crate::connection::Connection;
use crate::journal::RegistrationMode;
use crate::node::NodeSocket;
use crate::process::Process;

/// The content of a plugin's registration.
#[derive(Debug, Clone)]
pub(crate) struct PluginRegistration {
    pub(crate) resource: String,
    /// As the plugin gave it.
    pub(crate) endpoint: String,
    /// Where the device plugin service is.
    pub(crate) socket: NodeSocket,
    pub(crate) mode: RegistrationMode,
    /// The plugin's socket, or its registration socket.
    pub(crate) file: PathBuf,
}

/// A plugin that the kubelet has connected to.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) id: u64,
    pub(crate) registration: PluginRegistration,
    pub(crate) api: DevicePluginClient<Channel>,
    pub(crate) options: DevicePluginOptions,
    /// Cancelled when the kubelet closes the connection.
    pub(crate) closed: CancellationToken,
}

/// Connects to the plugin within the limit, and requests its options without one.
pub(super) async fn connect(
    process: &Process,
    registration: &PluginRegistration,
    limit: Duration,
) -> Result<(DevicePluginClient<Channel>, DevicePluginOptions), String> {
    let socket = &registration.socket.location;
    let channel = timeout(limit, dial(process, socket))
        .await
        .map_err(|_| "failed to dial device plugin: context deadline exceeded".to_owned())?;
    let mut api = DevicePluginClient::new(channel);
    let options = api
        .get_device_plugin_options(Empty {})
        .await
        .map_err(|status| {
            let status = as_go_prints(&status);
            format!("failed to get device plugin options: {status}")
        })?;
    Ok((api, options.into_inner()))
}

/// A failure in the format of the kubelet's log.
pub(crate) fn as_go_prints(status: &Status) -> String {
    let (code, message) = (status.code(), status.message());
    format!("rpc error: code = {code:?} desc = {message}")
}

/// Retries until the plugin has sent its HTTP/2 settings: a socket with a listener that accepts nothing is no connection
/// yet.
async fn dial(process: &Process, socket: &Path) -> Channel {
    let mut pause = Duration::from_secs(1);
    loop {
        let (first_byte, received) = oneshot::channel();
        if let Ok(channel) = connect_once(process.clone(), socket.to_owned(), first_byte).await
            && received.await.is_ok()
        {
            return channel;
        }
        sleep(pause).await;
        pause = pause.mul_f32(1.6);
    }
}

/// The kubelet calls device plugins with the authority `localhost`, since 1.26.
async fn connect_once(
    process: Process,
    socket: PathBuf,
    first_byte: oneshot::Sender<()>,
) -> Result<Channel, tonic::transport::Error> {
    let mut first_byte = Some(first_byte);
    let connector = service_fn(move |_: Uri| {
        let (process, socket, first_byte) = (process.clone(), socket.clone(), first_byte.take());
        async move {
            let connection = Connection::open(&process, &socket, first_byte).await?;
            Ok::<_, std::io::Error>(TokioIo::new(connection))
        }
    });
    Endpoint::from_static("http://localhost")
        .connect_with_connector(connector)
        .await
}
