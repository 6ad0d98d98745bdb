//! Both gRPC services behind one socket, told apart by the path of the call.
//!
//! tonic's own router would do the same with a web framework's routing tree for each of the sockets.

use std::convert::Infallible;

use hyper::body::Incoming;
use hyper::service::Service as HyperService;
use sriovdp_proto::deviceplugin::device_plugin_server::{
    DevicePluginServer, SERVICE_NAME as DEVICE_PLUGIN,
};
use sriovdp_proto::pluginregistration::registration_server::RegistrationServer;
use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tonic::codegen::http::{Request, Response};
use tower_service::Service as _;

use super::service::Service;

/// What a socket serves.
#[derive(Clone, Debug)]
pub(super) struct Services {
    plugin: DevicePluginServer<Service>,
    registration: RegistrationServer<Service>,
}

impl Services {
    pub(super) fn new(service: Service) -> Self {
        Self {
            plugin: DevicePluginServer::new(service.clone()),
            registration: RegistrationServer::new(service),
        }
    }
}

impl HyperService<Request<Incoming>> for Services {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let service = request
            .uri()
            .path()
            .trim_start_matches('/')
            .split('/')
            .next();
        if service == Some(DEVICE_PLUGIN) {
            self.plugin.clone().call(request)
        } else {
            // Answers `unimplemented` to what neither of them has.
            self.registration.clone().call(request)
        }
    }
}
