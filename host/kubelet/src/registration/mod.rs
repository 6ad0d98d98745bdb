//! Keeps a resource registered with the kubelet: one loop over two ways to register.

pub(crate) mod backoff;
mod instance_lock;
pub(crate) mod kubelet_socket;
pub(crate) mod plugin_watcher;

use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use sriovdp_report::{Hint, inline};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::directory_changes::DirectoryChanges;
use super::registration_service::Notification;
use super::registration_status::RegistrationStatus;
use super::server::Server;
use super::streams::Streams;
use backoff::Backoff;

/// A registration that lasted for this long was stable, which resets the backoff.
const STABLE_AFTER: Duration = Duration::from_secs(10);

/// A way to register one resource.
pub(crate) trait Registration {
    /// Returns when there is a kubelet to register with, and no other instance that serves the resource.
    fn ready(&mut self, log: &RegistrationLog) -> impl Future<Output = ()> + Send;

    /// Serves the resource and makes the server known to the kubelet.
    fn register(
        &mut self,
        log: &mut RegistrationLog,
    ) -> impl Future<Output = Result<Server, RegisterError>> + Send;

    /// Whether the registration is lost, or else when it has to be checked again without a change.
    fn check(&mut self, server: &Server, streams: Streams) -> Result<Option<Instant>, Lost>;

    /// Handles a call of the plugin watcher.
    fn notified(&mut self, notification: Notification, log: &mut RegistrationLog);

    /// Returns when a kubelet has started that is not the one of the last attempt, and never where the kubelet finds
    /// the socket by itself.
    fn kubelet_started(&mut self) -> impl Future<Output = ()> + Send;
}

/// Why a registration failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegisterError {
    #[error("cannot listen in `{}`", .0.display())]
    Listen(PathBuf, #[source] io::Error),
    #[error("cannot connect to `{}`", .0.display())]
    Connect(PathBuf, #[source] io::Error),
    #[error("no response to `Register` within {0:?}")]
    Timeout(Duration),
    #[error("the kubelet refuses the registration: {0}")]
    Refused(String),
    #[error("another instance of the plugin serves `{}`", .0.display())]
    Peer(PathBuf),
}

impl Hint for RegisterError {}

/// Why a registration is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Lost {
    #[error("a new kubelet has started")]
    NewKubelet,
    #[error("the socket was deleted")]
    SocketDeleted,
    #[error("the socket was replaced")]
    SocketReplaced,
    #[error("the kubelet ended the stream")]
    StreamEnded,
    #[error("the kubelet has not opened a stream")]
    NoStream,
}

/// Logs and publishes what becomes of a registration; a failure is logged once, until another one or success follows.
#[derive(Debug)]
pub(crate) struct RegistrationLog {
    last_failure: String,
    status: watch::Sender<RegistrationStatus>,
}

/// Serves the resource and keeps it registered until `stop`. Returns when all streams have ended and the socket is
/// removed.
pub(crate) async fn keep_registered(
    mut registration: impl Registration,
    mut changes: DirectoryChanges,
    mut backoff: Backoff,
    mut log: RegistrationLog,
    stop: CancellationToken,
) {
    loop {
        if stop
            .run_until_cancelled(registration.ready(&log))
            .await
            .is_none()
        {
            return;
        }
        let started = Instant::now();
        // In a box of its own, because the task spends its life in the wait for changes.
        let register = Box::pin(registration.register(&mut log));
        match stop.run_until_cancelled(register).await {
            None => return,
            Some(Err(error)) => log.failed(&error),
            Some(Ok(mut server)) => {
                let lost =
                    watch_registration(&mut registration, &mut server, &mut changes, &mut log);
                let lost = stop.run_until_cancelled(lost).await;
                server.stop().await;
                let Some(lost) = lost else { return };
                log.lost(lost);
                let was_stable = lost != Lost::NoStream && started.elapsed() > STABLE_AFTER;
                if lost == Lost::NewKubelet || was_stable {
                    backoff.reset();
                }
                if lost == Lost::NewKubelet {
                    continue;
                }
            }
        }
        // A new kubelet is registered with at once; no attempt with it has failed yet.
        let pause = tokio::time::timeout(backoff.next(), registration.kubelet_started());
        match stop.run_until_cancelled(pause).await {
            None => return,
            Some(Ok(())) => backoff.reset(),
            Some(Err(_)) => {}
        }
    }
}

/// Returns when the registration is lost.
async fn watch_registration(
    registration: &mut impl Registration,
    server: &mut Server,
    changes: &mut DirectoryChanges,
    log: &mut RegistrationLog,
) -> Lost {
    loop {
        // Read here and not where a change is awaited: streams may have come and gone in between.
        let streams = *server.streams.borrow_and_update();
        log.stream(streams.kubelet_is_here());
        let check_at = match registration.check(server, streams) {
            Ok(check_at) => check_at,
            Err(lost) => return lost,
        };
        tokio::select! {
            () = changes.next() => {}
            Ok(()) = server.streams.changed() => {}
            Some(notification) = server.notifications.recv() => {
                server.found();
                registration.notified(notification, log);
            }
            () = sleep_until(check_at) => {}
        }
    }
}

async fn sleep_until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

impl RegistrationLog {
    pub(crate) fn new(status: watch::Sender<RegistrationStatus>) -> Self {
        Self {
            last_failure: String::new(),
            status,
        }
    }

    fn stream(&self, is_open: bool) {
        self.status.send_if_modified(|status| {
            std::mem::replace(&mut status.has_stream, is_open) != is_open
        });
    }

    /// Publishes why there is no registration.
    fn unregistered(&self, reason: String) {
        self.status
            .send_modify(|status| status.last_error = Some(reason));
    }

    fn registered(&mut self) {
        self.last_failure.clear();
        self.status.send_modify(|status| {
            status.registered_since = Some(SystemTime::now());
            status.registrations += 1;
            status.last_error = None;
        });
        tracing::info!(event = "registered", "registered with the kubelet");
    }

    fn failed(&mut self, error: &RegisterError) {
        let failure = inline(error);
        self.unregistered(failure.clone());
        // The wait for the peer is logged.
        if failure == self.last_failure || matches!(error, RegisterError::Peer(_)) {
            return;
        }
        if let RegisterError::Refused(_) = error {
            tracing::warn!(
                event = "registration_refused",
                error = failure,
                "the kubelet refuses the registration; retrying"
            );
        } else {
            tracing::warn!(
                event = "registration_failed",
                error = failure,
                "cannot register; retrying"
            );
        }
        self.last_failure = failure;
    }

    fn lost(&self, lost: Lost) {
        self.status.send_modify(|status| {
            status.registered_since = None;
            status.has_stream = false;
            status.last_error = Some(lost.to_string());
        });
        if lost == Lost::NewKubelet {
            tracing::info!(event = "kubelet_restarted", "a new kubelet has started");
        } else {
            tracing::warn!(
                event = "registration_lost",
                reason = %lost,
                "the registration is lost; registering again"
            );
        }
    }
}

#[cfg(test)]
mod tests;
