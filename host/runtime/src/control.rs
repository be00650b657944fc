//! Stops an execution, or asks after it, from outside.

use cyrus_executor::{ExecutionControl, StopMode, StopResult};
use futures::future::{BoxFuture, FutureExt as _};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// What is asked of an execution and known of it, shared between its handle and its task.
pub(crate) struct Control {
    asked: watch::Sender<Option<StopMode>>,
    ended: watch::Sender<bool>,
    result: Mutex<Option<StopResult>>,
}

impl Control {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            asked: watch::Sender::new(None),
            ended: watch::Sender::new(false),
            result: Mutex::new(None),
        })
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Option<StopMode> {
        *self.asked.borrow()
    }

    /// Waits until a stop is asked for.
    pub(crate) async fn stop_asked(&self) -> StopMode {
        let mut asked = self.asked.subscribe();
        loop {
            if let Some(mode) = *asked.borrow_and_update() {
                return mode;
            }
            if asked.changed().await.is_err() {
                // The sender is in `self`, so this is never reached; and nobody asks any more.
                std::future::pending::<()>().await;
            }
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
        self.ended.send_replace(true);
    }
}

/// The handle's view of [`Control`].
pub(crate) struct Handle(pub(crate) Arc<Control>);

impl ExecutionControl for Handle {
    fn is_running(&self) -> bool {
        !*self.0.ended.borrow()
    }

    fn stop(&self, mode: StopMode) -> BoxFuture<'static, StopResult> {
        let control = Arc::clone(&self.0);
        async move {
            if *control.ended.borrow() {
                return StopResult::AlreadyFinished;
            }
            // To cancel is more than to detach, so it stands over it and not the other way round.
            control.asked.send_if_modified(|asked| match (*asked, mode) {
                (None, _) | (Some(StopMode::Detach), StopMode::Cancel) => {
                    *asked = Some(mode);
                    true
                }
                _ => false,
            });
            let mut ended = control.ended.subscribe();
            let _the_sender_is_ours = ended.wait_for(|ended| *ended).await;
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
