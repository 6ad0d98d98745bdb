//! Lets a kubelet that names the plugin's socket as `:authority` talk to a tonic server.
//!
//! The kubelet's plugin watcher dials a registration socket without saying what the `:authority` of its requests is to
//! be, so grpc-go derives one from the target: the percent-encoded path of the socket. Other stacks and older versions
//! send the path itself, or nothing. The `h2` crate, on which tonic stands, resets such streams with PROTOCOL_ERROR
//! before any service sees them (<https://github.com/hyperium/h2/pull/487>), and has no option against it. Hence this
//! filter between the socket and the server: what `h2` reads is what the peer sent, except that the authorities which
//! it would refuse become `localhost`.
//!
//! The filter judges nothing else. Bytes that it does not understand pass as they are, with all that follow, and `h2`
//! ends the connection over them in its own way.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use filter::Filter;

mod filter;
mod frame;
mod hpack;
mod primitives;
#[cfg(test)]
mod properties;
mod table;

/// The server's end of a connection, with the authorities in the peer's requests made acceptable to `h2`.
///
/// No more than 64 KiB are ever held back, for an incomplete header block; the bodies of messages stream through.
#[derive(Debug)]
pub struct Tolerant<IO> {
    connection: IO,
    filter: Filter,
    /// What the filter let through; of this, the first `delivered` bytes have been read by the server.
    passed: Vec<u8>,
    delivered: usize,
}

impl<IO> Tolerant<IO> {
    pub fn new(connection: IO) -> Self {
        Self {
            connection,
            filter: Filter::default(),
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

impl<IO: AsyncRead + Unpin> AsyncRead for Tolerant<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buf.remaining() == 0 {
            // A read into no space would look like the end of the connection below.
            return Poll::Ready(Ok(()));
        }
        while this.delivered == this.passed.len() {
            this.passed.clear();
            this.passed.shrink_to(filter::MAX_HELD / 4);
            this.delivered = 0;
            // The server's own buffer serves to read into, so that no more is taken in at once than it has asked for.
            let start = buf.filled().len();
            ready!(Pin::new(&mut this.connection).poll_read(cx, buf))?;
            let read = &buf.filled()[start..];
            let at_end = read.is_empty();
            if at_end {
                this.filter.finish(&mut this.passed);
            } else {
                this.filter.push(read, &mut this.passed);
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

impl<IO: AsyncWrite + Unpin> AsyncWrite for Tolerant<IO> {
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
    const REFUSED: &[u8] = b"\0\0\x03\x01\x04\0\0\0\x01\x41\x01/";
    const ACCEPTED: &[u8] = b"\0\0\x0b\x01\x04\0\0\0\x01\x01\x09localhost";

    /// What a server reads through buffers of `space` bytes when the peer sends `bytes` and leaves.
    async fn read_by(space: usize, bytes: &[u8]) -> Vec<u8> {
        let (mut peer, server) = tokio::io::duplex(bytes.len());
        peer.write_all(bytes).await.unwrap();
        drop(peer);
        let mut server = Tolerant::new(server);
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
        let mut server = Tolerant::new(server);
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
        Tolerant::new(server)
            .write_all(&[PREFACE, REFUSED].concat())
            .await
            .unwrap();
        let mut read = Vec::new();
        peer.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, [PREFACE, REFUSED].concat());
    }
}
