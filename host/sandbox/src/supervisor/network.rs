//! A network of the program's own: a loopback interface, on which the host listens.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::sched::{CloneFlags, setns, unshare};
use rustix::net::{RecvFlags, SendFlags};

use super::sys;
use crate::descriptors;
use crate::policy::Plan;

/// Makes a network for another process. This one is in it, too, then.
pub(super) fn make(over: &UnixStream) -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    let network = File::open("/proc/self/ns/net")?;
    descriptors::send(over, b"!", &[network.as_fd()], SendFlags::empty())?;
    Ok(())
}

/// Enters the network that another process makes meanwhile.
fn take(over: &UnixStream) -> io::Result<()> {
    match descriptors::receive(over, &mut [0], RecvFlags::empty())?.descriptors.pop() {
        Some(network) => Ok(setns(network, CloneFlags::CLONE_NEWNET)?),
        // It could not; why not, the system says to this one.
        None => Ok(unshare(CloneFlags::CLONE_NEWNET)?),
    }
}

/// Enters namespaces of everything but files and processes, which come before, and gives the host its listeners over
/// `courier`.
pub(super) fn enter(plan: &Plan, made: &UnixStream, courier: Option<&OwnedFd>) -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS)?;
    if plan.isolated {
        take(made)?;
    }
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
    // A socket stays in the network namespace that it was made in, in whichever process it is.
    let listeners: Vec<_> = listeners.iter().map(AsFd::as_fd).collect();
    descriptors::send(courier, b"!", &listeners, SendFlags::empty())?;
    Ok(())
}
