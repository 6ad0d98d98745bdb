//! The kernel's events: a netlink socket for uevents and one for links.

use sriovdp_providers::METRICS_TARGET;
use std::collections::BTreeSet;
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
use super::{ChangeScope, PendingChanges};

/// The multicast group of the kernel's uevents; udev sends later ones to another group.
const UEVENTS: u32 = 1;
/// `RTMGRP_LINK`: added, changed and removed network interfaces (Linux: `include/uapi/linux/rtnetlink.h`).
const LINKS: u32 = 1;
/// The receive buffer, up to `net.core.rmem_max`. After an overflow, the kernel reports lost events.
const RECEIVE_BUFFER: usize = 1 << 20;
/// A uevent has at most 2 kB (`UEVENT_BUFFER_SIZE`); the message of a link with many VFs has more.
const MAX_MESSAGE: usize = 64 * 1024;

/// Why a socket cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} the netlink socket for {what}")]
pub struct EventsError {
    operation: &'static str,
    what: &'static str,
    #[source]
    source: io::Error,
}

impl sriovdp_report::Hint for EventsError {}

/// A netlink socket, as a datagram socket of the runtime: waiting and `recv` are the same for both, and taking a bare
/// descriptor would need an unsafe function.
type Socket = UnixDatagram;

/// The reader of both sockets.
pub struct KernelEvents {
    uevents: Socket,
    links: Socket,
    subsystems: watch::Receiver<Option<BTreeSet<String>>>,
    changes: watch::Sender<PendingChanges>,
    packet: Vec<u8>,
    overflow_logged: bool,
}

impl KernelEvents {
    /// Opens the sockets in the network namespace of this process; they buffer events for [`run`](Self::run). This needs
    /// no privilege.
    ///
    /// # Errors
    ///
    /// When the kernel refuses a socket.
    pub fn open(
        subsystems: watch::Receiver<Option<BTreeSet<String>>>,
    ) -> Result<Self, EventsError> {
        Ok(Self {
            uevents: socket("uevents", Some(KOBJECT_UEVENT), UEVENTS)?,
            links: socket("links", None, LINKS)?,
            subsystems,
            changes: watch::Sender::default(),
            packet: vec![0; MAX_MESSAGE],
            overflow_logged: false,
        })
    }

    /// The channel of the changes.
    pub fn changes(&self) -> watch::Sender<PendingChanges> {
        self.changes.clone()
    }

    /// Reads events until it is dropped, or for ever without effect after a socket has failed.
    pub async fn run(mut self) {
        let error = loop {
            let ready = tokio::select! {
                ready = self.uevents.readable() => ready,
                ready = self.links.readable() => ready,
            };
            if let Err(error) = ready.and_then(|()| self.drain()) {
                break error;
            }
        };
        self.changes
            .send_modify(|changes| changes.insert(ChangeScope::Lost));
        tracing::warn!(
            event = "kernel_events_failed",
            %error,
            "the socket for kernel events failed; only `--rescan-interval` finds changes of the node"
        );
        pending().await
    }

    /// Reads all messages of both sockets.
    fn drain(&mut self) -> io::Result<()> {
        let mut changes = PendingChanges::default();
        while let Some(message) = receive(&self.uevents, &mut self.packet).transpose() {
            match message {
                Ok(message) => match Uevent::parse(message) {
                    Some(event) => {
                        let followed = self.subsystems.borrow();
                        if followed
                            .as_ref()
                            .is_none_or(|followed| event.is_relevant(followed))
                        {
                            changes.insert(event.scope());
                        }
                    }
                    None => changes.insert(ChangeScope::Lost),
                },
                Err(error) => changes.extend(lost(&mut self.overflow_logged, error)?),
            }
        }
        while let Some(packet) = receive(&self.links, &mut self.packet).transpose() {
            match packet {
                Ok(packet) => {
                    let links = Link::parse(packet);
                    let relevant = links.iter().filter(|link| link.is_relevant());
                    changes.extend(relevant.map(Link::scope));
                }
                Err(error) => changes.extend(lost(&mut self.overflow_logged, error)?),
            }
        }
        if !changes.is_empty() {
            self.changes.send_modify(|pending| pending.merge(changes));
        }
        Ok(())
    }
}

impl fmt::Debug for KernelEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KernelEvents").finish_non_exhaustive()
    }
}

/// Lost events may have concerned any device, so a full reconcile follows.
fn lost(logged: &mut bool, error: io::Error) -> io::Result<Option<ChangeScope>> {
    match Errno::from_io_error(&error) {
        Some(Errno::INTR) => Ok(None),
        Some(Errno::NOBUFS) => {
            tracing::debug!(target: METRICS_TARGET, event = "kernel_events_lost", "kernel events are lost");
            if !std::mem::replace(logged, true) {
                tracing::warn!(
                    event = "uevents_lost",
                    "overflow of the buffer for kernel events; a full reconcile follows"
                );
            }
            Ok(Some(ChangeScope::Lost))
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
    set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER)
        .map_err(|error| failed("configure", error.into()))?;
    // With 0, the kernel chooses the port id.
    rustix::net::bind(&socket, &SocketAddrNetlink::new(0, groups))
        .map_err(|error| failed("bind", error.into()))?;
    UnixDatagram::from_std(StdUnixDatagram::from(socket)).map_err(|error| failed("watch", error))
}

/// The next message, truncated to the buffer, if there is one.
fn receive<'a>(socket: &Socket, packet: &'a mut [u8]) -> io::Result<Option<&'a [u8]>> {
    match socket.try_recv(packet) {
        Ok(length) => Ok(Some(&packet[..length])),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
