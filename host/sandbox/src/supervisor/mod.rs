//! The supervisor: a process of our own executable beside each program.
//!
//! The executable is started once more for each host, as the stem, and each supervisor is forked from that. It is a
//! small process without threads, whose only tie to the host is a socket. When the host is killed, however roughly, the
//! kernel closes the host's end, and the supervisor ends what it supervises. (A parent-death signal would be tied to the
//! *thread* of the host that spawned, and threads of an async runtime come and go.)
//!
//! With a process namespace there are two of it: the outer one makes the namespaces, starts the inner one as the
//! namespace's first process, and waits. When the first process ends, the kernel kills all others, and the outer
//! one's wait returns only after that. Without a namespace there is one, a child subreaper.

mod disk;
mod files;
mod identity;
mod inherited;
mod memory;
mod namespace;
mod network;
mod open;
mod requests;
mod restrict;
mod serve;
mod stem;
mod sys;
mod syscalls;
mod tree;
mod view;

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{PidfdFlags, pidfd_open};

use self::identity::Identity;
use crate::wire::Report;

/// The first argument of an executable that is to supervise.
pub(crate) const ASKED: &str = "__supervise";

/// The executable of whoever uses it, wherever that file is by now.
pub(crate) const OWN_EXECUTABLE: &str = "/proc/self/exe";

/// Which part a process plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Forks the others.
    Stem,
    /// Makes the namespaces and waits.
    Outer,
    /// The same, for a program that gets a sandbox.
    Sandbox,
    /// The only process where there is no namespace.
    Subreaper,
    /// Nothing but an exit code of 0: what a probe launches.
    Nothing,
}

impl Part {
    pub(crate) fn argument(self) -> &'static str {
        match self {
            Self::Stem => "stem",
            Self::Outer => "outer",
            Self::Sandbox => "sandbox",
            Self::Subreaper => "subreaper",
            Self::Nothing => "nothing",
        }
    }

    fn parse(argument: &OsStr) -> Option<Self> {
        [Self::Stem, Self::Outer, Self::Sandbox, Self::Subreaper, Self::Nothing]
            .into_iter()
            .find(|part| argument == part.argument())
    }
}

/// What a sandbox needs besides its order.
struct Sandboxing {
    identity: Identity,
    /// For a view, the socket over which the outer process sends a network.
    network: Option<UnixStream>,
}

/// Plays the part that an executable was started for, to its end, and returns the process's exit code: 0, or 1 when the
/// problem could not be reported to the host.
pub(crate) fn run(part: Option<&OsStr>) -> i32 {
    let played = match part.and_then(Part::parse) {
        Some(Part::Stem) => stem::run(),
        Some(Part::Nothing) => Ok(()),
        Some(Part::Outer | Part::Sandbox | Part::Subreaper) | None => {
            Err(io::ErrorKind::InvalidInput.into())
        }
    };
    i32::from(played.is_err())
}

/// Supervises as a part that was forked. `control`: the socket to the host.
fn play(part: Part, control: UnixStream) -> io::Result<()> {
    match part {
        Part::Outer => outer(control, false),
        Part::Sandbox => outer(control, true),
        Part::Subreaper => subreaper(control),
        Part::Stem | Part::Nothing => Err(io::ErrorKind::InvalidInput.into()),
    }
}

fn outer(control: UnixStream, sandboxed: bool) -> io::Result<()> {
    let own = std::process::id();
    // While this process's children are where it is, and can be found by their numbers.
    let identity = sandboxed.then(|| Identity::new(true));
    if let Err(error) = namespace::enter() {
        let reason = format!("the system refuses one ({error})");
        return report(&control, &Report::Refused(reason));
    }
    let (ours, theirs) = UnixStream::pair()?;
    let reason = match sys::fork() {
        Ok(None) => {
            drop(ours);
            let sandboxing =
                identity.map(|identity| Sandboxing { identity, network: Some(theirs) });
            sys::exit(i32::from(inner(control, own, sandboxing).is_err()))
        }
        Ok(Some(inner)) => {
            drop(theirs);
            if sandboxed {
                // While the inner one builds its view. Where this fails, the inner one says why it cannot.
                let _ = network::make(&ours);
            }
            drop(ours);
            match end_with_host(inner, &control) {
                Ok(WaitStatus::Exited(_, 0)) => return Ok(()),
                Ok(status) => format!("its first process failed ({status:?})"),
                Err(error) => format!("its first process is lost ({error})"),
            }
        }
        Err(error) => format!("its first process cannot be started ({error})"),
    };
    report(&control, &Report::Refused(reason))
}

/// Waits for the inner process, and ends it when the host is gone: that one listens to the host itself, but it also
/// looks at what a program made, and a program makes much.
fn end_with_host(inner: Pid, control: &UnixStream) -> io::Result<WaitStatus> {
    let flags = PidfdFlags::empty();
    if let Some(pid) = rustix::process::Pid::from_raw(inner.as_raw())
        && let Ok(ended) = pidfd_open(pid, flags)
    {
        let mut events = [
            PollFd::new(&ended, PollFlags::IN),
            PollFd::from_borrowed_fd(control.as_fd(), PollFlags::RDHUP),
        ];
        while matches!(poll(&mut events, None), Err(rustix::io::Errno::INTR)) {}
        let is_gone = events[1].revents().intersects(PollFlags::RDHUP | PollFlags::HUP);
        if events[0].revents().is_empty() && is_gone {
            nix::sys::signal::kill(inner, Signal::SIGKILL)?;
        }
    }
    Ok(waitpid(inner, None)?)
}

/// `outer`: the process that waits for it.
fn inner(control: UnixStream, outer: u32, sandboxing: Option<Sandboxing>) -> io::Result<()> {
    // What it does to everybody else in its namespace must not be done in one that is not its own.
    if nix::unistd::getpid() != Pid::from_raw(1) {
        return Err(io::Error::other("this is not the first process of a namespace"));
    }
    nix::unistd::setsid()?;
    // The outer one has no threads, so its death is what this tells of; and when it died before, the host saw that.
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    let mut fresh_proc = false;
    // A sandbox has a `/proc` of its own, and gives up more.
    if sandboxing.is_none() {
        fresh_proc = namespace::mount_proc().is_ok();
        namespace::drop_capabilities()?;
    }
    let ready = Report::Ready { process: outer, fresh_proc };
    serve::serve(control, serve::Reach::Namespace, sandboxing, &ready)
}

fn subreaper(control: UnixStream) -> io::Result<()> {
    prctl::set_child_subreaper(true)?;
    let ready = Report::Ready { process: std::process::id(), fresh_proc: false };
    let sandboxing = Sandboxing { identity: Identity::new(false), network: None };
    serve::serve(control, serve::Reach::Descendants, Some(sandboxing), &ready)
}

/// Tells the host. When it is gone nobody needs to know, which is for the caller to decide.
fn report(mut control: &UnixStream, report: &Report) -> io::Result<()> {
    let mut line = serde_json::to_vec(report)?;
    line.push(b'\n');
    control.write_all(&line)
}
