//! The device manager: connects to a plugin that registered, follows its lists, asks it for devices.

mod books;
mod client;
mod clients;
mod registration;
mod resource;
mod resource_name;

use std::sync::Arc;

use sriovdp_proto::deviceplugin::Empty;
use tokio_util::sync::CancellationToken;

use crate::process::Process;
use crate::shared::Shared;

pub(crate) use books::Books;
pub(crate) use client::{Announcement, Client, as_go_prints};
pub(crate) use registration::RegistrationService;
pub(crate) use resource_name::is_extended_resource;

/// Registers a plugin: connects, asks for its options, and from then on follows its list.
///
/// This is the same for both ways to register. The error is what the plugin gets to read.
pub(crate) async fn register(
    shared: &Arc<Shared>,
    process: &Process,
    announcement: Announcement,
) -> Result<(), String> {
    let refused = shared.faults().refuse_registration.clone();
    let admitted = match refused {
        Some(message) => Err(message),
        None => shared.update(|books| books.admit(&announcement)),
    };
    let connected = match admitted {
        Ok(()) => client::connect(process, &announcement, shared.timing.dial).await,
        Err(message) => Err(message),
    };
    let (api, options) = match connected {
        Ok(connected) => connected,
        Err(message) => {
            shared.update(|books| books.refuse(&announcement, &message));
            return Err(message);
        }
    };
    let closed = process.part();
    let client = shared.update(|books| books.connect(announcement, api, options, closed));
    process.spawn(follow(Arc::clone(shared), process.clone(), client));
    Ok(())
}

/// Disconnects a plugin whose registration socket is gone.
pub(crate) fn deregister(shared: &Arc<Shared>, process: &Process, announcement: &Announcement) {
    let stopped = shared.update(|books| books.deregister(announcement));
    if let Some(stopped) = stopped {
        forget_later(shared, process, announcement.resource.clone(), stopped);
    }
}

/// Reads the plugin's lists until its stream ends, which is never tried a second time.
async fn follow(shared: Arc<Shared>, process: Process, mut client: Client) {
    let closed = client.closed.clone();
    let reason = closed
        .run_until_cancelled(read_lists(&shared, &mut client))
        .await
        .unwrap_or_else(|| "closed by the kubelet".to_owned());
    let stopped = shared.update(|books| books.stream_ended(&client, reason));
    if let Some(stopped) = stopped {
        forget_later(&shared, &process, client.announcement.resource, stopped);
    }
}

async fn read_lists(shared: &Shared, client: &mut Client) -> String {
    let mut lists = match client.api.list_and_watch(Empty {}).await {
        Ok(lists) => lists.into_inner(),
        Err(status) => return as_go_prints(&status),
    };
    loop {
        match lists.message().await {
            Ok(Some(list)) => shared.update(|books| books.list(client, list.devices)),
            Ok(None) => return "EOF".to_owned(),
            Err(status) => return as_go_prints(&status),
        }
    }
}

/// Stops counting the devices of a resource when its plugin has been away for long enough.
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
            shared.update(|books| books.forget(&resource));
        }
    });
}
