//! From a component's stream of events to the reader's channel, with backpressure.

use crate::{bindings::types, convert, run::Run, state::State};
use cyrus_executor::{EVENT_BATCH, Event};
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::PollSender;
use wasmtime::{
    Result, StoreContextMut, bail,
    component::{Source, StreamConsumer, StreamResult},
};

/// Takes events in batches. What it takes it has room for: when the reader is slow the component waits.
pub(crate) struct EventSink {
    run: Arc<Run>,
    room: PollSender<Vec<Event>>,
    waiting: Arc<AtomicBool>,
    /// Answered by dropping it: the stream has ended.
    _ended: oneshot::Sender<()>,
}

/// What is known of an [`EventSink`] from outside.
pub(crate) struct EventsEnd {
    waiting: Arc<AtomicBool>,
    /// Answered when the stream has ended.
    pub(crate) ended: oneshot::Receiver<()>,
}

impl EventsEnd {
    /// Whether events are held up by the reader.
    pub(crate) fn waits_for_reader(&self) -> bool {
        self.waiting.load(Ordering::Relaxed)
    }
}

impl EventSink {
    pub(crate) fn new(run: Arc<Run>, events: mpsc::Sender<Vec<Event>>) -> (Self, EventsEnd) {
        let (ended, end) = oneshot::channel();
        let waiting = Arc::new(AtomicBool::new(false));
        let sink = Self {
            run,
            room: PollSender::new(events),
            waiting: Arc::clone(&waiting),
            _ended: ended,
        };
        (sink, EventsEnd { waiting, ended: end })
    }

    /// Counts what came, against the limit of the execution.
    fn count(&self, incoming: &[types::Event]) -> Result<()> {
        let size: usize = incoming.iter().map(convert::event_size).sum();
        let mut notes = self.run.notes();
        notes.event_bytes = notes.event_bytes.saturating_add(size as u64);
        let most = self.run.executor.config.limits.events_mib;
        if notes.event_bytes > u64::from(most) << 20 {
            notes.limit = Some("events");
            bail!("the component sent more than {most} MiB of events");
        }
        Ok(())
    }
}

impl StreamConsumer<State> for EventSink {
    type Item = types::Event;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<State>,
        mut source: Source<'_, types::Event>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        let reader_is_there = match self.room.poll_reserve(cx) {
            Poll::Ready(reserved) => reserved.is_ok(),
            Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => {
                self.waiting.store(true, Ordering::Relaxed);
                return Poll::Pending;
            }
        };
        self.waiting.store(false, Ordering::Relaxed);
        let waiting = source.remaining(&mut store);
        if waiting == 0 {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        let mut incoming = Vec::with_capacity(waiting.min(EVENT_BATCH));
        source.read(&mut store, &mut incoming)?;
        self.count(&incoming)?;
        let redactor = &self.run.redactor;
        let batch = incoming.into_iter().map(|event| match convert::event(event, redactor) {
            Event::Usage(claimed) => Event::Usage(self.run.counted(claimed)),
            event => event,
        });
        // Without a reader the execution goes on unobserved.
        if reader_is_there {
            let batch = batch.collect();
            let _reader_left_just_now = self.room.send_item(batch);
        } else {
            drop(batch);
        }
        Poll::Ready(Ok(StreamResult::Completed))
    }
}
