//! Stops an execution, or asks after it, from outside.

use cyrus_executor::{ExecutionControl, StopMode, StopResult};
use futures::future::{BoxFuture, FutureExt as _};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// What is asked of an execution and known of it, shared between its handle and its task.
pub(crate) struct Control {
    state: watch::Sender<State>,
    result: Mutex<Option<StopResult>>,
}

/// One channel for both: it is far larger than what goes through it.
#[derive(Clone, Copy, Default)]
struct State {
    asked: Option<StopMode>,
    ended: bool,
}

impl Control {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { state: watch::Sender::default(), result: Mutex::new(None) })
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Option<StopMode> {
        self.state.borrow().asked
    }

    /// Waits until a stop is asked for.
    pub(crate) async fn stop_asked(&self) -> StopMode {
        let mut state = self.state.subscribe();
        let asked = state.wait_for(|state| state.asked.is_some()).await;
        match asked.ok().and_then(|state| state.asked) {
            Some(mode) => mode,
            // The sender is in `self`, so this is never reached; and nobody asks any more.
            None => std::future::pending().await,
        }
    }

    /// Takes note of what a stop did.
    pub(crate) fn stopped(&self, result: StopResult) {
        *self.result.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
    }

    /// Takes note that the execution ended because it was stopped, where the component did not say so itself.
    pub(crate) fn was_cancelled(&self) {
        let mut result = self.result.lock().unwrap_or_else(PoisonError::into_inner);
        if self.asked().is_some() && matches!(*result, None | Some(StopResult::AlreadyFinished)) {
            *result = Some(StopResult::Stopped);
        }
    }

    /// Tells everybody that the execution has ended.
    pub(crate) fn end(&self) {
        self.state.send_modify(|state| state.ended = true);
    }
}

/// The handle's view of [`Control`].
pub(crate) struct Handle(pub(crate) Arc<Control>);

impl ExecutionControl for Handle {
    fn is_running(&self) -> bool {
        !self.0.state.borrow().ended
    }

    fn stop(&self, mode: StopMode) -> BoxFuture<'static, StopResult> {
        let control = Arc::clone(&self.0);
        async move {
            if control.state.borrow().ended {
                return StopResult::AlreadyFinished;
            }
            // To cancel is more than to detach, so it stands over it and not the other way round.
            control.state.send_if_modified(|state| match (state.asked, mode) {
                (None, _) | (Some(StopMode::Detach), StopMode::Cancel) => {
                    state.asked = Some(mode);
                    true
                }
                _ => false,
            });
            let mut state = control.state.subscribe();
            let _the_sender_is_ours = state.wait_for(|state| state.ended).await;
            let result = *control.result.lock().unwrap_or_else(PoisonError::into_inner);
            result.unwrap_or(StopResult::AlreadyFinished)
        }
        .boxed()
    }
}

/// Ends the execution in everybody's eyes when its task ends, however it ends.
pub(crate) struct EndGuard(pub(crate) Arc<Control>);

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.0.end();
    }
}
