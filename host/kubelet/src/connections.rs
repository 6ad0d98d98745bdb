//! The connections of a socket: how many there may be, and which of them is closed for a new one.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use sriovdp_authority_filter::AuthorityFilter;
use tokio::net::UnixStream;
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::connection::Connection;
use super::http2;
use super::peer_stream::PeerStream;
use super::router::Router;

/// A kubelet has two: one for the registration, one for all other calls.
pub(super) const MAX_CONNECTIONS: usize = 64;

/// The open connections, the oldest first, and the tasks that serve them.
#[derive(Debug, Default)]
pub(super) struct Connections {
    open: Vec<(Arc<Connection>, AbortHandle)>,
    tasks: JoinSet<()>,
}

impl Connections {
    /// Serves a new connection until the peer closes it, or for a while after `end`. Returns whether another one had to
    /// be closed for it.
    pub(super) fn serve(
        &mut self,
        stream: UnixStream,
        router: &Router,
        end: &CancellationToken,
    ) -> bool {
        self.open.retain(|(_, task)| !task.is_finished());
        let is_full = self.open.len() >= MAX_CONNECTIONS;
        if is_full && !self.close_one_idle() && !self.close_one_other() {
            return true;
        }
        let stream = match PeerStream::new(stream) {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(event = "connection_failed", %error, "a connection ended");
                return is_full;
            }
        };
        let connection = Arc::<Connection>::default();
        let router = router.of_connection(Arc::clone(&connection));
        // The filter is in front of both services, because old kubelets call both with a path as the authority.
        let served = http2::serve(AuthorityFilter::new(stream), router, end.clone());
        self.open
            .push((connection, self.tasks.spawn(served.in_current_span())));
        is_full
    }

    /// Closes the oldest connection without an open call.
    pub(super) fn close_one_idle(&mut self) -> bool {
        self.close_first(Connection::is_idle)
    }

    /// Closes the oldest connection that is not the kubelet's.
    fn close_one_other(&mut self) -> bool {
        self.close_first(|connection| !connection.has_kubelet_stream.load(Ordering::Relaxed))
    }

    fn close_first(&mut self, may_close: impl Fn(&Connection) -> bool) -> bool {
        let first = self.open.iter().position(|(c, _)| may_close(c));
        if let Some(at) = first {
            self.open.remove(at).1.abort();
        }
        first.is_some()
    }

    /// Returns when one of the connections has ended, and never while there is none.
    pub(super) async fn one_ended(&mut self) {
        if self.tasks.join_next().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    /// Returns when all of them have ended.
    pub(super) async fn all_ended(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}
