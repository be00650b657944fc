use crate::{Event, ExecutionError, Outcome};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::{collections::VecDeque, fmt, sync::Arc};
use tokio::sync::mpsc;

/// The most events that travel together.
pub const EVENT_BATCH: usize = 64;

/// A batch takes no more events once those in it are this large together ([`Event::size`]).
pub const BATCH_BYTES: usize = 256 << 10;

/// Batches that may wait for a reader. With [`EVENT_BATCH`] and [`BATCH_BYTES`] it bounds what an execution can pile
/// up, in number and in bytes: when the reader is slow the component waits, and memory does not grow.
const WAITING_BATCHES: usize = 16;

/// What a stop is to leave behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopMode {
    /// Nothing: remote work is stopped too.
    Cancel,
    /// Remote work goes on.
    Detach,
}

/// What a stop did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopResult {
    /// It has ended.
    Stopped,
    /// Remote work goes on: as asked, or because it cannot be stopped.
    StillRunningRemotely,
    /// It had ended before.
    AlreadyFinished,
}

/// Makes the channel that an execution's events travel through, bounded and in order.
pub fn event_channel() -> (EventSender, EventReceiver) {
    let (tx, rx) = mpsc::channel(WAITING_BATCHES);
    (EventSender(tx), EventReceiver { rx, batch: VecDeque::new() })
}

/// The executor's end of [`event_channel`].
#[derive(Clone, Debug)]
pub struct EventSender(mpsc::Sender<Vec<Event>>);

impl EventSender {
    /// Sends events, waiting for room. `false`: nobody reads any more.
    pub async fn send(&self, batch: Vec<Event>) -> bool {
        batch.is_empty() || self.0.send(batch).await.is_ok()
    }

    /// The channel itself, for an executor that has to poll for room.
    pub fn into_inner(self) -> mpsc::Sender<Vec<Event>> {
        self.0
    }
}

/// The reader's end of [`event_channel`]. Dropping it lets the execution go on unobserved.
#[derive(Debug)]
pub struct EventReceiver {
    rx: mpsc::Receiver<Vec<Event>>,
    batch: VecDeque<Event>,
}

impl EventReceiver {
    /// The next event; `None` after the last.
    pub async fn recv(&mut self) -> Option<Event> {
        while self.batch.is_empty() {
            self.batch = self.rx.recv().await?.into();
        }
        self.batch.pop_front()
    }

    /// The next events, at least one; `None` after the last. Cheaper than one at a time.
    pub async fn recv_batch(&mut self) -> Option<Vec<Event>> {
        if self.batch.is_empty() {
            self.rx.recv().await
        } else {
            Some(self.batch.drain(..).collect())
        }
    }
}

/// What an executor does for the holder of an [`Execution`].
pub trait ExecutionControl: Send + Sync {
    /// Whether it is under way. Answered from the host's own state, so it answers while a component is busy.
    fn is_running(&self) -> bool;

    /// Ends it: asks the component, gives it a grace, then drops it.
    fn stop(&self, mode: StopMode) -> BoxFuture<'static, StopResult>;
}

/// Stops an execution, or asks after it, from anywhere.
#[derive(Clone)]
pub struct ExecutionHandle(Arc<dyn ExecutionControl>);

impl ExecutionHandle {
    /// A handle on this control.
    pub fn new(control: Arc<dyn ExecutionControl>) -> Self {
        Self(control)
    }

    /// Whether the execution is under way.
    pub fn is_running(&self) -> bool {
        self.0.is_running()
    }

    /// Ends the execution and returns when it has ended.
    pub async fn stop(&self, mode: StopMode) -> StopResult {
        self.0.stop(mode).await
    }
}

impl fmt::Debug for ExecutionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecutionHandle").field("is_running", &self.is_running()).finish()
    }
}

/// An execution under way. Dropping it ends it.
pub struct Execution {
    /// What happens, as it happens.
    pub events: EventReceiver,
    /// How it ends. Never pending for ever once it was stopped.
    pub outcome: BoxFuture<'static, Result<Outcome, ExecutionError>>,
    /// Stops it, or asks after it.
    pub handle: ExecutionHandle,
}

impl fmt::Debug for Execution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Execution").field("handle", &self.handle).finish_non_exhaustive()
    }
}
