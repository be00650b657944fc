//! A launched program, as the host holds it.

use std::fmt;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use tokio::net::unix::pipe;
use tokio::sync::{Notify, watch};

use crate::containment::Confinement;
use crate::error::Lost;
use crate::resources::Exceeded;

/// The host's end of a program's standard input. Dropping it is the end of the input.
pub type ChildStdin = pipe::Sender;

/// The host's end of a program's standard output or standard error.
pub type ChildOutput = pipe::Receiver;

/// What can be sent to a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signal {
    /// SIGINT, to the program itself.
    Interrupt,
    /// SIGTERM, to the program itself.
    Terminate,
    /// The end of the program and of everything it started.
    Kill,
}

impl Signal {
    const ALL: [Self; 3] = [Self::Interrupt, Self::Terminate, Self::Kill];

    fn bit(self) -> u8 {
        match self {
            Self::Interrupt => 1,
            Self::Terminate => 2,
            Self::Kill => 4,
        }
    }
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// It returned this code, 0 to 255.
    Code(i32),
    /// A signal of this number ended it.
    Signal(i32),
}

impl Exit {
    /// Whether the program returned 0.
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// The signals that were asked for and are not sent yet. Like the kernel's own, they do not queue: two requests for
/// one signal may become one, so however often somebody asks, there is nothing that grows.
#[derive(Default)]
pub(crate) struct Mailbox {
    wanted: AtomicU8,
    bell: Notify,
}

impl Mailbox {
    pub(crate) fn post(&self, signal: Signal) {
        self.wanted.fetch_or(signal.bit(), Ordering::AcqRel);
        self.bell.notify_one();
    }

    /// Waits for requests and takes them, weakest first.
    pub(crate) async fn collect(&self) -> impl Iterator<Item = Signal> + use<> {
        self.bell.notified().await;
        let wanted = self.wanted.swap(0, Ordering::AcqRel);
        Signal::ALL.into_iter().filter(move |signal| wanted & signal.bit() != 0)
    }
}

/// How a program's end becomes known: empty until it and everything it started is gone.
pub(crate) type Ending = Option<Result<Exit, Lost>>;

struct Shared {
    mailbox: Arc<Mailbox>,
    ending: watch::Receiver<Ending>,
    exceeded: Arc<OnceLock<Exceeded>>,
    confinement: Confinement,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.mailbox.post(Signal::Kill);
    }
}

/// A hold on a launched program, shared with every clone and with its [`Child`]. When the last one is dropped, the
/// program and everything it started is killed.
#[derive(Clone)]
pub struct Handle(Arc<Shared>);

impl Handle {
    pub(crate) fn new(
        mailbox: Arc<Mailbox>,
        ending: watch::Receiver<Ending>,
        exceeded: Arc<OnceLock<Exceeded>>,
        confinement: Confinement,
    ) -> Self {
        Self(Arc::new(Shared { mailbox, ending, exceeded, confinement }))
    }

    /// The limit that it was ended for, once it ended for one.
    pub fn exceeded(&self) -> Option<&Exceeded> {
        self.0.exceeded.get()
    }

    /// How the program ended, once it and everything it started is gone. May be called often, and at any time.
    pub async fn wait(&self) -> Result<Exit, Lost> {
        let mut ending = self.0.ending.clone();
        match ending.wait_for(Option::is_some).await {
            Ok(ending) => ending.unwrap_or(Err(Lost)),
            Err(_) => Err(Lost),
        }
    }

    /// Returns when the program has ended, and does not keep it from being killed until then.
    pub(crate) fn ended(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut ending = self.0.ending.clone();
        async move {
            let _ = ending.wait_for(Option::is_some).await;
        }
    }

    /// How the program ended, when that is known already.
    pub fn try_wait(&self) -> Option<Result<Exit, Lost>> {
        *self.0.ending.borrow()
    }

    /// Sends a signal, without waiting for what it does. Signalling a program that has ended does nothing.
    pub fn signal(&self, signal: Signal) {
        self.0.mailbox.post(signal);
    }

    /// Ends the program and everything it started. [`Handle::wait`] tells when that is done.
    pub fn kill(&self) {
        self.signal(Signal::Kill);
    }

    /// The containment that is in force for it.
    pub fn confinement(&self) -> &Confinement {
        &self.0.confinement
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("confinement", &self.0.confinement)
            .field("ending", &self.try_wait())
            .finish()
    }
}

/// A launched program: its streams, and a [`Handle`] on it.
#[derive(Debug)]
pub struct Child {
    stdin: Option<ChildStdin>,
    stdout: Option<ChildOutput>,
    stderr: Option<ChildOutput>,
    outlets: Vec<TcpListener>,
    handle: Handle,
}

impl Child {
    pub(crate) fn new(ours: crate::stdio::Ours, outlets: Vec<TcpListener>, handle: Handle) -> Self {
        let crate::stdio::Ours { stdin, stdout, stderr } = ours;
        Self { stdin, stdout, stderr, outlets, handle }
    }

    /// The listeners of its [`Outlets`](crate::Outlets), non-blocking, in the order of their ports. Once. Nobody but
    /// the program, and where it has no network of its own the other programs of this machine, connects to them.
    pub fn take_outlets(&mut self) -> Vec<TcpListener> {
        std::mem::take(&mut self.outlets)
    }

    /// Its standard input, when it was launched with [`Input::Pipe`](crate::Input::Pipe). Once.
    pub fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.stdin.take()
    }

    /// Its standard output, when it was launched with [`Output::Pipe`](crate::Output::Pipe). Once.
    pub fn take_stdout(&mut self) -> Option<ChildOutput> {
        self.stdout.take()
    }

    /// Its standard error, when it was launched with [`Output::Pipe`](crate::Output::Pipe). Once.
    pub fn take_stderr(&mut self) -> Option<ChildOutput> {
        self.stderr.take()
    }

    /// A hold on the program that may outlive this one.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// See [`Handle::wait`].
    pub async fn wait(&self) -> Result<Exit, Lost> {
        self.handle.wait().await
    }

    /// See [`Handle::signal`].
    pub fn signal(&self, signal: Signal) {
        self.handle.signal(signal);
    }

    /// See [`Handle::kill`].
    pub fn kill(&self) {
        self.handle.kill();
    }

    /// See [`Handle::exceeded`].
    pub fn exceeded(&self) -> Option<&Exceeded> {
        self.handle.exceeded()
    }

    /// See [`Handle::confinement`].
    pub fn confinement(&self) -> &Confinement {
        self.handle.confinement()
    }
}
