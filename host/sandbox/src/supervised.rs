//! The host's side of a supervisor.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use nix::sys::signal::{self, killpg};
use nix::unistd::Pid;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Interest, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use crate::child::{Ending, Exit, Handle, Mailbox};
use crate::containment::{Confinement, Containment};
use crate::error::{Lost, SpawnError};
use crate::launch::Launch;
use crate::stdio::Theirs;
use crate::supervisor::{ASKED, Part};
use crate::wire::{Failure, Order, Report, Request};

/// A supervisor whose containment stands, waiting for its order.
pub(crate) struct Ready {
    supervisor: PathBuf,
    containment: Containment,
    fresh_proc: bool,
    process: Child,
    reports: Lines<BufReader<OwnedReadHalf>>,
    /// The only hold on the host's end of the socket, but for the one that reads: when it closes, all ends.
    requests: OwnedWriteHalf,
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
    containment: Containment,
    launch: &Launch,
) -> Result<Awaited, SpawnError> {
    let (process, socket) =
        spawn(supervisor, containment).map_err(|source| SpawnError::Supervisor {
            supervisor: supervisor.to_owned(),
            problem: format!("cannot be started to launch {}: {source}", launch.program),
        })?;
    let (reader, requests) = socket.into_split();
    let mut ready = Ready {
        supervisor: supervisor.to_owned(),
        containment,
        fresh_proc: false,
        process,
        reports: BufReader::new(reader).lines(),
        requests,
    };
    match ready.report().await? {
        Report::Ready { fresh_proc } => {
            ready.fresh_proc = fresh_proc;
            Ok(Awaited::Ready(Box::new(ready)))
        }
        Report::Refused(reason) => Ok(Awaited::Refused(reason)),
        other => Err(ready.broken(format!("it began with {other:?}"))),
    }
}

fn spawn(supervisor: &Path, containment: Containment) -> io::Result<(Child, UnixStream)> {
    // Both ends are closed on exec from their first moment, so no other child can hold the host's end open.
    let (ours, theirs) = StdUnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let part = match containment {
        Containment::PidNamespace => Part::Outer,
        _ => Part::Subreaper,
    };
    let process = Command::new(supervisor)
        .arg0("cyrus-supervisor")
        .args([ASKED, part.argument()])
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
        launch: &Launch,
        theirs: Theirs,
        refused: Option<String>,
    ) -> Result<Handle, SpawnError> {
        if let Err(error) = self.order(launch, theirs).await {
            return Err(self.broken(format!("it does not take its order: {error}")));
        }
        let pid = match self.report().await? {
            Report::Started { pid } => pid,
            Report::Failed(failure) => return Err(failed(launch, &failure)),
            other => return Err(self.broken(format!("it answered its order with {other:?}"))),
        };
        let confinement =
            Confinement { containment: self.containment, fresh_proc: self.fresh_proc, refused };
        let mailbox = Arc::new(Mailbox::default());
        let (ended, ending) = watch::channel(None);
        tokio::spawn(self.keep(pid, mailbox.clone(), ended));
        Ok(Handle::new(mailbox, ending, confinement))
    }

    async fn order(&mut self, launch: &Launch, theirs: Theirs) -> io::Result<()> {
        let order = Order {
            program: launch.program.as_path().into(),
            args: launch.args.clone(),
            env: launch.env.clone().into_iter().collect(),
            directory: launch.directory.as_path().into(),
            may_gain_privileges: launch.trusted,
        };
        let mut line = serde_json::to_vec(&order)?;
        line.push(b'\n');
        let socket: &UnixStream = self.requests.as_ref();
        let descriptors = theirs.each_ref().map(AsFd::as_fd);
        let sent = socket
            .async_io(Interest::WRITABLE, || {
                let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
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
    async fn keep(mut self, pid: i32, mailbox: Arc<Mailbox>, ended: watch::Sender<Ending>) {
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
                    Ok(Some(line)) => {
                        if let Ok(Report::Ended(how)) = serde_json::from_str(&line) {
                            exit = Some(how);
                        }
                    }
                    Ok(None) | Err(_) => break,
                }
            }
        }
        // The socket is closed only by the end of the supervisor. What it waited for is gone when it is.
        let _ = self.process.wait().await;
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

fn failed(launch: &Launch, failure: &Failure) -> SpawnError {
    match *failure {
        Failure::Directory(number) => SpawnError::Directory {
            directory: launch.directory.clone(),
            source: io::Error::from_raw_os_error(number),
        },
        Failure::Exec(number) => {
            SpawnError::of_exec(&launch.program, io::Error::from_raw_os_error(number))
        }
    }
}
