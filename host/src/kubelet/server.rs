//! A served socket: from the first connection that it can take to the last stream that it ends.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::InFlight;
use super::authority::Tolerant;
use super::http2;
use super::service::{Notification, Outputs, Service, Streams};
use super::services::Services;
use super::socket::{Socket, SocketState};
use crate::pools::Pool;

/// How long an answer that is under way may take when the server stops.
const GRACE: Duration = Duration::from_millis(500);

/// How long to wait when a connection cannot be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// One socket that serves a pool.
#[derive(Debug)]
pub(super) struct Server {
    socket: Socket,
    end: CancellationToken,
    /// Holds the one task that accepts connections and owns theirs.
    serving: JoinSet<()>,
    /// The ListAndWatch streams, as they come and go.
    pub(super) streams: watch::Receiver<Streams>,
    /// What the plugin watcher says.
    pub(super) notified: mpsc::UnboundedReceiver<Notification>,
}

impl Server {
    /// Serves `pool` at `path`, which the kubelet knows as `endpoint`. Connections are taken from the moment that the
    /// file is there.
    pub(super) async fn start(
        path: &Path,
        endpoint: PathBuf,
        outputs: Outputs,
        pool: watch::Receiver<Arc<Pool>>,
        in_flight: InFlight,
    ) -> io::Result<Self> {
        let (socket, listener) = Socket::listen(path).await?;
        let end = CancellationToken::new();
        let (streams_sender, streams) = watch::channel(Streams::default());
        let (notifier, notified) = mpsc::unbounded_channel();
        let service = Service {
            pool,
            in_flight,
            endpoint,
            outputs,
            end: end.clone(),
            streams: streams_sender,
            notified: notifier,
        };
        let mut serving = JoinSet::new();
        serving.spawn(accept(listener, Services::new(service), end.clone()));
        Ok(Self {
            socket,
            end,
            serving,
            streams,
            notified,
        })
    }

    /// What became of the socket's file.
    pub(super) fn socket_state(&self) -> SocketState {
        self.socket.state()
    }

    /// Ends the streams, waits for answers that are under way, and removes the socket. When it returns, no stream of
    /// this server is open: only then may the pool be registered anew, because a kubelet up to 1.36 takes the end of an
    /// old stream for the end of the new one.
    pub(super) async fn stop(mut self) {
        // First the file, so that nobody connects to a server that ends.
        drop(self.socket);
        self.end.cancel();
        let ended = async {
            while self.serving.join_next().await.is_some() {}
            // An answer has a task of its own, and a stream counts until its task has dropped it.
            let _ = self.streams.wait_for(|streams| streams.open == 0).await;
        };
        if tokio::time::timeout(GRACE, ended).await.is_err() {
            tracing::debug!("an answer was still under way when its socket was closed");
        }
    }
}

/// Takes connections until `end`, and returns when all of them have ended.
async fn accept(listener: UnixListener, services: Services, end: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = end.cancelled() => break,
            // Only to forget the one that ended.
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((connection, _)) => {
                // The filter is in front of both services, because old kubelets dial both with a path as the authority.
                let connection = Tolerant::new(connection);
                connections.spawn(http2::serve(connection, services.clone(), end.clone()));
            }
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                // Without a free file descriptor the next one fails as well, at once.
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}
