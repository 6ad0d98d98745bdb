//! The gRPC service `v1beta1.DevicePlugin` of a socket.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use futures_util::StreamExt as _;
use sriovdp_proto::deviceplugin as dp;
use tokio::sync::watch;
use tokio_stream::Stream;
use tokio_stream::wrappers::WatchStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::connection::Connection;
use super::plugin::{DeviceList, DevicePlugin};
use super::streams::{OpenStream, Streams};

/// The least size of a request that a socket reads, in bytes. It grows with the device list.
const MIN_REQUEST_LIMIT: usize = 256 * 1024;

/// The calls of the kubelet's device manager.
#[derive(Clone, Debug)]
pub(super) struct DevicePluginService {
    pub(super) plugin: Arc<dyn DevicePlugin>,
    pub(super) streams: watch::Sender<Streams>,
    /// Ends all streams.
    pub(super) end: CancellationToken,
}

#[tonic::async_trait]
impl dp::device_plugin_server::DevicePlugin for DevicePluginService {
    async fn get_device_plugin_options(
        &self,
        request: Request<dp::Empty>,
    ) -> Result<Response<dp::DevicePluginOptions>, Status> {
        let connection = connection(&request);
        connection.has_requested_options.store(true, Relaxed);
        Ok(Response::new(self.plugin.options()))
    }

    type ListAndWatchStream =
        Pin<Box<dyn Stream<Item = Result<dp::ListAndWatchResponse, Status>> + Send>>;

    /// The current list, and each new one, until the server ends the stream.
    async fn list_and_watch(
        &self,
        request: Request<dp::Empty>,
    ) -> Result<Response<Self::ListAndWatchStream>, Status> {
        let open = OpenStream::new(self.streams.clone(), connection(&request));
        let lists = WatchStream::new(self.plugin.devices()).map(move |devices| {
            // Moved in here, so that it is dropped with the stream.
            let _counted = &open;
            Ok(devices.response())
        });
        let lists = lists.take_until(self.end.clone().cancelled_owned());
        Ok(Response::new(Box::pin(lists)))
    }

    async fn get_preferred_allocation(
        &self,
        request: Request<dp::PreferredAllocationRequest>,
    ) -> Result<Response<dp::PreferredAllocationResponse>, Status> {
        let response = self.plugin.preferred_allocation(request.into_inner());
        response.await.map(Response::new)
    }

    async fn allocate(
        &self,
        request: Request<dp::AllocateRequest>,
    ) -> Result<Response<dp::AllocateResponse>, Status> {
        let response = self.plugin.allocate(request.into_inner());
        response.await.map(Response::new)
    }

    async fn pre_start_container(
        &self,
        request: Request<dp::PreStartContainerRequest>,
    ) -> Result<Response<dp::PreStartContainerResponse>, Status> {
        let response = self.plugin.pre_start_container(request.into_inner());
        response.await.map(Response::new)
    }
}

/// How large a request about `devices` may be: one of GetPreferredAllocation has two lists, and neither more than twice
/// as many ids as there are devices.
pub(super) fn request_limit(devices: &DeviceList) -> usize {
    MIN_REQUEST_LIMIT.max(4 * devices.id_bytes())
}

/// The connection of a request.
fn connection<T>(request: &Request<T>) -> Arc<Connection> {
    let connection = request.extensions().get::<Arc<Connection>>();
    connection.cloned().unwrap_or_default()
}
