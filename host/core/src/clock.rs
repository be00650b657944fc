use futures::future::{BoxFuture, FutureExt as _};
use std::time::{Duration, SystemTime};

/// Where the time comes from. Handed to whatever decides by it, so that a simulation can hand another.
pub trait Clock: Send + Sync + 'static {
    /// The wall-clock time.
    fn now(&self) -> SystemTime;

    /// How long since some fixed moment; never goes backwards.
    fn elapsed(&self) -> Duration;

    /// Returns when this long has passed.
    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()>;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    started: std::time::Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { started: std::time::Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        tokio::time::sleep(time).boxed()
    }
}
