//! Writes HTTP/2 frames and HPACK header blocks by hand, as no library would.

use std::collections::VecDeque;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
pub(crate) const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 0x01;
const END_HEADERS: u8 = 0x04;
const PADDED: u8 = 0x08;
const PRIORITY: u8 = 0x20;

pub(crate) fn opening() -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, 0, b"")].concat()
}

pub(crate) fn request(stream: u32, block: &[u8]) -> Vec<u8> {
    [
        frame(HEADERS, END_HEADERS, stream, block),
        empty_message(stream),
    ]
    .concat()
}

pub(crate) fn continued_request(block: &[u8]) -> Vec<u8> {
    // Both cuts are within the authority.
    let (first, rest) = block.split_at(start().len() + 1);
    let (second, third) = rest.split_at(20);
    [
        frame(HEADERS, 0, 1, first),
        frame(CONTINUATION, 0, 1, second),
        frame(CONTINUATION, 0, 1, b""),
        frame(CONTINUATION, END_HEADERS, 1, third),
        empty_message(1),
    ]
    .concat()
}

pub(crate) fn padded_request(block: &[u8]) -> Vec<u8> {
    let payload = [&b"\x03\0\0\0\0\x10"[..], block, b"\0\0\0"].concat();
    [
        frame(HEADERS, END_HEADERS | PADDED | PRIORITY, 1, &payload),
        empty_message(1),
    ]
    .concat()
}

/// The first request adds the authority to the table.
pub(crate) fn indexed_by_the_second_request(authority: &str) -> Vec<u8> {
    let first = request(1, &block(&literal(0x41, authority)));
    let second = request(3, &block(&[0xbe]));
    [opening(), first, second].concat()
}

/// A gRPC message without fields, uncompressed.
fn empty_message(stream: u32) -> Vec<u8> {
    frame(DATA, END_STREAM, stream, b"\0\0\0\0\0")
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap();
    [
        &len.to_be_bytes()[1..],
        &[kind, flags],
        &stream.to_be_bytes(),
        payload,
    ]
    .concat()
}

/// The headers of a call of `GetInfo`, of which only the authority can enter the table.
pub(crate) fn block(authority: &[u8]) -> Vec<u8> {
    [
        &start()[..],
        authority,
        &content_type(),
        &[0x00],
        &plain("x-tag"),
        &plain("tag"),
    ]
    .concat()
}

pub(crate) fn start() -> Vec<u8> {
    // `POST`, `http`, and the path.
    [
        &[0x83, 0x86][..],
        &literal(0x04, "/pluginregistration.Registration/GetInfo"),
    ]
    .concat()
}

pub(crate) fn content_type() -> Vec<u8> {
    [&[0x0f, 0x10][..], &plain("application/grpc")].concat()
}

pub(crate) fn literal(first: u8, value: &str) -> Vec<u8> {
    [&[first][..], &plain(value)].concat()
}

pub(crate) fn plain(text: &str) -> Vec<u8> {
    let len = u8::try_from(text.len()).unwrap();
    assert!(len < 0x7f);
    [&[len], text.as_bytes()].concat()
}

pub(crate) fn huffman(text: &str) -> Vec<u8> {
    let mut coded = Vec::new();
    httlib_huffman::encode(text.as_bytes(), &mut coded).unwrap();
    let len = u8::try_from(coded.len()).unwrap();
    assert!(len < 0x7f);
    coded.insert(0, 0x80 | len);
    coded
}

/// The dynamic table as the peer believes it to be, newest entry first.
#[derive(Debug, Default)]
pub(crate) struct PeerTable {
    entries: VecDeque<(String, String)>,
    pub(crate) evicted: u32,
}

impl PeerTable {
    /// Refers to whatever the table has, and adds what it has not.
    pub(crate) fn encode(&mut self, name: &str, value: &str) -> Vec<u8> {
        let index = |position: usize| u8::try_from(62 + position).unwrap();
        if let Some(position) = self
            .entries
            .iter()
            .position(|entry| entry.0 == name && entry.1 == value)
        {
            return integer(0x80, 0x7f, index(position));
        }
        let name_bytes = match self.entries.iter().position(|entry| entry.0 == name) {
            Some(position) => integer(0x40, 0x3f, index(position)),
            None => [&[0x40][..], &plain(name)].concat(),
        };
        self.entries.push_front((name.into(), value.into()));
        while self
            .entries
            .iter()
            .map(|(name, value)| name.len() + value.len() + 32)
            .sum::<usize>()
            > 4096
        {
            self.entries.pop_back();
            self.evicted += 1;
        }
        [name_bytes, plain(value)].concat()
    }
}

fn integer(pattern: u8, mask: u8, value: u8) -> Vec<u8> {
    match value.checked_sub(mask) {
        None => vec![pattern | value],
        Some(rest) => {
            assert!(rest < 0x80);
            vec![pattern | mask, rest]
        }
    }
}
