//! Follows the frames of one connection, however they are cut into pieces, and rewrites their header blocks.

use std::mem;

use super::frame::{CONTINUATION, HEAD_LEN, HEADERS, Head, HeaderBlock, MAX_PAYLOAD_LEN};
use super::hpack::Hpack;
use super::primitives::Unreadable;

/// The most bytes that are ever held back: a header block with the heads of its frames.
pub(super) const MAX_HELD: usize = 64 * 1024;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The frames that a peer sends, on their way to `h2`.
#[derive(Debug)]
pub(super) struct Filter {
    state: State,
    /// The head of a frame as far as it has arrived, after the earlier frames of the same header block.
    held: Vec<u8>,
    hpack: Hpack,
}

#[derive(Debug)]
enum State {
    /// So many bytes of the connection preface have passed.
    Preface { passed: usize },
    /// The head that begins at `start` of what is held is incomplete.
    Head { start: usize },
    /// The payload of a frame of a header block is incomplete. It ends at `end` of what is held.
    HeaderPayload { end: usize, last: bool },
    /// So many bytes of another frame are still to pass.
    Payload { left: usize },
    /// Nothing is understood any more, so everything passes.
    Unfiltered,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            state: State::Preface { passed: 0 },
            held: Vec::new(),
            hpack: Hpack::default(),
        }
    }
}

impl State {
    fn passing(left: usize) -> Self {
        if left == 0 {
            Self::Head { start: 0 }
        } else {
            Self::Payload { left }
        }
    }
}

impl Filter {
    /// Takes the next bytes from the peer and appends to `out` what `h2` is to see, at once unless it has to be held.
    ///
    /// That is at most eleven times as long as `input` and what was held together: a reference to a refused authority
    /// takes one byte, and what replaces it eleven.
    pub(super) fn push(&mut self, mut input: &[u8], out: &mut Vec<u8>) {
        while !input.is_empty() {
            let taken = match self.state {
                State::Preface { passed } => self.preface(passed, input, out),
                State::Head { start } => {
                    let taken = self.hold_until(start + HEAD_LEN, input);
                    if let Some(head) = self.held[start..].first_chunk() {
                        self.head(start, Head::parse(head), out);
                    }
                    taken
                }
                State::HeaderPayload { end, last } => {
                    let taken = self.hold_until(end, input);
                    if self.held.len() == end {
                        self.header_payload(last, out);
                    }
                    taken
                }
                State::Payload { left } => {
                    let taken = left.min(input.len());
                    out.extend_from_slice(&input[..taken]);
                    self.state = State::passing(left - taken);
                    taken
                }
                State::Unfiltered => {
                    out.extend_from_slice(input);
                    input.len()
                }
            };
            input = &input[taken..];
        }
    }

    /// The peer sends no more: lets go what is held.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        out.append(&mut mem::take(&mut self.held));
        self.state = State::Unfiltered;
    }

    fn preface(&mut self, passed: usize, input: &[u8], out: &mut Vec<u8>) -> usize {
        let expected = &PREFACE[passed..];
        let taken = expected.len().min(input.len());
        out.extend_from_slice(&input[..taken]);
        self.state = if input[..taken] != expected[..taken] {
            State::Unfiltered
        } else if taken == expected.len() {
            State::Head { start: 0 }
        } else {
            State::Preface {
                passed: passed + taken,
            }
        };
        taken
    }

    fn head(&mut self, start: usize, head: Head, out: &mut Vec<u8>) {
        let first = self
            .held
            .first_chunk()
            .map(Head::parse)
            .filter(|_| start > 0);
        let of_block = match first {
            None => head.kind == HEADERS,
            Some(first) if head.kind == CONTINUATION && head.stream == first.stream => true,
            // Nothing else may come before a header block has ended.
            Some(_) => return self.finish(out),
        };
        let end = self.held.len() + head.payload_len;
        if !of_block {
            out.append(&mut self.held);
            self.state = State::passing(head.payload_len);
        } else if head.payload_len > MAX_PAYLOAD_LEN || end > MAX_HELD {
            // `h2` ends the connection over frames and header lists of such a size.
            self.finish(out);
        } else if head.payload_len == 0 {
            self.header_payload(head.ends_headers(), out);
        } else {
            self.state = State::HeaderPayload {
                end,
                last: head.ends_headers(),
            };
        }
    }

    fn header_payload(&mut self, last: bool, out: &mut Vec<u8>) {
        if !last {
            self.state = State::Head {
                start: self.held.len(),
            };
            return;
        }
        match self.rewritten() {
            Ok(Some(block)) => {
                block.write(out);
                self.held.clear();
            }
            Ok(None) => out.append(&mut self.held),
            Err(Unreadable) => return self.finish(out),
        }
        self.held.shrink_to(MAX_PAYLOAD_LEN);
        self.state = State::Head { start: 0 };
    }

    /// The block in the frames that are held, unless it may stay as it is.
    fn rewritten(&mut self) -> Result<Option<HeaderBlock>, Unreadable> {
        let mut block = HeaderBlock::parse(&self.held)?;
        let fragments = self.hpack.rewrite(&block.fragments)?;
        if fragments == block.fragments {
            return Ok(None);
        }
        block.fragments = fragments;
        Ok(Some(block))
    }

    fn hold_until(&mut self, len: usize, input: &[u8]) -> usize {
        let taken = (len - self.held.len()).min(input.len());
        self.held.extend_from_slice(&input[..taken]);
        taken
    }

    #[cfg(test)]
    pub(super) fn held_len(&self) -> usize {
        self.held.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A HEADERS frame of stream 1 with the authority `/`, and what it becomes.
    const REFUSED: &[u8] = b"\0\0\x03\x01\x04\0\0\0\x01\x41\x01/";
    const ACCEPTED: &[u8] = b"\0\0\x0b\x01\x04\0\0\0\x01\x01\x09localhost";

    /// The same frame without END_HEADERS.
    const UNFINISHED: &[u8] = b"\0\0\x03\x01\0\0\0\0\x01\x41\x01/";
    const CONTINUED: &[u8] = b"\0\0\0\x09\x04\0\0\0\x01";

    /// A filter that has seen the preface.
    fn filter() -> Filter {
        let mut filter = Filter::default();
        filter.push(PREFACE, &mut Vec::new());
        filter
    }

    #[test]
    fn what_makes_no_sense_passes_with_all_that_follows() {
        let oversized = [&b"\0\x40\x01\x01\x04\0\0\0\x01"[..], &[0x86; 16_385]].concat();
        let empty = b"\0\0\0\x09\0\0\0\0\x01".repeat(MAX_HELD / HEAD_LEN);
        let endless = [UNFINISHED, &empty, CONTINUED].concat();
        for (name, input) in [
            (
                "an index of nothing",
                &b"\0\0\x01\x01\x04\0\0\0\x01\xbe"[..],
            ),
            (
                "more padding than payload",
                b"\0\0\x01\x01\x0c\0\0\0\x01\x01",
            ),
            (
                "a frame within a header block",
                &[UNFINISHED, b"\0\0\0\0\0\0\0\0\x01", CONTINUED].concat(),
            ),
            (
                "another stream within a header block",
                &[UNFINISHED, b"\0\0\0\x09\x04\0\0\0\x03"].concat(),
            ),
            ("a second HEADERS within a header block", UNFINISHED),
            ("a frame above the limit", &oversized),
            ("a block above the limit", &endless),
        ] {
            let input = [input, REFUSED].concat();
            let mut out = Vec::new();
            filter().push(&input, &mut out);
            assert!(out == input, "{name}");
        }
    }

    #[test]
    fn other_protocols_pass() {
        for input in [&b"GET / HTTP/1.1\r\n"[..], b"PRI * HTTP/2.0\r\n\r\nSX"] {
            let input = [input, REFUSED].concat();
            let mut out = Vec::new();
            Filter::default().push(&input, &mut out);
            assert_eq!(out, input);
        }
    }

    #[test]
    fn header_blocks_are_found_among_other_frames() {
        let ping = b"\0\0\x08\x06\0\0\0\0\0\x01\x04\0\0\0\x01\x41\x01";
        let stray = b"\0\0\x03\x09\x04\0\0\0\x01\x41\x01/";
        let input = [
            &ping[..],
            REFUSED,
            b"\0\0\0\x04\x01\0\0\0\0",
            UNFINISHED,
            CONTINUED,
            stray,
        ]
        .concat();
        let expected = [
            &ping[..],
            ACCEPTED,
            b"\0\0\0\x04\x01\0\0\0\0",
            ACCEPTED,
            stray,
        ]
        .concat();
        let mut out = Vec::new();
        filter().push(&input, &mut out);
        assert_eq!(out, expected);
    }

    #[test]
    fn what_is_incomplete_is_let_go_in_the_end() {
        for len in 0..UNFINISHED.len() {
            let mut filter = filter();
            let mut out = Vec::new();
            filter.push(&UNFINISHED[..len], &mut out);
            assert_eq!(out, b"");
            filter.finish(&mut out);
            assert_eq!(out, &UNFINISHED[..len]);
        }
    }

    #[test]
    fn data_is_not_held() {
        let mut filter = filter();
        let mut out = Vec::new();
        filter.push(b"\xff\xff\xff\0\0\0\0\0\x01", &mut out);
        for _ in 0..100 {
            out.clear();
            filter.push(&[1; 1000], &mut out);
            assert_eq!(out, [1; 1000]);
        }
    }
}
