use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

/// A clock that moves only when it is told to.
#[derive(Default)]
pub(super) struct Clock {
    now: Cell<Duration>,
    next_id: Cell<u64>,
    timers: RefCell<BTreeMap<(Duration, u64), Waker>>,
}

impl Clock {
    pub(super) fn now(&self) -> Duration {
        self.now.get()
    }

    pub(super) fn sleep(self: &Rc<Self>, duration: Duration) -> Sleep {
        let id = self.next_id.get();
        self.next_id.set(id + 1);
        Sleep { clock: Rc::clone(self), key: (self.now().saturating_add(duration), id) }
    }

    /// Jumps to the next timer. False: there is none.
    pub(super) fn advance(&self) -> bool {
        let Some(((due, _), waker)) = self.timers.borrow_mut().pop_first() else { return false };
        self.now.set(due.max(self.now()));
        waker.wake();
        true
    }
}

/// A wait for the clock. Dropping it takes its timer back.
pub(super) struct Sleep {
    clock: Rc<Clock>,
    key: (Duration, u64),
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.clock.now() >= self.key.0 {
            return Poll::Ready(());
        }
        self.clock.timers.borrow_mut().insert(self.key, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.clock.timers.borrow_mut().remove(&self.key);
    }
}
