//! Open descriptors that one process sends to another, beside bytes of a socket.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use crate::policy::MOST_OUTLETS;

/// How many go with one message at most: the listeners of a program, or what an order needs.
pub(crate) const MOST: usize = MOST_OUTLETS;

/// What came with one message.
#[derive(Debug)]
pub(crate) struct Received {
    /// How many bytes; 0 at the end of the stream.
    pub(crate) bytes: usize,
    /// Each is closed on exec from its first moment.
    pub(crate) descriptors: Vec<OwnedFd>,
}

/// Sends bytes, and at most [`MOST`] descriptors with the first of them. Returns how many bytes were sent.
pub(crate) fn send(
    over: impl AsFd,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
    flags: SendFlags,
) -> Result<usize, Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(Errno::INVAL);
    }
    sendmsg(over, &[IoSlice::new(bytes)], &mut ancillary, flags | SendFlags::NOSIGNAL)
}

/// Receives bytes, and what was sent with them. More than [`MOST`] descriptors are an error.
pub(crate) fn receive(
    over: impl AsFd,
    into: &mut [u8],
    flags: RecvFlags,
) -> Result<Received, Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = flags | RecvFlags::CMSG_CLOEXEC;
    let received = recvmsg(over, &mut [IoSliceMut::new(into)], &mut ancillary, flags)?;
    let mut descriptors = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    if received.flags.contains(ReturnFlags::CTRUNC) {
        return Err(Errno::MSGSIZE);
    }
    Ok(Received { bytes: received.bytes, descriptors })
}
