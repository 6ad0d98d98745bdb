//! A connection that hands out what arrives in pieces of chosen lengths.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

/// A connection whose reads bring only a piece each, after having made the reader wait.
#[derive(Debug)]
pub(crate) struct Piecemeal {
    connection: UnixStream,
    pieces: Pieces,
    read: usize,
    paused: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Pieces {
    /// All up to here, and then the rest.
    CutAt(usize),
    Bytes,
}

impl Piecemeal {
    pub(crate) fn new(connection: UnixStream, pieces: Pieces) -> Self {
        Self {
            connection,
            pieces,
            read: 0,
            paused: false,
        }
    }
}

impl AsyncRead for Piecemeal {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.paused = !this.paused;
        if this.paused {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut piece = [0; 4096];
        let len = match this.pieces {
            Pieces::CutAt(cut) if this.read < cut => cut - this.read,
            Pieces::CutAt(_) => piece.len(),
            Pieces::Bytes => 1,
        };
        let mut piece = ReadBuf::new(&mut piece[..len.min(buf.remaining())]);
        ready!(Pin::new(&mut this.connection).poll_read(cx, &mut piece))?;
        this.read += piece.filled().len();
        buf.put_slice(piece.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Piecemeal {
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
}
