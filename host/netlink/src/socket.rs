//! One netlink socket: a request out, its replies in (Linux: `Documentation/userspace-api/netlink/intro.rst`).
//!
//! The crate `netlink-bindings` defines the messages. Its companion for sockets is not used: it does not expose its
//! socket, so reads could have no timeout.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use netlink_bindings::nlctrl;
use netlink_bindings::traits::{NetlinkRequest, Protocol};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use super::NetlinkError;

/// The kernel puts its replies into the socket before the send returns; a wait means that something is wrong.
const RECEIVE_TIMEOUT: Duration = Duration::from_secs(1);
/// The kernel makes no dump packet larger than this (Linux: `net/netlink/af_netlink.c`, `netlink_dump`).
const MAX_PACKET: usize = 32 * 1024;

const HEADER: usize = 16;
/// Length of the header of generic netlink: command, version, two reserved bytes.
const GENERIC_HEADER: usize = 4;

/// `NETLINK_ROUTE`, in which an answer is of the kind `RTM_NEW…`, two below that of the question `RTM_GET…` (Linux:
/// `include/uapi/linux/rtnetlink.h`).
const ROUTE: u16 = 0;
const GET_TO_NEW: u16 = 2;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;

/// The socket, with the families whose numbers are known.
#[derive(Debug)]
pub(super) struct NetlinkSocket {
    socket: OwnedFd,
    sequence: u32,
    families: HashMap<&'static [u8], u16>,
    packet: Vec<u8>,
}

impl NetlinkSocket {
    /// A socket of this process's network namespace, of one netlink family; none is that of routes.
    pub(super) fn open(family: Option<rustix::net::Protocol>) -> Result<Self, NetlinkError> {
        let socket = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            family,
        );
        let socket = socket.map_err(|error| NetlinkError::Socket("open", error))?;
        set_socket_timeout(&socket, Timeout::Recv, Some(RECEIVE_TIMEOUT))
            .map_err(|error| NetlinkError::Socket("configure", error))?;
        Ok(Self::over(socket))
    }

    pub(super) fn over(socket: OwnedFd) -> Self {
        Self {
            socket,
            sequence: 0,
            families: HashMap::new(),
            packet: vec![0; MAX_PACKET],
        }
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Sends `request`, and passes each reply to `take`.
    ///
    /// # Errors
    ///
    /// After any other than [`NetlinkError::Refused`] the socket may contain further replies; open another one.
    pub(super) fn query<R: NetlinkRequest>(
        &mut self,
        request: &R,
        mut take: impl FnMut(R::ReplyType<'_>),
    ) -> Result<(), NetlinkError> {
        let (kind, reply) = match request.protocol() {
            Protocol::Generic(family) => {
                let number = self.family(family)?;
                (number, number)
            }
            Protocol::Raw {
                protonum: ROUTE,
                request_type,
            } => (request_type, request_type - GET_TO_NEW),
            Protocol::Raw { request_type, .. } => (request_type, request_type),
        };
        self.exchange(kind, reply, request.flags(), request.payload(), |body| {
            take(R::decode_reply(body));
        })
    }

    fn family(&mut self, name: &'static [u8]) -> Result<u16, NetlinkError> {
        if let Some(&number) = self.families.get(name) {
            return Ok(number);
        }
        let mut request = nlctrl::Request::new().op_getfamily_do();
        request.encode().push_family_name_bytes(name);
        let mut number = None;
        self.query(&request, |reply| number = reply.get_family_id().ok())?;
        let number = number.ok_or(NetlinkError::Malformed)?;
        self.families.insert(name, number);
        Ok(number)
    }

    fn exchange(
        &mut self,
        kind: u16,
        kind_of_reply: u16,
        flags: u16,
        payload: &[u8],
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), NetlinkError> {
        self.sequence = self.sequence.wrapping_add(1);
        let sequence = self.sequence;
        let request = message(kind, flags | NLM_F_REQUEST | NLM_F_ACK, sequence, payload);
        rustix::net::send(&self.socket, &request, SendFlags::empty())
            .map_err(|error| NetlinkError::Socket("write to", error))?;
        loop {
            // `TRUNC` makes the kernel return the whole length of the packet, so that a truncated one is detected.
            let (_, length) =
                rustix::net::recv(&self.socket, &mut self.packet[..], RecvFlags::TRUNC)
                    .map_err(|error| NetlinkError::Socket("read from", error))?;
            let mut rest = self.packet.get(..length).ok_or(NetlinkError::Malformed)?;
            while !rest.is_empty() {
                let reply = Message::first(&mut rest).ok_or(NetlinkError::Malformed)?;
                if reply.sequence != sequence {
                    continue;
                }
                match reply.kind {
                    NLMSG_ERROR | NLMSG_DONE => return reply.end(),
                    kind if kind == kind_of_reply && reply.body.len() >= GENERIC_HEADER => {
                        take(reply.body)
                    }
                    _ => {}
                }
            }
        }
    }
}

/// One message of a packet.
#[derive(Debug)]
pub struct Message<'a> {
    pub kind: u16,
    sequence: u32,
    pub body: &'a [u8],
}

impl<'a> Message<'a> {
    /// Takes the first message off `packet`.
    pub fn first(packet: &mut &'a [u8]) -> Option<Self> {
        let all = *packet;
        let length = usize::try_from(u32::from_ne_bytes(*all.first_chunk()?)).ok()?;
        let body = all.get(HEADER..length)?;
        let message = Self {
            kind: u16::from_ne_bytes(*all[4..].first_chunk()?),
            sequence: u32::from_ne_bytes(*all[8..].first_chunk()?),
            body,
        };
        *packet = all.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    }

    /// The verdict in the last message of an exchange: 0, or an error number below it.
    fn end(&self) -> Result<(), NetlinkError> {
        let code = i32::from_ne_bytes(*self.body.first_chunk().ok_or(NetlinkError::Malformed)?);
        match code {
            0 => Ok(()),
            _ => Err(NetlinkError::Refused(Errno::from_raw_os_error(
                code.wrapping_neg(),
            ))),
        }
    }
}

/// A message of the kind `kind` with what stands in it.
pub fn message(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    // Requests hold three names; their sum is far from the range of 32 bits.
    let length = u32::try_from(HEADER + payload.len()).unwrap_or(u32::MAX);
    let mut message = Vec::with_capacity(HEADER + payload.len());
    message.extend(length.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend(sequence.to_ne_bytes());
    // The kernel's number for this socket; 0 lets it choose.
    message.extend(0_u32.to_ne_bytes());
    message.extend(payload);
    message
}
