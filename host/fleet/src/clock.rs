use cyrus_core::Clock;
use futures::future::{BoxFuture, FutureExt as _};
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime},
};

/// What the clock shows when a simulation begins: 2026-01-01T00:00:00Z, in seconds since 1970.
const BEGINNING: u64 = 1_767_225_600;

/// Time that passes only when nothing else can happen: [`SimClock::advance`] goes on to the next moment that somebody
/// waits for. Clones show the same time.
#[derive(Clone, Debug, Default)]
pub struct SimClock(Arc<Mutex<Timers>>);

#[derive(Debug, Default)]
struct Timers {
    elapsed: Duration,
    /// When, and which: of two for the same moment the one that was asked for first is first.
    due: BinaryHeap<Reverse<(Duration, u64)>>,
    waiting: HashMap<u64, Waker>,
    next: u64,
}

impl SimClock {
    fn timers(&self) -> std::sync::MutexGuard<'_, Timers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on to the next moment that somebody waits for and wakes whoever does. `false`: nobody waits.
    pub fn advance(&self) -> bool {
        let mut woken = Vec::new();
        {
            let mut timers = self.timers();
            while let Some(&Reverse((at, number))) = timers.due.peek() {
                if !woken.is_empty() && at > timers.elapsed {
                    break;
                }
                timers.due.pop();
                // One that was given up is no reason for time to pass.
                if let Some(waker) = timers.waiting.remove(&number) {
                    timers.elapsed = timers.elapsed.max(at);
                    woken.push(waker);
                }
            }
        }
        let any = !woken.is_empty();
        woken.into_iter().for_each(Waker::wake);
        any
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.timers().waiting.len()
    }
}

impl Clock for SimClock {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(BEGINNING) + self.elapsed()
    }

    fn elapsed(&self) -> Duration {
        self.timers().elapsed
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        let mut timers = self.timers();
        let number = timers.next;
        timers.next += 1;
        let until = timers.elapsed.saturating_add(time);
        drop(timers);
        Sleep { clock: self.clone(), number, until, registered: false }.boxed()
    }
}

/// A wait for a moment. Dropping it is giving it up.
struct Sleep {
    clock: SimClock,
    number: u64,
    until: Duration,
    registered: bool,
}

impl Future for Sleep {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let clock = self.clock.clone();
        let mut timers = clock.timers();
        if timers.elapsed >= self.until {
            timers.waiting.remove(&self.number);
            self.registered = false;
            return Poll::Ready(());
        }
        if !self.registered {
            timers.due.push(Reverse((self.until, self.number)));
            self.registered = true;
        }
        timers.waiting.insert(self.number, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if self.registered {
            self.clock.timers().waiting.remove(&self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{executor::block_on, future::poll_immediate};

    #[test]
    fn time_passes_from_one_wait_to_the_next_and_not_for_those_given_up() {
        let clock = SimClock::default();
        let minute = Duration::from_mins(1);
        let (mut near, mut far, mut dropped) =
            (clock.sleep(minute), clock.sleep(minute * 3), clock.sleep(minute * 2));
        block_on(async {
            assert!(poll_immediate(&mut far).await.is_none());
            assert!(poll_immediate(&mut dropped).await.is_none());
            assert!(poll_immediate(&mut near).await.is_none());
            drop(dropped);
            assert_eq!(clock.waiting(), 2);
            assert!(clock.advance());
            assert_eq!(clock.elapsed(), minute);
            assert!(poll_immediate(&mut near).await.is_some());
            assert!(clock.advance());
            assert_eq!(clock.elapsed(), minute * 3);
            assert!(poll_immediate(&mut far).await.is_some());
            assert!(!clock.advance());
            assert!(poll_immediate(clock.sleep(Duration::ZERO)).await.is_some());
        });
    }
}
