//! What the host and the process of the probe send each other: three descriptors, and two numbers as the answer.

use std::io;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// A message must have a byte.
const BYTE: [u8; 1] = [0];

/// The descriptors that the probe of one file gets.
#[derive(Debug)]
pub(super) struct Request<Fd> {
    /// The sealed copy.
    pub(super) copy: Fd,
    /// Where the probe reports its steps.
    pub(super) report: Fd,
    /// Where the provider's own output goes.
    pub(super) output: Fd,
}

impl Request<BorrowedFd<'_>> {
    pub(super) fn send(&self, to: impl AsFd) -> io::Result<()> {
        let descriptors = [self.copy, self.report, self.output];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
        let bytes = [IoSlice::new(&BYTE)];
        sendmsg(to, &bytes, &mut ancillary, SendFlags::NOSIGNAL)?;
        Ok(())
    }
}

impl Request<OwnedFd> {
    /// The next request; nothing when the host has closed the socket.
    pub(super) fn receive(from: impl AsFd) -> io::Result<Option<Self>> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut byte = BYTE;
        let mut bytes = [IoSliceMut::new(&mut byte)];
        let received = rustix::io::retry_on_intr(|| {
            recvmsg(&from, &mut bytes, &mut ancillary, RecvFlags::CMSG_CLOEXEC)
        })?;
        if received.bytes == 0 {
            return Ok(None);
        }
        let descriptors = ancillary.drain().flat_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => descriptors.collect(),
            _ => Vec::new(),
        });
        let descriptors: Vec<OwnedFd> = descriptors.collect();
        let descriptors: Result<[OwnedFd; 3], _> = descriptors.try_into();
        let [copy, report, output] = descriptors.map_err(|_| io::ErrorKind::InvalidData)?;
        Ok(Some(Self {
            copy,
            report,
            output,
        }))
    }
}
