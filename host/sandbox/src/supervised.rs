//! The host's side of a supervisor.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use nix::sys::signal::{self, killpg};
use nix::unistd::Pid;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Interest, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;

use crate::cgroup::Group;
use crate::child::{Ending, Exit, Handle, Mailbox};
use crate::containment::{Confinement, Containment, Layers, MemoryLimit};
use crate::descriptors;
use crate::error::{Lost, SpawnError};
use crate::launch::Launch;
use crate::policy::{Plan, Profile, Sandbox};
use crate::resources::{Exceeded, Resources};
use crate::stdio::Theirs;
use crate::stem::Supervisors;
use crate::supervisor::Part;
use crate::wire::{Enforced, Failure, Order, Report, Request};

/// A supervisor whose containment stands, waiting for its order.
pub(crate) struct Ready {
    supervisor: PathBuf,
    containment: Containment,
    fresh_proc: bool,
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

/// Starts a supervisor and waits until its containment stands. `launch` is for the errors only: nothing of it is sent
/// before that.
pub(crate) async fn await_ready(
    supervisors: &Supervisors,
    part: Part,
    launch: &Launch,
    group: Option<Group>,
) -> Result<Awaited, SpawnError> {
    let mut ready = begin(supervisors, part, launch, group).await?;
    let first = match ready.reports.next_line().await {
        // The stem took the request and was lost with it.
        Ok(None) => {
            ready = begin(supervisors, part, launch, ready.group.take()).await?;
            ready.report().await?
        }
        line => ready.read(line)?,
    };
    match first {
        Report::Ready { process, fresh_proc } => {
            ready.fresh_proc = fresh_proc;
            ready.group = ready.group.take().filter(|group| group.holds(process));
            Ok(Awaited::Ready(Box::new(ready)))
        }
        Report::Refused(reason) => Ok(Awaited::Refused(reason)),
        other => Err(ready.broken(format!("it began with {other:?}"))),
    }
}

/// Has a supervisor forked, whose containment does not stand yet.
async fn begin(
    supervisors: &Supervisors,
    part: Part,
    launch: &Launch,
    group: Option<Group>,
) -> Result<Ready, SpawnError> {
    let supervisor = supervisors.executable().to_owned();
    let socket = match supervisors.fork(part, group.as_ref()).await {
        Ok(socket) => socket,
        Err(source) => {
            let problem = format!("cannot be started to launch {}: {source}", launch.program);
            return Err(SpawnError::Supervisor { supervisor, problem });
        }
    };
    let (reader, requests) = socket.into_split();
    Ok(Ready {
        supervisor,
        containment: match part {
            Part::Subreaper => Containment::Subreaper,
            _ => Containment::PidNamespace,
        },
        fresh_proc: false,
        reports: BufReader::new(reader).lines(),
        requests,
        group,
        memory_bytes: launch.limits.and_then(|limits| limits.memory_bytes),
    })
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
        self.ended().await;
        Ok(tried)
    }

    async fn order(&mut self, order: &Order, descriptors: &[OwnedFd]) -> io::Result<()> {
        let mut line = serde_json::to_vec(order)?;
        line.push(b'\n');
        let socket: &UnixStream = self.requests.as_ref();
        let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        let sent = socket
            // A part of the line may go, but then all the descriptors went with it.
            .async_io(Interest::WRITABLE, || {
                Ok(descriptors::send(socket, &line, &descriptors, SendFlags::empty())?)
            })
            .await?;
        self.requests.write_all(&line[sent..]).await
    }

    async fn report(&mut self) -> Result<Report, SpawnError> {
        let line = self.reports.next_line().await;
        self.read(line)
    }

    fn read(&self, line: io::Result<Option<String>>) -> Result<Report, SpawnError> {
        let line = match line {
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
                    // The socket is closed only by the end of the supervisor. What it waited for is gone when it is.
                    Ok(None) | Err(_) => break,
                }
            }
        }
        let group = self.group.take();
        if let Some(group) = &group
            && let Some(most) = self.memory_bytes.filter(|_| group.ran_out_of_memory())
        {
            drop(exceeded.set(Exceeded::Memory(most)));
        }
        let ending = self.ending(exit, pid);
        // A namespace has ended by now: nothing in the group is anything but about to be gone.
        if ending.is_ok() && self.containment == Containment::PidNamespace {
            ended.send_replace(Some(ending));
            if let Some(group) = group {
                group.end().await;
            }
        } else {
            if let Some(group) = group {
                group.end().await;
            }
            ended.send_replace(Some(ending));
        }
    }

    /// Waits until the supervisor is gone.
    async fn ended(&mut self) {
        while let Ok(Some(_)) = self.reports.next_line().await {}
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
    let received = match descriptors::receive(letters, &mut [0], RecvFlags::DONTWAIT) {
        Ok(received) => received.descriptors,
        Err(Errno::AGAIN) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let listeners: Vec<_> = received.into_iter().map(TcpListener::from).collect();
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
