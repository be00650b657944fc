//! The host's side of a supervisor.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, OnceLock};

use nix::sys::signal::{self, killpg};
use nix::unistd::Pid;
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Interest, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use crate::cgroup::Group;
use crate::child::{Ending, Exit, Handle, Mailbox};
use crate::containment::{Confinement, Containment, Layers, MemoryLimit};
use crate::error::{Lost, SpawnError};
use crate::launch::Launch;
use crate::policy::{Plan, Profile, Sandbox};
use crate::resources::{Exceeded, Resources};
use crate::stdio::Theirs;
use crate::supervisor::{ASKED, Part};
use crate::wire::{Enforced, Failure, MOST_OUTLETS, Order, Report, Request};

/// A supervisor whose containment stands, waiting for its order.
pub(crate) struct Ready {
    supervisor: PathBuf,
    containment: Containment,
    fresh_proc: bool,
    process: Child,
    reports: Lines<BufReader<OwnedReadHalf>>,
    /// The only hold on the host's end of the socket, but for the one that reads: when it closes, all ends.
    requests: OwnedWriteHalf,
    /// The control group that it is in, if it is in one of its own.
    group: Option<Group>,
    memory_bytes: Option<u64>,
}

/// What is started, and what of it the host has to send along.
pub(crate) struct Starting<'a> {
    pub(crate) launch: &'a Launch,
    pub(crate) plan: Option<Plan>,
    /// Why the containment is no stronger.
    pub(crate) refused: Option<String>,
}

/// What became of asking for a containment.
pub(crate) enum Awaited {
    Ready(Box<Ready>),
    /// The system refuses it, for this reason.
    Refused(String),
}

/// Starts a supervisor and waits until its containment stands. `launch` is for the errors only: what it holds is
/// not told to anybody yet.
pub(crate) async fn await_ready(
    supervisor: &Path,
    part: Part,
    launch: &Launch,
    group: Option<Group>,
) -> Result<Awaited, SpawnError> {
    let (process, socket) =
        spawn(supervisor, part, group.as_ref()).map_err(|source| SpawnError::Supervisor {
            supervisor: supervisor.to_owned(),
            problem: format!("cannot be started to launch {}: {source}", launch.program),
        })?;
    let (reader, requests) = socket.into_split();
    let mut ready = Ready {
        supervisor: supervisor.to_owned(),
        containment: match part {
            Part::Subreaper => Containment::Subreaper,
            _ => Containment::PidNamespace,
        },
        fresh_proc: false,
        process,
        reports: BufReader::new(reader).lines(),
        requests,
        group,
        memory_bytes: launch.limits.and_then(|limits| limits.memory_bytes),
    };
    match ready.report().await? {
        Report::Ready { fresh_proc } => {
            ready.fresh_proc = fresh_proc;
            let pid = ready.process.id();
            ready.group =
                ready.group.take().filter(|group| pid.is_some_and(|pid| group.holds(pid)));
            Ok(Awaited::Ready(Box::new(ready)))
        }
        Report::Refused(reason) => Ok(Awaited::Refused(reason)),
        other => Err(ready.broken(format!("it began with {other:?}"))),
    }
}

fn spawn(supervisor: &Path, part: Part, group: Option<&Group>) -> io::Result<(Child, UnixStream)> {
    // Both ends are closed on exec from their first moment, so no other child can hold the host's end open.
    let (ours, theirs) = StdUnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let process = Command::new(supervisor)
        .arg0("cyrus-supervisor")
        .args([ASKED, part.argument()])
        .args(group.map(Group::entrance))
        // The host's variables may be secrets, and others can read a process's environment.
        .env_clear()
        .current_dir("/")
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok((process, UnixStream::from_std(ours)?))
}

impl Ready {
    /// Gives the order and waits until the program runs.
    pub(crate) async fn start(
        mut self,
        starting: Starting<'_>,
        theirs: Theirs,
    ) -> Result<(Handle, Vec<TcpListener>), SpawnError> {
        let Starting { launch, plan, refused } = starting;
        let profile = launch.sandbox.as_ref().map(Sandbox::profile);
        let (courier, letters) =
            StdUnixStream::pair().map_err(|error| self.broken(error.to_string()))?;
        let mut descriptors: Vec<OwnedFd> = theirs.into();
        descriptors.push(courier.into());
        let order = order(launch, plan, false, self.limits_to_enforce(launch.limits));
        if let Err(error) = self.order(&order, &descriptors).await {
            return Err(self.broken(format!("it does not take its order: {error}")));
        }
        // The supervisor has its own by now.
        drop(descriptors);
        let (pid, enforced) = match self.report().await? {
            Report::Started { pid, enforced } => (pid, enforced),
            Report::Failed(failure) => return Err(failed(launch, failure)),
            other => return Err(self.broken(format!("it answered its order with {other:?}"))),
        };
        let outlets = receive(&letters).map_err(|error| self.broken(error.to_string()))?;
        let fresh_proc = self.fresh_proc || enforced.as_ref().is_some_and(|enforced| enforced.view);
        let sandbox = profile
            .zip(enforced)
            .map(|(profile, enforced)| layers(profile, enforced, self.memory()));
        let containment = self.containment;
        let confinement = Confinement { containment, fresh_proc, refused, sandbox };
        let mailbox = Arc::new(Mailbox::default());
        let (ended, ending) = watch::channel(None);
        let exceeded = Arc::<OnceLock<_>>::default();
        let handle = Handle::new(mailbox.clone(), ending, exceeded.clone(), confinement);
        tokio::spawn(self.keep(pid, mailbox, exceeded, ended));
        Ok((handle, outlets))
    }

    /// What limits the memory of a sandboxed program.
    fn memory(&self) -> MemoryLimit {
        match (self.memory_bytes, &self.group) {
            (None, _) => MemoryLimit::None,
            (Some(_), Some(group)) if group.limits_memory => MemoryLimit::Kernel,
            (Some(_), _) => MemoryLimit::Measured,
        }
    }

    /// What of a launch's limits no control group enforces.
    fn limits_to_enforce(&self, limits: Option<Resources>) -> Option<Resources> {
        let by_group = self.group.as_ref().is_some_and(|group| group.limits_memory);
        limits.map(|limits| Resources {
            memory_bytes: limits.memory_bytes.filter(|_| !by_group),
            ..limits
        })
    }

    /// Tries a sandbox and starts nothing in it. Fails with what the system refuses.
    pub(crate) async fn rehearse(
        mut self,
        launch: &Launch,
        plan: Plan,
        theirs: Theirs,
    ) -> Result<Result<(), String>, SpawnError> {
        let order = order(launch, Some(plan), true, launch.limits);
        let sent = self.order(&order, &theirs).await;
        sent.map_err(|error| self.broken(format!("it does not take its order: {error}")))?;
        let tried = match self.report().await? {
            Report::Started { .. } => Ok(()),
            Report::Failed(Failure::Sandbox(problem)) => Err(problem),
            other => return Err(self.broken(format!("it answered its order with {other:?}"))),
        };
        let _ = self.process.wait().await;
        Ok(tried)
    }

    async fn order(&mut self, order: &Order, descriptors: &[OwnedFd]) -> io::Result<()> {
        let mut line = serde_json::to_vec(order)?;
        line.push(b'\n');
        let socket: &UnixStream = self.requests.as_ref();
        let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        let sent = socket
            .async_io(Interest::WRITABLE, || {
                let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
                let mut ancillary = SendAncillaryBuffer::new(&mut space);
                ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
                // A part of the line may go, but then all the descriptors went with it.
                let bytes = [IoSlice::new(&line)];
                Ok(sendmsg(socket, &bytes, &mut ancillary, SendFlags::NOSIGNAL)?)
            })
            .await?;
        self.requests.write_all(&line[sent..]).await
    }

    async fn report(&mut self) -> Result<Report, SpawnError> {
        let line = match self.reports.next_line().await {
            Ok(Some(line)) => line,
            Ok(None) => {
                let problem = "it ended at once: its main must begin with supervise_if_asked()";
                return Err(self.broken(problem.into()));
            }
            Err(error) => return Err(self.broken(error.to_string())),
        };
        serde_json::from_str(&line)
            .map_err(|error| self.broken(format!("it does not speak our language: {error}")))
    }

    fn broken(&self, problem: String) -> SpawnError {
        SpawnError::Supervisor { supervisor: self.supervisor.clone(), problem }
    }

    /// Passes signals on until nothing is left of the program, then tells how it ended.
    async fn keep(
        mut self,
        pid: i32,
        mailbox: Arc<Mailbox>,
        exceeded: Arc<OnceLock<Exceeded>>,
        ended: watch::Sender<Ending>,
    ) {
        let mut exit = None;
        loop {
            tokio::select! {
                signals = mailbox.collect() => {
                    for signal in signals {
                        // When it cannot be told, it is gone, and the reports end.
                        let _ = self.request(&Request::Signal(signal)).await;
                    }
                }
                report = self.reports.next_line() => match report {
                    Ok(Some(line)) => match serde_json::from_str(&line) {
                        Ok(Report::Ended(how)) => exit = Some(how),
                        Ok(Report::Exceeded(limit)) => drop(exceeded.set(limit)),
                        // It says nothing else any more.
                        Ok(_) | Err(_) => {}
                    },
                    Ok(None) | Err(_) => break,
                }
            }
        }
        // The socket is closed only by the end of the supervisor. What it waited for is gone when it is.
        let _ = self.process.wait().await;
        if let Some(group) = self.group.take() {
            if let Some(most) = self.memory_bytes.filter(|_| group.ran_out_of_memory()) {
                drop(exceeded.set(Exceeded::Memory(most)));
            }
            group.end().await;
        }
        ended.send_replace(Some(self.ending(exit, pid)));
    }

    async fn request(&mut self, request: &Request) -> io::Result<()> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        self.requests.write_all(&line).await
    }

    fn ending(&self, exit: Option<Exit>, pid: i32) -> Result<Exit, Lost> {
        if exit.is_none() && self.containment == Containment::Subreaper {
            // Somebody killed the supervisor. What is left to do is the program's own group.
            tracing::warn!(pid, "the supervisor of a program was killed from outside");
            let _ = killpg(Pid::from_raw(pid), signal::Signal::SIGKILL);
        }
        exit.ok_or(Lost)
    }
}

fn order(launch: &Launch, plan: Option<Plan>, rehearsal: bool, limits: Option<Resources>) -> Order {
    Order {
        program: launch.program.as_path().into(),
        args: launch.args.clone(),
        env: launch.env.clone().into_iter().collect(),
        directory: launch.directory.as_path().into(),
        may_gain_privileges: launch.trusted && plan.is_none(),
        limits,
        plan,
        rehearsal,
    }
}

fn layers(profile: Profile, enforced: Enforced, memory: MemoryLimit) -> Layers {
    let Enforced { view, landlock, user, isolated, missing } = enforced;
    let network = view && isolated;
    Layers { profile, view, network, landlock, system_calls: true, memory, user, missing }
}

/// The listeners that the supervisor sent before it said that the program runs. None: there are none.
fn receive(letters: &StdUnixStream) -> io::Result<Vec<TcpListener>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_OUTLETS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    match recvmsg(letters, &mut [IoSliceMut::new(&mut byte)], &mut ancillary, flags) {
        Ok(_) | Err(Errno::AGAIN) => {}
        Err(error) => return Err(error.into()),
    }
    let mut listeners = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            listeners.extend(rights.map(TcpListener::from));
        }
    }
    for listener in &listeners {
        listener.set_nonblocking(true)?;
    }
    Ok(listeners)
}

fn failed(launch: &Launch, failure: Failure) -> SpawnError {
    match failure {
        Failure::Sandbox(problem) => {
            SpawnError::Sandbox { program: launch.program.clone(), problem }
        }
        Failure::Limits(problem) => SpawnError::System {
            program: launch.program.clone(),
            source: io::Error::other(format!("its limits cannot be set: {problem}")),
        },
        Failure::Directory(number) => SpawnError::Directory {
            directory: launch.directory.clone(),
            source: io::Error::from_raw_os_error(number),
        },
        Failure::Exec(number) => {
            SpawnError::of_exec(&launch.program, io::Error::from_raw_os_error(number))
        }
    }
}
