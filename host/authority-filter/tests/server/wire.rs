//! Writes HTTP/2 frames and HPACK header blocks by hand, as no library would.

use std::collections::VecDeque;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

pub(crate) const ACK: u8 = 0x01;
pub(crate) const END_STREAM: u8 = 0x01;
const END_HEADERS: u8 = 0x04;
const PADDED: u8 = 0x08;
const PRIORITY: u8 = 0x20;

pub(crate) fn opening() -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, 0, b"")].concat()
}

pub(crate) fn request(stream: u32, block: &[u8]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, block)
}

/// A request in three frames, with both cuts within the authority.
pub(crate) fn continued(block: &[u8]) -> Vec<u8> {
    let (first, rest) = block.split_at(start().len() + 1);
    let (second, third) = rest.split_at(20);
    [
        frame(HEADERS, END_STREAM, 1, first),
        frame(CONTINUATION, 0, 1, second),
        frame(CONTINUATION, 0, 1, b""),
        frame(CONTINUATION, END_HEADERS, 1, third),
    ]
    .concat()
}

/// A request with padding and a priority.
pub(crate) fn padded(block: &[u8]) -> Vec<u8> {
    let payload = [&b"\x03\0\0\0\0\x10"[..], block, b"\0\0\0"].concat();
    let flags = END_HEADERS | END_STREAM | PADDED | PRIORITY;
    frame(HEADERS, flags, 1, &payload)
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [length[1], length[2], length[3], kind, flags];
    [&head[..], &stream.to_be_bytes(), payload].concat()
}

/// `POST`, `http`, and the path, which enter no table.
pub(crate) fn start() -> Vec<u8> {
    let path = literal(0x04, &[], "/pluginregistration.Registration/GetInfo");
    [vec![0x83, 0x86], path].concat()
}

pub(crate) fn literal(first: u8, name: &[u8], value: &str) -> Vec<u8> {
    [&[first], name, &plain(value)].concat()
}

pub(crate) fn plain(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    assert!(length < 0x7f);
    [&[length], text.as_bytes()].concat()
}

pub(crate) fn huffman(text: &str) -> Vec<u8> {
    let mut coded = Vec::new();
    httlib_huffman::encode(text.as_bytes(), &mut coded).unwrap();
    let length = u8::try_from(coded.len()).unwrap();
    assert!(length < 0x7f);
    coded.insert(0, 0x80 | length);
    coded
}

/// The dynamic table as the peer believes it to be, newest entry first.
#[derive(Default)]
pub(crate) struct PeerTable {
    entries: VecDeque<(String, String)>,
    pub(crate) evicted: u32,
}

impl PeerTable {
    /// Refers to an entry that the table has, or adds it, with `first` and perhaps a `spelt` name.
    pub(crate) fn encode(&mut self, first: u8, spelt: &str, name: &str, value: &str) -> Vec<u8> {
        let entry = (name.to_owned(), value.to_owned());
        if let Some(position) = self.entries.iter().position(|known| *known == entry) {
            let index = u8::try_from(62 + position).unwrap();
            return match index.checked_sub(0x7f) {
                None => vec![0x80 | index],
                Some(rest) => vec![0xff, rest],
            };
        }
        self.entries.push_front(entry);
        let size = |(name, value): &(String, String)| name.len() + value.len() + 32;
        while self.entries.iter().map(size).sum::<usize>() > 4096 {
            self.entries.pop_back();
            self.evicted += 1;
        }
        let spelt = if spelt.is_empty() {
            Vec::new()
        } else {
            plain(spelt)
        };
        literal(first, &spelt, value)
    }
}
