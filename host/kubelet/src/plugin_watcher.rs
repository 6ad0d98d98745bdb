//! Registration by the kubelet's plugin watcher, which finds our socket and calls us.
//!
//! The watcher goes by the file: it registers when the file appears and forgets us when it is removed. When it drops
//! the stream and the file stays, it believes us registered and never calls again, so the file has to be made anew. A
//! kubelet that restarts finds the file by itself.

use std::io;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::KubeletDirectory;
use super::backoff::Backoff;
use super::instance_lock::PeerWait;
use super::registration_service::Notification;
use super::resource_server::ResourceServer;
use super::server::Server;
use super::socket::{SocketState, is_listening};

/// After the end of a stream, a restarting kubelet gets this long to come by itself; it looks once a second.
const RETURN_LIMIT: Duration = Duration::from_secs(5);
/// A registration that held for this long was a good one, so the next failure is a new story.
const HELD: Duration = Duration::from_secs(30);

/// What ended a registration.
enum End {
    Stopped,
    Deleted,
    /// Somebody else's file is in the place of the socket.
    Replaced,
    /// The kubelet let the stream go and does not come back.
    Abandoned,
}

pub(super) async fn run(mut offer: ResourceServer, stop: CancellationToken) {
    let mut patience = Backoff::new();
    loop {
        let name = format!("{}.sock", offer.file_stem());
        let vacant = stop.run_until_cancelled(vacant_registry(&mut offer, &name));
        let Some(directory) = vacant.await else {
            return;
        };
        let started = Instant::now();
        let end = match offer.serve(&directory, &name).await {
            Ok(server) => hold(&mut offer, server, &stop).await,
            // Another instance has just come, and is waited for.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => End::Replaced,
            Err(error) => {
                tracing::warn!("cannot listen for the kubelet, trying again: {error}");
                End::Abandoned
            }
        };
        let wait = match end {
            End::Stopped => return,
            End::Deleted => {
                tracing::warn!("the socket was deleted; making it anew");
                Duration::ZERO
            }
            End::Replaced => Duration::ZERO,
            End::Abandoned => {
                if started.elapsed() > HELD {
                    patience.reset();
                }
                patience.next()
            }
        };
        if stop
            .run_until_cancelled(tokio::time::sleep(wait))
            .await
            .is_none()
        {
            return;
        }
    }
}

/// Waits until the registration is no good any more, then ends the server.
async fn hold(offer: &mut ResourceServer, mut server: Server, stop: &CancellationToken) -> End {
    let mut registered = false;
    let mut last_refusal = String::new();
    // Armed while there should be a stream and is none.
    let mut returns_by: Option<Instant> = None;
    let end = loop {
        // Looked at here and not where the change is awaited: streams may have come and gone in between.
        let streams = *server.streams.borrow_and_update();
        match server.socket_state() {
            SocketState::InPlace => {
                let expected = registered || streams.kubelet_has_come();
                let missing = expected && !streams.kubelet_is_here();
                returns_by = returns_by
                    .or_else(|| Some(Instant::now() + RETURN_LIMIT))
                    .filter(|_| missing);
            }
            SocketState::Deleted => break End::Deleted,
            SocketState::Replaced => {
                tracing::warn!("the socket was replaced by another one");
                break End::Replaced;
            }
        }
        let deadline = returns_by.unwrap_or_else(far_away);
        tokio::select! {
            () = stop.cancelled() => break End::Stopped,
            () = offer.changes.next() => {}
            Ok(()) = server.streams.changed() => {}
            Some(notification) = server.notifications.recv() => match notification {
                Notification::Registered => {
                    registered = true;
                    tracing::info!("registered with the kubelet");
                    last_refusal.clear();
                }
                Notification::Refused(reason) => {
                    // The kubelet tries again by itself, with growing pauses.
                    if reason != last_refusal {
                        tracing::warn!("the kubelet refuses the registration: {reason}");
                        last_refusal = reason;
                    }
                }
            },
            () = tokio::time::sleep_until(deadline), if returns_by.is_some() => {
                tracing::warn!("the kubelet ended the stream; offering the socket anew");
                break End::Abandoned;
            }
        }
    };
    server.stop().await;
    end
}

/// The watched directory, once there is one in which nobody else listens at `name`.
async fn vacant_registry(offer: &mut ResourceServer, name: &str) -> KubeletDirectory {
    loop {
        let directory = registry(offer).await;
        let path = directory.path.join(name);
        let mut waiting = PeerWait::default();
        while is_listening(&path).await {
            waiting.pause(&mut offer.changes, &path).await;
        }
        waiting.over();
        if directory.path.is_dir() {
            return directory;
        }
    }
}

/// The watched directory, once there is one.
async fn registry(offer: &mut ResourceServer) -> KubeletDirectory {
    let directory = offer.paths.plugins_registry.clone();
    let path = &directory.path;
    let mut told = false;
    while !path.is_dir() {
        if !told {
            tracing::info!("waiting for the kubelet's directory `{}`", path.display());
            told = true;
        }
        offer.changes.next().await;
    }
    directory
}

fn far_away() -> Instant {
    Instant::now() + Duration::from_secs(86_400)
}
