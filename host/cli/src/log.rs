//! Writes what happens in a session into the store, for `cyrus session logs`.

use cyrus_core::{Observer, SessionEvent, SessionId, SessionStore};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::{
    sync::mpsc::{Receiver, Sender, channel},
    task::JoinHandle,
};

/// Events that may wait to be written. When the store is slower, events are left out and counted: a log never slows
/// the work down.
const WAITING: usize = 8192;

/// Events that are written together.
const BATCH: usize = 512;

/// A session's log.
pub(crate) struct Log {
    tx: Sender<SessionEvent>,
    lost: Arc<AtomicU64>,
}

/// The end of a log: what was told so far can be waited for.
pub(crate) struct LogEnd(JoinHandle<()>);

impl Log {
    /// Writes this session's log until the log is dropped.
    pub(crate) fn write(store: Arc<dyn SessionStore>, id: SessionId) -> (Self, LogEnd) {
        let (tx, rx) = channel(WAITING);
        let lost = Arc::<AtomicU64>::default();
        let end = tokio::spawn(write(rx, store, id, Arc::clone(&lost)));
        (Self { tx, lost }, LogEnd(end))
    }
}

impl LogEnd {
    /// Waits until everything told has been written. The log has to be dropped before.
    pub(crate) async fn written(self) {
        drop(self.0.await);
    }
}

impl Observer for Log {
    fn on_event(&self, event: SessionEvent) {
        if self.tx.try_send(event).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn write(
    mut rx: Receiver<SessionEvent>,
    store: Arc<dyn SessionStore>,
    id: SessionId,
    lost: Arc<AtomicU64>,
) {
    let mut batch = Vec::with_capacity(BATCH);
    while rx.recv_many(&mut batch, BATCH).await > 0 {
        let mut events = std::mem::take(&mut batch);
        let missing = lost.swap(0, Ordering::Relaxed);
        if missing > 0 {
            let message = format!("{missing} events are not in this log: the store was too slow");
            events.push(SessionEvent::Warning { message });
        }
        if let Err(error) = store.log(&id, events).await {
            tracing::warn!("the log of session {id} could not be written: {error}");
        }
    }
}

/// Tells several of the same.
pub(crate) struct Both(pub(crate) Arc<dyn Observer>, pub(crate) Log);

impl Observer for Both {
    fn on_event(&self, event: SessionEvent) {
        self.1.on_event(event.clone());
        self.0.on_event(event);
    }
}
