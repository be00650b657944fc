//! A program run to its end.

use std::future::Future;
use std::io;
use std::time::Duration;

use rustix::io::Errno;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout};

use crate::capture::{Captured, LineSplitter};
use crate::child::{Child, ChildOutput, Exit, Signal};
use crate::error::{Lost, RunError};
use crate::launch::Launch;
use crate::launcher::Launcher;
use crate::resources::Exceeded;

/// How long a program may run, and how much of what it says is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From its start to the request to terminate.
    pub time: Duration,
    /// From that request to its being killed.
    pub grace: Duration,
    /// Bytes kept of the beginning of each output.
    pub head: usize,
    /// Bytes kept of the end of each output.
    pub tail: usize,
}

impl Limits {
    /// This much time, 5 seconds of grace, and 64 KiB of each end of each output.
    pub fn within(time: Duration) -> Self {
        Self { time, grace: Duration::from_secs(5), head: 64 * 1024, tail: 64 * 1024 }
    }
}

/// Which output a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What came of a program that ran to its end.
#[derive(Clone, Debug)]
pub struct Finished {
    /// How it ended.
    pub exit: Exit,
    /// What it wrote to standard output.
    pub stdout: Captured,
    /// What it wrote to standard error.
    pub stderr: Captured,
    /// Whether it was ended because its time was up.
    pub timed_out: bool,
    /// The limit that it was ended for, if it was.
    pub exceeded: Option<Exceeded>,
    /// From its start until everything it started was gone.
    pub duration: Duration,
}

impl Finished {
    /// Whether it returned 0, in time.
    pub fn success(&self) -> bool {
        self.exit.success() && !self.timed_out
    }
}

impl Launcher {
    /// Launches a program and waits until it and everything it started is gone, keeping what it writes within
    /// bounds. However much that is, it is never held up. Dropping the future kills it.
    pub async fn run_to_end(&self, launch: Launch, limits: &Limits) -> Result<Finished, RunError> {
        self.run_watched(launch, limits, |_, _| {}).await
    }

    /// The same, and hands every line to `watch` as it comes, without its end; a line of more than 8 KiB in pieces.
    pub async fn run_watched(
        &self,
        launch: Launch,
        limits: &Limits,
        mut watch: impl FnMut(Stream, &str) + Send,
    ) -> Result<Finished, RunError> {
        let started = Instant::now();
        let mut child = self.spawn(launch).await?;
        let mut stdout = Reader::new(Stream::Stdout, child.take_stdout(), limits);
        let mut stderr = Reader::new(Stream::Stderr, child.take_stderr(), limits);
        let mut ending = std::pin::pin!(end_in_time(&child, limits));
        let (exit, timed_out) = loop {
            tokio::select! {
                read = stdout.read(), if stdout.is_open() => stdout.take(&read, &mut watch),
                read = stderr.read(), if stderr.is_open() => stderr.take(&read, &mut watch),
                ended = &mut ending => break ended?,
            }
        };
        Ok(Finished {
            exit,
            stdout: stdout.finish(&mut watch),
            stderr: stderr.finish(&mut watch),
            timed_out,
            exceeded: child.exceeded().cloned(),
            duration: started.elapsed(),
        })
    }
}

/// Waits for the end, and brings it about when the time is up.
fn end_in_time(child: &Child, limits: &Limits) -> impl Future<Output = Result<(Exit, bool), Lost>> {
    let Limits { time, grace, .. } = *limits;
    async move {
        if let Ok(exit) = timeout(time, child.wait()).await {
            return Ok((exit?, false));
        }
        child.signal(Signal::Terminate);
        if let Ok(exit) = timeout(grace, child.wait()).await {
            return Ok((exit?, true));
        }
        child.kill();
        Ok((child.wait().await?, true))
    }
}

/// One output on its way into a [`Captured`].
struct Reader {
    stream: Stream,
    pipe: Option<ChildOutput>,
    chunk: Vec<u8>,
    captured: Captured,
    lines: LineSplitter,
    head: usize,
    tail: usize,
}

impl Reader {
    fn new(stream: Stream, pipe: Option<ChildOutput>, limits: &Limits) -> Self {
        Self {
            stream,
            pipe,
            chunk: vec![0; 16 * 1024],
            captured: Captured::default(),
            lines: LineSplitter::default(),
            head: limits.head,
            tail: limits.tail,
        }
    }

    fn is_open(&self) -> bool {
        self.pipe.is_some()
    }

    /// Reads a chunk, for [`Reader::take`]. Nothing is lost when this is dropped while it waits.
    async fn read(&mut self) -> io::Result<usize> {
        match &mut self.pipe {
            Some(pipe) => pipe.read(&mut self.chunk).await,
            None => Ok(0),
        }
    }

    /// Takes in what is left in the pipe, without waiting for its end: where the containment is weak, somebody who
    /// holds its other end may live on. The kernel is asked, since the runtime may not have heard of the last bytes.
    fn finish(mut self, watch: &mut impl FnMut(Stream, &str)) -> Captured {
        while let Some(pipe) = &self.pipe {
            match rustix::io::read(pipe, &mut self.chunk) {
                Err(Errno::INTR) => {}
                read => self.take(&read.map_err(Into::into), watch),
            }
        }
        self.lines.finish(|line| watch(self.stream, line));
        self.captured
    }

    /// Takes in what was read, or that there is no more.
    fn take(&mut self, read: &io::Result<usize>, watch: &mut impl FnMut(Stream, &str)) {
        match read {
            Ok(count @ 1..) => {
                let bytes = &self.chunk[..*count];
                self.captured.push(bytes, self.head, self.tail);
                self.lines.push(bytes, |line| watch(self.stream, line));
            }
            Ok(0) | Err(_) => self.pipe = None,
        }
    }
}
