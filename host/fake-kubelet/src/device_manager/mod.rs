//! The device manager: connects to registered plugins, reads their lists, and requests devices.

pub(crate) mod client;
pub(crate) mod clients;
mod registration;
pub(crate) mod resource;
mod resource_name;

use std::sync::Arc;

use sriovdp_proto::deviceplugin::Empty;
use tokio_util::sync::CancellationToken;

use crate::process::Process;
use crate::shared::Shared;

pub(crate) use client::{Client, PluginRegistration, as_go_prints};
pub(crate) use registration::RegistrationService;
pub(crate) use resource_name::is_extended_resource;

/// Registers a plugin: connects, requests its options, and from then on reads its lists.
///
/// This is the same for both registration modes. The plugin gets the error.
pub(crate) async fn register(
    shared: &Arc<Shared>,
    process: &Process,
    registration: PluginRegistration,
) -> Result<(), String> {
    let refused = shared.faults().refuse_registration.clone();
    let connected = match refused {
        Some(message) => Err(message),
        None => client::connect(process, &registration, shared.timing.dial).await,
    };
    let admitted = connected.and_then(|connected| {
        shared.state().admit(&registration)?;
        Ok(connected)
    });
    let (api, options) = match admitted {
        Ok(connected) => connected,
        Err(message) => {
            shared.update(|state| state.refuse(&registration, &message));
            return Err(message);
        }
    };
    let closed = process.part();
    let client = shared.update(|state| state.connect(registration, api, options, closed));
    process.spawn(follow(Arc::clone(shared), process.clone(), client));
    Ok(())
}

/// Disconnects a plugin whose registration socket is removed.
pub(crate) fn deregister(
    shared: &Arc<Shared>,
    process: &Process,
    registration: &PluginRegistration,
) {
    let stopped = shared.update(|state| state.deregister(registration));
    if let Some(stopped) = stopped {
        forget_later(shared, process, registration.resource.clone(), stopped);
    }
}

/// Reads the plugin's lists until its stream ends; the kubelet never retries.
async fn follow(shared: Arc<Shared>, process: Process, mut client: Client) {
    let closed = client.closed.clone();
    let reason = closed
        .run_until_cancelled(read_lists(&shared, &mut client))
        .await
        .unwrap_or_else(|| "closed by the kubelet".to_owned());
    let stopped = shared.update(|state| state.stream_ended(&client, reason));
    if let Some(stopped) = stopped {
        forget_later(&shared, &process, client.registration.resource, stopped);
    }
}

async fn read_lists(shared: &Shared, client: &mut Client) -> String {
    let mut lists = match client.api.list_and_watch(Empty {}).await {
        Ok(lists) => lists.into_inner(),
        Err(status) => return as_go_prints(&status),
    };
    loop {
        match lists.message().await {
            Ok(Some(list)) => shared.update(|state| state.list(client, list.devices)),
            Ok(None) => return "EOF".to_owned(),
            Err(status) => return as_go_prints(&status),
        }
    }
}

/// Forgets the devices of a resource after the grace period without a plugin.
fn forget_later(
    shared: &Arc<Shared>,
    process: &Process,
    resource: String,
    returned: CancellationToken,
) {
    let shared = Arc::clone(shared);
    process.spawn(async move {
        let grace = tokio::time::sleep(shared.timing.stop_grace);
        if returned.run_until_cancelled(grace).await.is_some() {
            shared.update(|state| state.forget(&resource));
        }
    });
}
