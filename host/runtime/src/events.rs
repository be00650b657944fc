//! From a component's stream of events to the reader's channel, with backpressure, counted in bytes.

use crate::{bindings::types, convert, run::Run, state::State};
use cyrus_executor::{BATCH_BYTES, EVENT_BATCH, Event};
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

/// The room in a reader's channel.
#[derive(Clone)]
pub(crate) struct Room {
    events: mpsc::Sender<Vec<Event>>,
    /// Whether an event waits for room, as of the last time that the component was heard.
    waiting: Arc<AtomicBool>,
}

impl Room {
    /// The room in this channel.
    pub(crate) fn new(events: mpsc::Sender<Vec<Event>>) -> Self {
        Self { events, waiting: Arc::default() }
    }

    /// Whether the reader holds up the component: events wait, and there is no room for them.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) && self.events.capacity() == 0
    }
}

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
    pub(crate) fn new(run: Arc<Run>, room: Room) -> (Self, EventsEnd) {
        let (ended, end) = oneshot::channel();
        let Room { events, waiting } = room;
        let sink = Self {
            run,
            room: PollSender::new(events),
            waiting: Arc::clone(&waiting),
            _ended: ended,
        };
        (sink, EventsEnd { waiting, ended: end })
    }

    /// Takes the next event as the host keeps it, and what it takes: counted as it came or as it is kept, whichever
    /// is more.
    fn next(
        &self,
        store: &mut StoreContextMut<State>,
        source: &mut Source<'_, types::Event>,
    ) -> Result<Option<(Event, usize)>> {
        let mut incoming = None;
        source.read(&mut *store, &mut incoming)?;
        let Some(incoming) = incoming else { return Ok(None) };
        let as_it_came = convert::event_size(&incoming);
        let event = match convert::event(incoming, &self.run.redactor) {
            Event::Usage(claimed) => Event::Usage(self.run.counted(claimed)),
            event => event,
        };
        let size = event.size();
        self.count(size.max(as_it_came))?;
        Ok(Some((event, size)))
    }

    /// Counts an event against the limit of the execution.
    fn count(&self, size: usize) -> Result<()> {
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
        let mut batch = Vec::with_capacity(waiting.min(EVENT_BATCH));
        let mut size = 0;
        // One at a time: how large an event is is not known before, and a batch ends when it is large enough.
        while batch.len() < EVENT_BATCH && size < BATCH_BYTES {
            let Some((event, own)) = self.next(&mut store, &mut source)? else { break };
            size += own;
            batch.push(event);
            if batch.len() == waiting {
                break;
            }
        }
        // Without a reader the execution goes on unobserved.
        if reader_is_there {
            let _reader_left_just_now = self.room.send_item(batch);
        }
        Poll::Ready(Ok(StreamResult::Completed))
    }
}
