use crate::{Ended, PATIENCE};
pub use nix::sys::signal::Signal;
use nix::{sys::signal::kill, unistd::Pid};
use serde_json::Value;
use std::{fmt, time::Duration};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    runtime::Handle,
    sync::watch,
    task::JoinHandle,
    time::timeout,
};

/// The command while it runs. Dropping it kills it.
pub struct Started {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    printed: String,
    stderr: watch::Receiver<String>,
    reading: JoinHandle<()>,
    runtime: Handle,
    patience: Duration,
}

impl fmt::Debug for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Started").field("printed", &self.printed).finish_non_exhaustive()
    }
}

impl Started {
    pub(crate) fn new(runtime: &Handle, mut command: Command) -> Self {
        let _inside = runtime.enter();
        let mut child = command.kill_on_drop(true).spawn().expect("the command is there");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        let (said, stderr) = watch::channel(String::new());
        let reading = runtime.spawn(async move {
            while let Some(line) = lines.next_line().await.expect("text") {
                said.send_modify(|text| *text += &(line + "\n"));
            }
        });
        let printed = String::new();
        let runtime = runtime.clone();
        Self { child, stdout, printed, stderr, reading, runtime, patience: PATIENCE }
    }

    /// Lets it be silent for longer than [`PATIENCE`], for work that is done far away.
    #[must_use]
    pub fn patiently(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Returns when it has said this on standard error.
    #[track_caller]
    pub fn wait_for_words(&mut self, words: &str) {
        let said = self.stderr.wait_for(|text| text.contains(words));
        let waited = self.runtime.block_on(async { timeout(self.patience, said).await });
        waited.expect("it is said").expect("it is said before the end");
    }

    /// Returns the first line of JSON from here on that is the one waited for.
    #[track_caller]
    pub fn wait_for(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let line = self.next_line().unwrap_or_else(|| panic!("no {what} in {}", self.printed));
            let value = serde_json::from_str(&line).expect("JSON");
            if wanted(&value) {
                return value;
            }
        }
    }

    /// The next line of standard output. `None`: it has ended.
    #[track_caller]
    pub fn next_line(&mut self) -> Option<String> {
        let next =
            self.runtime.block_on(async { timeout(self.patience, self.stdout.next_line()).await });
        let line = next.expect("it goes on").expect("text")?;
        self.printed.push_str(&line);
        self.printed.push('\n');
        Some(line)
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let id = self.child.id().expect("it runs");
        kill(Pid::from_raw(i32::try_from(id).expect("a process id")), signal).expect("it runs");
    }

    /// Waits for its end.
    #[track_caller]
    pub fn end(mut self) -> Ended {
        while self.next_line().is_some() {}
        let Self { mut child, stderr, reading, printed: stdout, runtime, .. } = self;
        let end = async { (child.wait().await, reading.await) };
        let (status, read) =
            runtime.block_on(async { timeout(PATIENCE, end).await }).expect("it ends");
        read.expect("no panic");
        let (code, stderr) = (status.expect("a status").code(), stderr.borrow().clone());
        Ended { code, stdout, stderr }
    }
}
