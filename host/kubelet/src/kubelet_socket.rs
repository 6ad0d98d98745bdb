//! Registration by calling `Register` on the kubelet's own socket.
//!
//! A kubelet that restarts deletes our socket and makes a new `kubelet.sock`; one that is killed leaves a dead one
//! behind; one that lives may cancel a stream and forget about us. Each of these ends in the same way: the server is
//! stopped, and a new one is registered under a name that was never used before. Kubelet 1.37 refuses, and then never
//! again accepts, a path whose old stream it has not seen end.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use sriovdp_proto::deviceplugin as dp;
use sriovdp_proto::deviceplugin::registration_client::RegistrationClient;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::http2;
use super::instance_lock;
use super::instance_lock::PeerWait;
use super::resource_server::ResourceServer;
use super::server::Server;
use super::socket::{Identity, SocketState};
use super::socket_names;
use sriovdp_report::{Hint, inline};

/// The kubelet dials back inside the call and gives up on that after 10 s.
const REGISTER_LIMIT: Duration = Duration::from_secs(15);
/// A kubelet opens the stream at once after the call.
const STREAM_LIMIT: Duration = Duration::from_secs(15);
/// A registration that held for this long was a good one, so the next failure is a new story.
const HELD: Duration = Duration::from_secs(10);

/// Why a registration failed.
#[derive(Debug, thiserror::Error)]
enum RegisterError {
    #[error("cannot listen in `{}`", .0.display())]
    Listen(PathBuf, #[source] io::Error),
    #[error("cannot connect to `{}`", .0.display())]
    Connect(PathBuf, #[source] io::Error),
    #[error("the kubelet has not answered `Register` within {REGISTER_LIMIT:?}")]
    NoAnswer,
    #[error("the kubelet refuses the registration: {0}")]
    Refused(String),
    #[error("another instance of the plugin has come at the same time and serves `{}`", .0.display())]
    Rival(PathBuf),
}

impl Hint for RegisterError {}

/// What ended a registration.
#[derive(Debug)]
enum End {
    Stopped,
    /// A new `kubelet.sock`: somebody waits for us.
    NewKubelet,
    /// Something that may happen again at once.
    Lost(&'static str),
}

pub(super) async fn run(mut offer: ResourceServer, stop: CancellationToken) {
    let mut patience = Backoff::new();
    let mut last_failure = String::new();
    loop {
        let kubelet = stop.run_until_cancelled(kubelet_for_us_alone(&mut offer));
        let Some(kubelet) = kubelet.await else {
            return;
        };
        let started = Instant::now();
        let wait = match stop.run_until_cancelled(Box::pin(register(&offer))).await {
            None => return,
            Some(Ok(server)) => {
                tracing::info!("registered with the kubelet");
                last_failure.clear();
                match hold(&mut offer, server, kubelet, &stop).await {
                    End::Stopped => return,
                    End::NewKubelet => {
                        patience.reset();
                        Duration::ZERO
                    }
                    End::Lost(why) => {
                        tracing::warn!("the registration is lost: {why}; registering again");
                        if started.elapsed() > HELD {
                            patience.reset();
                        }
                        patience.next()
                    }
                }
            }
            Some(Err(error)) => {
                let failure = inline(&error);
                // Said once; the same failure again is no news.
                if failure != last_failure {
                    tracing::warn!("cannot register, trying again: {failure}");
                    last_failure = failure;
                }
                patience.next()
            }
        };
        // A new kubelet is not kept waiting, and has not failed yet.
        let pause = tokio::time::timeout(wait, another_kubelet(&mut offer, kubelet));
        match stop.run_until_cancelled(pause).await {
            None => return,
            Some(Ok(())) => patience.reset(),
            Some(Err(_)) => {}
        }
    }
}

/// Serves first, because the kubelet dials back inside the call.
async fn register(offer: &ResourceServer) -> Result<Server, RegisterError> {
    let directory = &offer.paths.device_plugins;
    let name = socket_names::unique_socket_name(&beginning(offer));
    let server = {
        // Others look before this socket is there, or when it is.
        let _lock = instance_lock::registration_lock(&directory.path).await;
        if let Some(rival) = other_instances(offer).await.pop() {
            return Err(RegisterError::Rival(rival));
        }
        let served = offer.serve(directory, &name).await;
        served.map_err(|error| RegisterError::Listen(directory.path.clone(), error))?
    };
    server.announce_kubelet();
    match call_register(offer, name).await {
        Ok(()) => Ok(server),
        Err(error) => {
            server.stop().await;
            Err(error)
        }
    }
}

async fn other_instances(offer: &ResourceServer) -> Vec<PathBuf> {
    instance_lock::listening_sockets(&offer.paths.device_plugins.path, &beginning(offer)).await
}

/// What the names of this resource's sockets begin with, whichever instance makes them.
fn beginning(offer: &ResourceServer) -> String {
    socket_names::socket_prefix(&offer.paths.device_plugins.host_path, &offer.file_stem())
}

async fn call_register(offer: &ResourceServer, endpoint: String) -> Result<(), RegisterError> {
    let path = kubelet_path(offer);
    let request = dp::RegisterRequest {
        version: dp::VERSION.to_owned(),
        endpoint,
        resource_name: offer.resource.clone(),
        options: Some(offer.plugin.options()),
    };
    let call = http2::connect(&path, |kubelet| async {
        let mut client = RegistrationClient::with_origin(kubelet, http2::localhost());
        client.register(request).await
    });
    match tokio::time::timeout(REGISTER_LIMIT, call).await {
        Ok(Ok(Ok(_))) => Ok(()),
        Ok(Ok(Err(status))) => Err(RegisterError::Refused(status.message().to_owned())),
        Ok(Err(error)) => Err(RegisterError::Connect(path, error)),
        Err(_) => Err(RegisterError::NoAnswer),
    }
}

/// Waits until the registration is no good any more, then ends the server.
async fn hold(
    offer: &mut ResourceServer,
    mut server: Server,
    kubelet: Identity,
    stop: &CancellationToken,
) -> End {
    let path = kubelet_path(offer);
    let opened = tokio::time::sleep(STREAM_LIMIT);
    tokio::pin!(opened);
    let end = loop {
        // Looked at here and not where the change is awaited: streams may have come and gone in between.
        let streams = *server.streams.borrow_and_update();
        let seen_stream = streams.kubelet_has_come();
        if seen_stream && !streams.kubelet_is_here() {
            break End::Lost("the kubelet ended the stream");
        }
        // The kubelet may have been replaced before this task first looked.
        if Identity::of(&path).is_some_and(|now| now != kubelet) {
            break End::NewKubelet;
        }
        if server.socket_state() != SocketState::InPlace {
            break End::Lost("its socket was deleted");
        }
        tokio::select! {
            () = stop.cancelled() => break End::Stopped,
            () = offer.changes.next() => {}
            Ok(()) = server.streams.changed() => {}
            () = &mut opened, if !seen_stream => break End::Lost("the kubelet has not asked for the devices"),
        }
    };
    server.stop().await;
    end
}

/// The kubelet's socket, once there is one and no other instance of the plugin has registered with it.
async fn kubelet_for_us_alone(offer: &mut ResourceServer) -> Identity {
    kubelet_socket(offer).await;
    let mut waiting = PeerWait::default();
    while let Some(rival) = other_instances(offer).await.pop() {
        waiting.pause(&mut offer.changes, &rival).await;
    }
    waiting.over();
    kubelet_socket(offer).await
}

/// The kubelet's socket, once there is one.
async fn kubelet_socket(offer: &mut ResourceServer) -> Identity {
    let path = kubelet_path(offer);
    let mut told = false;
    loop {
        if let Some(identity) = Identity::of(&path) {
            return identity;
        }
        if !told {
            tracing::info!("waiting for the kubelet's socket `{}`", path.display());
            told = true;
        }
        offer.changes.next().await;
    }
}

async fn another_kubelet(offer: &mut ResourceServer, kubelet: Identity) {
    let path = kubelet_path(offer);
    while Identity::of(&path).is_none_or(|now| now == kubelet) {
        offer.changes.next().await;
    }
}

fn kubelet_path(offer: &ResourceServer) -> PathBuf {
    offer.paths.device_plugins.path.join("kubelet.sock")
}
