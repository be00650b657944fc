use crate::{
    Result, Stopped,
    contract::{ErrorKind, Outcome, StopMode, StopResult},
};
use futures::{
    FutureExt,
    channel::oneshot,
    future::{Either, Shared, select},
};
use std::{
    cell::{Cell, RefCell},
    future::Future,
    pin::pin,
};

/// Something that happens once, and that any number may wait for.
struct Once {
    sender: RefCell<Option<oneshot::Sender<()>>>,
    happened: Shared<oneshot::Receiver<()>>,
}

impl Once {
    fn new() -> Self {
        let (sender, receiver) = oneshot::channel();
        Self { sender: RefCell::new(Some(sender)), happened: receiver.shared() }
    }

    fn happen(&self) {
        if let Some(sender) = self.sender.borrow_mut().take() {
            // Nobody waiting is fine.
            let _ = sender.send(());
        }
    }

    fn wait(&self) -> impl Future<Output = ()> + use<> {
        self.happened.clone().map(|_| ())
    }
}

/// Whether an execution is to stop, and whether it has ended.
pub(crate) struct StopState {
    mode: Cell<Option<StopMode>>,
    acknowledged: Cell<bool>,
    reported: Cell<Option<StopResult>>,
    settled: Cell<Option<StopResult>>,
    requested: Once,
    finished: Once,
}

impl StopState {
    pub(crate) fn new() -> Self {
        Self {
            mode: Cell::new(None),
            acknowledged: Cell::new(false),
            reported: Cell::new(None),
            settled: Cell::new(None),
            requested: Once::new(),
            finished: Once::new(),
        }
    }

    /// The host asks. A cancel after a detach counts; nothing softens a cancel.
    pub(crate) fn request(&self, mode: StopMode) {
        if self.mode.get() != Some(StopMode::Cancel) {
            self.mode.set(Some(mode));
        }
        self.requested.happen();
    }

    pub(crate) fn mode(&self) -> Option<StopMode> {
        self.mode.get()
    }

    pub(crate) async fn requested(&self) {
        self.requested.wait().await;
    }

    /// From here on waits go on in spite of the stop.
    pub(crate) fn acknowledge(&self) {
        self.acknowledged.set(true);
    }

    /// What the executor says the stop did.
    pub(crate) fn report(&self, result: StopResult) {
        self.reported.set(Some(result));
    }

    /// Waits for `future`, or for the host to ask for a stop that nobody has acknowledged.
    pub(crate) async fn race<T>(&self, future: impl Future<Output = T>) -> Result<T, Stopped> {
        if self.acknowledged.get() {
            return Ok(future.await);
        }
        if self.mode.get().is_some() {
            return Err(Stopped);
        }
        match select(pin!(future), pin!(self.requested.wait())).await {
            Either::Left((value, _)) => Ok(value),
            Either::Right(_) => Err(Stopped),
        }
    }

    #[cfg(target_arch = "wasm32")]
    pub(crate) fn is_finished(&self) -> bool {
        self.settled.get().is_some()
    }

    /// The execution has ended like this. A failure after a stop is a consequence of it, so it counts as
    /// cancelled.
    pub(crate) fn settle(&self, outcome: Result<Outcome>) -> Result<Outcome> {
        let stopping = self.mode.get().is_some();
        let outcome = match outcome {
            Err(error) if stopping => Err(error.of_kind(ErrorKind::Cancelled)),
            outcome => outcome,
        };
        let implied = match &outcome {
            Ok(Outcome::Suspended(_)) => StopResult::StillRunningRemotely,
            Err(error) if error.is_stopped() => StopResult::Stopped,
            Ok(Outcome::Completed(_)) | Err(_) => StopResult::AlreadyFinished,
        };
        self.settled.set(Some(self.reported.get().unwrap_or(implied)));
        self.finished.happen();
        outcome
    }

    /// Waits for the end of the execution and says what the stop did.
    pub(crate) async fn outcome(&self) -> StopResult {
        self.finished.wait().await;
        self.settled.get().unwrap_or(StopResult::Stopped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Error,
        contract::{ExecutionResult, Usage},
    };
    use futures::{executor::block_on, future};
    use std::time::Duration;

    #[test]
    fn a_stop_breaks_a_wait_that_would_never_end() {
        let stop = StopState::new();
        let waiting = stop.race(future::pending::<()>());
        let asking = async { stop.request(StopMode::Cancel) };
        assert_eq!(block_on(future::join(waiting, asking)).0, Err(Stopped));
        assert_eq!(block_on(stop.race(future::ready(1))), Err(Stopped));
    }

    #[test]
    fn after_it_is_acknowledged_waits_go_on() {
        let stop = StopState::new();
        stop.request(StopMode::Cancel);
        stop.acknowledge();
        assert_eq!(block_on(stop.race(future::ready(1))), Ok(1));
    }

    #[test]
    fn a_cancel_overrules_a_detach_and_not_the_reverse() {
        let stop = StopState::new();
        stop.request(StopMode::Detach);
        stop.request(StopMode::Cancel);
        stop.request(StopMode::Detach);
        assert_eq!(stop.mode(), Some(StopMode::Cancel));
    }

    #[test]
    fn what_a_stop_did_follows_from_how_the_execution_ended() {
        let completed = || Ok(Outcome::Completed(ExecutionResult::new("done")));
        let suspended = || Ok(Outcome::suspended("run", Duration::ZERO, Usage::default()));
        let cases = [
            (completed(), StopResult::AlreadyFinished),
            (suspended(), StopResult::StillRunningRemotely),
            (Err(Stopped.into()), StopResult::Stopped),
            (Err(Error::unavailable("the pipe broke")), StopResult::Stopped),
        ];
        for (outcome, expected) in cases {
            let stop = StopState::new();
            stop.request(StopMode::Cancel);
            let settled = stop.settle(outcome);
            assert!(settled.is_ok() || settled.is_err_and(|error| error.is_stopped()));
            assert_eq!(block_on(stop.outcome()), expected);
        }
    }

    #[test]
    fn the_executor_has_the_last_word() {
        let stop = StopState::new();
        stop.request(StopMode::Cancel);
        stop.report(StopResult::StillRunningRemotely);
        stop.settle(Err(Stopped.into())).expect_err("cancelled");
        assert_eq!(block_on(stop.outcome()), StopResult::StillRunningRemotely);
    }
}
