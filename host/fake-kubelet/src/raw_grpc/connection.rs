//! An HTTP/2 connection that makes one unary gRPC call after the other.

use std::path::Path;
use std::time::Duration;

use loona_hpack::Decoder;
use prost::Message;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use super::error::RawError;
use super::frame::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, PING, PREFACE,
    RST_STREAM, SETTINGS,
};
use super::header_block::write_field;

/// What a call sends apart from its message.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// Such as `/pluginregistration.Registration/GetInfo`.
    pub path: &'a str,
    /// Sent as it is, valid or not.
    pub authority: &'a str,
    pub deadline: Duration,
}

/// A connection to a gRPC server on a unix socket.
pub struct RawConnection {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    decoder: Decoder<'static>,
    chunk: Option<usize>,
    next_stream: u32,
}

/// What has arrived of an answer.
#[derive(Default)]
struct Answer {
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    data: Vec<u8>,
}

impl RawConnection {
    /// Connects and waits for the server's settings, which is when grpc-go takes a connection for established.
    ///
    /// With a `chunk`, everything is written in pieces of so many bytes, each handed over to the kernel on its own.
    pub async fn open(socket: &Path, chunk: Option<usize>) -> Result<Self, RawError> {
        let stream = UnixStream::connect(socket)
            .await
            .map_err(RawError::Connect)?;
        let (reader, writer) = stream.into_split();
        let mut connection = Self {
            reader: BufReader::new(reader),
            writer,
            decoder: Decoder::new(),
            chunk,
            next_stream: 1,
        };
        let mut hello = PREFACE.to_vec();
        Frame::new(SETTINGS, 0, 0, Vec::new()).write_to(&mut hello)?;
        connection.write(&hello).await?;
        while connection.next_frame().await?.kind != SETTINGS {}
        Ok(connection)
    }

    /// Makes a call and returns the one message of its answer.
    pub async fn unary<A: Message + Default>(
        &mut self,
        call: Call<'_>,
        request: &impl Message,
    ) -> Result<A, RawError> {
        let exchange = async {
            let stream = self.send(call, request).await?;
            self.receive(stream).await
        };
        let answer = timeout(call.deadline, exchange)
            .await
            .map_err(|_| RawError::DeadlineExceeded(call.deadline))??;
        answer.message()
    }

    async fn send(&mut self, call: Call<'_>, request: &impl Message) -> Result<u32, RawError> {
        let stream = self.next_stream;
        self.next_stream += 2;
        let headers = request_headers(call);
        let mut bytes = Vec::new();
        Frame::new(HEADERS, END_HEADERS, stream, headers).write_to(&mut bytes)?;
        Frame::new(DATA, END_STREAM, stream, with_prefix(request)?).write_to(&mut bytes)?;
        self.write(&bytes).await?;
        Ok(stream)
    }

    async fn receive(&mut self, stream: u32) -> Result<Answer, RawError> {
        let mut answer = Answer::default();
        loop {
            let frame = self.next_frame().await?;
            if frame.stream != stream {
                continue;
            }
            match frame.kind {
                HEADERS => {
                    let block = self.whole_block(&frame).await?;
                    let fields = self.decoder.decode(&block).map_err(RawError::HeaderBlock)?;
                    answer.fields.extend(fields);
                }
                DATA => answer.data.extend_from_slice(frame.content()?),
                RST_STREAM => return Err(RawError::Reset(frame.error_code(0)?)),
                _ => continue,
            }
            if frame.has(END_STREAM) {
                return Ok(answer);
            }
        }
    }

    /// A header block with what follows in CONTINUATION frames.
    async fn whole_block(&mut self, headers: &Frame) -> Result<Vec<u8>, RawError> {
        let mut block = headers.content()?.to_vec();
        let mut complete = headers.has(END_HEADERS);
        while !complete {
            let frame = self.next_frame().await?;
            if frame.kind != CONTINUATION || frame.stream != headers.stream {
                return Err(RawError::Malformed("a header block is interrupted"));
            }
            block.extend_from_slice(&frame.payload);
            complete = frame.has(END_HEADERS);
        }
        Ok(block)
    }

    /// The next frame, once what concerns the whole connection has been answered.
    async fn next_frame(&mut self) -> Result<Frame, RawError> {
        let frame = Frame::read(&mut self.reader)
            .await?
            .ok_or(RawError::Closed)?;
        match frame.kind {
            SETTINGS if !frame.has(ACK) => {
                self.write_frame(&Frame::new(SETTINGS, ACK, 0, Vec::new()))
                    .await?;
            }
            PING if !frame.has(ACK) => {
                self.write_frame(&Frame::new(PING, ACK, 0, frame.payload.clone()))
                    .await?;
            }
            GOAWAY => return Err(RawError::GoAway(frame.error_code(4)?)),
            _ => {}
        }
        Ok(frame)
    }

    async fn write_frame(&mut self, frame: &Frame) -> Result<(), RawError> {
        let mut bytes = Vec::new();
        frame.write_to(&mut bytes)?;
        self.write(&bytes).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), RawError> {
        let chunk = self.chunk.unwrap_or(bytes.len()).max(1);
        for piece in bytes.chunks(chunk) {
            self.writer
                .write_all(piece)
                .await
                .map_err(RawError::Write)?;
            // Lets a server in the same runtime read the piece before the next one joins it.
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

impl Answer {
    /// The message, unless the trailers (or headers, if that is all there is) report a failure.
    fn message<A: Message + Default>(&self) -> Result<A, RawError> {
        let status = self
            .field("grpc-status")
            .and_then(|status| status.parse().ok())
            .ok_or(RawError::Malformed("no `grpc-status`"))?;
        if status != 0 {
            let message = self.field("grpc-message").unwrap_or_default();
            return Err(RawError::Status {
                code: status,
                message,
            });
        }
        match self.data.split_at_checked(5) {
            Some(([0, ..], message)) => A::decode(message).map_err(RawError::Message),
            Some(_) => Err(RawError::Malformed("the message is compressed")),
            None => Err(RawError::Malformed("no message")),
        }
    }

    fn field(&self, wanted: &str) -> Option<String> {
        let mut fields = self.fields.iter();
        let (_, value) = fields.find(|(name, _)| name == wanted.as_bytes())?;
        Some(String::from_utf8_lossy(value).into_owned())
    }
}

impl std::fmt::Debug for RawConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawConnection")
            .field("chunk", &self.chunk)
            .field("next_stream", &self.next_stream)
            .finish_non_exhaustive()
    }
}

/// The fields that grpc-go sends, in its order.
fn request_headers(call: Call<'_>) -> Vec<u8> {
    let timeout = format!("{}m", call.deadline.as_millis());
    let mut block = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", call.path),
        (":authority", call.authority),
        ("content-type", "application/grpc"),
        ("user-agent", "grpc-go/1.78.0"),
        ("te", "trailers"),
        ("grpc-timeout", &timeout),
    ] {
        write_field(&mut block, name, value);
    }
    block
}

/// A message as gRPC frames it: not compressed, its length, itself.
fn with_prefix(message: &impl Message) -> Result<Vec<u8>, RawError> {
    let length = u32::try_from(message.encoded_len())
        .map_err(|_| RawError::Malformed("the request does not fit one frame"))?;
    let mut framed = vec![0];
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(&message.encode_to_vec());
    Ok(framed)
}
