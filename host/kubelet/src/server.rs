//! A served socket: from the first connection that it accepts to the last stream that it ends.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::connections::{Connections, MAX_CONNECTIONS};
use super::device_plugin_service::DevicePluginService;
use super::paths::KubeletDirectory;
use super::plugin::DevicePlugin;
use super::registration_service::{Notification, RegistrationService};
use super::router::Router;
use super::socket::{Socket, SocketState};
use super::streams::Streams;

/// How long a response that is under way may take when the server stops.
const STOP_TIMEOUT: Duration = Duration::from_millis(500);

/// How many notifications wait to be read.
const MAX_NOTIFICATIONS: usize = 8;

/// How long to wait when a connection cannot be accepted, first
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// and after some failures. A kubelet may wait meanwhile.
const LONGEST_ACCEPT_PAUSE: Duration = Duration::from_secs(1);
/// How soon a condition that persists is logged again.
const LOG_AGAIN: Duration = Duration::from_secs(600);

/// One socket that serves a resource.
#[derive(Debug)]
pub(super) struct Server {
    socket: Socket,
    end: CancellationToken,
    /// The one task that accepts connections and owns theirs. It returns the listener after their end.
    serving: JoinSet<UnixListener>,
    /// The ListAndWatch streams, as they come and go.
    pub(super) streams: watch::Receiver<Streams>,
    streams_sender: watch::Sender<Streams>,
    /// The calls of the plugin watcher.
    pub(super) notifications: mpsc::Receiver<Notification>,
}

impl Server {
    /// Serves `plugin` at the file `name` in `directory`. Connections are accepted from the moment that the file is there.
    pub(super) async fn start(
        directory: &KubeletDirectory,
        name: &str,
        resource: &str,
        plugin: &Arc<dyn DevicePlugin>,
    ) -> io::Result<Self> {
        let (socket, listener) = Socket::listen(&directory.path.join(name)).await?;
        let end = CancellationToken::new();
        let (streams_sender, streams) = watch::channel(Streams::default());
        let (sender, notifications) = mpsc::channel(MAX_NOTIFICATIONS);
        let device_plugin = DevicePluginService {
            plugin: Arc::clone(plugin),
            streams: streams_sender.clone(),
            end: end.clone(),
        };
        let registration = RegistrationService {
            resource: resource.to_owned(),
            endpoint: directory.host_path.join(name),
            streams: streams_sender.clone(),
            notifications: sender,
        };
        let router = Router::new(device_plugin, registration);
        let mut serving = JoinSet::new();
        serving.spawn(accept(listener, router, end.clone()).in_current_span());
        Ok(Self {
            socket,
            end,
            serving,
            streams,
            streams_sender,
            notifications,
        })
    }

    /// The next stream is that of a kubelet which is about to register this socket.
    pub(super) fn announce_kubelet(&self) {
        self.streams_sender.send_modify(Streams::announce_kubelet);
    }

    /// The kubelet has found the socket, or does not search for it.
    pub(super) fn found(&mut self) {
        self.socket.found();
    }

    /// The state of the socket's file.
    pub(super) fn socket_state(&self) -> SocketState {
        self.socket.state()
    }

    /// Ends the streams, waits for responses that are under way, and removes the socket. When it returns, no stream of
    /// this server is open: only then may the resource be registered again, because a kubelet up to 1.36 takes the end of an
    /// old stream for the end of the new one.
    pub(super) async fn stop(mut self) {
        self.end.cancel();
        let ended = async {
            let listener = self.serving.join_next().await;
            // A response has a task of its own, and a stream counts until its task has dropped it.
            let _ = self.streams.wait_for(|streams| streams.open == 0).await;
            listener
        };
        let listener = tokio::time::timeout(STOP_TIMEOUT, ended).await;
        if listener.is_err() {
            tracing::debug!(
                event = "calls_aborted",
                "calls were still under way when their socket was closed"
            );
        }
        // Another instance registers as soon as the file is gone, or has no listener.
        drop(self.socket);
        drop(listener);
    }
}

/// Accepts connections until `end`, and returns the listener when all of them have ended.
async fn accept(listener: UnixListener, router: Router, end: CancellationToken) -> UnixListener {
    let mut connections = Connections::default();
    let mut pause = ACCEPT_PAUSE;
    let (mut failure, mut crowd) = (LogOnce::default(), LogOnce::default());
    loop {
        let accepted = tokio::select! {
            () = end.cancelled() => break,
            () = connections.one_ended() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                pause = ACCEPT_PAUSE;
                if connections.serve(stream, &router, &end) && crowd.is_due() {
                    tracing::warn!(
                        event = "connections_limit",
                        "{MAX_CONNECTIONS} connections to the socket are open; the oldest idle one is closed for each new one"
                    );
                }
            }
            Err(error) => {
                // Without a free file descriptor the next one fails as well, at once.
                connections.close_one_idle();
                if failure.is_due() {
                    tracing::warn!(
                        event = "accept_failed",
                        error = %error,
                        "cannot accept a connection; retrying"
                    );
                }
                end.run_until_cancelled(tokio::time::sleep(pause)).await;
                pause = (pause * 2).min(LONGEST_ACCEPT_PAUSE);
            }
        }
    }
    connections.all_ended().await;
    listener
}

/// Logs a condition once, and not again soon while it recurs.
#[derive(Debug, Default)]
struct LogOnce(Option<Instant>);

impl LogOnce {
    fn is_due(&mut self) -> bool {
        let now = Instant::now();
        let is_due = self
            .0
            .is_none_or(|last| now.duration_since(last) >= LOG_AGAIN);
        if is_due {
            self.0 = Some(now);
        }
        is_due
    }
}
