//! Properties of the filter for arbitrary peers: broken ones, correct ones, and ones that `h2` would refuse.

use std::collections::VecDeque;

use http::uri::Authority;
use proptest::collection::vec;
use proptest::prelude::*;

use super::filter::{Filter, MAX_HELD};
use super::frame::{CONTINUATION, HEADERS, Head, HeaderBlock};
use super::hpack::SUBSTITUTE;
use super::primitives::{Prefix, Reader, write_integer};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Gives `input` to a filter in chunks of the lengths given, over and over, and returns all that comes out.
fn filtered(input: &[u8], chunk_lens: &[usize]) -> Vec<u8> {
    let mut filter = Filter::default();
    let mut out = Vec::new();
    let mut lens = chunk_lens.iter().cycle();
    let mut rest = input;
    while !rest.is_empty() {
        let (chunk, after) =
            rest.split_at(rest.len().min(lens.next().copied().unwrap_or(rest.len())));
        let held = filter.held_len();
        let before = out.len();
        filter.push(chunk, &mut out);
        assert!(filter.held_len() <= MAX_HELD);
        assert!(out.len() - before <= SUBSTITUTE.len() * (held + chunk.len()));
        rest = after;
    }
    filter.finish(&mut out);
    assert_eq!(filter.held_len(), 0);
    out
}

fn chunk_lens() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        Just(vec![1]),
        vec(1..40_usize, 1..5),
        vec(1..5000_usize, 1..5)
    ]
}

/// What a peer writes as one header.
#[derive(Debug, Clone)]
enum Written {
    /// A reference to a static header other than `:authority`.
    Static(usize),
    /// A reference to a dynamic entry, if there is any, chosen by this number.
    Dynamic(usize),
    Literal {
        pattern: u8,
        name: Name,
        value: Vec<u8>,
        huffman: bool,
    },
    SizeUpdate(usize),
}

#[derive(Debug, Clone)]
enum Name {
    Static(usize),
    /// The name of a dynamic entry, if there is any, chosen by this number.
    Dynamic(usize),
    Spelt(&'static [u8]),
}

type Header = (Vec<u8>, Vec<u8>);

/// A decoder as simple as can be. Names and values of the static table, but for `:authority`, stand for themselves.
#[derive(Default)]
struct Decoder {
    dynamic: VecDeque<Header>,
    max_size: Option<usize>,
}

impl Decoder {
    fn decode(&mut self, block: &[u8]) -> Vec<Header> {
        let mut headers = Vec::new();
        let mut reader = Reader::new(block);
        while let Some(&first) = reader.rest().first() {
            match first {
                0x80.. => headers.push(self.header(reader.integer(7).unwrap())),
                0x40..0x80 => {
                    let header = self.literal(6, &mut reader);
                    self.dynamic.push_front(header.clone());
                    headers.push(header);
                }
                0x20..0x40 => self.max_size = Some(reader.integer(5).unwrap()),
                0x00..0x20 => headers.push(self.literal(4, &mut reader)),
            }
            let size = |(name, value): &Header| name.len() + value.len() + 32;
            while self.dynamic.iter().map(size).sum::<usize>() > self.max_size.unwrap_or(4096) {
                self.dynamic.pop_back();
            }
        }
        headers
    }

    fn literal(&self, prefix_bits: u32, reader: &mut Reader<'_>) -> Header {
        let name = match reader.integer(prefix_bits).unwrap() {
            0 => reader.string().unwrap().into_owned(),
            index => self.header(index).0,
        };
        (name, reader.string().unwrap().into_owned())
    }

    fn header(&self, index: usize) -> Header {
        match index {
            1 => (b":authority".to_vec(), Vec::new()),
            // The names that `names` chooses from need their true lengths.
            31 => (b"content-type".to_vec(), b"31".to_vec()),
            58 => (b"user-agent".to_vec(), b"58".to_vec()),
            2..=61 => (
                format!("static {index}").into_bytes(),
                index.to_string().into_bytes(),
            ),
            _ => self.dynamic[index - 62].clone(),
        }
    }

    /// Encodes as a peer would whose table this is.
    fn encode(&mut self, written: &[Written]) -> Vec<u8> {
        let mut block = Vec::new();
        for one in written {
            let start = block.len();
            let dynamic_index = |choice: usize| {
                choice
                    .checked_rem(self.dynamic.len())
                    .map(|newer| 62 + newer)
            };
            match one {
                Written::Static(index) => write_integer(
                    &mut block,
                    Prefix {
                        pattern: 0x80,
                        bits: 7,
                    },
                    *index,
                ),
                Written::Dynamic(choice) => {
                    if let Some(index) = dynamic_index(*choice) {
                        write_integer(
                            &mut block,
                            Prefix {
                                pattern: 0x80,
                                bits: 7,
                            },
                            index,
                        );
                    }
                }
                Written::Literal {
                    pattern,
                    name,
                    value,
                    huffman,
                } => {
                    let prefix = Prefix {
                        pattern: *pattern,
                        bits: if *pattern == 0x40 { 6 } else { 4 },
                    };
                    match name {
                        Name::Static(index) => write_integer(&mut block, prefix, *index),
                        Name::Dynamic(choice) => {
                            write_integer(&mut block, prefix, dynamic_index(*choice).unwrap_or(1))
                        }
                        Name::Spelt(name) => {
                            write_integer(&mut block, prefix, 0);
                            write_string(&mut block, name, *huffman);
                        }
                    }
                    write_string(&mut block, value, *huffman);
                }
                // Only at the beginning of a block.
                Written::SizeUpdate(size) if start == 0 => write_integer(
                    &mut block,
                    Prefix {
                        pattern: 0x20,
                        bits: 5,
                    },
                    *size,
                ),
                Written::SizeUpdate(_) => {}
            }
            self.decode(&block[start..]);
        }
        block
    }
}

fn write_string(out: &mut Vec<u8>, text: &[u8], huffman: bool) {
    if huffman {
        let mut coded = Vec::new();
        httlib_huffman::encode(text, &mut coded).unwrap();
        write_integer(
            out,
            Prefix {
                pattern: 0x80,
                bits: 7,
            },
            coded.len(),
        );
        out.extend(coded);
    } else {
        write_integer(
            out,
            Prefix {
                pattern: 0x00,
                bits: 7,
            },
            text.len(),
        );
        out.extend_from_slice(text);
    }
}

/// Headers of which the authorities are chosen from `values`.
fn headers(values: &'static [&'static [u8]]) -> impl Strategy<Value = Vec<Written>> {
    let name = prop_oneof![
        Just(Name::Static(1)),
        Just(Name::Static(31)),
        Just(Name::Static(58)),
        any::<usize>().prop_map(Name::Dynamic),
        Just(Name::Spelt(b":authority")),
        Just(Name::Spelt(b"x-some-header")),
    ];
    let value = prop_oneof![
        4 => prop::sample::select(values).prop_map(<[u8]>::to_vec),
        // Long enough to push other entries out of the table.
        1 => (500..2000_usize).prop_map(|len| vec![b'l'; len]),
    ];
    let pattern = prop_oneof![2 => Just(0x40_u8), 1 => Just(0x00), 1 => Just(0x10)];
    let written = prop_oneof![
        2 => (2..=61_usize).prop_map(Written::Static),
        4 => any::<usize>().prop_map(Written::Dynamic),
        6 => (pattern, name, value, any::<bool>())
            .prop_map(|(pattern, name, value, huffman)| Written::Literal { pattern, name, value, huffman }),
        1 => (0..=4096_usize).prop_map(Written::SizeUpdate),
    ];
    vec(written, 0..8)
}

/// Headers, and how their block is to be framed: the number of fragments, the padding, and whether there is a priority.
fn blocks_with(
    authorities: &'static [&'static [u8]],
) -> impl Strategy<Value = (Vec<Written>, usize, Option<u8>, bool)> {
    (
        headers(authorities),
        1..4_usize,
        any::<Option<u8>>(),
        any::<bool>(),
    )
}

/// Frames of one header block, which is cut into `fragments` about equal pieces.
fn write_block(
    out: &mut Vec<u8>,
    block: &[u8],
    fragments: usize,
    padding: Option<u8>,
    priority: bool,
) {
    let mut pieces: Vec<&[u8]> = block
        .chunks(block.len().div_ceil(fragments).max(1))
        .collect();
    if pieces.is_empty() {
        pieces.push(&[]);
    }
    for (number, piece) in pieces.iter().enumerate() {
        let mut flags = if number + 1 == pieces.len() { 0x04 } else { 0 };
        let mut payload = Vec::new();
        if number == 0 {
            flags |= 0x01;
            if let Some(padding) = padding {
                flags |= 0x08;
                payload.push(padding);
            }
            if priority {
                flags |= 0x20;
                payload.extend_from_slice(b"\0\0\0\0\x10");
            }
            payload.extend_from_slice(piece);
            payload.resize(payload.len() + usize::from(padding.unwrap_or(0)), 0);
        } else {
            payload.extend_from_slice(piece);
        }
        write_frame(
            out,
            if number == 0 { HEADERS } else { CONTINUATION },
            flags,
            &payload,
        );
    }
}

fn write_frame(out: &mut Vec<u8>, kind: u8, flags: u8, payload: &[u8]) {
    Head {
        payload_len: payload.len(),
        kind,
        flags,
        stream: [0, 0, 0, 1],
    }
    .write(out);
    out.extend_from_slice(payload);
}

/// Frames that make sense at first sight, with payloads that may not.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop_oneof![3 => Just(HEADERS), 2 => Just(CONTINUATION), 1 => 0..=255_u8];
    let hpack_like = prop_oneof![
        Just(b"\x41\x04/a/b".to_vec()),
        Just(b"\x81\xbe".to_vec()),
        Just(b"\x00\x0a:authority\x00".to_vec()),
        vec(0xbe..0xc2_u8, 0..8),
        // A Huffman-coded authority that is most likely none.
        vec(any::<u8>(), 60).prop_map(|coded| [b"\x41\xbc", coded.as_slice()].concat()),
        vec(any::<u8>(), 0..20),
        (0..20_000_usize).prop_map(|len| vec![b'\x86'; len]),
    ];
    let flags = prop_oneof![Just(0x04_u8), Just(0x00), any::<u8>()];
    vec((kind, flags, hpack_like), 0..12).prop_map(|frames| {
        let mut bytes = PREFACE.to_vec();
        for (kind, flags, payload) in frames {
            write_frame(&mut bytes, kind, flags, &payload);
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn chunking_makes_no_difference(
        bytes in prop_oneof![
            vec(any::<u8>(), 0..200),
            vec(any::<u8>(), 0..200).prop_map(|tail| [PREFACE, &tail].concat()),
            frames(),
            (frames(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(mut bytes, at, byte)| {
                let at = at.index(bytes.len());
                bytes[at] = byte;
                bytes
            }),
        ],
        chunk_lens in chunk_lens(),
    ) {
        prop_assert_eq!(filtered(&bytes, &chunk_lens), filtered(&bytes, &[]));
    }

    #[test]
    fn a_peer_with_good_authorities_is_not_touched(
        blocks in vec(blocks_with(&[b"localhost", b"a:1", b"[::1]", b"10.0.0.1:80"]), 0..6),
        data in vec(any::<u8>(), 0..40_000),
        chunk_lens in chunk_lens(),
    ) {
        let mut bytes = PREFACE.to_vec();
        let mut peer = Decoder::default();
        write_frame(&mut bytes, 4, 0, &[]);
        for (headers, fragments, padding, priority) in blocks {
            write_block(&mut bytes, &peer.encode(&headers), fragments, padding, priority);
            write_frame(&mut bytes, 0, 0, &data);
        }
        prop_assert_eq!(filtered(&bytes, &chunk_lens), bytes);
    }

    /// The decoder behind the filter reads the same headers as one in front of it, but for the refused authorities.
    #[test]
    fn only_refused_authorities_change(
        blocks in vec(blocks_with(&[b"localhost", b"", b"/a.sock", b"%2Fa.sock", b"a b"]), 1..12),
    ) {
        let (mut peer, mut in_front, mut behind) = (Decoder::default(), Decoder::default(), Decoder::default());
        let mut filter = Filter::default();
        filter.push(PREFACE, &mut Vec::new());
        for (headers, fragments, padding, priority) in blocks {
            let block = peer.encode(&headers);
            let mut expected = in_front.decode(&block);
            for (name, value) in &mut expected {
                if name == b":authority" && Authority::try_from(value.as_slice()).is_err() {
                    *value = b"localhost".to_vec();
                }
            }
            let mut frames = Vec::new();
            write_block(&mut frames, &block, fragments, padding, priority);
            let mut out = Vec::new();
            filter.push(&frames, &mut out);
            prop_assert_eq!(behind.decode(&HeaderBlock::parse(&out).unwrap().fragments), expected);
        }
    }
}
