//! What the fuzz targets of `fuzz/` call: each function takes bytes from outside, and panics where a promise is broken.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use sriovdp_authority_filter::AuthorityFilter;
use sriovdp_kubelet::PodDevices;
use tokio::io::{AsyncRead, ReadBuf};

use crate::config;
use crate::config::Defaults;
use crate::events;
use crate::output;

/// A configuration, whose resource names are fit for a socket.
pub fn configuration(text: &[u8]) {
    let defaults = Defaults {
        resource_prefix: "intel.com".to_owned(),
        registry: "/var/lib/kubelet/plugins_registry".into(),
    };
    let parsed = config::parse(text, Path::new("config.json"), &defaults);
    for resource in parsed.into_iter().flat_map(|parsed| parsed.resources) {
        let stem = resource.name.file_stem();
        assert!(!stem.contains('/') && !stem.starts_with('.'), "{stem}");
        assert!(!resource.selection.alternatives.is_empty());
    }
}

/// The kubelet's checkpoint.
pub fn checkpoint(text: &[u8]) {
    let _ = PodDevices::from_checkpoint(text);
}

/// A CDI specification in the directory that all plugins share.
pub fn cdi(text: &[u8]) {
    let _ = output::cdi::is_specification(text);
}

/// A file in the provider directory.
pub fn elf(file: &[u8]) {
    if let Ok(library) = sriovdp_providers::check_elf(file) {
        let length = u64::try_from(file.len()).unwrap_or(u64::MAX);
        assert!(library.loaded.iter().all(|part| part.end <= length));
    }
}

/// A message of the kernel.
pub fn events(message: &[u8]) {
    let _ = events::scopes(message);
}

/// Bytes of a peer: what the filter makes of them does not depend on the pieces in which they come.
pub fn authority(bytes: &[u8]) {
    let Some((&size, bytes)) = bytes.split_first() else {
        return;
    };
    let whole = filtered(bytes, bytes.len());
    let pieces = filtered(bytes, usize::from(size));
    assert_eq!(whole, pieces);
    // A byte may stand for an empty authority, and eleven for `localhost`.
    assert!(whole.len() <= 11 * bytes.len());
}

/// The same for bytes that are whole frames of a connection, with kinds and flags from the input.
pub fn http2_frames(bytes: &[u8]) {
    let mut connection = vec![3];
    connection.extend(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    for part in bytes.chunks(24) {
        let [kind, flags, stream, payload @ ..] = part else {
            break;
        };
        let length = u8::try_from(payload.len()).unwrap_or_default();
        connection.extend([0, 0, length, kind % 11, *flags, 0, 0, 0, stream % 8]);
        connection.extend(payload);
    }
    authority(&connection);
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
