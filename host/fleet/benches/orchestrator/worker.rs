//! An executor that says when it was called, and is done after a fixed time.

use crate::stand_in::StandIn;
use cyrus_executor::{
    Execution, ExecutionControl, ExecutionHandle, ExecutionResult, Outcome, Placement, StopMode,
    StopResult, TaskExecutor, TaskId, WorkProduct, event_channel,
};
use futures::future::{BoxFuture, FutureExt as _, ready};
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// When an executor was called, for which task.
pub(crate) type Calls = Arc<Mutex<Vec<(TaskId, Instant)>>>;

pub(crate) fn worker(takes: Duration, calls: Calls) -> impl TaskExecutor {
    StandIn::new("worker", Placement::Local, move |request, _| {
        let called = Instant::now();
        calls.lock().expect("nobody panics").push((request.task.id, called));
        let (_, events) = event_channel();
        let outcome = async move {
            if !takes.is_zero() {
                tokio::time::sleep(takes).await;
            }
            let product = WorkProduct::Workspace;
            Ok(Outcome::Completed(ExecutionResult { product, ..ExecutionResult::default() }))
        };
        let handle = ExecutionHandle::new(Arc::new(Unstoppable));
        Execution { events, outcome: outcome.boxed(), handle }
    })
}

/// Nobody stops an execution here.
struct Unstoppable;

impl ExecutionControl for Unstoppable {
    fn is_running(&self) -> bool {
        true
    }

    fn stop(&self, _: StopMode) -> BoxFuture<'static, StopResult> {
        ready(StopResult::AlreadyFinished).boxed()
    }
}
