//! What the host and the process of the probe send each other: a number with or without descriptors, and a number as the
//! answer.

use std::io;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use rustix::process::Pid;

/// The answer about a fork that has not ended yet. A status is not negative.
pub(super) const RUNS: i32 = -1;
/// The answer about a process that is no fork of this one.
pub(super) const UNKNOWN: i32 = -2;

/// What the host requests.
#[derive(Debug)]
pub(super) enum Request<Fd> {
    /// To probe a file. The answer is the number of the fork, or that of an error, negated.
    Probe(Descriptors<Fd>),
    /// The status of a fork.
    Status(Pid),
}

/// The descriptors that the probe of one file gets.
#[derive(Debug)]
pub(super) struct Descriptors<Fd> {
    /// The sealed copy.
    pub(super) copy: Fd,
    /// Where the probe reports its steps.
    pub(super) report: Fd,
    /// Where the provider's own output goes.
    pub(super) output: Fd,
}

impl Request<BorrowedFd<'_>> {
    pub(super) fn send(&self, to: impl AsFd) -> io::Result<()> {
        let (number, descriptors) = match self {
            Self::Probe(all) => (0, &[all.copy, all.report, all.output][..]),
            Self::Status(child) => (child.as_raw_nonzero().get(), &[][..]),
        };
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
        }
        let bytes = number.to_le_bytes();
        let bytes = [IoSlice::new(&bytes)];
        sendmsg(to, &bytes, &mut ancillary, SendFlags::NOSIGNAL)?;
        Ok(())
    }
}

impl Request<OwnedFd> {
    /// The next request; nothing when the host has closed the socket.
    pub(super) fn receive(from: impl AsFd) -> io::Result<Option<Self>> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut number = [0; 4];
        let mut bytes = [IoSliceMut::new(&mut number)];
        let received = rustix::io::retry_on_intr(|| {
            recvmsg(&from, &mut bytes, &mut ancillary, RecvFlags::CMSG_CLOEXEC)
        })?;
        if received.bytes == 0 {
            return Ok(None);
        }
        if let Some(child) = Pid::from_raw(i32::from_le_bytes(number)) {
            return Ok(Some(Self::Status(child)));
        }
        let descriptors = ancillary.drain().flat_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => descriptors.collect(),
            _ => Vec::new(),
        });
        let descriptors: Vec<OwnedFd> = descriptors.collect();
        let descriptors: Result<[OwnedFd; 3], _> = descriptors.try_into();
        let [copy, report, output] = descriptors.map_err(|_| io::ErrorKind::InvalidData)?;
        Ok(Some(Self::Probe(Descriptors {
            copy,
            report,
            output,
        })))
    }
}
