//! Both gRPC services behind one socket, selected by the path of the call.
//!
//! tonic's own router would do the same with a web framework's routing tree for each of the sockets.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::Service as HyperService;
use sriovdp_proto::deviceplugin::device_plugin_server::{DevicePluginServer, SERVICE_NAME};
use sriovdp_proto::pluginregistration::registration_server::RegistrationServer;
use tokio::sync::watch;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tonic::codegen::http::{Request, Response};
use tower_service::Service as _;
use tracing::Instrument;

use super::connection::{Connection, OpenCall};
use super::device_plugin_service::{DevicePluginService, request_limit};
use super::plugin::DeviceList;
use super::registration_service::RegistrationService;

/// Much longer than any response takes, so it ends only a call whose request does not arrive.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// What a socket serves on one connection.
#[derive(Clone, Debug)]
pub(super) struct Router {
    device_plugin: DevicePluginServer<DevicePluginService>,
    registration: RegistrationServer<RegistrationService>,
    devices: watch::Receiver<DeviceList>,
    connection: Arc<Connection>,
}

impl Router {
    pub(super) fn new(
        device_plugin: DevicePluginService,
        registration: RegistrationService,
    ) -> Self {
        Self {
            devices: device_plugin.plugin.devices(),
            device_plugin: DevicePluginServer::new(device_plugin),
            registration: RegistrationServer::new(registration),
            connection: Arc::default(),
        }
    }

    /// The same, for the calls on one connection.
    pub(super) fn of_connection(&self, connection: Arc<Connection>) -> Self {
        Self {
            connection,
            ..self.clone()
        }
    }
}

impl HyperService<Request<Incoming>> for Router {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let open = OpenCall::new(Arc::clone(&self.connection));
        let extensions = request.extensions_mut();
        extensions.insert(Arc::clone(&self.connection));
        let limit = request_limit(&self.devices.borrow());
        let path = request.uri().path().trim_start_matches('/');
        let response = if path.split('/').next() == Some(SERVICE_NAME) {
            let service = self.device_plugin.clone();
            service.max_decoding_message_size(limit).call(request)
        } else {
            // Responds `unimplemented` to what neither of them has.
            let service = self.registration.clone();
            service.max_decoding_message_size(limit).call(request)
        };
        let response = async move {
            let _open = open;
            match tokio::time::timeout(CALL_TIMEOUT, response).await {
                Ok(response) => response,
                Err(_) => {
                    let text = format!("no response within {CALL_TIMEOUT:?}");
                    Ok(Status::deadline_exceeded(text).into_http())
                }
            }
        };
        // The HTTP/2 library polls it on a task of its own.
        Box::pin(response.in_current_span())
    }
}
