//! Both gRPC services behind one socket, told apart by the path of the call.
//!
//! tonic's own router would do the same with a web framework's routing tree for each of the sockets.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::Service as HyperService;
use sriovdp_proto::deviceplugin::device_plugin_server::{
    DevicePluginServer, SERVICE_NAME as DEVICE_PLUGIN,
};
use sriovdp_proto::pluginregistration::registration_server::RegistrationServer;
use tokio::sync::watch;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tonic::codegen::http::{Request, Response};
use tower_service::Service as _;

use super::connections::{Connection, OpenCall};
use super::device_plugin_service::{Service, request_limit};
use crate::config::ResourceName;
use crate::pools::Pool;

/// Much longer than any answer takes, so it ends only a call whose request does not arrive.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// What a socket serves.
#[derive(Clone, Debug)]
pub(super) struct Services {
    plugin: DevicePluginServer<Service>,
    registration: RegistrationServer<Service>,
    pool: watch::Receiver<Arc<Pool>>,
    connection: Arc<Connection>,
}

impl Services {
    pub(super) fn new(service: Service) -> Self {
        Self {
            pool: service.pool.clone(),
            plugin: DevicePluginServer::new(service.clone()),
            registration: RegistrationServer::new(service),
            connection: Arc::default(),
        }
    }

    /// The resource that the socket offers.
    pub(super) fn resource(&self) -> ResourceName {
        self.pool.borrow().resource.name.clone()
    }

    /// The same, for the calls on one connection.
    pub(super) fn of_connection(&self, connection: Arc<Connection>) -> Self {
        Self {
            connection,
            ..self.clone()
        }
    }
}

impl HyperService<Request<Incoming>> for Services {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let open = OpenCall::new(Arc::clone(&self.connection));
        let extensions = request.extensions_mut();
        extensions.insert(Arc::clone(&self.connection));
        let limit = request_limit(&self.pool.borrow());
        let service = request
            .uri()
            .path()
            .trim_start_matches('/')
            .split('/')
            .next();
        let answer = if service == Some(DEVICE_PLUGIN) {
            let plugin = self.plugin.clone();
            plugin.max_decoding_message_size(limit).call(request)
        } else {
            // Answers `unimplemented` to what neither of them has.
            let registration = self.registration.clone();
            registration.max_decoding_message_size(limit).call(request)
        };
        Box::pin(async move {
            let _open = open;
            match tokio::time::timeout(CALL_TIMEOUT, answer).await {
                Ok(answer) => answer,
                Err(_) => {
                    let text = format!("there is no answer within {CALL_TIMEOUT:?}");
                    Ok(Status::deadline_exceeded(text).into_http())
                }
            }
        })
    }
}
