//! One connection, and the calls on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What the calls on one connection have in common.
#[derive(Debug, Default)]
pub(super) struct Connection {
    /// The calls and streams that are open.
    calls: AtomicUsize,
    /// A kubelet requests the options first; a client that only reads the list does not.
    pub(super) has_requested_options: AtomicBool,
    /// It carries the kubelet's ListAndWatch stream.
    pub(super) has_kubelet_stream: AtomicBool,
}

/// Counts a call, or its stream, for as long as it is open.
#[derive(Debug)]
pub(super) struct OpenCall(Arc<Connection>);

impl Connection {
    /// Whether no call or stream is open.
    pub(super) fn is_idle(&self) -> bool {
        self.calls.load(Ordering::Relaxed) == 0
    }
}

impl OpenCall {
    pub(super) fn new(connection: Arc<Connection>) -> Self {
        connection.calls.fetch_add(1, Ordering::Relaxed);
        Self(connection)
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}
