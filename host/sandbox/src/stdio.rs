//! The pipes between host and program.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;

use crate::child::{ChildOutput, ChildStdin};
use crate::launch::{Input, Launch, Output};

/// The program's standard input, output and error, in this order.
pub(crate) type Theirs = [OwnedFd; 3];

/// The host's ends.
#[derive(Debug)]
pub(crate) struct Ours {
    pub(crate) stdin: Option<ChildStdin>,
    pub(crate) stdout: Option<ChildOutput>,
    pub(crate) stderr: Option<ChildOutput>,
}

impl Ours {
    /// Writes the input that came with the launch, if any, without waiting. A program that stops reading is no
    /// error: how it ends tells more.
    pub(crate) fn feed(&mut self, input: Input) {
        let Input::Bytes(bytes) = input else { return };
        if let Some(mut stdin) = self.stdin.take() {
            tokio::spawn(async move {
                if let Err(error) = stdin.write_all(&bytes).await {
                    tracing::debug!(%error, "the program did not read all of its input");
                }
            });
        }
    }
}

/// Makes the pipes that a launch asks for. Every end is closed on exec, from its first moment.
pub(crate) fn open(launch: &Launch) -> io::Result<(Theirs, Ours)> {
    let (their_stdin, stdin) = match launch.stdin {
        Input::Null => (OwnedFd::from(File::open("/dev/null")?), None),
        Input::Pipe | Input::Bytes(_) => {
            let (reader, writer) = io::pipe()?;
            (reader.into(), Some(pipe::Sender::from_owned_fd(writer.into())?))
        }
    };
    let (their_stdout, stdout) = output(launch.stdout)?;
    let (their_stderr, stderr) = output(launch.stderr)?;
    let ours = Ours { stdin, stdout, stderr };
    Ok(([their_stdin, their_stdout, their_stderr], ours))
}

fn output(output: Output) -> io::Result<(OwnedFd, Option<ChildOutput>)> {
    match output {
        Output::Null => {
            let null = File::options().write(true).open("/dev/null")?;
            Ok((null.into(), None))
        }
        Output::Pipe => {
            let (reader, writer) = io::pipe()?;
            Ok((writer.into(), Some(pipe::Receiver::from_owned_fd(reader.into())?)))
        }
    }
}
