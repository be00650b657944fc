//! Writes what happens in a session into the store, for `cyrus session logs`.

use crate::queue::{EventQueue, QueueEnd, event_queue};
use cyrus_core::{Observer, SessionEvent, SessionId, SessionStore};
use std::{sync::Arc, time::Duration};
use tokio::{task::JoinHandle, time::sleep};

/// The time between two writes while events wait: whoever else writes into the store comes in between.
const PAUSE: Duration = Duration::from_millis(100);

/// A session's log. When the store is slower, events are left out and counted: a log never slows the work down.
pub(crate) struct Log(EventQueue);

/// The end of a log: what was told so far can be waited for.
pub(crate) struct LogEnd(JoinHandle<()>);

impl Log {
    /// Writes this session's log until the log is dropped.
    pub(crate) fn write(store: Arc<dyn SessionStore>, id: SessionId) -> (Self, LogEnd) {
        let (queue, events) = event_queue();
        let end = tokio::spawn(write(events, store, id));
        (Self(queue), LogEnd(end))
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
        self.0.put(event);
    }
}

async fn write(mut queue: QueueEnd, store: Arc<dyn SessionStore>, id: SessionId) {
    while let Some(mut batch) = queue.next().await {
        if batch.lost > 0 {
            let message =
                format!("{} events are not in this log: the store was too slow", batch.lost);
            batch.events.push(SessionEvent::Warning { message });
        }
        if let Err(error) = store.log(&id, batch.events).await {
            tracing::warn!("the log of session {id} could not be written: {error}");
        }
        if !queue.is_closed() {
            sleep(PAUSE).await;
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
