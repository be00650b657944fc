//! A program's output on its way to a component: without the secrets that the program has.

use super::{logins::Logins, streams::OutputBudget};
use crate::redact::{RedactedStream, Redactor};
use bytes::Bytes;
use cyrus_sandbox::ChildOutput;
use std::{
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead as _, ReadBuf},
    time::{Sleep, sleep},
};

/// Bytes that are read at once.
const CHUNK: usize = 16 * 1024;

/// How long the end of a line is held back, whatever it is: the program that printed it may wait for an answer to it.
const LINE_HELD: Duration = Duration::from_millis(50);

/// One of a program's pipes.
pub(crate) struct CleanOutput {
    pipe: ChildOutput,
    piece: Box<[u8]>,
    budget: OutputBudget,
    redactor: Redactor,
    clean: RedactedStream,
    logins: Arc<Logins>,
    /// The last byte was a line's end, and something may be held back.
    line_ended: bool,
    waited: Option<Pin<Box<Sleep>>>,
    ended: bool,
}

impl CleanOutput {
    pub(crate) fn new(
        pipe: ChildOutput,
        budget: OutputBudget,
        redactor: &Redactor,
        logins: Arc<Logins>,
    ) -> Self {
        Self {
            pipe,
            piece: vec![0; CHUNK].into(),
            budget,
            redactor: redactor.clone(),
            clean: redactor.stream(),
            logins,
            line_ended: false,
            waited: None,
            ended: false,
        }
    }

    /// The next bytes, at least one. `None`: there are no more, or too many were printed.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        while !self.ended {
            let mut piece = ReadBuf::new(&mut self.piece);
            let given = match Pin::new(&mut self.pipe).poll_read(cx, &mut piece) {
                Poll::Pending => ready!(self.poll_line(cx)),
                Poll::Ready(Ok(())) if piece.filled().is_empty() => self.end(),
                Poll::Ready(Ok(())) if self.budget.take(piece.filled().len()) => {
                    let piece = piece.filled();
                    // What the program renewed it may print from now on.
                    if let Err(problem) = self.logins.teach(&self.redactor) {
                        tracing::warn!("a program's output is not passed on: {problem}");
                        self.ended = true;
                        self.budget.end();
                        continue;
                    }
                    self.line_ended = piece.ends_with(b"\n");
                    self.waited = None;
                    self.clean.push(piece)
                }
                Poll::Ready(_) => {
                    self.ended = true;
                    Bytes::new()
                }
            };
            if !given.is_empty() {
                return Poll::Ready(Some(given));
            }
        }
        Poll::Ready(None)
    }

    fn end(&mut self) -> Bytes {
        self.ended = true;
        self.clean.finish()
    }

    /// What was held back, once a line has ended and nothing followed it for a while. A secret of several lines is
    /// known by each of them, too.
    fn poll_line(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        if !self.line_ended {
            return Poll::Pending;
        }
        let waited = self.waited.get_or_insert_with(|| Box::pin(sleep(LINE_HELD)));
        ready!(waited.as_mut().poll(cx));
        (self.line_ended, self.waited) = (false, None);
        let held = mem::replace(&mut self.clean, self.redactor.stream()).finish();
        if held.is_empty() { Poll::Pending } else { Poll::Ready(held) }
    }
}
