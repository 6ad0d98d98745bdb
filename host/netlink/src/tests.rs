//! Questions and answers over a pair of sockets, with a kernel of our own at the other end.

use std::os::fd::OwnedFd;
use std::thread::JoinHandle;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use serde_json::{Value, json};
use sriovdp_provider_abi::wire::{DevlinkHandle, DevlinkQuestion};

use super::socket::NetlinkSocket;
use super::{NetlinkError, devlink};

/// The number of the family of families, and the one that this kernel gives to devlink.
const CONTROL: u16 = 16;
const DEVLINK: u16 = 21;
const ENODEV: i32 = 19;

/// A kernel that answers each question with packets, and goes when its other end does.
pub(super) fn kernel(
    answer: impl Fn(&Request) -> Vec<Vec<u8>> + Send + 'static,
) -> (NetlinkSocket, JoinHandle<()>) {
    let kind = SocketType::SEQPACKET;
    let (ours, theirs) =
        rustix::net::socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)
            .expect("a pair of sockets");
    let thread = std::thread::spawn(move || {
        while let Some(request) = Request::receive(&theirs) {
            for packet in answer(&request) {
                // A reader that could not make sense of the first packet does not wait for the others.
                let _ = rustix::net::send(&theirs, &packet, SendFlags::NOSIGNAL);
            }
        }
    });
    (NetlinkSocket::over(ours), thread)
}

/// A question as the kernel gets it.
pub(super) struct Request {
    pub(super) kind: u16,
    pub(super) flags: u16,
    sequence: u32,
    body: Vec<u8>,
}

impl Request {
    fn receive(socket: &OwnedFd) -> Option<Self> {
        let mut packet = vec![0; 4096];
        let (_, length) = rustix::net::recv(socket, &mut packet[..], RecvFlags::empty()).ok()?;
        let packet = packet.get(..length).filter(|packet| packet.len() >= 16)?;
        // The last attribute may come without its padding.
        let mut body = packet[16..].to_vec();
        body.resize(body.len().next_multiple_of(4), 0);
        Some(Self {
            kind: u16::from_ne_bytes(*packet[4..].first_chunk()?),
            flags: u16::from_ne_bytes(*packet[6..].first_chunk()?),
            sequence: u32::from_ne_bytes(*packet[8..].first_chunk()?),
            body,
        })
    }

    fn command(&self) -> u8 {
        self.body[0]
    }

    fn reply(&self, attributes: &[u8]) -> Vec<u8> {
        let body = [&[self.command(), 1, 0, 0], attributes].concat();
        self.message(self.kind, &body)
    }

    /// The end of the exchange: an acknowledgement, or the end of a dump; both carry a code.
    pub(super) fn end(&self, kind: u16, error: i32) -> Vec<u8> {
        self.message(kind, &(-error).to_ne_bytes())
    }

    pub(super) fn message(&self, kind: u16, body: &[u8]) -> Vec<u8> {
        message(kind, self.sequence, body)
    }
}

fn message(kind: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + body.len()).unwrap();
    [
        &length.to_ne_bytes()[..],
        &kind.to_ne_bytes(),
        &[0; 2],
        &sequence.to_ne_bytes(),
        &[0; 4],
        body,
    ]
    .concat()
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).unwrap();
    let padding = vec![0; value.len().next_multiple_of(4) - value.len()];
    [
        &length.to_ne_bytes()[..],
        &kind.to_ne_bytes(),
        value,
        &padding,
    ]
    .concat()
}

fn text(kind: u16, value: &str) -> Vec<u8> {
    attribute(kind, &[value.as_bytes(), &[0]].concat())
}

fn version(kind: u16, name: &str, value: &str) -> Vec<u8> {
    attribute(kind, &[text(103, name), text(104, value)].concat())
}

fn handle(bus: &str, device: &str) -> Vec<u8> {
    [text(1, bus), text(2, device)].concat()
}

fn of(device: &str) -> DevlinkHandle {
    DevlinkHandle {
        bus: "pci".to_owned(),
        device: device.to_owned(),
    }
}

/// A machine with a few devices. The one at `03:00.0` answers everything.
fn machine(request: &Request) -> Vec<Vec<u8>> {
    if request.kind == CONTROL {
        let family = [text(2, "devlink"), attribute(1, &DEVLINK.to_ne_bytes())].concat();
        return vec![request.reply(&family), request.end(2, 0)];
    }
    assert_eq!(request.kind, DEVLINK);
    if request.flags & 0x300 == 0x300 {
        let first = [
            request.reply(&handle("pci", "0000:03:00.0")),
            request.reply(&handle("pci", "0000:03:00.1")),
        ];
        let second = request.reply(&handle("auxiliary", "mlx5_core.sf.2"));
        return vec![first.concat(), second, request.end(3, 0)];
    }
    let known = handle("pci", "0000:03:00.0");
    if !request.body[4..].starts_with(&known) {
        return vec![request.end(2, ENODEV)];
    }
    let answer = match request.command() {
        29 => attribute(25, &1_u16.to_ne_bytes()),
        38 => parameter(&request.body[4 + known.len()..]),
        51 => [
            text(98, "ice"),
            text(99, "00-01"),
            version(101, "fw.app.name", "ICE COMMS Package"),
            version(100, "board.id", "K58132-000"),
            version(102, "fw.app.name", "ICE OS Default Package"),
        ]
        .concat(),
        command => panic!("unexpected command {command}"),
    };
    vec![request.reply(&[known, answer].concat()), request.end(2, 0)]
}

/// Which values a parameter has: the flag is there or not, and the mode in which it holds.
fn parameter(name: &[u8]) -> Vec<u8> {
    let value = |on: bool, mode: u8| {
        let on = if on { attribute(86, &[]) } else { Vec::new() };
        attribute(85, &[on, attribute(87, &[mode])].concat())
    };
    let (kind, values) = match name {
        _ if name == text(81, "enable_rdma") => (6, value(true, 2)),
        _ if name == text(81, "enable_roce") => (6, [value(true, 1), value(false, 2)].concat()),
        _ if name == text(81, "enable_vnet") => (6, [value(true, 0), value(false, 2)].concat()),
        _ => (3, value(true, 0)),
    };
    attribute(
        80,
        &[
            text(81, "x"),
            attribute(83, &[kind]),
            attribute(84, &values),
        ]
        .concat(),
    )
}

#[test]
fn every_question_has_its_answer() {
    let (mut socket, thread) = kernel(machine);
    let mut query = |question| devlink::query(&mut socket, &question).expect("an answer");
    assert_eq!(
        query(DevlinkQuestion::Devices),
        json!([
            "pci/0000:03:00.0",
            "pci/0000:03:00.1",
            "auxiliary/mlx5_core.sf.2"
        ])
    );
    assert_eq!(
        query(DevlinkQuestion::Info(of("0000:03:00.0"))),
        json!({"driver": "ice", "serial_number": "00-01", "board.id": "K58132-000", "fw.app.name": "ICE COMMS Package"})
    );
    assert_eq!(
        query(DevlinkQuestion::Eswitch(of("0000:03:00.0"))),
        json!("switchdev")
    );
    for (name, expected) in [
        ("enable_rdma", json!(true)),
        ("enable_roce", json!(false)),
        ("enable_vnet", json!(true)),
        ("max_macs", Value::Null),
    ] {
        let name = name.to_owned();
        let of = of("0000:03:00.0");
        let question = DevlinkQuestion::Parameter {
            of,
            name: name.clone(),
        };
        assert_eq!(query(question), expected, "{name}");
    }
    drop(socket);
    thread.join().expect("a kernel without a fault");
}

#[test]
fn a_refusal_leaves_the_socket_usable() {
    let (mut socket, _) = kernel(machine);
    for device in ["0000:04:00.0", "", "zero\0in it", &"long ".repeat(100)] {
        let refused = devlink::query(&mut socket, &DevlinkQuestion::Info(of(device)));
        assert!(
            matches!(refused, Err(NetlinkError::Refused(_))),
            "{device}: {refused:?}"
        );
    }
    let eswitch = devlink::query(&mut socket, &DevlinkQuestion::Eswitch(of("0000:03:00.0")));
    assert_eq!(eswitch.expect("an answer"), json!("switchdev"));
}

#[test]
fn what_belongs_to_an_older_question_is_passed_over() {
    let (mut socket, _) = kernel(|request| {
        let old = message(DEVLINK, request.sequence.wrapping_sub(1), &[29, 1, 0, 0]);
        [vec![old], machine(request)].concat()
    });
    let eswitch = devlink::query(&mut socket, &DevlinkQuestion::Eswitch(of("0000:03:00.0")));
    assert_eq!(eswitch.expect("an answer"), json!("switchdev"));
}

#[test]
fn what_is_no_netlink_is_an_error() {
    let cut = |request: &Request| request.reply(&[0; 100])[..50].to_vec();
    let endless = |_: &Request| vec![0; 16];
    let large = |request: &Request| request.reply(&[0; 40_000]);
    let answers: [fn(&Request) -> Vec<u8>; 3] = [cut, endless, large];
    for (n, answer) in answers.into_iter().enumerate() {
        let (mut socket, _) = kernel(move |request| vec![answer(request)]);
        let error = devlink::query(&mut socket, &DevlinkQuestion::Devices);
        assert!(
            matches!(error, Err(NetlinkError::Malformed)),
            "{n}: {error:?}"
        );
    }
}
