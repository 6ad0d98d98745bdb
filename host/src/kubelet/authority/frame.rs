//! The format of HTTP/2 frames, as far as header blocks are concerned (RFC 9113, sections 4.1, 6.2 and 6.10).

use super::primitives::Unreadable;

pub(super) const HEAD_LEN: usize = 9;

/// The payload that a server accepts in one frame unless it announces more, which tonic's servers do not.
pub(super) const MAX_PAYLOAD_LEN: usize = 16_384;

pub(super) const HEADERS: u8 = 1;
pub(super) const CONTINUATION: u8 = 9;

const END_HEADERS: u8 = 0x04;
const PADDED: u8 = 0x08;
const PRIORITY: u8 = 0x20;

const PRIORITY_LEN: usize = 5;

/// What precedes the payload of every frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) payload_len: usize,
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: [u8; 4],
}

/// A header block, together with what its HEADERS frame says besides.
#[derive(Debug)]
pub(super) struct HeaderBlock {
    pub(super) fragments: Vec<u8>,
    head: Head,
    priority: Vec<u8>,
}

impl Head {
    pub(super) fn parse(bytes: &[u8; HEAD_LEN]) -> Self {
        let [len0, len1, len2, kind, flags, stream @ ..] = *bytes;
        Self {
            payload_len: u32::from_be_bytes([0, len0, len1, len2]) as usize,
            kind,
            flags,
            stream,
        }
    }

    pub(super) fn ends_headers(&self) -> bool {
        self.flags & END_HEADERS != 0
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let [.., len0, len1, len2] = self.payload_len.to_be_bytes();
        out.extend_from_slice(&[len0, len1, len2]);
        out.extend_from_slice(&[self.kind, self.flags]);
        out.extend_from_slice(&self.stream);
    }
}

impl HeaderBlock {
    /// Takes the block out of a HEADERS frame and the CONTINUATION frames that follow it.
    pub(super) fn parse(frames: &[u8]) -> Result<Self, Unreadable> {
        let (head, mut payload, mut rest) = split_frame(frames)?;
        if head.flags & PADDED != 0 {
            let (&padding, padded) = payload.split_first().ok_or(Unreadable)?;
            let len = padded.len().checked_sub(padding.into()).ok_or(Unreadable)?;
            payload = &padded[..len];
        }
        let priority_len = if head.flags & PRIORITY != 0 {
            PRIORITY_LEN
        } else {
            0
        };
        let (priority, first) = payload.split_at_checked(priority_len).ok_or(Unreadable)?;
        let mut fragments = first.to_vec();
        while !rest.is_empty() {
            let (_, payload, after) = split_frame(rest)?;
            fragments.extend_from_slice(payload);
            rest = after;
        }
        Ok(Self {
            fragments,
            head,
            priority: priority.to_vec(),
        })
    }

    /// Writes the block as one HEADERS frame without padding, continued in as few others as possible.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut head = Head {
            kind: HEADERS,
            flags: self.head.flags & !PADDED,
            ..self.head
        };
        let mut prefix = self.priority.as_slice();
        let mut rest = self.fragments.as_slice();
        loop {
            let (fragment, after) = rest.split_at(rest.len().min(MAX_PAYLOAD_LEN - prefix.len()));
            head.payload_len = prefix.len() + fragment.len();
            head.flags = if after.is_empty() {
                head.flags | END_HEADERS
            } else {
                head.flags & !END_HEADERS
            };
            head.write(out);
            out.extend_from_slice(prefix);
            out.extend_from_slice(fragment);
            if after.is_empty() {
                break;
            }
            head = Head {
                kind: CONTINUATION,
                flags: 0,
                ..head
            };
            prefix = &[];
            rest = after;
        }
    }
}

fn split_frame(bytes: &[u8]) -> Result<(Head, &[u8], &[u8]), Unreadable> {
    let (head, rest) = bytes.split_first_chunk().ok_or(Unreadable)?;
    let head = Head::parse(head);
    let (payload, rest) = rest.split_at_checked(head.payload_len).ok_or(Unreadable)?;
    Ok((head, payload, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_and_priority_are_no_part_of_the_block() {
        for (flags, payload, expected) in [
            (0x00, &b"abc"[..], Ok(&b"abc"[..])),
            (PADDED, b"\x02abc\0\0", Ok(b"abc")),
            (PADDED, b"\x00", Ok(b"")),
            (PADDED, b"\x03abc", Ok(b"")),
            (PADDED, b"\x04abc", Err(Unreadable)),
            (PADDED, b"", Err(Unreadable)),
            (PRIORITY, b"12345abc", Ok(b"abc")),
            (PRIORITY, b"1234", Err(Unreadable)),
            (PADDED | PRIORITY, b"\x0112345abc\0", Ok(b"abc")),
            (PADDED | PRIORITY, b"\x0412345abc", Err(Unreadable)),
        ] {
            let mut frame = Vec::new();
            Head {
                payload_len: payload.len(),
                kind: HEADERS,
                flags,
                stream: [0, 0, 0, 1],
            }
            .write(&mut frame);
            frame.extend_from_slice(payload);
            let block = HeaderBlock::parse(&frame).map(|block| block.fragments);
            assert_eq!(
                block.as_deref().map_err(|&error| error),
                expected,
                "{flags:#x} {payload:x?}"
            );
        }
    }

    #[test]
    fn a_block_is_split_again_as_its_length_demands() {
        let full = MAX_PAYLOAD_LEN;
        for (fragments_len, payload_lens) in [
            (0, &[5][..]),
            (full - 5, &[full]),
            (full - 4, &[full, 1]),
            (2 * full, &[full, full, 5]),
        ] {
            let head = Head {
                payload_len: 0,
                kind: HEADERS,
                flags: PRIORITY | PADDED | 0x01,
                stream: [0, 0, 0, 3],
            };
            let block = HeaderBlock {
                fragments: vec![b'h'; fragments_len],
                head,
                priority: b"12345".to_vec(),
            };
            let mut frames = Vec::new();
            block.write(&mut frames);

            let parsed = HeaderBlock::parse(&frames).unwrap();
            assert_eq!(
                (parsed.fragments, parsed.priority),
                (block.fragments, block.priority)
            );
            let mut rest = frames.as_slice();
            for (number, &payload_len) in payload_lens.iter().enumerate() {
                let (head, _, after) = split_frame(rest).unwrap();
                let (kind, flags) = if number == 0 {
                    (HEADERS, PRIORITY | 0x01)
                } else {
                    (CONTINUATION, 0)
                };
                let end = if after.is_empty() { END_HEADERS } else { 0 };
                assert_eq!(
                    head,
                    Head {
                        payload_len,
                        kind,
                        flags: flags | end,
                        stream: [0, 0, 0, 3]
                    }
                );
                rest = after;
            }
            assert_eq!(rest, b"");
        }
    }
}
