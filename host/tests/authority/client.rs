//! A client that sends whatever bytes it is given, and understands just enough of the answers.

use std::collections::HashMap;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::wire::{DATA, END_STREAM, GOAWAY, HEADERS, RST_STREAM};

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Client {
    connection: UnixStream,
    /// The messages of the streams that have not ended.
    messages: HashMap<u32, String>,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Answer {
    /// The name in the `PluginInfo` that came, and then the end of the stream.
    Message(String),
    /// The stream ended without a message.
    NoMessage,
    Reset(u32),
    /// The server gave up the connection.
    GoAway(u32),
}

impl Client {
    pub(crate) async fn sending(connection: UnixStream, bytes: &[u8]) -> Self {
        let mut client = Self {
            connection,
            messages: HashMap::new(),
        };
        client.send(bytes).await;
        client
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.connection.write_all(bytes).await.unwrap();
    }

    /// What comes next that decides about a request.
    pub(crate) async fn answer(&mut self) -> Answer {
        tokio::time::timeout(PATIENCE, async {
            loop {
                let (kind, flags, stream, payload) = self.frame().await;
                let code = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
                match kind {
                    // Before the name are the gRPC prefix, the tag of field 2, and the length.
                    DATA if payload.len() > 7 => {
                        self.messages
                            .insert(stream, String::from_utf8(payload[7..].to_vec()).unwrap());
                    }
                    HEADERS if flags & END_STREAM != 0 => {
                        return self
                            .messages
                            .remove(&stream)
                            .map_or(Answer::NoMessage, Answer::Message);
                    }
                    RST_STREAM => return Answer::Reset(code(0)),
                    GOAWAY => return Answer::GoAway(code(4)),
                    _ => {}
                }
            }
        })
        .await
        .unwrap()
    }

    async fn frame(&mut self) -> (u8, u8, u32, Vec<u8>) {
        let mut head = [0; 9];
        self.connection.read_exact(&mut head).await.unwrap();
        let [len0, len1, len2, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, len0, len1, len2]) as usize];
        self.connection.read_exact(&mut payload).await.unwrap();
        (kind, flags, u32::from_be_bytes(stream), payload)
    }
}
