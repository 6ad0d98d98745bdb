//! HTTP/2 frames, as far as a client of unary calls needs them (RFC 9113, sections 4 and 6).

use tokio::io::{AsyncRead, AsyncReadExt};

use super::error::RawError;

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(super) const DATA: u8 = 0x0;
pub(super) const HEADERS: u8 = 0x1;
pub(super) const RST_STREAM: u8 = 0x3;
pub(super) const SETTINGS: u8 = 0x4;
pub(super) const PING: u8 = 0x6;
pub(super) const GOAWAY: u8 = 0x7;
pub(super) const CONTINUATION: u8 = 0x9;

pub(super) const ACK: u8 = 0x1;
pub(super) const END_STREAM: u8 = 0x1;
pub(super) const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// The largest payload that a peer may send as long as we do not offer more in our settings.
const MAX_PAYLOAD: usize = 16_384;

pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

impl Frame {
    pub(super) fn new(kind: u8, flags: u8, stream: u32, payload: Vec<u8>) -> Self {
        Self {
            kind,
            flags,
            stream,
            payload,
        }
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(super) fn write_to(&self, out: &mut Vec<u8>) -> Result<(), RawError> {
        let length = u32::try_from(self.payload.len())
            .ok()
            .filter(|_| self.payload.len() <= MAX_PAYLOAD)
            .ok_or(RawError::Malformed("the request does not fit one frame"))?;
        out.extend_from_slice(&length.to_be_bytes()[1..]);
        out.extend_from_slice(&[self.kind, self.flags]);
        out.extend_from_slice(&self.stream.to_be_bytes());
        out.extend_from_slice(&self.payload);
        Ok(())
    }

    /// The next frame; `None` when the peer has hung up between two of them.
    pub(super) async fn read(
        from: &mut (impl AsyncRead + Unpin),
    ) -> Result<Option<Self>, RawError> {
        let mut head = [0; 9];
        if from.read(&mut head[..1]).await.map_err(RawError::Read)? == 0 {
            return Ok(None);
        }
        from.read_exact(&mut head[1..])
            .await
            .map_err(RawError::Read)?;
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = head;
        let length = usize::from(l0) << 16 | usize::from(l1) << 8 | usize::from(l2);
        if length > MAX_PAYLOAD {
            return Err(RawError::Malformed("a frame is larger than allowed"));
        }
        let mut payload = vec![0; length];
        from.read_exact(&mut payload)
            .await
            .map_err(RawError::Read)?;
        Ok(Some(Self {
            kind,
            flags,
            stream: u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]),
            payload,
        }))
    }

    /// The payload of a HEADERS or DATA frame without its padding and priority.
    pub(super) fn content(&self) -> Result<&[u8], RawError> {
        let mut content = self.payload.as_slice();
        if self.has(PADDED) {
            let (padding, rest) = content
                .split_first()
                .ok_or(RawError::Malformed("no pad length"))?;
            let end = rest
                .len()
                .checked_sub(usize::from(*padding))
                .ok_or(RawError::Malformed("more padding than payload"))?;
            content = &rest[..end];
        }
        if self.kind == HEADERS && self.has(PRIORITY) {
            content = content
                .get(5..)
                .ok_or(RawError::Malformed("no room for the priority"))?;
        }
        Ok(content)
    }

    /// The error code that ends an RST_STREAM frame (at 0) or follows the last stream id of a GOAWAY frame (at 4).
    pub(super) fn error_code(&self, at: usize) -> Result<u32, RawError> {
        let bytes = self.payload.get(at..at + 4);
        let code = bytes.and_then(|bytes| bytes.try_into().ok());
        code.map(u32::from_be_bytes)
            .ok_or(RawError::Malformed("no error code"))
    }
}
