use crate::{
    Process, ProcessError, Stopped,
    contract::{Level, StopMode, StopResult},
    http::HttpClient,
    platform::Platform,
    stop::StopState,
};
use futures::future::{Either, select};
use std::{
    future::Future,
    pin::pin,
    rc::Rc,
    time::{Duration, SystemTime},
};

/// How long a stop that the host has announced by breaking a wait may take to say its mode.
const MODE_GRACE: Duration = Duration::from_secs(1);

/// What the host does for a plugin, as far as the operator grants it. Cheap to clone.
///
/// Everything here that waits fails with [`Stopped`] once the host asks for a stop, until
/// [`Host::acknowledge_stop`].
#[derive(Clone)]
pub struct Host {
    pub(crate) platform: Platform,
    pub(crate) stop: Rc<StopState>,
}

impl Host {
    pub(crate) fn new(platform: Platform, stop: Rc<StopState>) -> Self {
        Self { platform, stop }
    }

    /// A client for the service at `base`, such as `https://api.example.com/v1`.
    pub fn http(&self, base: impl Into<String>) -> HttpClient {
        HttpClient::new(self.clone(), base)
    }

    /// Launches the program that the operator granted under the name `grant`.
    pub fn spawn<S: AsRef<str>>(&self, grant: &str, args: &[S]) -> Result<Process, ProcessError> {
        Process::spawn(self.clone(), grant, args)
    }

    /// Waits.
    pub async fn sleep(&self, duration: Duration) -> Result<(), Stopped> {
        self.until_stopped(self.platform.sleep(duration)).await
    }

    /// Time since some moment in the past. Never goes back.
    pub fn monotonic(&self) -> Duration {
        self.platform.monotonic()
    }

    /// The time of day.
    pub fn now(&self) -> SystemTime {
        self.platform.wall()
    }

    /// Writes a line to the host's log, for the plugin's author and the operator.
    pub fn log(&self, level: Level, message: impl AsRef<str>) {
        self.platform.log(level, message.as_ref());
    }

    /// What `future` gives, or `None` after `limit`.
    pub async fn within<T>(&self, limit: Duration, future: impl Future<Output = T>) -> Option<T> {
        match select(pin!(future), pin!(self.platform.sleep(limit))).await {
            Either::Left((value, _)) => Some(value),
            Either::Right(_) => None,
        }
    }

    /// What `future` gives, unless the host asks for a stop first. For waits that are not the SDK's; its own do
    /// this by themselves.
    pub async fn until_stopped<T>(&self, future: impl Future<Output = T>) -> Result<T, Stopped> {
        self.stop.race(future).await
    }

    /// How the host wants the execution to stop; `None` while it does not.
    pub fn stop_mode(&self) -> Option<StopMode> {
        self.stop.mode()
    }

    /// Waits until the host asks for a stop, and says how. Goes on waiting if it never does: for a `select`.
    pub async fn stop_requested(&self) -> StopMode {
        self.stop.requested().await;
        self.stop.mode().unwrap_or(StopMode::Cancel)
    }

    /// Takes note of the stop, so that the SDK's waits work again: for putting away what has to be put away, in
    /// the seconds that the host gives. Says how to stop.
    ///
    /// A host that gives an execution up without a word (it holds the lease no more) is taken to mean
    /// [`StopMode::Detach`]: whoever holds it now goes on with the remote work.
    pub async fn acknowledge_stop(&self) -> StopMode {
        self.stop.acknowledge();
        self.within(MODE_GRACE, self.stop_requested()).await.unwrap_or(StopMode::Detach)
    }

    /// What the stop did, where it does not follow from how the execution ends: completed is already finished,
    /// suspended is still running remotely, cancelled is stopped.
    pub fn report_stop(&self, result: StopResult) {
        self.stop.report(result);
    }
}
