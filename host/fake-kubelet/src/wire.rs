//! A connection of the kubelet, which breaks when the kubelet's process is killed.

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

/// The gRPC stack runs its connections in tasks of its own; this is the kubelet's hold on them.
pub(crate) struct Wire {
    stream: UnixStream,
    killed: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Told when the peer says something for the first time; dropped if it hangs up before that.
    heard: Option<oneshot::Sender<()>>,
    _alive: TaskTrackerToken,
}

impl Wire {
    pub(crate) async fn dial(
        process: &Process,
        socket: &Path,
        heard: Option<oneshot::Sender<()>>,
    ) -> io::Result<Self> {
        let stream = UnixStream::connect(socket).await?;
        Ok(Self {
            heard,
            ..Self::accepted(process, stream)
        })
    }

    pub(crate) fn accepted(process: &Process, stream: UnixStream) -> Self {
        Self {
            stream,
            killed: Box::pin(process.killed()),
            heard: None,
            _alive: process.alive(),
        }
    }
}

impl AsyncRead for Wire {
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
        if let Some(heard) = self.heard.take()
            && buf.filled().len() > filled
        {
            // Nobody listens any more once the dial has timed out.
            let _ = heard.send(());
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Wire {
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

impl Connected for Wire {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}
