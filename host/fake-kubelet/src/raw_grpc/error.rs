//! How a raw call can fail: in the transport, in HTTP/2, or with a gRPC status.

use std::io;
use std::time::Duration;

use thiserror::Error;

#[derive(Debug, Error)]
pub enum RawError {
    #[error("failed to connect")]
    Connect(#[source] io::Error),
    #[error("failed to write the request")]
    Write(#[source] io::Error),
    #[error("failed to read the answer")]
    Read(#[source] io::Error),
    /// The server hung up before it answered.
    #[error("the connection was closed")]
    Closed,
    #[error("stream terminated by RST_STREAM with error code: {}", code_name(*.0))]
    Reset(u32),
    #[error("connection terminated by GOAWAY with error code: {}", code_name(*.0))]
    GoAway(u32),
    #[error("failed to decode a header block")]
    HeaderBlock(#[source] loona_hpack::decoder::DecoderError),
    /// The frames do not make up an HTTP/2 stream with one gRPC message.
    #[error("malformed answer: {0}")]
    Malformed(&'static str),
    #[error("failed to decode the message")]
    Message(#[source] prost::DecodeError),
    /// The answer itself: a failure, as the server reports it.
    #[error("status {code}: {message}")]
    Status { code: u32, message: String },
    #[error("no answer within {0:?}")]
    DeadlineExceeded(Duration),
}

impl RawError {
    /// The name of the HTTP/2 error code with which the server ended the stream or the connection.
    pub fn http2_code(&self) -> Option<&'static str> {
        match self {
            Self::Reset(code) | Self::GoAway(code) => Some(code_name(*code)),
            _ => None,
        }
    }
}

/// The names of RFC 9113, section 7.
fn code_name(code: u32) -> &'static str {
    const NAMES: [&str; 14] = [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY",
        "HTTP_1_1_REQUIRED",
    ];
    let index = usize::try_from(code).unwrap_or(usize::MAX);
    NAMES.get(index).copied().unwrap_or("unknown")
}
