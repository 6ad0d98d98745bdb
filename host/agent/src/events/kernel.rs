//! The kernel's own words: two netlink sockets, read as long as the daemon runs.

use std::future::pending;
use std::os::unix::net::UnixDatagram as StdUnixDatagram;
use std::{fmt, io};

use rustix::io::Errno;
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::sockopt::set_socket_recv_buffer_size;
use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType};
use tokio::net::UnixDatagram;
use tokio::sync::watch;

use super::link::Link;
use super::uevent::Uevent;
use super::{ChangeScope, PendingChanges, Subsystems};

/// The multicast group of the kernel's uevents; that of udev, which follow later, is another one.
const UEVENTS: u32 = 1;
/// `RTMGRP_LINK`: network interfaces that come, change and go (Linux: `include/uapi/linux/rtnetlink.h`).
const LINKS: u32 = 1;
/// The kernel keeps this much for us, as far as `net.core.rmem_max` lets it. What does not fit is lost, and told so.
const BACKLOG: usize = 1 << 20;
/// A uevent has at most 2 kB (`UEVENT_BUFFER_SIZE`), and the message of a link with many virtual functions more.
const LARGEST: usize = 64 * 1024;

/// Why the kernel's events cannot be followed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} the netlink socket for {what}")]
pub struct EventsError {
    operation: &'static str,
    what: &'static str,
    #[source]
    source: io::Error,
}

impl sriovdp_report::Hint for EventsError {}

/// A netlink socket. What the runtime does with one of its own datagram sockets, to wait and to call `recv`, is right
/// for every kind of socket; it takes a bare descriptor by an unsafe function only.
type Socket = UnixDatagram;

/// The kernel's events about devices, with what those are about that matter.
pub struct KernelEvents {
    uevents: Socket,
    links: Socket,
    subsystems: watch::Receiver<Option<Subsystems>>,
    news: watch::Sender<PendingChanges>,
    packet: Vec<u8>,
    has_lost: bool,
}

impl KernelEvents {
    /// Follows from now on: what happens is kept for [`run`](Self::run). Both are in the network namespace of this
    /// process, and need no privilege.
    ///
    /// # Errors
    ///
    /// When the kernel does not let it.
    pub fn open(subsystems: watch::Receiver<Option<Subsystems>>) -> Result<Self, EventsError> {
        Ok(Self {
            uevents: socket("uevents", Some(KOBJECT_UEVENT), UEVENTS)?,
            links: socket("links", None, LINKS)?,
            subsystems,
            news: watch::Sender::default(),
            packet: vec![0; LARGEST],
            has_lost: false,
        })
    }

    /// Where it tells what it has heard.
    pub fn news(&self) -> watch::Sender<PendingChanges> {
        self.news.clone()
    }

    /// Follows the events until it is dropped. When a socket fails, that is logged, and from then on nothing comes.
    pub async fn run(mut self) {
        let error = loop {
            let ready = tokio::select! {
                ready = self.uevents.readable() => ready,
                ready = self.links.readable() => ready,
            };
            if let Err(error) = ready.and_then(|()| self.take()) {
                break error;
            }
        };
        self.news
            .send_modify(|news| news.tell(ChangeScope::Anywhere));
        tracing::warn!(%error, "the kernel tells of changes no more, so they are found by `--rescan-interval` only");
        pending().await
    }

    /// Takes what there is off both sockets.
    fn take(&mut self) -> io::Result<()> {
        let mut heard = PendingChanges::default();
        while let Some(message) = receive(&self.uevents, &mut self.packet).transpose() {
            match message {
                Ok(message) => match Uevent::parse(message) {
                    Some(event) => {
                        let followed = self.subsystems.borrow();
                        if followed
                            .as_ref()
                            .is_none_or(|followed| event.concerns(followed))
                        {
                            heard.tell(event.place());
                        }
                    }
                    None => heard.tell(ChangeScope::Anywhere),
                },
                Err(error) => heard.extend(lost(&mut self.has_lost, error)?),
            }
        }
        while let Some(packet) = receive(&self.links, &mut self.packet).transpose() {
            match packet {
                Ok(packet) => {
                    let links = Link::parse(packet);
                    let ours = links.iter().filter(|link| link.concerns_us());
                    heard.extend(ours.map(Link::place));
                }
                Err(error) => heard.extend(lost(&mut self.has_lost, error)?),
            }
        }
        if !heard.is_empty() {
            self.news.send_modify(|news| news.add(heard));
        }
        Ok(())
    }
}

impl fmt::Debug for KernelEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KernelEvents").finish_non_exhaustive()
    }
}

/// Events that the kernel could not keep for us may have been about anything, so the look that follows sees everything.
fn lost(has_lost: &mut bool, error: io::Error) -> io::Result<Option<ChangeScope>> {
    match Errno::from_io_error(&error) {
        Some(Errno::INTR) => Ok(None),
        Some(Errno::NOBUFS) => {
            if !std::mem::replace(has_lost, true) {
                tracing::warn!(
                    "the kernel's events came too fast and some are lost; the whole node is looked at instead"
                );
            }
            Ok(Some(ChangeScope::Anywhere))
        }
        _ => Err(error),
    }
}

fn socket(
    what: &'static str,
    protocol: Option<Protocol>,
    groups: u32,
) -> Result<Socket, EventsError> {
    let failed = |operation, source| EventsError {
        operation,
        what,
        source,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)
        .map_err(|error| failed("open", error.into()))?;
    set_socket_recv_buffer_size(&socket, BACKLOG)
        .map_err(|error| failed("configure", error.into()))?;
    // The kernel chooses the socket's number.
    rustix::net::bind(&socket, &SocketAddrNetlink::new(0, groups))
        .map_err(|error| failed("bind", error.into()))?;
    UnixDatagram::from_std(StdUnixDatagram::from(socket)).map_err(|error| failed("watch", error))
}

/// The next message, if there is one; of one that is too long, what fits.
fn receive<'a>(socket: &Socket, packet: &'a mut [u8]) -> io::Result<Option<&'a [u8]>> {
    match socket.try_recv(packet) {
        Ok(length) => Ok(Some(&packet[..length])),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
