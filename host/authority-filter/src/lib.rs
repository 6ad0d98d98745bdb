//! Lets HTTP/2 servers on `h2` serve clients with an invalid `:authority`, such as the path of a unix socket.
//!
//! A gRPC client of a unix socket has to send some `:authority`. Some send the path of the socket, percent-encoded
//! or as it is, and some an empty text; the kubelet's plugin watcher, which is a grpc-go client, sends
//! `%2Fvar%2Flib%2Fkubelet%2F…`. The `h2` crate, on which hyper and tonic stand, resets such streams with PROTOCOL_ERROR
//! before any service sees them (<https://github.com/hyperium/h2/pull/487>), and has no option against it.
//!
//! [`AuthorityFilter`] stands between the socket and the server. `h2` reads what the peer sent, byte for byte, except
//! that the authorities which it would refuse become acceptable ones.
//!
//! ```no_run
//! use std::convert::Infallible;
//!
//! use hyper::body::Incoming;
//! use hyper::server::conn::http2::Builder;
//! use hyper::service::service_fn;
//! use hyper::{Request, Response};
//! use hyper_util::rt::{TokioExecutor, TokioIo};
//! use sriovdp_authority_filter::AuthorityFilter;
//! use tokio::net::UnixListener;
//!
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! let listener = UnixListener::bind("/run/example.sock")?;
//! let (socket, _) = listener.accept().await?;
//! let service = service_fn(async |_: Request<Incoming>| Ok::<_, Infallible>(Response::new(String::new())));
//! Builder::new(TokioExecutor::new())
//!     .header_table_size(0)
//!     .serve_connection(TokioIo::new(AuthorityFilter::new(socket)), service)
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What it does
//!
//! It keeps no HPACK table. A refused authority that the peer adds to its dynamic table is replaced by one of the same
//! length, so the tables of both sides have the same entries of the same sizes, and references to them pass as they are.
//! Any other refused authority becomes `localhost`. A header block without one passes as it is, and so does one that
//! cannot be decoded; `h2` handles the error. Other frames pass at once: of a connection, at most 64 KiB are
//! buffered, for an incomplete header block.
//!
//! # What it does not do
//!
//! Without a table there are two limits. They end with the peer's acknowledgement of a server's
//! settings, if these announce a table of size 0 as above; grpc-go and gRPC C-core wait for the settings before their
//! first call.
//!
//! * The *name* of a header may be a reference to the dynamic table, with a new value. Encoders find `:authority` in the
//!   static table, so such a header passes as it is; if it is a refused authority, `h2` resets that one stream.
//! * No acceptable authority is empty. In the place of an empty one, the table of `h2` gets an entry that is one byte
//!   longer than the peer counts, and may drop its oldest entry one insertion too early once it is full.
//!
//! A rewritten header block is one HEADERS frame. One that would not fit into 16 KiB passes as it is.

#![forbid(unsafe_code)]

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use frames::Frames;

mod block;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "it is for tests only")]
mod encoding;
mod frames;
#[cfg(test)]
mod properties;

/// The server's end of a connection, with the authorities in the peer's requests made acceptable to `h2`. What the server
/// writes is not touched.
#[derive(Debug)]
pub struct AuthorityFilter<IO> {
    connection: IO,
    frames: Frames,
    /// What the filter let through; of this, the first `delivered` bytes have been read by the server.
    passed: Vec<u8>,
    delivered: usize,
}

impl<IO> AuthorityFilter<IO> {
    /// A filter for the whole of `connection`, of which nothing was read.
    pub fn new(connection: IO) -> Self {
        Self {
            connection,
            frames: Frames::default(),
            passed: Vec::new(),
            delivered: 0,
        }
    }

    fn deliver(&mut self, buf: &mut ReadBuf<'_>) {
        let waiting = &self.passed[self.delivered..];
        let len = waiting.len().min(buf.remaining());
        buf.put_slice(&waiting[..len]);
        self.delivered += len;
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for AuthorityFilter<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buf.remaining() == 0 {
            // A read into an empty buffer would be indistinguishable from the end of the connection.
            return Poll::Ready(Ok(()));
        }
        while this.delivered == this.passed.len() {
            this.passed.clear();
            this.passed.shrink_to(frames::MAX_HELD / 4);
            this.delivered = 0;
            // The server's own buffer serves to read into, so that no more is taken in at once than it has asked for.
            let start = buf.filled().len();
            ready!(Pin::new(&mut this.connection).poll_read(cx, buf))?;
            let read = &buf.filled()[start..];
            let at_end = read.is_empty();
            if at_end {
                this.frames.finish(&mut this.passed);
            } else {
                this.frames.push(read, &mut this.passed);
            }
            buf.set_filled(start);
            if at_end {
                break;
            }
        }
        this.deliver(buf);
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for AuthorityFilter<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().connection).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().connection).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().connection).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().connection).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const REFUSED: &[u8] = b"\0\0\x03\x01\x04\0\0\0\x01\x01\x01/";
    const ACCEPTED: &[u8] = b"\0\0\x0b\x01\x04\0\0\0\x01\x01\x09localhost";

    /// What a server reads through buffers of `space` bytes when the peer sends `bytes` and leaves.
    async fn read_by(space: usize, bytes: &[u8]) -> Vec<u8> {
        let (mut peer, server) = tokio::io::duplex(bytes.len());
        peer.write_all(bytes).await.unwrap();
        drop(peer);
        let mut server = AuthorityFilter::new(server);
        let mut read = Vec::new();
        let mut buf = vec![0; space];
        loop {
            let len = server.read(&mut buf).await.unwrap();
            if len == 0 {
                return read;
            }
            read.extend_from_slice(&buf[..len]);
        }
    }

    #[tokio::test]
    async fn the_space_of_the_reader_makes_no_difference() {
        let incomplete = &REFUSED[..10];
        for space in [1, 2, 7, 24, 4096] {
            let read = read_by(space, &[PREFACE, REFUSED, incomplete].concat()).await;
            assert_eq!(
                read,
                [PREFACE, ACCEPTED, incomplete].concat(),
                "{space} bytes of space"
            );
        }
    }

    #[tokio::test]
    async fn a_read_without_space_is_not_the_end() {
        let (mut peer, server) = tokio::io::duplex(100);
        let mut server = AuthorityFilter::new(server);
        peer.write_all(PREFACE).await.unwrap();
        peer.write_all(REFUSED).await.unwrap();
        assert_eq!(server.read(&mut []).await.unwrap(), 0);
        drop(peer);
        let mut read = Vec::new();
        server.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, [PREFACE, ACCEPTED].concat());
    }

    #[tokio::test]
    async fn what_the_server_writes_is_not_touched() {
        let (mut peer, server) = tokio::io::duplex(100);
        AuthorityFilter::new(server)
            .write_all(&[PREFACE, REFUSED].concat())
            .await
            .unwrap();
        let mut read = Vec::new();
        peer.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, [PREFACE, REFUSED].concat());
    }
}
