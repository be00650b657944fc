use crate::{
    Error, Host, Stopped,
    contract::{Exit, Signal, generated::cyrus::executor::process as contract},
    platform::{ByteSink, ByteStream, Child},
};
use futures::channel::oneshot;
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::poll_fn,
    mem,
    rc::Rc,
};

/// Why a program was not launched, or could not be talked to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProcessError {
    /// The execution is being stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// Not granted. The text names what was asked for and the line that would allow it.
    #[error("{0}")]
    Denied(String),
    /// The granted program is not there.
    #[error("{0}")]
    NotFound(String),
    /// A limit of the host.
    #[error("{0}")]
    Limit(String),
    /// The program reads its standard input no more.
    #[error("the program has closed its standard input")]
    InputClosed,
    /// A line is longer than asked for. What is left of it is skipped: the next one can be read.
    #[error("a line of the program's output is longer than {limit} bytes")]
    LineTooLong {
        /// The limit.
        limit: usize,
    },
    /// Anything else.
    #[error("{0}")]
    Io(String),
}

impl From<contract::ProcessError> for ProcessError {
    fn from(error: contract::ProcessError) -> Self {
        match error {
            contract::ProcessError::Denied(text) => Self::Denied(text),
            contract::ProcessError::NotFound(text) => Self::NotFound(text),
            contract::ProcessError::Limit(text) => Self::Limit(text),
            contract::ProcessError::Stopped => Self::Stopped(Stopped),
            contract::ProcessError::Io(text) => Self::Io(text),
        }
    }
}

impl From<ProcessError> for Error {
    fn from(error: ProcessError) -> Self {
        let message = error.to_string();
        match error {
            ProcessError::Stopped(stopped) => stopped.into(),
            ProcessError::Denied(_) => Self::denied(message),
            ProcessError::NotFound(_) => Self::unavailable(message),
            ProcessError::Limit(_)
            | ProcessError::InputClosed
            | ProcessError::LineTooLong { .. }
            | ProcessError::Io(_) => Self::failed(message),
        }
    }
}

/// A program that was launched. Dropping it kills it and everything it started.
pub struct Process {
    host: Host,
    child: Child,
    stderr_tail: Rc<RefCell<VecDeque<u8>>>,
    /// Told when what is kept of standard error has been read to its end.
    stderr_read: Cell<Option<oneshot::Receiver<()>>>,
}

impl Process {
    pub(crate) fn spawn<S: AsRef<str>>(
        host: Host,
        grant: &str,
        args: &[S],
    ) -> Result<Self, ProcessError> {
        let args: Vec<String> = args.iter().map(|arg| arg.as_ref().to_owned()).collect();
        let child = host.platform.spawn(grant, &args)?;
        Ok(Self { host, child, stderr_tail: Rc::default(), stderr_read: Cell::default() })
    }

    /// Its standard input. Once.
    pub fn stdin(&self) -> Result<Stdin, ProcessError> {
        Ok(Stdin { host: self.host.clone(), sink: self.child.stdin()? })
    }

    /// Its standard output. Once.
    pub fn stdout(&self) -> Result<Output, ProcessError> {
        Ok(Output { host: self.host.clone(), stream: self.child.stdout()? })
    }

    /// Its standard error. Once. What nobody takes is thrown away; [`Process::keep_stderr`] is for error messages.
    pub fn stderr(&self) -> Result<Output, ProcessError> {
        Ok(Output { host: self.host.clone(), stream: self.child.stderr()? })
    }

    /// Reads its standard error beside everything else and keeps the last `limit` bytes of it, for
    /// [`Process::stderr_tail`].
    pub fn keep_stderr(&self, limit: usize) -> Result<(), ProcessError> {
        let mut stream = self.child.stderr()?;
        let tail = Rc::clone(&self.stderr_tail);
        let (read, end) = oneshot::channel();
        self.stderr_read.set(Some(end));
        self.host.platform.spawn_local(async move {
            while let Some(Ok(chunk)) = poll_fn(|cx| stream.poll_chunk(cx)).await {
                let mut tail = tail.borrow_mut();
                tail.extend(chunk);
                let excess = tail.len().saturating_sub(limit);
                tail.drain(..excess);
            }
            // Nobody may be waiting for it.
            let _ = read.send(());
        });
        Ok(())
    }

    /// What was kept of its standard error so far.
    pub fn stderr_tail(&self) -> String {
        let mut tail = self.stderr_tail.borrow_mut();
        String::from_utf8_lossy(tail.make_contiguous()).into_owned()
    }

    /// How it ended, once it and everything it started is gone, and all that is kept of its standard error is there.
    pub async fn wait(&self) -> Result<Exit, ProcessError> {
        let exit = self.host.until_stopped(self.child.wait()).await??;
        if let Some(read) = self.stderr_read.take() {
            // The last that could write to it is gone, so its end is near.
            let _ = self.host.until_stopped(read).await?;
        }
        Ok(exit)
    }

    /// Sends a signal. Signalling a program that has ended is not an error.
    pub fn signal(&self, signal: Signal) -> Result<(), ProcessError> {
        Ok(self.child.signal(signal)?)
    }
}

/// The standard input of a [`Process`]. Dropping it closes it.
pub struct Stdin {
    host: Host,
    sink: ByteSink,
}

impl Stdin {
    /// Writes `line` and a line feed.
    pub async fn write_line(&mut self, line: &str) -> Result<(), ProcessError> {
        let mut bytes = Vec::with_capacity(line.len() + 1);
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
        self.write(bytes).await
    }

    /// Writes bytes. When a stop breaks it, part of them may have been written.
    pub async fn write(&mut self, bytes: Vec<u8>) -> Result<(), ProcessError> {
        let taken = self.host.until_stopped(self.sink.write(bytes)).await?;
        if taken { Ok(()) } else { Err(ProcessError::InputClosed) }
    }
}

/// The standard output or error of a [`Process`].
pub struct Output {
    host: Host,
    stream: ByteStream,
}

impl Output {
    /// The next bytes, as they come; `None` at the end. Nothing is lost when a stop breaks the wait.
    pub async fn chunk(&mut self) -> Result<Option<Vec<u8>>, ProcessError> {
        let stream = &mut self.stream;
        let chunk = self.host.until_stopped(poll_fn(|cx| stream.poll_chunk(cx))).await?;
        chunk.transpose().map_err(ProcessError::Io)
    }

    /// Reads it line by line. A line may have `limit` bytes.
    pub fn lines(self, limit: usize) -> Lines {
        Lines { output: self, splitter: LineSplitter::new(limit), ended: false }
    }
}

/// The output of a [`Process`], line by line.
pub struct Lines {
    output: Output,
    splitter: LineSplitter,
    ended: bool,
}

impl Lines {
    /// The next line without its end (`\n` or `\r\n`); `None` after the last. Bytes that are no UTF-8 are
    /// replaced. Nothing is lost when a stop breaks the wait, or when the future is dropped.
    pub async fn next(&mut self) -> Result<Option<String>, ProcessError> {
        loop {
            if let Some(line) = self.splitter.next() {
                return line.map(Some);
            }
            if self.ended {
                return self.splitter.rest().transpose();
            }
            match self.output.chunk().await? {
                Some(chunk) => self.splitter.feed(&chunk),
                None => self.ended = true,
            }
        }
    }
}

/// Cuts bytes into lines, and keeps no more than a line's limit of those that are too long.
struct LineSplitter {
    limit: usize,
    line: Vec<u8>,
    too_long: bool,
    ready: VecDeque<Result<String, ProcessError>>,
}

impl LineSplitter {
    fn new(limit: usize) -> Self {
        Self { limit, line: Vec::new(), too_long: false, ready: VecDeque::new() }
    }

    fn feed(&mut self, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            self.keep(&bytes[..end]);
            let line = self.finish();
            self.ready.push_back(line);
            bytes = &bytes[end + 1..];
        }
        self.keep(bytes);
    }

    fn keep(&mut self, bytes: &[u8]) {
        // One byte over is room for the carriage return of a line of just the limit.
        let room = (self.limit + 1).saturating_sub(self.line.len());
        self.too_long |= bytes.len() > room;
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn finish(&mut self) -> Result<String, ProcessError> {
        let mut line = mem::take(&mut self.line);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if mem::take(&mut self.too_long) || line.len() > self.limit {
            return Err(ProcessError::LineTooLong { limit: self.limit });
        }
        Ok(String::from_utf8(line)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    fn next(&mut self) -> Option<Result<String, ProcessError>> {
        self.ready.pop_front()
    }

    /// The last line, if it had no end.
    fn rest(&mut self) -> Option<Result<String, ProcessError>> {
        (!self.line.is_empty() || self.too_long).then(|| self.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(limit: usize, chunks: &[&[u8]]) -> Vec<Result<String, ProcessError>> {
        let mut splitter = LineSplitter::new(limit);
        let mut lines = Vec::new();
        for chunk in chunks {
            splitter.feed(chunk);
            lines.extend(std::iter::from_fn(|| splitter.next()));
        }
        lines.extend(splitter.rest());
        lines
    }

    #[expect(clippy::unnecessary_wraps, reason = "as what it is compared with")]
    fn line(text: &str) -> Result<String, ProcessError> {
        Ok(text.to_owned())
    }

    #[test]
    fn lines_do_not_depend_on_how_the_bytes_arrive() {
        let whole = b"one\r\ntwo\n\nlast".as_slice();
        let expected = vec![line("one"), line("two"), line(""), line("last")];
        assert_eq!(split(10, &[whole]), expected);
        let single: Vec<&[u8]> = whole.chunks(1).collect();
        assert_eq!(split(10, &single), expected);
    }

    #[test]
    fn a_line_that_is_too_long_costs_itself_alone() {
        let too_long = Err(ProcessError::LineTooLong { limit: 3 });
        assert_eq!(
            split(3, &[b"abc\nabcd\r\nabc\r\n", b"aaaaaaaa", b"aaaaaaaa\nx"]),
            vec![line("abc"), too_long.clone(), line("abc"), too_long, line("x")]
        );
    }

    #[test]
    fn memory_stays_within_the_limit() {
        let mut splitter = LineSplitter::new(16);
        for _ in 0..1_000 {
            splitter.feed(&[b'x'; 1_000]);
        }
        assert!(splitter.line.len() <= 17);
    }

    #[test]
    fn bytes_that_are_no_text_do_not_lose_the_line() {
        assert_eq!(split(10, &[b"a\xffb\n"]), vec![line("a\u{fffd}b")]);
    }
}
