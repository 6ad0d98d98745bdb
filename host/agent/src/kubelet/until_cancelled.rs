//! A stream that somebody else can end.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio_stream::Stream;
use tokio_util::sync::WaitForCancellationFutureOwned;

/// A stream that ends with its own end or with the server's.
pub(super) struct UntilCancelled<S> {
    pub(super) stream: Pin<Box<S>>,
    pub(super) ended: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl<S: Stream> Stream for UntilCancelled<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        if self.ended.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        self.stream.as_mut().poll_next(cx)
    }
}
