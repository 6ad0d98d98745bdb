//! A connection of the kubelet, which breaks when the kubelet is killed.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tonic::transport::server::Connected;

use crate::process::Process;

/// The gRPC stack runs connections in its own tasks; this ends them with the kubelet.
pub(crate) struct Connection {
    stream: UnixStream,
    killed: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Notified by the first byte of the peer; dropped if the peer closes before that.
    first_byte: Option<oneshot::Sender<()>>,
    _alive: TaskTrackerToken,
}

impl Connection {
    pub(crate) async fn open(
        process: &Process,
        socket: &Path,
        first_byte: Option<oneshot::Sender<()>>,
    ) -> io::Result<Self> {
        let stream = UnixStream::connect(socket).await?;
        Ok(Self {
            first_byte,
            ..Self::accepted(process, stream)
        })
    }

    pub(crate) fn accepted(process: &Process, stream: UnixStream) -> Self {
        Self {
            stream,
            killed: Box::pin(process.killed()),
            first_byte: None,
            _alive: process.alive(),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.killed.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let filled = buf.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buf));
        if let Some(first_byte) = self.first_byte.take()
            && buf.filled().len() > filled
        {
            // The receiver is dropped once the connect has timed out.
            let _ = first_byte.send(());
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}
