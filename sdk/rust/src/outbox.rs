use crate::contract::Event;
use std::{
    cell::RefCell,
    future::poll_fn,
    mem,
    task::{Context, Poll, Waker},
};

/// How many events wait here before whoever emits more of them waits too.
const ROOM: usize = 256;

/// The events of an execution on their way to the host.
///
/// Emitting puts an event here and goes on; whatever has gathered when the executor next waits leaves as one
/// batch. That is what makes many events cheap.
#[derive(Default)]
pub(crate) struct Outbox(RefCell<Queue>);

#[derive(Default)]
struct Queue {
    events: Vec<Event>,
    closed: bool,
    taker: Option<Waker>,
    emitters: Vec<Waker>,
}

impl Outbox {
    pub(crate) async fn put(&self, event: Event) {
        let mut event = Some(event);
        poll_fn(|cx| self.poll_put(&mut event, cx)).await;
    }

    fn poll_put(&self, event: &mut Option<Event>, cx: &mut Context<'_>) -> Poll<()> {
        let mut queue = self.0.borrow_mut();
        if queue.events.len() >= ROOM {
            if !queue.emitters.iter().any(|waker| waker.will_wake(cx.waker())) {
                queue.emitters.push(cx.waker().clone());
            }
            return Poll::Pending;
        }
        queue.events.extend(event.take());
        let taker = queue.taker.take();
        drop(queue);
        if let Some(taker) = taker {
            taker.wake();
        }
        Poll::Ready(())
    }

    /// What has gathered, in order; `None` after the last.
    pub(crate) async fn take(&self) -> Option<Vec<Event>> {
        poll_fn(|cx| self.poll_take(cx)).await
    }

    fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Option<Vec<Event>>> {
        let mut queue = self.0.borrow_mut();
        if queue.events.is_empty() {
            if queue.closed {
                return Poll::Ready(None);
            }
            queue.taker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let batch = mem::replace(&mut queue.events, Vec::with_capacity(ROOM));
        let emitters = mem::take(&mut queue.emitters);
        drop(queue);
        emitters.into_iter().for_each(Waker::wake);
        Poll::Ready(Some(batch))
    }

    /// There will be no more.
    pub(crate) fn close(&self) {
        let taker = {
            let mut queue = self.0.borrow_mut();
            queue.closed = true;
            queue.taker.take()
        };
        if let Some(taker) = taker {
            taker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{executor::block_on, future::join};

    #[test]
    fn events_arrive_in_order_and_in_batches() {
        let outbox = Outbox::default();
        let emit = async {
            for n in 0..1_000 {
                outbox.put(Event::message(n.to_string())).await;
            }
            outbox.close();
        };
        let take = async {
            let mut batches = Vec::new();
            while let Some(batch) = outbox.take().await {
                batches.push(batch);
            }
            batches
        };
        let ((), batches) = block_on(join(emit, take));
        assert!(batches.len() <= 1_000usize.div_ceil(ROOM) + 1, "{} batches", batches.len());
        assert!(batches.iter().all(|batch| batch.len() <= ROOM));
        let expected: Vec<_> = (0..1_000).map(|n| Event::message(n.to_string())).collect();
        assert_eq!(batches.concat(), expected);
    }
}
