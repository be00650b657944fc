//! A queue of session events between the work and whatever writes them: bounded in bytes, and never in the way. What
//! executions say is lost, and counted, when a writer is too slow; what marks a session's course is not.

use cyrus_core::SessionEvent;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

/// What executions say may wait to be written, in bytes.
const WAITING_BYTES: usize = 8 << 20;

/// What is handed to a writer at once, in bytes and in number.
const BATCH_BYTES: usize = 2 << 20;
const BATCH: usize = 512;

/// What an event that is no execution's counts as.
const COURSE_BYTES: usize = 4 << 10;

/// Makes a queue: what events are put into, and what they are taken out of.
pub(crate) fn event_queue() -> (EventQueue, QueueEnd) {
    let shared = Arc::<Shared>::default();
    (EventQueue(Arc::clone(&shared)), QueueEnd(shared))
}

/// The end that events are put into. Dropping it ends the queue.
pub(crate) struct EventQueue(Arc<Shared>);

/// The end that events are taken out of.
pub(crate) struct QueueEnd(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    more: Notify,
}

#[derive(Default)]
struct State {
    events: VecDeque<(usize, SessionEvent)>,
    bytes: usize,
    lost: u64,
    closed: bool,
}

/// Events to be written, in order.
pub(crate) struct Batch {
    pub(crate) events: Vec<SessionEvent>,
    /// How many were lost before the last of them.
    pub(crate) lost: u64,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EventQueue {
    /// Puts an event in, or loses it when it is an execution's and too much waits already. Never waits.
    pub(crate) fn put(&self, event: SessionEvent) {
        let mut state = self.0.state();
        let size = match &event {
            SessionEvent::ExecutionEvent { event, .. } => {
                let size = event.size();
                if state.bytes + size > WAITING_BYTES {
                    state.lost += 1;
                    return;
                }
                size
            }
            _ => COURSE_BYTES,
        };
        state.bytes += size;
        state.events.push_back((size, event));
        drop(state);
        self.0.more.notify_one();
    }
}

impl Drop for EventQueue {
    fn drop(&mut self) {
        self.0.state().closed = true;
        self.0.more.notify_one();
    }
}

impl QueueEnd {
    /// The next events, as soon as there are any; `None` after the last.
    pub(crate) async fn next(&mut self) -> Option<Batch> {
        loop {
            if let Some(found) = self.take() {
                return found;
            }
            self.0.more.notified().await;
        }
    }

    /// Whether nothing more is put in.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.state().closed
    }

    /// `None`: nothing is there yet. `Some(None)`: nothing comes any more.
    #[expect(clippy::option_option, reason = "the inner one is what a reader gets")]
    fn take(&mut self) -> Option<Option<Batch>> {
        let mut state = self.0.state();
        if state.events.is_empty() && state.lost == 0 {
            return state.closed.then_some(None);
        }
        let (mut events, mut bytes) = (Vec::new(), 0);
        while bytes < BATCH_BYTES && events.len() < BATCH {
            let Some((size, event)) = state.events.pop_front() else { break };
            bytes += size;
            events.push(event);
        }
        state.bytes -= bytes;
        Some(Some(Batch { events, lost: std::mem::take(&mut state.lost) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cyrus_executor::Event;
    use futures::executor::block_on;

    fn said(bytes: usize) -> SessionEvent {
        let event = Event::Message("x".repeat(bytes));
        SessionEvent::ExecutionEvent { execution: "e".into(), event }
    }

    fn course() -> SessionEvent {
        SessionEvent::Warning { message: "of the session's course".into() }
    }

    fn all(mut end: QueueEnd) -> (Vec<SessionEvent>, u64) {
        let (mut events, mut lost) = (Vec::new(), 0);
        while let Some(batch) = block_on(end.next()) {
            let size: usize = batch.events.len();
            assert!(size <= BATCH);
            events.extend(batch.events);
            lost += batch.lost;
        }
        (events, lost)
    }

    #[test]
    fn what_waits_is_bounded_in_bytes_and_what_is_lost_is_counted() {
        for (size, many) in [(0, 100_000), (256 << 10, 100)] {
            let (queue, end) = event_queue();
            (0..many).for_each(|_| queue.put(said(size)));
            drop(queue);
            let (events, lost) = all(end);
            assert_eq!(events.len() as u64 + lost, many);
            let kept: usize = events.len() * (size + cyrus_executor::EVENT_BYTES);
            assert!(kept <= WAITING_BYTES && lost > 0, "{size}: {kept} bytes, {lost} lost");
        }
    }

    #[test]
    fn the_course_of_a_session_is_never_lost() {
        let (queue, end) = event_queue();
        for _ in 0..1000 {
            (0..10).for_each(|_| queue.put(said(256 << 10)));
            queue.put(course());
        }
        drop(queue);
        let (events, _) = all(end);
        assert_eq!(events.iter().filter(|event| **event == course()).count(), 1000);
    }
}
