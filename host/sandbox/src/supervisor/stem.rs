//! The process that supervisors are forked from: it has no threads, holds nothing of any program, and does nothing but
//! fork.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::sys::prctl;
use nix::unistd::Pid;
use rustix::net::RecvFlags;

use super::{Part, inherited, play, sys, syscalls};
use crate::{cgroup, descriptors, signals};

/// How much sooner than others the kernel chooses a program, of 1000, when there is no memory left.
const FIRST_TO_END: &str = "500";

/// The most bytes of a request: the name of a part, and the path of a control group.
const REQUEST_BYTES: usize = 8 << 10;

/// Forks a supervisor for each request until the host is gone. What returns is the stem, or a supervisor at its end.
pub(super) fn run() -> io::Result<()> {
    let requests = io::stdin().as_fd().try_clone_to_owned()?;
    inherited::close_on_exec()?;
    // The host sees the end of a supervisor by its socket.
    signals::ignore_ended_children()?;
    // Another program of the same user is not to attach to it.
    prctl::set_dumpable(false)?;
    nix::unistd::dup2_stdin(std::fs::File::open("/dev/null")?)?;
    syscalls::prepare();
    while let Some((request, socket)) = receive(&requests)? {
        let mut words = request.splitn(2, |&byte| byte == 0).map(OsStr::from_bytes);
        let part = words.next().and_then(Part::parse);
        let group = words.next().map(Path::new);
        // When it cannot fork, the host sees the socket end.
        if let (Some(part), Ok(None)) = (part, fork_into(group)) {
            drop(requests);
            return begin(part, socket);
        }
    }
    Ok(())
}

/// Forks into the control group that the host made for a program. The host looks whether the child is there.
fn fork_into(group: Option<&Path>) -> io::Result<Option<Pid>> {
    let Some(group) = group else { return sys::fork() };
    // Not every system has this call, or lets it be used. To join later takes some milliseconds: the kernel waits until
    // no processor looks at groups.
    let forked = cgroup::open(group).and_then(|group| sys::fork_into(group.as_fd()));
    if forked.is_ok() {
        return forked;
    }
    let forked = sys::fork()?;
    if forked.is_none() {
        let _ = cgroup::join(group);
    }
    Ok(forked)
}

/// What a child does first.
fn begin(part: Part, socket: OwnedFd) -> io::Result<()> {
    signals::make_default()?;
    // Its files below `/proc` are its own again, which it writes to.
    prctl::set_dumpable(true)?;
    // When the machine runs out of memory, a launched program ends before the host does.
    let _ = std::fs::write("/proc/self/oom_score_adj", FIRST_TO_END);
    nix::unistd::setsid()?;
    play(part, UnixStream::from(socket))
}

/// A request and the socket that came with it. None: the host is gone.
fn receive(requests: &OwnedFd) -> io::Result<Option<(Vec<u8>, OwnedFd)>> {
    let mut bytes = vec![0; REQUEST_BYTES];
    let mut received = descriptors::receive(requests, &mut bytes, RecvFlags::empty())?;
    bytes.truncate(received.bytes);
    Ok(received.descriptors.pop().map(|socket| (bytes, socket)))
}
