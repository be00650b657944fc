//! One program, from the order that starts it to the end of all that it started.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::sys::prctl;
use nix::sys::signal::{self, SigSet};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{WaitOptions, WaitStatus, wait};

use super::requests::Requests;
use super::{report, tree};
use crate::child::{Exit, Signal};
use crate::stdio::Theirs;
use crate::wire::{Failure, Order, Report, Request};

/// How everything that a program started is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// This process is the first of a namespace: what is in it is reached, and ends when this process does.
    Namespace,
    /// This process is a subreaper: its descendants are walked.
    Descendants,
}

impl Reach {
    fn kill(self) {
        match self {
            Self::Namespace => tree::kill_namespace(),
            Self::Descendants => {
                tree::kill_descendants();
            }
        }
    }

    fn end(self) {
        if self == Self::Descendants {
            tree::end_descendants();
        }
    }
}

/// Says that it is ready, starts what it is told to, serves the host's requests, and returns when the program has
/// ended or the host is gone, and nothing of the program is left (or, in a namespace, will be when this returns).
pub(super) fn serve(control: UnixStream, reach: Reach, fresh_proc: bool) -> io::Result<()> {
    // A program of the same user could otherwise attach to this process and speak for it.
    prctl::set_dumpable(false)?;
    report(&control, &Report::Ready { fresh_proc })?;
    let mut requests = Requests::new(control);
    let Some((order, theirs)) = requests.order()? else {
        return Ok(());
    };
    let program = match start(&order, theirs) {
        Ok(program) => program,
        Err(failure) => return report(requests.socket(), &Report::Failed(failure)),
    };
    drop(order);
    let supervised = supervise(&mut requests, program, reach);
    reach.end();
    supervised
}

fn supervise(requests: &mut Requests, program: Pid, reach: Reach) -> io::Result<()> {
    // Blocked only now: the program would have inherited it. A child that ended before is found by the first look.
    let mut child_ended = SigSet::empty();
    child_ended.add(signal::Signal::SIGCHLD);
    child_ended.thread_block()?;
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    let bell = SignalFd::with_flags(&child_ended, flags)?;

    let started = Report::Started { pid: program.as_raw() };
    let mut told = report(requests.socket(), &started);
    while told.is_ok() {
        if let Some(exit) = reap(program) {
            return report(requests.socket(), &Report::Ended(exit));
        }
        let asked = wait_for_either(requests.socket(), &bell)?;
        while bell.read_signal()?.is_some() {}
        if asked {
            match requests.read()? {
                Some(asked) => {
                    for request in asked {
                        answer(&request, program, reach);
                    }
                }
                None => told = Err(io::ErrorKind::BrokenPipe.into()),
            }
        }
    }
    // The host is gone, and there is nobody to tell.
    Ok(())
}

fn start(order: &Order, [stdin, stdout, stderr]: Theirs) -> Result<Pid, Failure> {
    let number = |error: io::Error| error.raw_os_error().unwrap_or_default();
    // Entered by this process and inherited, so that a bad directory is told from a bad program.
    std::env::set_current_dir(Path::new(&order.directory))
        .map_err(|error| Failure::Directory(number(error)))?;
    if !order.may_gain_privileges {
        prctl::set_no_new_privs().map_err(|error| Failure::Exec(error as i32))?;
    }
    let spawned = Command::new(&order.program)
        .args(&order.args)
        .env_clear()
        .envs(order.env.iter().map(|(name, value)| (name, value)))
        .stdin(stdin)
        .stdout(stdout)
        .stderr(stderr)
        // A program may signal its own group; this process is not to be in it.
        .process_group(0)
        .spawn();
    let _ = std::env::set_current_dir("/");
    match spawned {
        Ok(program) => Ok(Pid::from_raw(program.id().cast_signed())),
        Err(error) => Err(Failure::Exec(number(error))),
    }
}

/// Reaps every child that has ended. Returns how the program did, if it is among them.
fn reap(program: Pid) -> Option<Exit> {
    let mut exit = None;
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        if pid.as_raw_nonzero().get() == program.as_raw() {
            exit = exit_of(status);
        }
    }
    exit
}

fn exit_of(status: WaitStatus) -> Option<Exit> {
    let signal = status.terminating_signal().map(Exit::Signal);
    signal.or_else(|| status.exit_status().map(Exit::Code))
}

/// Sleeps until a child ended or the host said something. True: the host did, or is gone.
fn wait_for_either(control: &UnixStream, bell: &SignalFd) -> io::Result<bool> {
    let mut sources = [
        PollFd::from_borrowed_fd(control.as_fd(), PollFlags::IN),
        PollFd::from_borrowed_fd(bell.as_fd(), PollFlags::IN),
    ];
    match poll(&mut sources, None) {
        Ok(_) => Ok(!sources[0].revents().is_empty()),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The program has not been reaped, so its number is its own.
fn answer(request: &Request, program: Pid, reach: Reach) {
    let Request::Signal(wanted) = request;
    let signal = match wanted {
        Signal::Interrupt => signal::Signal::SIGINT,
        Signal::Terminate => signal::Signal::SIGTERM,
        Signal::Kill => return reach.kill(),
    };
    let _ = signal::kill(program, signal);
}
