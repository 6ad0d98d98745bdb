//! What the filter for `:authority` makes of bytes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use sriovdp_authority_filter::AuthorityFilter;
use tokio::io::{AsyncRead, ReadBuf};

/// Bytes of a peer: what the filter makes of them does not depend on the pieces in which they come.
pub fn check(bytes: &[u8]) {
    let Some((&size, bytes)) = bytes.split_first() else {
        return;
    };
    let whole = filtered(bytes, bytes.len());
    let pieces = filtered(bytes, usize::from(size));
    assert_eq!(whole, pieces);
    // A byte may stand for an empty authority, and eleven for `localhost`.
    assert!(whole.len() <= 11 * bytes.len());
}

/// Bytes that are read in pieces of a size.
struct Pieces<'a> {
    rest: &'a [u8],
    size: usize,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let length = self.size.min(buffer.remaining()).min(self.rest.len());
        let (piece, rest) = self.rest.split_at(length);
        buffer.put_slice(piece);
        self.rest = rest;
        Poll::Ready(Ok(()))
    }
}

fn filtered(bytes: &[u8], size: usize) -> Vec<u8> {
    let size = size.max(1);
    let mut filter = AuthorityFilter::new(Pieces { rest: bytes, size });
    let mut context = Context::from_waker(Waker::noop());
    let mut space = vec![0; 1 << 16];
    let mut out = Vec::new();
    loop {
        let mut buffer = ReadBuf::new(&mut space);
        let read = Pin::new(&mut filter).poll_read(&mut context, &mut buffer);
        // Pieces are there at once and without an error.
        assert!(matches!(read, Poll::Ready(Ok(()))));
        if buffer.filled().is_empty() {
            return out;
        }
        out.extend_from_slice(buffer.filled());
    }
}
