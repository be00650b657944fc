//! The outcome of a component, kept where the host sees it even while the component computes.

use crate::{bindings::types, events::Room, run::Run, state::State};
use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use wasmtime::{
    Result, StoreContextMut,
    component::{FutureConsumer, Source},
};

/// How long a component may compute after its outcome is known, without returning control to the host.
const AFTERWARDS: Duration = Duration::from_secs(1);

/// How often the host looks whether the time of [`AFTERWARDS`] is the component's or the reader's.
const SAMPLE: Duration = Duration::from_millis(100);

/// What a component's result future carries.
pub(crate) type Reported = std::result::Result<types::Outcome, types::ExecutionError>;

/// An outcome.
pub(crate) struct KnownOutcome {
    pub(crate) reported: Reported,
    /// Whether a stop had been asked for by then.
    pub(crate) stopping: bool,
}

/// Where the outcome is stored as soon as it is known: what the component does afterwards does not change it.
#[derive(Clone, Default)]
pub(crate) struct OutcomeSlot {
    known: Arc<Mutex<Option<KnownOutcome>>>,
    /// Cancelled when there is an outcome, or will be none.
    settled: CancellationToken,
}

impl OutcomeSlot {
    /// Waits until there is an outcome, or will be none.
    pub(crate) async fn settled(&self) {
        self.settled.cancelled().await;
    }

    /// Takes the outcome.
    pub(crate) fn take(&self) -> Option<KnownOutcome> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Completes when a component has had [`AFTERWARDS`] since its outcome. Time in which events wait for the reader
    /// does not count. To be polled outside of the store: inside, nothing is polled while a component computes.
    pub(crate) async fn overdue(&self, room: &Room) {
        self.settled().await;
        let mut left = AFTERWARDS;
        while !left.is_zero() {
            sleep(SAMPLE).await;
            if !room.is_full() {
                left = left.saturating_sub(SAMPLE);
            }
        }
    }
}

/// Takes the outcome from the component's future.
pub(crate) struct OutcomeConsumer {
    run: Arc<Run>,
    slot: OutcomeSlot,
}

impl OutcomeConsumer {
    /// Puts the outcome of `run` into `slot`.
    pub(crate) fn new(run: Arc<Run>, slot: OutcomeSlot) -> Self {
        Self { run, slot }
    }
}

impl Drop for OutcomeConsumer {
    fn drop(&mut self) {
        self.slot.settled.cancel();
    }
}

impl FutureConsumer<State> for OutcomeConsumer {
    type Item = Reported;

    fn poll_consume(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        mut store: StoreContextMut<State>,
        mut source: Source<'_, Reported>,
        _finish: bool,
    ) -> Poll<Result<()>> {
        let mut reported = None;
        source.read(&mut store, &mut reported)?;
        let stopping = self.run.stopping.is_cancelled();
        let known = reported.map(|reported| KnownOutcome { reported, stopping });
        *self.slot.known.lock().unwrap_or_else(PoisonError::into_inner) = known;
        self.slot.settled.cancel();
        Poll::Ready(Ok(()))
    }
}
