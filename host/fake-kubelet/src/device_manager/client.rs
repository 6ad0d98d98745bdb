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

use crate::journal::Way;
use crate::node::NodeSocket;
use crate::process::Process;
use crate::wire::Wire;

/// What a plugin said of itself when it registered.
#[derive(Debug, Clone)]
pub(crate) struct Announcement {
    pub(crate) resource: String,
    /// As the plugin gave it.
    pub(crate) endpoint: String,
    /// Where the device plugin service is.
    pub(crate) socket: NodeSocket,
    pub(crate) way: Way,
    /// The file by which the plugin became known.
    pub(crate) file: PathBuf,
}

/// A plugin that the kubelet has connected to.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) id: u64,
    pub(crate) announcement: Announcement,
    pub(crate) api: DevicePluginClient<Channel>,
    pub(crate) options: DevicePluginOptions,
    /// Cancelled when the kubelet wants no more of it.
    pub(crate) closed: CancellationToken,
}

/// Dials the plugin, for as long as the limit allows, and asks for its options, for as long as it takes.
pub(super) async fn connect(
    process: &Process,
    announcement: &Announcement,
    limit: Duration,
) -> Result<(DevicePluginClient<Channel>, DevicePluginOptions), String> {
    let socket = &announcement.socket.location;
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

/// A failure as the kubelet's log and error texts show it.
pub(crate) fn as_go_prints(status: &Status) -> String {
    let (code, message) = (status.code(), status.message());
    format!("rpc error: code = {code:?} desc = {message}")
}

/// Tries until there is a connection on which the plugin has said something: its HTTP/2 settings. A socket that is
/// listened to, but not served, is no connection yet.
async fn dial(process: &Process, socket: &Path) -> Channel {
    let mut pause = Duration::from_secs(1);
    loop {
        let (heard, first_words) = oneshot::channel();
        if let Ok(channel) = connect_once(process.clone(), socket.to_owned(), heard).await
            && first_words.await.is_ok()
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
    heard: oneshot::Sender<()>,
) -> Result<Channel, tonic::transport::Error> {
    let mut heard = Some(heard);
    let connector = service_fn(move |_: Uri| {
        let (process, socket, heard) = (process.clone(), socket.clone(), heard.take());
        async move {
            let wire = Wire::dial(&process, &socket, heard).await?;
            Ok::<_, std::io::Error>(TokioIo::new(wire))
        }
    });
    Endpoint::from_static("http://localhost")
        .connect_with_connector(connector)
        .await
}
