//! The ListAndWatch streams of a socket, and which of them is the kubelet's.
//!
//! Other clients, such as debugging tools, may read the list as well. Such a stream is not evidence of a registration,
//! and must not stand in for the kubelet's, which may have ended. A registration announces the kubelet's stream: the call
//! of `Register`, or the plugin watcher's call of `GetInfo`. Kubelets since 1.25, and every plugin watcher, request the
//! options on the same connection first; where none does, the first stream after the announcement counts.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::watch;

use super::connection::{Connection, OpenCall};

/// The streams of a socket, as they come and go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Streams {
    opened: u64,
    /// How many there are, of all clients.
    pub(super) open: u64,
    expected: ExpectedStream,
    /// The kubelet's newest.
    kubelet: Option<u64>,
    kubelet_is_open: bool,
}

/// Whether a kubelet is about to open its stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ExpectedStream {
    #[default]
    None,
    Announced,
    /// A stream was opened that may be the kubelet's.
    Guessed,
}

impl Streams {
    /// A kubelet registers this socket, and will open a stream.
    pub(super) fn announce_kubelet(&mut self) {
        self.expected = ExpectedStream::Announced;
    }

    /// It has not registered this socket after all.
    pub(super) fn withdraw_kubelet(&mut self) {
        self.expected = ExpectedStream::None;
    }

    /// Whether a kubelet has opened its stream.
    pub(super) fn kubelet_has_come(&self) -> bool {
        self.kubelet.is_some()
    }

    /// Whether the kubelet's stream is open.
    pub(super) fn kubelet_is_here(&self) -> bool {
        self.kubelet_is_open
    }

    /// Counts a new stream; returns its number and whether it is the kubelet's.
    fn open(&mut self, has_requested_options: bool) -> (u64, bool) {
        self.opened += 1;
        self.open += 1;
        let is_kubelets = match self.expected {
            ExpectedStream::None => false,
            ExpectedStream::Announced => has_requested_options || !self.kubelet_is_open,
            ExpectedStream::Guessed => has_requested_options,
        };
        if is_kubelets {
            self.kubelet = Some(self.opened);
            self.kubelet_is_open = true;
            self.expected = if has_requested_options {
                ExpectedStream::None
            } else {
                ExpectedStream::Guessed
            };
        }
        (self.opened, is_kubelets)
    }

    fn close(&mut self, number: u64) {
        self.open -= 1;
        if self.kubelet == Some(number) {
            self.kubelet_is_open = false;
        }
    }
}

/// Counts a stream for as long as it lives.
#[derive(Debug)]
pub(super) struct OpenStream {
    number: u64,
    streams: watch::Sender<Streams>,
    _call: OpenCall,
}

impl OpenStream {
    pub(super) fn new(streams: watch::Sender<Streams>, connection: Arc<Connection>) -> Self {
        let has_requested_options = connection.has_requested_options.load(Ordering::Relaxed);
        let mut number = 0;
        streams.send_modify(|streams| {
            let (opened, is_kubelets) = streams.open(has_requested_options);
            number = opened;
            if is_kubelets {
                connection.has_kubelet_stream.store(true, Ordering::Relaxed);
            }
        });
        Self {
            number,
            streams,
            _call: OpenCall::new(connection),
        }
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.streams
            .send_modify(|streams| streams.close(self.number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Events: `a` announces, `w` withdraws, `k` opens a stream after the options, `r` one without, a digit closes that
    /// stream. Expected: whether the kubelet has come, and is here.
    #[test]
    fn a_reader_is_not_taken_for_the_kubelet() {
        let cases = [
            ("", (false, false), "no stream"),
            ("r", (false, false), "a reader before the registration"),
            ("ak", (true, true), "a kubelet"),
            ("ak1", (true, false), "it ended its stream"),
            ("akr1", (true, false), "it ended its stream, a reader stays"),
            ("rak2", (true, false), "a reader that came first"),
            ("ark2", (true, false), "a reader that came in between"),
            ("ark1", (true, true), "that reader leaves"),
            ("akr2", (true, true), "a reader leaves"),
            ("ar1", (true, false), "a kubelet that requests no options"),
            ("arr1", (true, false), "the same, with a reader"),
            ("ak1ak", (true, true), "a kubelet that restarted"),
            ("akr1ak3", (true, false), "the same, with a reader"),
            ("akak1", (true, true), "a kubelet that registers twice"),
            ("akak12", (true, false), "and ends both"),
            (
                "akar1",
                (true, false),
                "a second registration, and a reader",
            ),
            ("akawk1", (true, false), "a second registration that failed"),
        ];
        for (events, expected, why) in cases {
            let mut streams = Streams::default();
            for event in events.chars() {
                match event {
                    'a' => streams.announce_kubelet(),
                    'w' => streams.withdraw_kubelet(),
                    'k' | 'r' => drop(streams.open(event == 'k')),
                    digit => streams.close(digit.to_digit(10).unwrap().into()),
                }
            }
            let is = (streams.kubelet_has_come(), streams.kubelet_is_here());
            assert_eq!(is, expected, "{events}: {why}");
        }
    }
}
