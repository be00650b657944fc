//! One program, from the order that starts it to the end of all that it started.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::sys::prctl;
use nix::sys::signal::{self, SigSet};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{WaitOptions, WaitStatus, wait};

use super::identity::Identity;
use super::requests::Requests;
use super::view::Failed;
use super::{Sandboxing, disk, memory, network, report, restrict, tree, view};
use crate::child::{Exit, Signal};
use crate::policy::Plan;
use crate::resources::Exceeded;
use crate::session;
use crate::stdio::Theirs;
use crate::wire::{Enforced, Failure, Order, Report, Request};

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
///
/// `sandboxing`: in a namespace, none says that programs get no sandbox there. `ready`: how it says so.
pub(super) fn serve(
    control: UnixStream,
    reach: Reach,
    sandboxing: Option<Sandboxing>,
    ready: &Report,
) -> io::Result<()> {
    // A program of the same user could otherwise attach to this process and speak for it.
    prctl::set_dumpable(false)?;
    report(&control, ready)?;
    let fresh_proc = matches!(ready, Report::Ready { fresh_proc: true, .. });
    let mut requests = Requests::new(control);
    let Some((order, theirs, courier)) = requests.order()? else {
        return Ok(());
    };
    let started = match (&order.plan, sandboxing) {
        (Some(plan), Some(sandboxing)) => {
            confined(&order, plan, sandboxing, theirs, courier.as_ref())
        }
        (None, _) => start(&order, reach == Reach::Namespace, theirs, |_| {})
            .map(|program| (Some(program), None)),
        (Some(_), None) => Err(Failure::Sandbox("this supervisor makes none".into())),
    };
    // When the host reads of the program, everything that it was sent is there.
    drop(courier);
    let (program, enforced) = match started {
        Ok(started) => started,
        Err(failure) => return report(requests.socket(), &Report::Failed(failure)),
    };
    let view = enforced.as_ref().is_some_and(|enforced| enforced.view);
    let most = order.limits.and_then(|limits| limits.memory_bytes);
    // In a namespace whose processes it does not see, there is nothing to measure.
    let measurable = reach == Reach::Descendants || view || fresh_proc;
    let watch = Watches {
        memory: most.filter(|_| measurable).map(|most| memory::Watch::new(most, reach, view)),
        disk: disk_watch(&order, reach, view),
    };
    drop(order);
    let Some(program) = program else {
        return report(requests.socket(), &Report::Started { pid: 0, enforced });
    };
    let supervised = supervise(&mut requests, program, enforced, reach, watch);
    reach.end();
    supervised
}

/// What is measured while a program runs.
struct Watches {
    memory: Option<memory::Watch>,
    disk: Option<disk::Watch>,
}

impl Watches {
    /// How long until something is to be measured.
    fn pause(&self) -> Option<&Timespec> {
        // The program changes what is looked at meanwhile: the shorter a look is, the better.
        if self.disk.as_ref().is_some_and(disk::Watch::is_under_way) {
            return Some(&memory::SOON);
        }
        let of_memory = self.memory.as_ref().map(|memory| &memory.pause);
        of_memory.or(self.disk.as_ref().map(|_| &memory::SELDOM))
    }

    /// Measures, and returns the limit that is passed. After the first one there is nothing more to measure. `ended`:
    /// the program did, and only what it leaves on disk is of interest.
    fn passed(&mut self, ended: bool) -> Option<Exceeded> {
        let limit = if let Some(memory) = &mut self.memory
            && !ended
            && memory.is_passed()
        {
            Exceeded::Memory(memory.most)
        } else {
            let disk = self.disk.as_mut()?;
            Exceeded::Disk { place: disk.passed()?, bytes: disk.most }
        };
        *self = Self { memory: None, disk: None };
        Some(limit)
    }
}

fn disk_watch(order: &Order, reach: Reach, view: bool) -> Option<disk::Watch> {
    let most = order.limits?.disk_bytes?;
    let own = order.plan.iter().flat_map(|plan| &plan.binds).filter(|bind| bind.measured);
    let places = own.map(|bind| if view { bind.target.clone() } else { bind.source.clone() });
    Some(disk::Watch::new(most, reach, places))
}

/// Starts a program in its sandbox; or nothing, when that is only tried.
fn confined(
    order: &Order,
    plan: &Plan,
    Sandboxing { mut identity, network }: Sandboxing,
    theirs: Theirs,
    courier: Option<&OwnedFd>,
) -> Result<(Option<Pid>, Option<Enforced>), Failure> {
    let pipes = |error: io::Error| Failure::Sandbox(format!("cannot give it its pipes ({error})"));
    if let Some(network) = network {
        identity.give_pipes(&theirs).map_err(pipes)?;
        // This process is restricted, and the program with it: the first process of a namespace has to be no better
        // a target than what it started.
        let failed = |Failed { step, error }| Failure::Sandbox(format!("cannot {step} ({error})"));
        view::enter(plan, &identity).map_err(failed)?;
        network::enter(plan, &network, courier).map_err(|error| {
            Failure::Sandbox(format!("cannot give it a network of its own ({error})"))
        })?;
        let enforced = restrict::apply(plan, &identity, true).map_err(Failure::Sandbox)?;
        // Another user's process would no longer end with its parent, and could be traced.
        let again =
            prctl::set_pdeathsig(signal::Signal::SIGKILL).and_then(|()| prctl::set_dumpable(false));
        again.map_err(|error| Failure::Sandbox(error.to_string()))?;
        let program = if order.rehearsal {
            None
        } else {
            Some(start(order, true, theirs, |command| shorten_tmp(command, order, plan))?)
        };
        return Ok((program, Some(enforced)));
    }
    let directory = Path::new(&order.directory);
    let writable: Vec<_> = plan.binds.iter().filter(|bind| bind.writable).collect();
    if !writable.iter().all(|bind| identity.reaches(&bind.source)) || !identity.reaches(directory) {
        identity.stay();
    }
    identity.give_pipes(&theirs).map_err(pipes)?;
    for bind in writable {
        let given = identity.give(&bind.source).and_then(|()| identity.keep(&bind.source));
        given.map_err(|error| {
            Failure::Sandbox(format!(
                "cannot change the owner of {} ({error})",
                bind.source.display()
            ))
        })?;
    }
    without_view(order, plan.clone(), identity, theirs)
}

/// Names the directory for temporary files by its short path in a view, which names of sockets have room for.
fn shorten_tmp(command: &mut Command, order: &Order, plan: &Plan) {
    let is_tmp = |(name, value): &(OsString, OsString)| {
        name == "TMPDIR" && plan.tmp.as_ref().is_some_and(|tmp| tmp.as_os_str() == value)
    };
    if plan.has_tmp_at(Path::new("/tmp")) && order.env.iter().any(is_tmp) {
        command.env("TMPDIR", "/tmp");
    }
}

/// Starts a program that restricts itself between fork and exec. This process stays what it is: out of the program's
/// reach, which may signal nothing outside of its Landlock domain.
fn without_view(
    order: &Order,
    plan: Plan,
    identity: Identity,
    theirs: Theirs,
) -> Result<(Option<Pid>, Option<Enforced>), Failure> {
    let lost = |error: io::Error| Failure::Sandbox(error.to_string());
    let alone = identity.is_a_number_of_its_own();
    let (mut from, mut to) = io::pipe().map_err(lost)?;
    let restrict = move || {
        let applied = restrict::apply(&plan, &identity, false);
        serde_json::to_writer(&mut to, &applied)?;
        applied.map(drop).map_err(io::Error::other)
    };
    let started = if order.rehearsal {
        drop(theirs);
        rehearse(restrict).map(|()| None)
    } else {
        start(order, alone, theirs, |command| session::before_exec(command, restrict)).map(Some)
    };
    let mut said = Vec::new();
    from.read_to_end(&mut said).map_err(lost)?;
    match serde_json::from_slice::<Result<Enforced, String>>(&said) {
        Ok(Ok(enforced)) => started.map(|program| (program, Some(enforced))),
        Ok(Err(problem)) => Err(Failure::Sandbox(problem)),
        Err(_) => {
            Err(started.err().unwrap_or_else(|| Failure::Sandbox("it did not answer".into())))
        }
    }
}

fn rehearse(mut restrict: impl FnMut() -> io::Result<()>) -> Result<(), Failure> {
    let forked = super::sys::fork().map_err(|error| Failure::Sandbox(error.to_string()))?;
    let Some(child) = forked else { std::process::exit(i32::from(restrict().is_err())) };
    // What it could not do, it said.
    let _ = nix::sys::wait::waitpid(child, None);
    Ok(())
}

fn supervise(
    requests: &mut Requests,
    program: Pid,
    enforced: Option<Enforced>,
    reach: Reach,
    mut watches: Watches,
) -> io::Result<()> {
    // Blocked only now: the program would have inherited it. A child that ended before is found by the first look.
    let mut child_ended = SigSet::empty();
    child_ended.add(signal::Signal::SIGCHLD);
    child_ended.thread_block()?;
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    let bell = SignalFd::with_flags(&child_ended, flags)?;

    let started = Report::Started { pid: program.as_raw(), enforced };
    let mut told = report(requests.socket(), &started);
    let mut exit = reap(program);
    while told.is_ok() {
        if let Some(exit) = exit {
            return report(requests.socket(), &Report::Ended(exit));
        }
        let asked = wait_for_either(requests.socket(), &bell, watches.pause())?;
        // Once: it is one signal, however often it was sent, and a program can go on sending it.
        let _ = bell.read_signal()?;
        exit = reap(program);
        if let Some(limit) = watches.passed(exit.is_some()) {
            told = report(requests.socket(), &Report::Exceeded(limit));
            reach.kill();
        }
        if exit.is_some() {
            continue;
        }
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

/// `alone`: the system counts the processes of this program apart from those of others.
fn start(
    order: &Order,
    alone: bool,
    [stdin, stdout, stderr]: Theirs,
    prepare: impl FnOnce(&mut Command),
) -> Result<Pid, Failure> {
    let number = |error: io::Error| error.raw_os_error().unwrap_or_default();
    // Entered by this process and inherited, so that a bad directory is told from a bad program.
    std::env::set_current_dir(Path::new(&order.directory))
        .map_err(|error| Failure::Directory(number(error)))?;
    limit(order, alone)?;
    if !order.may_gain_privileges {
        prctl::set_no_new_privs().map_err(|error| Failure::Exec(error as i32))?;
    }
    let mut command = Command::new(&order.program);
    command
        .args(&order.args)
        .env_clear()
        .envs(order.env.iter().map(|(name, value)| (name, value)))
        .stdin(stdin)
        .stdout(stdout)
        .stderr(stderr)
        // A program may signal its own group; this process is not to be in it.
        .process_group(0);
    prepare(&mut command);
    let spawned = command.spawn();
    let _ = std::env::set_current_dir("/");
    match spawned {
        Ok(program) => Ok(Pid::from_raw(program.id().cast_signed())),
        Err(error) => Err(Failure::Exec(number(error))),
    }
}

/// Limits this process, and the program with it.
fn limit(order: &Order, alone: bool) -> Result<(), Failure> {
    let Some(limits) = &order.limits else { return Ok(()) };
    let already = if alone { 0 } else { tree::tasks_of_this_user() };
    limits.restrict_self(Some(already)).map_err(|error| Failure::Limits(error.to_string()))
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

/// Sleeps until a child ended, the host said something, or memory is to be measured. True: the host did, or is gone.
fn wait_for_either(
    control: &UnixStream,
    bell: &SignalFd,
    pause: Option<&Timespec>,
) -> io::Result<bool> {
    let mut sources = [
        PollFd::from_borrowed_fd(control.as_fd(), PollFlags::IN),
        PollFd::from_borrowed_fd(bell.as_fd(), PollFlags::IN),
    ];
    match poll(&mut sources, pause) {
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
