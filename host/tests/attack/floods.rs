//! Masses of frames, streams and connections on one socket.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::bounds::{Before, info, socket};
use crate::test_node::{CAPTURED, RegistrationMode, TestNode};

const CONFIG: &str =
    r#"{"resourceList": [{"resourceName": "a", "selectors": {"pfNames": ["eth2"]}}]}"#;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// How long each flood of frames lasts.
const FLOOD: Duration = Duration::from_secs(1);
const CONNECTIONS: usize = 2_000;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// `:method: POST`, `:scheme: http`, `:path: /`.
const HEADERS: &[u8] = &[0x83, 0x86, 0x84];

/// Writes what `frames` makes of a counter until the time is over or the peer hangs up.
fn flood(path: &Path, frames: impl Fn(u32) -> Vec<u8>) {
    let Ok(mut stream) = UnixStream::connect(path) else {
        return;
    };
    stream
        .set_write_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    let mut reader = stream.try_clone().unwrap();
    let reading = std::thread::spawn(move || {
        let mut sink = [0; 1 << 16];
        while reader.read(&mut sink).is_ok_and(|read| read > 0) {}
    });
    let end = Instant::now() + FLOOD;
    let mut written = stream.write_all(PREFACE);
    let mut number = 0;
    while written.is_ok() && Instant::now() < end {
        let mut many = Vec::new();
        for _ in 0..256 {
            many.extend(frames(number));
            number += 1;
        }
        written = stream.write_all(&many);
    }
    let _ = stream.shutdown(std::net::Shutdown::Both);
    reading.join().unwrap();
}

/// Opens connections, sends `bytes` on each, and keeps those that are not refused.
fn crowd(path: &Path, count: usize, bytes: &[u8]) -> Vec<UnixStream> {
    let mut kept = Vec::new();
    for _ in 0..count {
        let connected = rustix::net::socket_with(
            rustix::net::AddressFamily::UNIX,
            rustix::net::SocketType::STREAM,
            rustix::net::SocketFlags::CLOEXEC | rustix::net::SocketFlags::NONBLOCK,
            None,
        );
        let Ok(stream) = connected.map(UnixStream::from) else {
            break;
        };
        let address = rustix::net::SocketAddrUnix::new(path).unwrap();
        // A full queue refuses the connection at once, and the next one finds room or not.
        if rustix::net::connect(&stream, &address).is_ok() {
            let _ = (&stream).write_all(bytes);
            kept.push(stream);
        }
    }
    kept
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_of_frames_and_streams() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, CONFIG);
    let kubelet = node.kubelet().await;
    let mut daemon = node.daemon();
    let registered = kubelet.wait_for("intel.com/a", |view| view.allocatable() == 4);
    registered.await.unwrap();
    let socket = socket(&node, "intel.com/a");
    type Frames = fn(u32) -> Vec<u8>;
    let floods: [(&str, Frames); 10] = [
        ("PING", |_| frame(6, 0, 0, &[0; 8])),
        ("SETTINGS", |_| frame(4, 0, 0, &[])),
        ("WINDOW_UPDATE", |_| frame(8, 0, 0, &[0, 0, 0, 1])),
        ("PRIORITY", |n| frame(2, 0, 2 * n + 1, &[0, 0, 0, 0, 1])),
        ("unknown frames", |_| frame(0xfa, 0, 0, &[0; 64])),
        ("rapid reset", |n| {
            let mut both = frame(1, 4, 2 * n + 1, HEADERS);
            both.extend(frame(3, 0, 2 * n + 1, &[0, 0, 0, 8]));
            both
        }),
        ("made-you-reset", |n| {
            let mut both = frame(1, 4, 2 * n + 1, HEADERS);
            both.extend(frame(8, 0, 2 * n + 1, &[0; 4]));
            both
        }),
        ("CONTINUATION", |n| match n {
            0 => frame(1, 0, 1, HEADERS),
            _ => frame(9, 0, 1, &[0x40; 16]),
        }),
        ("empty DATA", |n| match n {
            0 => frame(1, 4, 1, HEADERS),
            _ => frame(0, 0, 1, &[]),
        }),
        ("garbage", |n| vec![n.to_le_bytes()[0]; 4096]),
    ];
    for (name, frames) in floods {
        let before = Before::of(&daemon);
        let path = socket.clone();
        let flooding = tokio::task::spawn_blocking(move || flood(&path, frames));
        let latency = info(&socket).await;
        flooding.await.unwrap();
        println!("{name}: GetInfo after {latency:?} meanwhile");
        before.compare(name, &socket).await;
    }
    assert_eq!(kubelet.resource("intel.com/a").unwrap().allocatable(), 4);
    daemon.terminates_cleanly().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_of_connections() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, CONFIG);
    let kubelet = node.kubelet().await;
    let mut daemon = node.daemon();
    let registered = kubelet.wait_for("intel.com/a", |view| view.allocatable() == 4);
    registered.await.unwrap();
    let socket = socket(&node, "intel.com/a");
    // A block of headers that never ends.
    let mut held = PREFACE.to_vec();
    held.extend(frame(1, 0, 1, &[0x40; 16_000]));
    for (name, bytes) in [
        ("idle connections", &b""[..]),
        ("half a preface", &PREFACE[..10]),
        ("held header blocks", &held),
    ] {
        let before = Before::of(&daemon);
        let crowd = crowd(&socket, CONNECTIONS, bytes);
        println!("{name}: {} connections", crowd.len());
        // The registered kubelet is served while they last.
        let allocated = kubelet.allocate("intel.com/a", &["0000:41:10.0"]).await;
        allocated.unwrap();
        drop(crowd);
        before.compare(name, &socket).await;
    }
    daemon.terminates_cleanly().await;
}
