//! Properties of the filter for arbitrary peers: correct ones, and ones that make no sense.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::block::SUBSTITUTE;
use crate::encoding::{frame, huffman, plain};
use crate::frames::{Frames, MAX_HELD};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;

/// What comes out when `input` goes in by chunks of these lengths, over and over; or as a whole, if there are none.
fn filtered(input: &[u8], chunks: &[usize]) -> Vec<u8> {
    let mut frames = Frames::default();
    let mut out = Vec::new();
    let mut chunks = chunks.iter().cycle();
    let mut rest = input;
    while !rest.is_empty() {
        let length = chunks.next().map_or(rest.len(), |&next| next);
        let (chunk, after) = rest.split_at(length.min(rest.len()));
        let (held, before) = (frames.held(), out.len());
        frames.push(chunk, &mut out);
        assert!(frames.held() <= MAX_HELD);
        assert!(out.len() - before <= SUBSTITUTE.len() * (held + chunk.len()));
        rest = after;
    }
    frames.finish(&mut out);
    assert_eq!(frames.held(), 0);
    out
}

fn chunks() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        Just(vec![1]),
        vec(1..40_usize, 1..5),
        vec(1..5000_usize, 1..5)
    ]
}

/// One field as a peer may write it, and as it is to arrive.
fn field(values: &'static [&'static [u8]]) -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let same = |bytes: Vec<u8>| (bytes.clone(), bytes);
    // Static entries but for the authority, and dynamic ones.
    let indexed = (2..127_u8).prop_map(move |index| same(vec![0x80 | index]));
    let resized = (0..31_u8).prop_map(move |size| same(vec![0x20 | size]));
    let other = (
        prop_oneof![Just(0x44_u8), Just(0x04), Just(0x14), Just(0x7e)],
        vec(any::<u8>(), 0..200),
        any::<bool>(),
    )
        .prop_map(move |(start, value, is_huffman)| {
            let value = if is_huffman {
                huffman(&value)
            } else {
                plain(&value)
            };
            same([&[start], &*value].concat())
        });
    let authority = (
        prop::sample::select(vec![0x40_u8, 0x00, 0x10]),
        prop::sample::select(values),
        any::<(bool, bool, bool)>(),
    )
        .prop_map(|(start, value, (is_spelt, name_huffman, value_huffman))| {
            let coded = |text, is_huffman| {
                if is_huffman {
                    huffman(text)
                } else {
                    plain(text)
                }
            };
            let name = match is_spelt {
                true => [&[start], &*coded(b":authority", name_huffman)].concat(),
                false => vec![start | 1],
            };
            let written = [name, coded(value, value_huffman)].concat();
            let arrives = if http::uri::Authority::try_from(value).is_ok() {
                written.clone()
            } else if start == 0x40 {
                let value = vec![b'x'; value.len().max(1)];
                [&[0x41], &*plain(&value)].concat()
            } else {
                SUBSTITUTE.to_vec()
            };
            (written, arrives)
        });
    prop_oneof![2 => indexed, 1 => resized, 2 => other, 3 => authority]
}

/// The frames of a block, in so many pieces, and those of what is to arrive.
fn block(values: &'static [&'static [u8]]) -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    (
        vec(field(values), 0..8),
        1..4_usize,
        any::<Option<u8>>(),
        any::<bool>(),
    )
        .prop_map(|(fields, pieces, padding, has_priority)| {
            let (written, arrives): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
            let (written, arrives) = (written.concat(), arrives.concat());
            let priority: &[u8] = if has_priority { b"\0\0\0\0\x10" } else { b"" };
            let flags = if has_priority { 0x21 } else { 0x01 };
            let frames = in_frames(&written, pieces, padding, flags, priority);
            let expected = if written == arrives {
                frames.clone()
            } else {
                frame(HEADERS, flags | 0x04, &[priority, &arrives].concat())
            };
            (frames, expected)
        })
}

fn in_frames(
    block: &[u8],
    pieces: usize,
    padding: Option<u8>,
    flags: u8,
    priority: &[u8],
) -> Vec<u8> {
    let (first, rest) = block.split_at(block.len() / pieces);
    let mut payload = padding.map_or_else(Vec::new, |length| vec![length]);
    payload.extend_from_slice(priority);
    payload.extend_from_slice(first);
    payload.resize(payload.len() + usize::from(padding.unwrap_or(0)), 0);
    let is_padded = if padding.is_some() { 0x08 } else { 0 };
    let mut rest: Vec<&[u8]> = rest.chunks(1 + block.len() / pieces).collect();
    let ends = |is_last| if is_last { 0x04 } else { 0 };
    let flags = flags | is_padded | ends(rest.is_empty());
    let mut frames = frame(HEADERS, flags, &payload);
    let last = rest.pop();
    for piece in rest {
        frames.extend(frame(CONTINUATION, 0, piece));
    }
    frames.extend(last.map_or_else(Vec::new, |piece| frame(CONTINUATION, 0x04, piece)));
    frames
}

/// Frames that make sense at first sight, with payloads that may not, and any bytes.
fn nonsense() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop_oneof![3 => Just(HEADERS), 2 => Just(CONTINUATION), 1 => any::<u8>()];
    let payload = prop_oneof![
        Just(b"\x41\x04/a/b".to_vec()),
        Just(b"\x81\xbe".to_vec()),
        Just(b"\x00\x0a:authority\x00".to_vec()),
        // A Huffman-coded authority that is most likely none.
        vec(any::<u8>(), 60).prop_map(|coded| [b"\x41\xbc", &*coded].concat()),
        vec(any::<u8>(), 0..20),
        (0..20_000_usize).prop_map(|length| vec![0x81; length]),
    ];
    let flags = prop_oneof![Just(0x04_u8), Just(0x00), any::<u8>()];
    let frames = vec((kind, flags, payload), 0..12).prop_map(|frames| {
        let frames = frames
            .iter()
            .map(|(kind, flags, payload)| frame(*kind, *flags, payload));
        [PREFACE.to_vec(), frames.collect::<Vec<_>>().concat()].concat()
    });
    prop_oneof![
        1 => vec(any::<u8>(), 0..200),
        1 => vec(any::<u8>(), 0..200).prop_map(|tail| [PREFACE, &*tail].concat()),
        3 => frames,
    ]
}

/// A connection of blocks with data between them, and what is to arrive of it.
fn connection(values: &'static [&'static [u8]]) -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    (vec(block(values), 0..6), vec(any::<u8>(), 0..2000)).prop_map(|(blocks, data)| {
        let data = frame(0, 0, &data);
        let (mut written, mut arrives) = (PREFACE.to_vec(), PREFACE.to_vec());
        for (frames, expected) in blocks {
            written.extend([frames, data.clone()].concat());
            arrives.extend([expected, data.clone()].concat());
        }
        (written, arrives)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn only_refused_authorities_change(
        (written, arrives) in connection(&[b"localhost", b"a:1", b"[::1]", b"", b"/a.sock", b"%2Fa.sock", b"a b"]),
        chunks in chunks(),
    ) {
        prop_assert_eq!(filtered(&written, &chunks), &*arrives);
        prop_assert_eq!(filtered(&arrives, &[]), arrives);
    }

    #[test]
    fn a_peer_with_good_authorities_is_not_touched(
        (written, _) in connection(&[b"localhost", b"a:1", b"[::1]", b"10.0.0.1:80"]),
        chunks in chunks(),
    ) {
        prop_assert_eq!(filtered(&written, &chunks), written);
    }

    #[test]
    fn pieces_make_no_difference_and_nothing_is_left_to_do(bytes in nonsense(), chunks in chunks()) {
        let whole = filtered(&bytes, &[]);
        prop_assert_eq!(filtered(&bytes, &chunks), &*whole);
        prop_assert_eq!(filtered(&whole, &chunks), whole);
    }
}
