//! The registration of the plugin behind one socket: GetInfo, connect, NotifyRegistrationStatus.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sriovdp_proto::pluginregistration::{
    DEVICE_PLUGIN, InfoRequest, PluginInfo, RegistrationStatus, RegistrationStatusResponse,
};
use tokio::time::{sleep, timeout};

use crate::device_manager::{self, PluginRegistration, is_extended_resource};
use crate::journal::{EventKind, RegistrationMode};
use crate::process::Process;
use crate::raw_grpc::{Call, RawConnection, RawError};
use crate::shared::Shared;

/// The error is the kubelet's log message, which the plugin gets as well if it is reachable.
pub(super) async fn register(
    shared: &Arc<Shared>,
    process: &Process,
    location: &Path,
) -> Result<PluginRegistration, String> {
    let mut session = match Session::open(shared, location).await {
        Ok(session) => session,
        Err(message) => return Err(refuse(shared, &PluginInfo::default(), location, message)),
    };
    let info = match session.info().await {
        Ok(info) => info,
        Err(error) => {
            let message = format!(
                "RegisterPlugin error -- failed to get plugin info using RPC GetInfo at socket {}, err: {error}",
                session.name.display()
            );
            return Err(refuse(shared, &PluginInfo::default(), location, message));
        }
    };
    if let Err(message) = check(shared, &info, &session.name) {
        let message = refuse(shared, &info, location, message);
        return Err(session.notify_failure(message).await);
    }
    let registration = registration(shared, &info, location, &session.name);
    // Notes a failure by itself.
    if let Err(reason) = device_manager::register(shared, process, registration.clone()).await {
        let message =
            format!("RegisterPlugin error -- plugin registration failed with err: {reason}");
        return Err(session.notify_failure(message).await);
    }
    if let Err(error) = session.notify(true, String::new()).await {
        device_manager::deregister(shared, process, &registration);
        let message = format!(
            "RegisterPlugin error -- failed to send registration status at socket {}, err: {error}",
            session.name.display()
        );
        return Err(refuse(shared, &info, location, message));
    }
    Ok(registration)
}

/// A connection to a registration socket.
struct Session {
    shared: Arc<Shared>,
    /// The socket's path on the node.
    name: PathBuf,
    authority: String,
    connection: RawConnection,
}

impl Session {
    async fn open(shared: &Arc<Shared>, location: &Path) -> Result<Self, String> {
        let name = shared.node.socket_at(location).name;
        let (authority, chunk) = {
            let faults = shared.faults();
            (faults.authority.of(&name), faults.chunk)
        };
        let dialled = timeout(shared.timing.dial, connect(shared, location, chunk)).await;
        let connection = dialled.map_err(|_| {
            let name = name.display();
            format!("RegisterPlugin error -- dial failed at socket {name}, err: context deadline exceeded")
        })?;
        Ok(Self {
            shared: Arc::clone(shared),
            name,
            authority,
            connection,
        })
    }

    async fn info(&mut self) -> Result<PluginInfo, RawError> {
        let call = Call {
            path: "/pluginregistration.Registration/GetInfo",
            authority: &self.authority,
            deadline: self.shared.timing.get_info,
        };
        self.connection.unary(call, &InfoRequest {}).await
    }

    async fn notify(&mut self, registered: bool, error: String) -> Result<(), RawError> {
        let call = Call {
            path: "/pluginregistration.Registration/NotifyRegistrationStatus",
            authority: &self.authority,
            deadline: self.shared.timing.notify,
        };
        let status = RegistrationStatus {
            plugin_registered: registered,
            error,
        };
        let response: RegistrationStatusResponse = self.connection.unary(call, &status).await?;
        let RegistrationStatusResponse {} = response;
        Ok(())
    }

    /// An unreachable plugin makes no difference any more.
    async fn notify_failure(&mut self, message: String) -> String {
        let _ = self.notify(false, message.clone()).await;
        message
    }
}

/// Connects, with retries: a socket may exist before the plugin serves it.
async fn connect(shared: &Shared, location: &Path, chunk: Option<usize>) -> RawConnection {
    loop {
        if let Ok(connection) = RawConnection::open(location, chunk).await {
            return connection;
        }
        sleep(shared.timing.watcher_tick).await;
    }
}

/// The kubelet's own messages.
fn check(shared: &Shared, info: &PluginInfo, socket: &Path) -> Result<(), String> {
    if info.r#type != DEVICE_PLUGIN {
        return Err(format!(
            "RegisterPlugin error -- no handler registered for plugin type: {} at socket {}",
            info.r#type,
            socket.display()
        ));
    }
    let supported = shared.faults().version.clone();
    let problem = if !info.supported_versions.contains(&supported) {
        let versions = info.supported_versions.join(" ");
        format!("manager version, {supported}, is not among plugin supported versions [{versions}]")
    } else if !is_extended_resource(&info.name) {
        let name = &info.name;
        format!("invalid name of device plugin socket: the ResourceName {name:?} is invalid")
    } else {
        return Ok(());
    };
    Err(format!(
        "RegisterPlugin error -- plugin validation failed with err: {problem}"
    ))
}

fn registration(
    shared: &Shared,
    info: &PluginInfo,
    location: &Path,
    name: &Path,
) -> PluginRegistration {
    let endpoint = match info.endpoint.as_str() {
        "" => name,
        endpoint => Path::new(endpoint),
    };
    PluginRegistration {
        resource: info.name.clone(),
        endpoint: endpoint.display().to_string(),
        socket: shared.node.socket(endpoint),
        mode: RegistrationMode::Watcher,
        file: location.to_owned(),
    }
}

fn refuse(shared: &Shared, info: &PluginInfo, location: &Path, message: String) -> String {
    let endpoint = shared.node.socket_at(location).name.display().to_string();
    shared.update(|state| {
        state.journal.note(EventKind::Refused {
            resource: info.name.clone(),
            endpoint,
            mode: RegistrationMode::Watcher,
            message: message.clone(),
        });
    });
    message
}
