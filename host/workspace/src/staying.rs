//! Runs of git that stay and are asked again: starting one takes ten times as long as an answer. One for each repository.

use crate::git::{Call, Git};
use cyrus_sandbox::{Child, ChildOutput, ChildStdin};
use std::{
    collections::HashMap,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

/// A git that runs. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    _child: Child,
    input: ChildStdin,
    output: BufReader<ChildOutput>,
}

/// Those that no question is under way with.
#[derive(Debug, Default)]
pub(crate) struct Idle(Mutex<HashMap<PathBuf, Process>>);

impl Idle {
    /// Taken out while it is asked: after a question that was given up, its next answer would be that one's.
    pub(crate) fn take(&self, repository: &Path) -> Option<Process> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(repository)
    }

    pub(crate) fn give_back(&self, repository: &Path, process: Process) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.insert(repository.to_owned(), process);
    }
}

impl Process {
    pub(crate) async fn start(git: &Git, call: Call) -> Option<Self> {
        let child = git.spawn(call).await;
        let mut child = child.inspect_err(|error| tracing::debug!(%error, "no git stays")).ok()?;
        let (input, output) = (child.take_stdin()?, child.take_stdout()?);
        Some(Self { _child: child, input, output: BufReader::new(output) })
    }

    pub(crate) async fn say(&mut self, text: &str) -> io::Result<()> {
        self.input.write_all(text.as_bytes()).await
    }

    /// The next line, with its end.
    pub(crate) async fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.output.read_line(&mut line).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(line)
    }

    pub(crate) async fn bytes(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.output.read_exact(&mut bytes).await?;
        Ok(bytes)
    }
}
