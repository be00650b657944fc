//! A network of the program's own: a loopback interface, on which the host listens.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};

use nix::sched::{CloneFlags, unshare};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use super::sys;
use crate::policy::Plan;

/// Enters namespaces of everything but files and processes, which come before, and gives the host its listeners over
/// `courier`.
pub(super) fn enter(plan: &Plan, courier: Option<&OwnedFd>) -> io::Result<()> {
    let mut namespaces = CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS;
    if plan.isolated {
        namespaces |= CloneFlags::CLONE_NEWNET;
    }
    unshare(namespaces)?;
    // Without control groups there is nothing to hide.
    let _ = unshare(CloneFlags::CLONE_NEWCGROUP);
    // A name that resolves everywhere.
    sys::set_host_name("localhost")?;
    if !plan.isolated {
        return Ok(());
    }
    let any = rustix::net::socket(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        None,
    )?;
    sys::loopback_up(any)?;
    let Some(courier) = courier else { return Ok(()) };
    let listen = |&port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let listeners = plan.ports.iter().map(listen).collect::<io::Result<Vec<_>>>()?;
    send(courier, &listeners)
}

/// A socket stays in the network namespace that it was made in, whoever holds it.
fn send(courier: &OwnedFd, listeners: &[TcpListener]) -> io::Result<()> {
    let descriptors: Vec<_> = listeners.iter().map(AsFd::as_fd).collect();
    let mut space =
        [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(crate::wire::MOST_OUTLETS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    sendmsg(courier, &[IoSlice::new(b"!")], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}
