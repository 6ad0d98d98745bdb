//! Frames (RFC 9113): follows those of one connection, however they are cut into pieces, and rewrites header blocks.

use std::mem;

use crate::block;

/// The most bytes that are ever held back: a header block with the heads of its frames.
pub(crate) const MAX_HELD: usize = 64 * 1024;

/// The payload that a server accepts in one frame unless it announces more.
const MAX_PAYLOAD: usize = 16_384;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEAD: usize = 9;
const PRIORITY_FIELDS: usize = 5;

const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;

const END_HEADERS: u8 = 0x04;
const PADDED: u8 = 0x08;
const PRIORITY: u8 = 0x20;

/// The frames that a peer sends, on their way to `h2`.
#[derive(Debug)]
pub(crate) struct Frames {
    state: State,
    /// The head of a frame as far as it has arrived, after the earlier frames of the same header block.
    held: Vec<u8>,
}

#[derive(Debug)]
enum State {
    /// So many bytes of the connection preface have passed.
    Preface { passed: usize },
    /// The head that begins at `start` of what is held is incomplete.
    Head { start: usize },
    /// The payload of a frame of a header block is incomplete. It ends at `end` of what is held.
    Block { end: usize, is_last: bool },
    /// So many bytes of another frame are still to pass.
    Payload { left: usize },
    /// This is no HTTP/2, or `h2` ends the connection over it: everything passes.
    Unfiltered,
}

#[derive(Debug)]
struct Head<'a> {
    length: usize,
    kind: u8,
    flags: u8,
    stream: &'a [u8],
}

impl Default for Frames {
    fn default() -> Self {
        Self {
            state: State::Preface { passed: 0 },
            held: Vec::new(),
        }
    }
}

impl Frames {
    /// Takes the next bytes from the peer and appends to `out` what `h2` is to read, at once unless it has to be held.
    pub(crate) fn push(&mut self, mut input: &[u8], out: &mut Vec<u8>) {
        while !input.is_empty() {
            let taken = match self.state {
                State::Preface { passed } => self.preface(passed, input, out),
                State::Head { start } => {
                    let taken = self.hold_until(start + HEAD, input);
                    if self.held.len() == start + HEAD {
                        self.head(start, out);
                    }
                    taken
                }
                State::Block { end, is_last } => {
                    let taken = self.hold_until(end, input);
                    if self.held.len() == end {
                        self.payload(is_last, out);
                    }
                    taken
                }
                State::Payload { left } => {
                    let taken = left.min(input.len());
                    out.extend_from_slice(&input[..taken]);
                    self.pass(left - taken);
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

    /// Lets go what is held: the peer sends no more, or nothing that could be filtered.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
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

    fn head(&mut self, start: usize, out: &mut Vec<u8>) {
        let (first, head) = (Head::of(&self.held), Head::of(&self.held[start..]));
        let is_of_block = match start {
            0 => head.kind == HEADERS,
            _ => head.kind == CONTINUATION && head.stream == first.stream,
        };
        let end = self.held.len() + head.length;
        let is_last = head.flags & END_HEADERS != 0;
        if !is_of_block && start == 0 {
            let length = head.length;
            out.append(&mut self.held);
            self.pass(length);
        } else if !is_of_block || head.length > MAX_PAYLOAD || end > MAX_HELD {
            self.finish(out);
        } else if head.length == 0 {
            self.payload(is_last, out);
        } else {
            self.state = State::Block { end, is_last };
        }
    }

    fn payload(&mut self, is_last: bool, out: &mut Vec<u8>) {
        if !is_last {
            self.state = State::Head {
                start: self.held.len(),
            };
            return;
        }
        if !rewrite(&self.held, out) {
            out.extend_from_slice(&self.held);
        }
        self.held.clear();
        self.held.shrink_to(MAX_PAYLOAD);
        self.state = State::Head { start: 0 };
    }

    fn pass(&mut self, left: usize) {
        self.state = match left {
            0 => State::Head { start: 0 },
            left => State::Payload { left },
        };
    }

    fn hold_until(&mut self, length: usize, input: &[u8]) -> usize {
        let taken = (length - self.held.len()).min(input.len());
        self.held.extend_from_slice(&input[..taken]);
        taken
    }

    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.held.len()
    }
}

impl<'a> Head<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self {
            length: u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]) as usize,
            kind: bytes[3],
            flags: bytes[4],
            stream: &bytes[5..HEAD],
        }
    }
}

/// Appends one HEADERS frame in the place of `frames`, which are those of one header block, unless they may stay as they
/// are.
fn rewrite(frames: &[u8], out: &mut Vec<u8>) -> bool {
    let head = Head::of(frames);
    let Some((priority, block)) = parts(&head, frames) else {
        return false;
    };
    let Some(block) = block::rewritten(&block, MAX_PAYLOAD - priority.len()) else {
        return false;
    };
    let [.., high, middle, low] = (priority.len() + block.len()).to_be_bytes();
    out.extend_from_slice(&[high, middle, low, HEADERS]);
    out.push(head.flags & !PADDED | END_HEADERS);
    out.extend_from_slice(head.stream);
    out.extend_from_slice(priority);
    out.extend_from_slice(&block);
    true
}

/// The priority that is in front of a header block, and the block.
fn parts<'a>(first: &Head<'_>, frames: &'a [u8]) -> Option<(&'a [u8], Vec<u8>)> {
    let (mut payload, mut rest) = frames[HEAD..].split_at(first.length);
    if first.flags & PADDED != 0 {
        let padding = usize::from(*payload.split_off_first()?);
        payload = &payload[..payload.len().checked_sub(padding)?];
    }
    let has_priority = first.flags & PRIORITY != 0;
    let priority = payload.split_off(..if has_priority { PRIORITY_FIELDS } else { 0 })?;
    let mut block = payload.to_vec();
    while !rest.is_empty() {
        let (payload, after) = rest[HEAD..].split_at(Head::of(rest).length);
        block.extend_from_slice(payload);
        rest = after;
    }
    Some((priority, block))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::frame;

    /// A HEADERS frame of stream 1 with the authority `/`, and what it becomes.
    const REFUSED: &[u8] = b"\0\0\x03\x01\x04\0\0\0\x01\x41\x01/";
    const ACCEPTED: &[u8] = b"\0\0\x03\x01\x04\0\0\0\x01\x41\x01x";

    /// The same frame without END_HEADERS.
    const UNFINISHED: &[u8] = b"\0\0\x03\x01\0\0\0\0\x01\x41\x01/";
    const CONTINUED: &[u8] = b"\0\0\0\x09\x04\0\0\0\x01";

    /// What comes out after the preface.
    #[track_caller]
    fn check(name: &str, input: &[&[u8]], expected: &[&[u8]]) {
        let mut frames = Frames::default();
        frames.push(PREFACE, &mut Vec::new());
        let mut out = Vec::new();
        frames.push(&input.concat(), &mut out);
        assert!(out == expected.concat(), "{name}: {out:x?}");
    }

    #[test]
    fn a_block_that_makes_no_sense_passes_alone() {
        for (name, payload, flags) in [
            ("an integer without an end", &b"\x41\x01/\xff"[..], 0),
            ("more padding than payload", b"\x04abc", PADDED),
            ("no padding", b"", PADDED),
            ("half of a priority", b"1234", PRIORITY),
            (
                "half of a priority before padding",
                b"\x0412345abc",
                PADDED | PRIORITY,
            ),
        ] {
            let odd = frame(HEADERS, flags | END_HEADERS, payload);
            check(name, &[&odd, REFUSED], &[&odd, ACCEPTED]);
        }
    }

    #[test]
    fn frames_over_which_h2_ends_the_connection_pass_with_all_that_follows() {
        let oversized = frame(HEADERS, END_HEADERS, &[0x86; MAX_PAYLOAD + 1]);
        let empty = frame(CONTINUATION, 0, b"").repeat(MAX_HELD / HEAD);
        for (name, input) in [
            (
                "a frame within a header block",
                &[UNFINISHED, &frame(0, 0, b""), CONTINUED].concat()[..],
            ),
            (
                "another stream within a header block",
                &[UNFINISHED, b"\0\0\0\x09\x04\0\0\0\x03"].concat(),
            ),
            ("a second HEADERS within a header block", UNFINISHED),
            ("a frame above the limit", &oversized),
            (
                "a block above the limit",
                &[UNFINISHED, &empty, CONTINUED].concat(),
            ),
        ] {
            check(name, &[input, REFUSED], &[input, REFUSED]);
        }
    }

    #[test]
    fn other_protocols_pass() {
        for input in [&b"GET / HTTP/1.1\r\n"[..], b"PRI * HTTP/2.0\r\n\r\nSX"] {
            let input = [input, REFUSED].concat();
            let mut out = Vec::new();
            Frames::default().push(&input, &mut out);
            assert_eq!(out, input);
        }
    }

    #[test]
    fn header_blocks_are_found_among_other_frames() {
        let ping = b"\0\0\x08\x06\0\0\0\0\0\x01\x04\0\0\0\x01\x41\x01";
        let settings = b"\0\0\0\x04\x01\0\0\0\0";
        let stray = b"\0\0\x03\x09\x04\0\0\0\x01\x41\x01/";
        check(
            "among others",
            &[ping, REFUSED, settings, UNFINISHED, CONTINUED, stray],
            &[ping, ACCEPTED, settings, ACCEPTED, stray],
        );
    }

    #[test]
    fn a_block_in_pieces_with_padding_and_priority_becomes_one_frame() {
        let flags = PADDED | PRIORITY | 0x01;
        check(
            "in pieces",
            &[
                &frame(HEADERS, flags, b"\x0212345\x83\x41\0\0"),
                &frame(CONTINUATION, 0, b""),
                &frame(CONTINUATION, END_HEADERS, b"\x01/\x84"),
            ],
            &[&frame(
                HEADERS,
                PRIORITY | 0x01 | END_HEADERS,
                b"12345\x83\x41\x01x\x84",
            )],
        );
        // It would not fit in one frame.
        let block = [&[0x81][..], &[0x86; MAX_PAYLOAD - 1]].concat();
        let full = frame(HEADERS, END_HEADERS, &block);
        check("a full frame", &[&full, REFUSED], &[&full, ACCEPTED]);
    }

    #[test]
    fn data_is_not_held() {
        let mut frames = Frames::default();
        let mut out = Vec::new();
        frames.push(PREFACE, &mut out);
        frames.push(b"\xff\xff\xff\0\0\0\0\0\x01", &mut out);
        for _ in 0..100 {
            out.clear();
            frames.push(&[1; 1000], &mut out);
            assert_eq!(out, [1; 1000]);
        }
    }
}
