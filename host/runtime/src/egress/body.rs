//! A response's body on its way to the component: capped, timed and redacted.

use crate::{
    redact::RedactedStream,
    run::{Run, Slot},
};
use bytes::Bytes;
use futures::{Stream, future::BoxFuture};
use http_body::{Body, Frame};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep};
use wasmtime_wasi_http::Error;

/// The pieces of a body, from the client.
pub(super) type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>;

/// A response's body.
pub(super) struct Response {
    pieces: Option<Pieces>,
    /// What ended it, to be said after what was held back.
    failed: Option<Error>,
    left: u64,
    most: u64,
    redacted: RedactedStream,
    silence: Duration,
    silent_until: Pin<Box<Sleep>>,
    /// Ready when the execution is being stopped. `None`: it was already when this began.
    stopped: Option<BoxFuture<'static, ()>>,
    _slot: Slot,
}

impl Response {
    pub(super) fn new(run: &Run, pieces: Pieces, slot: Slot, silence: Duration) -> Self {
        let most = u64::from(run.executor.config.limits.response_kib) * 1024;
        let redacted = run.redactor.stream();
        let cut_off = run.cut_off.clone();
        let stopped: Option<BoxFuture<'static, ()>> =
            (!run.stopping.is_cancelled()).then(|| Box::pin(cut_off.cancelled_owned()) as _);
        Self {
            pieces: Some(pieces),
            failed: None,
            left: most,
            most,
            redacted,
            silence,
            silent_until: Box::pin(sleep(silence)),
            stopped,
            _slot: slot,
        }
    }

    fn take(&mut self, piece: &Bytes) -> Result<Bytes, Error> {
        let left = self.left.checked_sub(piece.len() as u64);
        self.left = left.ok_or(Error::HttpResponseBodySize(Some(self.most)))?;
        Ok(self.redacted.push(piece))
    }

    /// Why there is nothing yet, if that is for good.
    fn poll_given_up(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        if self.stopped.as_mut().is_some_and(|stopped| stopped.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(Error::ConnectionTerminated);
        }
        ready!(self.silent_until.as_mut().poll(cx));
        Poll::Ready(Error::ConnectionReadTimeout)
    }
}

impl Body for Response {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        loop {
            let Some(pieces) = &mut this.pieces else {
                return Poll::Ready(this.failed.take().map(Err));
            };
            let given = match pieces.as_mut().poll_next(cx) {
                Poll::Ready(Some(piece)) => piece.and_then(|piece| this.take(&piece)),
                Poll::Ready(None) => {
                    this.pieces = None;
                    let rest = this.redacted.finish();
                    return Poll::Ready((!rest.is_empty()).then_some(Ok(Frame::data(rest))));
                }
                Poll::Pending => Err(ready!(this.poll_given_up(cx))),
            };
            this.silent_until.as_mut().reset(Instant::now() + this.silence);
            match given {
                // All of it is held back: wait for more.
                Ok(piece) if piece.is_empty() => {}
                Ok(piece) => return Poll::Ready(Some(Ok(Frame::data(piece)))),
                Err(error) => {
                    this.pieces = None;
                    this.failed = Some(error);
                    let rest = this.redacted.finish();
                    if !rest.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(rest))));
                    }
                }
            }
        }
    }
}
