//! An executor that waits: the cloud has the work.

use crate::stand_in::StandIn;
use cyrus_executor::{
    EventSender, Execution, ExecutionControl, ExecutionHandle, ExecutionHost, ExecutionRequest,
    Outcome, Placement, StopMode, StopResult, Suspension, TaskExecutor, Usage, event_channel,
};
use futures::future::{BoxFuture, FutureExt as _, ready};
use std::{sync::Arc, time::Duration};
use tokio::sync::{Semaphore, watch};

/// What an execution waits as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// As an instance of a component, which is not there: another bench has its memory.
    InCloud,
    /// As the plugin host has one that suspended itself: the request, the checkpoint and a sleep are left.
    Suspended,
}

impl Patience {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::InCloud => "in-cloud",
            Self::Suspended => "suspended",
        }
    }

    pub(crate) fn of(word: &str) -> Option<Self> {
        [Self::InCloud, Self::Suspended].into_iter().find(|patience| patience.word() == word)
    }
}

/// An executor in the cloud, none of whose executions ends in the time that matters. `waits` gets a permit for each
/// execution that waits.
pub(crate) fn patient(patience: Patience, waits: Arc<Semaphore>) -> impl TaskExecutor {
    StandIn::new("patient", Placement::Cloud, move |request, host| {
        let (sender, events) = event_channel();
        let waits = Arc::clone(&waits);
        let outcome = match patience {
            Patience::InCloud => async move {
                waits.add_permits(1);
                std::future::pending().await
            }
            .boxed(),
            Patience::Suspended => {
                let task = tokio::spawn(suspend(Box::new(request), host, sender.clone(), waits));
                async move { Ok(Outcome::Suspended(task.await.expect("it does not panic"))) }
                    .boxed()
            }
        };
        let control = Control { asked: watch::Sender::new(None), _sender: sender };
        let handle = ExecutionHandle::new(Arc::new(control));
        Execution { events, outcome, handle }
    })
}

/// Saves the checkpoint and sleeps for a day.
async fn suspend(
    request: Box<ExecutionRequest>,
    host: Arc<dyn ExecutionHost>,
    sender: EventSender,
    waits: Arc<Semaphore>,
) -> Suspension {
    let wake_after = Duration::from_hours(24);
    let checkpoint = format!("{{\"run\":\"{}\"}}", request.execution_id);
    host.checkpoint(checkpoint.clone()).await.expect("it can be written down");
    waits.add_permits(1);
    tokio::time::sleep(wake_after).await;
    drop((request, host, sender));
    Suspension { checkpoint, wake_after, usage: Usage::default() }
}

/// Nobody stops an execution here.
struct Control {
    asked: watch::Sender<Option<StopMode>>,
    _sender: EventSender,
}

impl ExecutionControl for Control {
    fn is_running(&self) -> bool {
        true
    }

    fn stop(&self, mode: StopMode) -> BoxFuture<'static, StopResult> {
        self.asked.send_replace(Some(mode));
        ready(StopResult::StillRunningRemotely).boxed()
    }
}
