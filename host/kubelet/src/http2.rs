//! HTTP/2 over unix sockets, as a server and as a client, for the gRPC code that stands on it.
//!
//! tonic has transports of its own. They support HTTP/1 as well, balance over endpoints and leave their connections to
//! detached tasks; here a client makes one short call, and a server has to end with all of its connections.

use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll};

use hyper::body::Incoming;
use hyper::client::conn::http2 as client;
use hyper::server::conn::http2 as server;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tonic::codegen::http::{Request, Response, Uri};

/// How many calls a connection may have open. A kubelet has its ListAndWatch stream and one more.
const MAX_STREAMS: u32 = 16;
/// How large the headers of a request may be. Those of a kubelet are below one kilobyte.
const MAX_HEADERS: u32 = 8 * 1024;
/// How many bytes of requests a connection may send before a service reads them.
const WINDOW: u32 = 64 * 1024;
/// How many calls a peer may open and reset before they are accepted; with more, the connection ends.
const MAX_RESETS: usize = 20;

/// The origin of our calls. It only makes the `:authority`, and this is the one that every gRPC stack accepts.
pub(super) fn localhost() -> Uri {
    Uri::from_static("http://localhost")
}

/// Serves one connection until the peer closes it; after `end`, until the responses under way are sent.
pub(super) async fn serve<C, S>(connection: C, service: S, end: CancellationToken)
where
    C: AsyncRead + AsyncWrite + Unpin + Send,
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    let connection = server::Builder::new(TokioExecutor::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADERS)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_pending_accept_reset_streams(MAX_RESETS)
        // The authority filter keeps no table of headers, so peers do without one.
        .header_table_size(0)
        .serve_connection(TokioIo::new(connection), service);
    let mut connection = pin!(connection);
    let served = match end.run_until_cancelled(connection.as_mut()).await {
        Some(served) => served,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(event = "connection_failed", %error, "a connection ended");
    }
}

/// Connects to the socket at `path`, and runs `call` on the connection.
///
/// # Errors
///
/// When no process listens there, or none that implements HTTP/2.
pub(super) async fn connect<T, F>(path: &Path, call: impl FnOnce(Channel) -> F) -> io::Result<T>
where
    F: Future<Output = T>,
{
    let stream = TokioIo::new(UnixStream::connect(path).await?);
    let (requests, connection) = client::handshake(TokioExecutor::new(), stream)
        .await
        .map_err(io::Error::other)?;
    let mut connection = pin!(connection);
    let mut call = pin!(call(Channel(requests)));
    tokio::select! {
        response = &mut call => Ok(response),
        // The call fails by itself.
        _ = &mut connection => Ok(call.await),
    }
}

/// A connection on which calls can be made.
#[derive(Debug)]
pub(super) struct Channel(client::SendRequest<Body>);

impl tower_service::Service<Request<Body>> for Channel {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

#[cfg(test)]
mod tests {
    use hyper::service::service_fn;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn peers_get_a_header_table_size_of_zero() {
        let (mut peer, connection) = UnixStream::pair().unwrap();
        let service = service_fn(async |_: Request<Incoming>| Ok(Response::new(Body::empty())));
        tokio::spawn(serve(connection, service, CancellationToken::new()));
        let opening = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        peer.write_all(opening).await.unwrap();
        let mut head = [0; 9];
        peer.read_exact(&mut head).await.unwrap();
        assert_eq!(head[3], 4, "the first frame is SETTINGS");
        let mut settings = vec![0; head[2].into()];
        peer.read_exact(&mut settings).await.unwrap();
        // `SETTINGS_HEADER_TABLE_SIZE`.
        let wanted = [0, 1, 0, 0, 0, 0];
        assert!(settings.chunks(6).any(|setting| setting == wanted));
    }
}
