//! An accepted connection, which wakes its task for reading only, and for writing while a write cannot go on.
//!
//! tokio's own streams are registered for both, and the kernel reports a unix socket as writable again whenever the peer has
//! read a message: two more wake-ups of the task for each call.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

/// The bytes of one read. The buffer of a connection has eight times as many, and its memory is not used before it is
/// filled; most calls take a few hundred bytes.
const READ: usize = 1024;

/// The stream. It has no vectored writes: with them, the HTTP/2 library sends the end of a response of more than 256 bytes
/// in a message of its own, which wakes the peer twice.
#[derive(Debug)]
pub(super) struct PeerStream {
    readable: AsyncFd<UnixStream>,
    /// The same socket, from a write that cannot go on until one that can.
    writable: Option<AsyncFd<UnixStream>>,
}

impl PeerStream {
    pub(super) fn new(stream: tokio::net::UnixStream) -> io::Result<Self> {
        let stream = stream.into_std()?;
        Ok(Self {
            readable: registered(stream, Interest::READABLE)?,
            writable: None,
        })
    }
}

#[expect(
    deprecated,
    reason = "its successor is unsafe, for types that may close their descriptor while they are registered; this one does not"
)]
fn registered(stream: UnixStream, interest: Interest) -> io::Result<AsyncFd<UnixStream>> {
    AsyncFd::with_interest(stream, interest)
}

impl AsyncRead for PeerStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let size = buffer.remaining().min(READ);
        let space = buffer.initialize_unfilled_to(size);
        loop {
            let mut ready = ready!(self.readable.poll_read_ready(context))?;
            let Ok(read) = ready.try_io(|stream| stream.get_ref().read(space)) else {
                continue;
            };
            let length = read?;
            // There is no more, so that the next read need not find this out.
            if length > 0 && length < space.len() {
                ready.clear_ready();
            }
            buffer.advance(length);
            return Poll::Ready(Ok(()));
        }
    }
}

impl AsyncWrite for PeerStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.readable.get_ref().write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                written => {
                    self.writable = None;
                    return Poll::Ready(written);
                }
            }
            let writable = match self.writable.take() {
                Some(writable) => writable,
                None => {
                    let stream = self.readable.get_ref().try_clone()?;
                    registered(stream, Interest::WRITABLE)?
                }
            };
            let writable = self.writable.insert(writable);
            ready!(writable.poll_write_ready(context))?.clear_ready();
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.readable.get_ref().shutdown(Shutdown::Write))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn pair() -> (tokio::net::UnixStream, PeerStream) {
        let (peer, stream) = tokio::net::UnixStream::pair().unwrap();
        (peer, PeerStream::new(stream).unwrap())
    }

    #[tokio::test]
    async fn a_write_that_cannot_go_on_waits_for_the_peer() {
        let (mut peer, mut stream) = pair();
        let sent: Vec<u8> = (0..4 << 20).map(|n: u32| n.to_le_bytes()[1]).collect();
        let expected = sent.clone();
        let writing = tokio::spawn(async move {
            for part in sent.chunks(1 << 20) {
                stream.write_all(part).await.unwrap();
            }
            let is_registered_for_writing = stream.writable.is_some();
            stream.shutdown().await.unwrap();
            is_registered_for_writing
        });
        let mut read = Vec::new();
        peer.read_to_end(&mut read).await.unwrap();
        assert!(read == expected);
        assert!(!writing.await.unwrap());
    }

    #[tokio::test]
    async fn reads_end_with_the_peer() {
        let (mut peer, mut stream) = pair();
        let reading = tokio::spawn(async move {
            let mut read = Vec::new();
            let mut part = [0; 3];
            loop {
                match stream.read(&mut part).await.unwrap() {
                    0 => return read,
                    length => read.extend_from_slice(&part[..length]),
                }
            }
        });
        for part in ["ab", "cdefgh", "i"] {
            peer.write_all(part.as_bytes()).await.unwrap();
            tokio::task::yield_now().await;
        }
        drop(peer);
        assert_eq!(reading.await.unwrap(), b"abcdefghi");
    }
}
