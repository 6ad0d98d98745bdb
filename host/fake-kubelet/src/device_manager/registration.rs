//! `v1beta1.Registration`, which the kubelet serves on its own socket.

use std::future;
use std::sync::Arc;

use sriovdp_proto::deviceplugin::registration_server::Registration;
use sriovdp_proto::deviceplugin::{Empty, RegisterRequest};
use tonic::{Request, Response, Status};

use crate::journal::{EventKind, RegistrationMode};
use crate::process::Process;
use crate::shared::Shared;

use super::client::PluginRegistration;
use super::resource_name::is_extended_resource;

#[derive(Debug)]
pub(crate) struct RegistrationService {
    pub(crate) shared: Arc<Shared>,
    pub(crate) process: Process,
}

#[tonic::async_trait]
impl Registration for RegistrationService {
    async fn register(&self, request: Request<RegisterRequest>) -> Result<Response<Empty>, Status> {
        let registered = self.process.run(self.answer(request.into_inner())).await;
        match registered {
            Some(Ok(())) => Ok(Response::new(Empty {})),
            // The kubelet uses no other code.
            Some(Err(message)) => Err(Status::unknown(message)),
            None => Err(Status::unavailable("the kubelet was killed")),
        }
    }
}

impl RegistrationService {
    async fn answer(&self, request: RegisterRequest) -> Result<(), String> {
        let (never_answer, version) = {
            let faults = self.shared.faults();
            (faults.never_answer, faults.version.clone())
        };
        if never_answer {
            let resource = request.resource_name;
            self.shared
                .update(|state| state.journal.note(EventKind::Held { resource }));
            return future::pending().await;
        }
        let socket = self.shared.node.registered_socket(&request.endpoint);
        let registration = PluginRegistration {
            file: socket.location.clone(),
            socket,
            resource: request.resource_name,
            endpoint: request.endpoint,
            mode: RegistrationMode::Register,
        };
        if let Err(message) = check(&request.version, &version, &registration.resource) {
            self.shared.update(|state| {
                state.journal.note(EventKind::Refused {
                    resource: registration.resource,
                    endpoint: registration.endpoint,
                    mode: RegistrationMode::Register,
                    message: message.clone(),
                });
            });
            return Err(message);
        }
        super::register(&self.shared, &self.process, registration).await
    }
}

/// The kubelet's own messages.
fn check(requested: &str, supported: &str, resource: &str) -> Result<(), String> {
    if requested != supported {
        return Err(format!(
            "requested API version {requested:?} is not supported by kubelet. Supported version is [{supported:?}]"
        ));
    }
    if !is_extended_resource(resource) {
        return Err(format!("the ResourceName {resource:?} is invalid"));
    }
    Ok(())
}
