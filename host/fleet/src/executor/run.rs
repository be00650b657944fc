use super::{Attempt, Script};
use crate::{Process, Spawner, World};
use cyrus_executor::{
    Cost, CostSource, ErrorKind, Event, EventSender, ExecutionError, ExecutionHost,
    ExecutionRequest, HostError, MicroUsd, SpendVerdict, StopMode, Usage,
};
use std::sync::{Arc, Mutex, PoisonError};

/// One execution under way, as its script sees it.
pub(crate) struct Run {
    pub(crate) world: World,
    pub(crate) process: Process,
    pub(crate) spawner: Spawner,
    pub(crate) host: Arc<dyn ExecutionHost>,
    pub(crate) request: ExecutionRequest,
    pub(crate) attempt: Attempt,
    pub(crate) script: Script,
    pub(crate) events: EventSender,
    pub(crate) state: Arc<Mutex<State>>,
}

/// What is to be told of an execution however it ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) usage: Usage,
    pub(crate) checkpoint: Option<String>,
}

impl Run {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An error with what is known so far.
    pub(crate) fn error(&self, kind: ErrorKind, message: &str) -> ExecutionError {
        let State { usage, checkpoint } = self.state().clone();
        let mut error = ExecutionError::new(kind, message);
        error.usage = (!usage.is_unknown()).then(|| Box::new(usage));
        error.checkpoint = checkpoint;
        error
    }

    pub(crate) fn usage(&self) -> Usage {
        self.state().usage.clone()
    }

    pub(crate) fn checkpoint_now(&self) -> Option<String> {
        self.state().checkpoint.clone()
    }

    /// Saves where to go on from. The host's work is not undone when this execution goes away. Answers whether others
    /// had taken over when it was saved.
    pub(crate) async fn checkpoint(&self, token: String) -> Result<bool, ExecutionError> {
        let (saving, process) = (self.host.checkpoint(token.clone()), self.process.clone());
        let saving = async move { saving.await.map(|()| process.is_overtaken()) };
        let saved = self.spawner.spawn(&self.process, "a checkpoint", saving).await;
        let was_overtaken = self.held(saved.unwrap_or(Err(HostError::Stopped)))?;
        self.state().checkpoint = Some(token);
        Ok(was_overtaken)
    }

    /// Says what was used so far. An error: the limit is reached, and this execution keeps to it.
    pub(crate) async fn spend(&self, turns: u32, cost: MicroUsd) -> Result<(), ExecutionError> {
        match self.note(turns, cost).await? {
            SpendVerdict::Stop if self.script.honours => {
                Err(self.error(ErrorKind::BudgetExceeded, "the host said to stop"))
            }
            SpendVerdict::Stop | SpendVerdict::GoOn => Ok(()),
        }
    }

    /// Says what was used so far, and answers what the host says to that.
    pub(crate) async fn note(
        &self,
        turns: u32,
        cost: MicroUsd,
    ) -> Result<SpendVerdict, ExecutionError> {
        let cost =
            self.script.priced.then_some(Cost { amount: cost, source: CostSource::Reported });
        let usage = Usage { turns: Some(turns), cost, ..Usage::default() };
        self.state().usage = usage.clone();
        self.events.send(vec![Event::Usage(usage.clone())]).await;
        let spending = self.host.spend(usage);
        let spent = self.spawner.spawn(&self.process, "a spend", spending).await;
        self.held(spent.unwrap_or(Err(HostError::Stopped)))
    }

    fn held<T>(&self, done: Result<T, HostError>) -> Result<T, ExecutionError> {
        done.map_err(|error| match error {
            HostError::Stopped => {
                self.error(ErrorKind::Cancelled, "the execution is being stopped")
            }
            other => self.error(ErrorKind::Failed, &other.to_string()),
        })
    }
}

/// How an execution is stopped.
pub(crate) async fn stopped(mut asked: tokio::sync::watch::Receiver<Option<StopMode>>) -> StopMode {
    if let Ok(asked) = asked.wait_for(Option::is_some).await
        && let Some(mode) = *asked
    {
        return mode;
    }
    std::future::pending().await
}
