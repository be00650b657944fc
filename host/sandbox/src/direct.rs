//! A program without a supervisor: all that is held together is its process group.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use nix::sys::signal::{self, kill, killpg};
use nix::unistd::Pid;
use rustix::fs::{Access, access};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use tokio::sync::{oneshot, watch};

use crate::child::{Ending, Exit, Handle, Mailbox, Signal};
use crate::containment::{Confinement, Containment, Layers};
use crate::error::{Lost, SpawnError};
use crate::launch::Launch;
use crate::session;
use crate::stdio::Theirs;

pub(crate) fn start(
    launch: &Launch,
    theirs: Theirs,
    sandbox: Option<Layers>,
) -> Result<Handle, SpawnError> {
    let (program, ended) = spawn(launch, theirs)?;
    let mailbox = Arc::new(Mailbox::default());
    let (sender, ending) = watch::channel(None);
    tokio::spawn(keep(program, ended, mailbox.clone(), sender));
    let confinement = Confinement {
        containment: Containment::ProcessGroup,
        fresh_proc: false,
        refused: None,
        sandbox,
    };
    Ok(Handle::new(mailbox, ending, Arc::default(), confinement))
}

/// A program's number, for as long as it is its own.
struct Program(Arc<Mutex<Option<Pid>>>);

impl Program {
    fn signal(&self, signal: Signal) {
        // Held while signalling: nobody reaps the program meanwhile.
        let pid = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(pid) = *pid else { return };
        // That there is nothing left to signal is no error.
        let _ = match signal {
            Signal::Interrupt => kill(pid, signal::Signal::SIGINT),
            Signal::Terminate => kill(pid, signal::Signal::SIGTERM),
            Signal::Kill => killpg(pid, signal::Signal::SIGKILL),
        };
    }
}

/// Also when the runtime is shut down and the keeper with it.
impl Drop for Program {
    fn drop(&mut self) {
        self.signal(Signal::Kill);
    }
}

/// Spawns, and leaves the waiting to a thread of its own: a runtime's blocking threads are limited in number, and a
/// runtime that is dropped would wait for them.
fn spawn(
    launch: &Launch,
    [stdin, stdout, stderr]: Theirs,
) -> Result<(Program, oneshot::Receiver<Exit>), SpawnError> {
    // Looked at first, so that a bad directory is told from a bad program.
    enterable(launch.directory.as_path())
        .map_err(|source| SpawnError::Directory { directory: launch.directory.clone(), source })?;
    let mut command = Command::new(launch.program.as_path());
    command
        .args(&launch.args)
        .env_clear()
        .envs(&launch.env)
        .current_dir(launch.directory.as_path())
        .stdin(stdin)
        .stdout(stdout)
        .stderr(stderr);
    let spawned = session::own_session(&mut command, launch.limits).spawn();
    let mut child = spawned.map_err(|error| SpawnError::of_exec(&launch.program, error))?;

    let pid = Pid::from_raw(child.id().cast_signed());
    let running = Arc::new(Mutex::new(Some(pid)));
    let program = Program(running.clone());
    let (sender, ended) = oneshot::channel();
    let waiting =
        thread::Builder::new().name("program-wait".into()).stack_size(64 * 1024).spawn(move || {
            await_end(pid);
            let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
            // The program still has its number, and its group the same, until it is reaped.
            let _ = killpg(pid, signal::Signal::SIGKILL);
            let status = child.wait();
            *running = None;
            if let Some(exit) = status.ok().and_then(exit_of) {
                let _ = sender.send(exit);
            }
        });
    match waiting {
        Ok(_) => Ok((program, ended)),
        Err(source) => Err(SpawnError::System { program: launch.program.clone(), source }),
    }
}

fn enterable(directory: &Path) -> io::Result<()> {
    if !directory.metadata()?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    Ok(access(directory, Access::EXEC_OK)?)
}

/// Waits until a child has ended, and leaves it to be reaped.
fn await_end(pid: Pid) {
    let Some(pid) = rustix::process::Pid::from_raw(pid.as_raw()) else {
        return;
    };
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while let Err(error) = waitid(WaitId::Pid(pid), options) {
        if io::Error::from(error).kind() != io::ErrorKind::Interrupted {
            return;
        }
    }
}

fn exit_of(status: ExitStatus) -> Option<Exit> {
    let signal = status.signal().map(Exit::Signal);
    signal.or_else(|| status.code().map(Exit::Code))
}

async fn keep(
    program: Program,
    mut ended: oneshot::Receiver<Exit>,
    mailbox: Arc<Mailbox>,
    ending: watch::Sender<Ending>,
) {
    let exit = loop {
        tokio::select! {
            signals = mailbox.collect() => signals.for_each(|signal| program.signal(signal)),
            exit = &mut ended => break exit.map_err(|_| Lost),
        }
    };
    ending.send_replace(Some(exit));
}
