//! A client that sends whatever bytes it is given, and understands just enough of the answers.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::wire::{ACK, DATA, END_STREAM, GOAWAY, HEADERS, RST_STREAM, SETTINGS, frame};

/// Far longer than anything here takes.
const TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Client(UnixStream);

#[derive(Debug, PartialEq)]
pub(crate) enum Answer {
    /// The server ended a stream in good order.
    Complete,
    Reset(u32),
    /// The server gave up the connection.
    GoAway(u32),
}

impl Client {
    pub(crate) fn new(connection: UnixStream) -> Self {
        Self(connection)
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    pub(crate) async fn acknowledge(&mut self) {
        self.send(&frame(SETTINGS, ACK, 0, b"")).await;
    }

    /// The settings of the server, which are in its first frame.
    pub(crate) async fn settings(&mut self) -> Vec<u8> {
        let (kind, flags, payload) = self.frame().await;
        assert_eq!((kind, flags), (SETTINGS, 0));
        payload
    }

    /// What comes next that decides about a request.
    pub(crate) async fn answer(&mut self) -> Answer {
        loop {
            let (kind, flags, payload) = self.frame().await;
            let code = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
            match kind {
                HEADERS | DATA if flags & END_STREAM != 0 => return Answer::Complete,
                RST_STREAM => return Answer::Reset(code(0)),
                GOAWAY => return Answer::GoAway(code(4)),
                _ => {}
            }
        }
    }

    async fn frame(&mut self) -> (u8, u8, Vec<u8>) {
        let read = async {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).await.unwrap();
            let [high, middle, low, kind, flags, ..] = head;
            let mut payload = vec![0; u32::from_be_bytes([0, high, middle, low]) as usize];
            self.0.read_exact(&mut payload).await.unwrap();
            (kind, flags, payload)
        };
        tokio::time::timeout(TIMEOUT, read).await.unwrap()
    }
}
