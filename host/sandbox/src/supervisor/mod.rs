//! The supervisor: our own executable, started once more beside each program.
//!
//! It is a small process without threads, whose only tie to the host is a socket. When the host is killed, however
//! roughly, the kernel closes the host's end, and the supervisor ends what it supervises. (A parent-death signal
//! would be tied to the *thread* of the host that spawned, and threads of an async runtime come and go.)
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
mod requests;
mod restrict;
mod serve;
mod sys;
mod syscalls;
mod tree;
mod view;

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use self::identity::Identity;
use crate::wire::Report;
use crate::{cgroup, signals};

/// The first argument of an executable that is to supervise.
pub(crate) const ASKED: &str = "__supervise";

/// The executable of whoever uses it, wherever that file is by now.
pub(crate) const OWN_EXECUTABLE: &str = "/proc/self/exe";

/// How much sooner than others the kernel chooses a program, of 1000, when there is no memory left.
const FIRST_TO_END: &str = "500";

/// Which part of the supervisor a process is, as its second argument says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
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
            Self::Outer => "outer",
            Self::Sandbox => "sandbox",
            Self::Subreaper => "subreaper",
            Self::Nothing => "nothing",
        }
    }

    fn parse(argument: &OsStr) -> Option<Self> {
        [Self::Outer, Self::Sandbox, Self::Subreaper, Self::Nothing]
            .into_iter()
            .find(|part| argument == part.argument())
    }
}

/// Plays its part to the end and returns the process's exit code: 0, or 1 when the host could not be told of a
/// problem.
///
/// `group`: the entrance of the control group that it is to be in, with all that it starts. The host looks whether it is.
pub(crate) fn run(part: Option<&OsStr>, group: Option<&OsStr>) -> i32 {
    if let Some(group) = group {
        let _ = cgroup::join(Path::new(group));
    }
    // When the machine runs out of memory, a launched program ends before the host does.
    let _ = std::fs::write("/proc/self/oom_score_adj", FIRST_TO_END);
    let played = match part.and_then(Part::parse) {
        Some(Part::Outer) => outer(false),
        Some(Part::Sandbox) => outer(true),
        Some(Part::Subreaper) => subreaper(),
        Some(Part::Nothing) => Ok(()),
        None => Err(io::ErrorKind::InvalidInput.into()),
    };
    i32::from(played.is_err())
}

fn outer(sandboxed: bool) -> io::Result<()> {
    let control = control()?;
    inherited::close_on_exec()?;
    signals::make_default()?;
    nix::unistd::setsid()?;
    // While this process's children are where it is, and can be found by their numbers.
    let identity = sandboxed.then(Identity::new);
    if let Err(error) = namespace::enter() {
        let reason = format!("the system refuses one ({error})");
        return report(&control, &Report::Refused(reason));
    }
    let reason = match sys::fork() {
        Ok(None) => std::process::exit(i32::from(inner(control, identity).is_err())),
        Ok(Some(inner)) => match waitpid(inner, None) {
            Ok(WaitStatus::Exited(_, 0)) => return Ok(()),
            Ok(status) => format!("its first process failed ({status:?})"),
            Err(error) => format!("its first process is lost ({error})"),
        },
        Err(error) => format!("its first process cannot be started ({error})"),
    };
    report(&control, &Report::Refused(reason))
}

fn inner(control: UnixStream, identity: Option<Identity>) -> io::Result<()> {
    // What it does to everybody else in its namespace must not be done in one that is not its own.
    if nix::unistd::getpid() != Pid::from_raw(1) {
        return Err(io::Error::other("this is not the first process of a namespace"));
    }
    nix::unistd::setsid()?;
    // The outer one has no threads, so its death is what this tells of; and when it died before, the host saw that.
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    let mut fresh_proc = false;
    // A sandbox has a `/proc` of its own, and gives up more.
    if identity.is_none() {
        fresh_proc = namespace::mount_proc().is_ok();
        namespace::drop_capabilities()?;
    }
    serve::serve(control, serve::Reach::Namespace, identity, fresh_proc)
}

fn subreaper() -> io::Result<()> {
    let control = control()?;
    inherited::close_on_exec()?;
    signals::make_default()?;
    nix::unistd::setsid()?;
    prctl::set_child_subreaper(true)?;
    serve::serve(control, serve::Reach::Descendants, Some(Identity::new()), false)
}

/// The socket to the host: it came as standard input.
fn control() -> io::Result<UnixStream> {
    let control = io::stdin().as_fd().try_clone_to_owned()?;
    Ok(UnixStream::from(control))
}

/// Tells the host. When it is gone nobody needs to know, which is for the caller to decide.
fn report(mut control: &UnixStream, report: &Report) -> io::Result<()> {
    let mut line = serde_json::to_vec(report)?;
    line.push(b'\n');
    control.write_all(&line)
}
