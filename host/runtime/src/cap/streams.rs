//! Between a program's pipes and a component's streams.

use super::{home::Home, output::CleanOutput};
use crate::run::Slot;
use bytes::BytesMut;
use cyrus_gateway::Lease;
use cyrus_sandbox::{ChildStdin, Handle};
use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};
use tokio::{io::AsyncWrite as _, sync::oneshot};
use tokio_util::task::TaskTracker;
use wasmtime::{
    Result, StoreContextMut,
    component::{Destination, Source, StreamConsumer, StreamProducer, StreamResult},
};

/// What is kept of standard error for a component that asks for it late, in bytes.
const STDERR_KEPT: usize = 64 * 1024;

/// How much a program may still print, all of its streams together.
#[derive(Clone)]
pub(crate) struct OutputBudget {
    left: Arc<AtomicU64>,
    passed: Arc<AtomicBool>,
    program: Handle,
}

impl OutputBudget {
    pub(crate) fn new(most: u64, program: Handle) -> Self {
        Self { left: Arc::new(AtomicU64::new(most)), passed: Arc::default(), program }
    }

    /// Whether the program printed more than it may.
    pub(crate) fn is_passed(&self) -> bool {
        self.passed.load(Ordering::Relaxed)
    }

    /// Kills the program: its output can no longer be passed on.
    pub(super) fn end(&self) {
        self.program.kill();
    }

    /// Takes note of output. `false`: it is too much, and the program is killed.
    pub(super) fn take(&self, bytes: usize) -> bool {
        let less = |left: u64| left.checked_sub(bytes as u64);
        let fits = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok();
        if !fits {
            self.passed.store(true, Ordering::Relaxed);
            self.program.kill();
        }
        fits
    }
}

/// Produces a program's output.
pub(crate) struct Output(OutputSource);

enum OutputSource {
    Pipe(Box<CleanOutput>),
    /// What was kept, then the pipe.
    Late(oneshot::Receiver<(BytesMut, CleanOutput)>),
}

impl Output {
    pub(crate) fn of_pipe(pipe: CleanOutput) -> Self {
        Self(OutputSource::Pipe(Box::new(pipe)))
    }

    pub(crate) fn of_drain(kept: oneshot::Receiver<(BytesMut, CleanOutput)>) -> Self {
        Self(OutputSource::Late(kept))
    }

    /// The next bytes. `None`: there are no more.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<BytesMut>> {
        if let OutputSource::Late(kept) = &mut self.0 {
            let Ok((kept, pipe)) = ready!(Pin::new(kept).poll(cx)) else {
                return Poll::Ready(None);
            };
            self.0 = OutputSource::Pipe(Box::new(pipe));
            if !kept.is_empty() {
                return Poll::Ready(Some(kept));
            }
        }
        match &mut self.0 {
            OutputSource::Pipe(pipe) => pipe.poll_next(cx).map(|next| next.map(BytesMut::from)),
            OutputSource::Late(_) => Poll::Pending,
        }
    }
}

impl<D> StreamProducer<D> for Output {
    type Item = u8;
    type Buffer = BytesMut;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'a, D>,
        mut destination: Destination<'a, u8, BytesMut>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        if destination.remaining(&mut store) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        match self.poll_next(cx) {
            Poll::Ready(Some(bytes)) => {
                destination.set_buffer(bytes);
                Poll::Ready(Ok(StreamResult::Completed))
            }
            Poll::Ready(None) => Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Pending if finish => Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// A program's standard error until somebody takes it.
pub(crate) type StderrTaker = oneshot::Sender<oneshot::Sender<(BytesMut, CleanOutput)>>;

/// Reads a program's standard error, so that the program never blocks on it, until it is taken. What is kept has no
/// secrets in it before its beginning is cut off: half of one would not be known any more.
pub(crate) fn drain_stderr(mut pipe: CleanOutput) -> StderrTaker {
    let (taker, mut request) = oneshot::channel::<oneshot::Sender<_>>();
    tokio::spawn(async move {
        let mut kept = BytesMut::new();
        let mut wanted = true;
        loop {
            let next = tokio::select! {
                biased;
                to = &mut request, if wanted => if let Ok(to) = to {
                    let _component_is_gone = to.send((kept, pipe));
                    return;
                } else {
                    wanted = false;
                    continue;
                },
                next = poll_fn(|cx| pipe.poll_next(cx)) => next,
            };
            match next {
                Some(bytes) => {
                    kept.extend_from_slice(&bytes);
                    let over = kept.len().saturating_sub(STDERR_KEPT);
                    drop(kept.split_to(over));
                }
                None if wanted => {
                    // The program is done with it; what was kept may still be asked for.
                    if let Ok(to) = (&mut request).await {
                        let _component_is_gone = to.send((kept, pipe));
                    }
                    return;
                }
                None => return,
            }
        }
    });
    taker
}

/// Consumes what a component writes to a program's standard input.
pub(crate) struct Input {
    pipe: ChildStdin,
    written: Option<oneshot::Sender<io::Result<()>>>,
}

impl Input {
    pub(crate) fn new(pipe: ChildStdin) -> (Self, oneshot::Receiver<io::Result<()>>) {
        let (written, all_written) = oneshot::channel();
        (Self { pipe, written: Some(written) }, all_written)
    }

    fn end(&mut self, result: io::Result<()>) {
        if let Some(written) = self.written.take() {
            let _nobody_waits = written.send(result);
        }
    }
}

/// The end of the component's stream: the program's input ends with it.
impl Drop for Input {
    fn drop(&mut self) {
        self.end(Ok(()));
    }
}

impl<D> StreamConsumer<D> for Input {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<D>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        if source.remaining(&mut store) == 0 {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        let mut source = source.as_direct(store);
        let written = match Pin::new(&mut self.pipe).poll_write(cx, source.remaining()) {
            Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
            written => ready!(written),
        };
        match written {
            Ok(bytes @ 1..) => {
                source.mark_read(bytes);
                Poll::Ready(Ok(StreamResult::Completed))
            }
            // The program stopped reading: that is its right, and no error.
            Ok(0) => Poll::Ready(Ok(StreamResult::Dropped)),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                Poll::Ready(Ok(StreamResult::Dropped))
            }
            Err(error) => {
                self.end(Err(error));
                Poll::Ready(Ok(StreamResult::Dropped))
            }
        }
    }
}

/// Keeps a program's place among the live ones, its home and its way to its model until it is gone, whoever holds on
/// to it until then. `learn` looks for the last time at what it has in its home, which may be gone with it: what it
/// printed is passed on later.
pub(crate) fn hold_until_gone(
    programs: &TaskTracker,
    slot: Slot,
    home: Home,
    lease: Option<Lease>,
    program: Handle,
    learn: impl FnOnce() + Send + 'static,
) {
    programs.spawn(async move {
        let _how = program.wait().await;
        if let Some(lease) = lease {
            lease.end().await;
        }
        if let Err(error) = tokio::task::spawn_blocking(learn).await {
            tracing::error!("a program's logins could not be looked at: {error}");
        }
        home.give_back().await;
        drop(slot);
    });
}
