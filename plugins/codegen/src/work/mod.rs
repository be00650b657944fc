mod look;
mod order;

use crate::{
    api::{AgentRun, Api},
    checkpoint::{Checkpoint, Follow},
    pace::Pace,
    prompt,
    settings::Settings,
    status::{State, state},
};
use cyrus_sdk::{
    Context, Error, Result, Stopped,
    contract::{ErrorKind, Event, Level, Outcome, StopMode, StopResult, Task, Usage},
    http::HttpError,
};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a stop may take with the service. The host gives it some seconds.
const STOP_TIME: Duration = Duration::from_secs(4);

/// One execution: a look at its run, or the order for one.
pub(crate) struct Work {
    context: Context,
    settings: Settings,
    api: Api,
    usage: Usage,
    /// Where the execution is. A stop at any moment puts away what this says.
    at: Option<Checkpoint>,
}

impl Work {
    pub(crate) fn new(context: Context, settings: Settings) -> Result<Self> {
        let api = Api::new(context.host(), &settings);
        let usage = settings.usage_of_a_run()?;
        let at = context.resume_as()?;
        Ok(Self { context, settings, api, usage, at })
    }

    pub(crate) async fn run(mut self, task: &Task) -> Result<Outcome> {
        match self.advance(task).await {
            Err(error) if error.is_stopped() => self.stop(error).await,
            Err(error) => Err(self.explain(error)),
            // A stop that came with the last answer.
            Ok(Outcome::Suspended(_)) if self.context.stop_mode().is_some() => {
                self.stop(Stopped.into()).await
            }
            outcome => outcome,
        }
    }

    async fn advance(&mut self, task: &Task) -> Result<Outcome> {
        let follow = match self.at.clone() {
            None => self.begin(task, None).await?,
            Some(Checkpoint::Creating { key }) => self.begin(task, Some(key)).await?,
            Some(Checkpoint::Following(follow)) => follow,
            Some(Checkpoint::Resuming(follow)) => self.wake(follow, true).await?,
            Some(Checkpoint::Ended(follow)) => self.wake(follow, false).await?,
        };
        self.look(follow).await
    }

    /// Finds the run that this execution has already ordered, or orders one. `intended` is the key of an order that
    /// may have been sent.
    async fn begin(&mut self, task: &Task, intended: Option<String>) -> Result<Follow> {
        self.refuse_what_cannot_be_done()?;
        let may_exist = intended.is_some() || self.context.attempt() > 1;
        let key = intended.unwrap_or_else(|| self.context.idempotency_key());
        if may_exist && let Some(run) = self.api.find(&key).await? {
            return self.adopt(&run).await;
        }
        let order = self.order(task, &key).await?;
        self.reach(Checkpoint::Creating { key: key.clone() }).await?;
        match self.api.create(&order).await {
            Ok(run) => self.adopt(&run).await,
            Err(HttpError::Stopped(stopped)) => Err(stopped.into()),
            Err(error) if error.is_uncertain() => {
                // The order may have been carried out all the same.
                self.context.sleep(self.settings.poll_interval()).await?;
                match self.api.find(&key).await? {
                    Some(run) => self.adopt(&run).await,
                    None => Err(error.into()),
                }
            }
            Err(error) => {
                self.at = None;
                Err(error.into())
            }
        }
    }

    /// Takes up a run: first of all durably.
    async fn adopt(&mut self, run: &AgentRun) -> Result<Follow> {
        let follow = Follow::new(run.id, self.now());
        self.reach(Checkpoint::Following(follow.clone())).await?;
        let note = "Codegen tells no cost: this is the operator's estimate for a run";
        self.context.emit(Event::warning("cost-estimated", note)).await;
        self.context.emit(Event::Usage(self.usage)).await;
        if let Some(url) = &run.web_url {
            let link = Event::link("run", format!("Codegen run {}", run.id), url);
            self.context.emit(link).await;
        }
        self.pay(&follow).await?;
        Ok(follow)
    }

    /// Tells the host what the run costs; a run that is too much is stopped.
    async fn pay(&self, follow: &Follow) -> Result<()> {
        let paid = self.context.spend(&self.usage).await;
        if paid.as_ref().is_err_and(|error| error.kind == ErrorKind::BudgetExceeded) {
            self.put_down(follow.run).await;
        }
        paid
    }

    /// Has a run that ended go on, unless it already does. `intended`: it may have been told so before.
    async fn wake(&mut self, mut follow: Follow, intended: bool) -> Result<Follow> {
        self.refuse_what_cannot_be_done()?;
        let findings = self.context.findings();
        let run = self.api.run(follow.run).await?;
        let now = state(run.status.as_deref());
        let has_gone_on = !now.is_over()
            || (intended && !self.api.logs(follow.run, follow.logs).await?.is_empty());
        let nothing_to_do = now == State::Succeeded && findings.is_empty();
        if !has_gone_on && !nothing_to_do {
            self.reach(Checkpoint::Resuming(follow.clone())).await?;
            self.api.resume(follow.run, &prompt::next(&findings)).await?;
            follow.waking = true;
        }
        follow = Follow { since: self.now(), quiet: 0, failures: 0, ..follow };
        self.reach(Checkpoint::Following(follow.clone())).await?;
        self.context.emit(Event::Usage(self.usage)).await;
        self.pay(&follow).await?;
        Ok(follow)
    }

    fn suspend(&self, follow: Follow, wait: Duration) -> Result<Outcome> {
        let token = token(&Checkpoint::Following(follow))?;
        Ok(Outcome::suspended(token, wait, self.usage))
    }

    /// Puts away what there is: the run itself, or with `detach` only our hold on it.
    async fn stop(&mut self, error: Error) -> Result<Outcome> {
        let mode = self.context.acknowledge_stop().await;
        let follow = match self.at.clone() {
            None | Some(Checkpoint::Ended(_)) => return Err(error),
            Some(Checkpoint::Following(follow) | Checkpoint::Resuming(follow)) => follow,
            Some(Checkpoint::Creating { key }) => {
                let found = self.context.within(STOP_TIME, self.api.find(&key)).await;
                match found {
                    Some(Ok(Some(run))) => Follow::new(run.id, self.now()),
                    Some(Ok(None)) => return Err(self.explain(error)),
                    Some(Err(_)) | None => {
                        self.context.report_stop(StopResult::StillRunningRemotely);
                        return Err(self.explain(error));
                    }
                }
            }
        };
        self.at = Some(Checkpoint::Following(follow.clone()));
        if mode == StopMode::Detach {
            return self.suspend(follow, self.settings.poll_interval());
        }
        if !self.put_down(follow.run).await {
            self.context.report_stop(StopResult::StillRunningRemotely);
            let what = format!("Codegen run {} could not be stopped and goes on", follow.run);
            self.context.emit(Event::warning("still-running", what)).await;
        }
        Err(self.explain(error))
    }

    /// Stops a run as far as the service can. True: it has ended.
    async fn put_down(&self, run: u64) -> bool {
        let attempt = async {
            self.api.ban(run).await?;
            let run = self.api.run(run).await?;
            Ok::<_, HttpError>(state(run.status.as_deref()).is_over())
        };
        match self.context.within(STOP_TIME, attempt).await {
            Some(Ok(ended)) => ended,
            Some(Err(error)) => {
                self.context.log(Level::Warn, format!("run {run} not stopped: {error}"));
                false
            }
            None => false,
        }
    }

    /// The same error with what it cost and from where to go on.
    fn explain(&self, error: Error) -> Error {
        match &self.at {
            None => error,
            Some(at) => {
                let error = match at {
                    Checkpoint::Creating { .. } => error,
                    _ => error.with_usage(self.usage),
                };
                match token(at) {
                    Ok(token) => error.with_checkpoint(token),
                    Err(_) => error,
                }
            }
        }
    }

    /// Is here from now on, also after a crash.
    async fn reach(&mut self, checkpoint: Checkpoint) -> Result<()> {
        let saving = self.context.checkpoint_as(&checkpoint);
        // A stop in the middle of it has to know of the run too.
        self.at = Some(checkpoint.clone());
        saving.await
    }

    fn pace(&self) -> Pace {
        let settings = &self.settings;
        Pace { shortest: settings.poll_interval(), longest: settings.max_poll_interval() }
    }

    fn now(&self) -> u64 {
        let now: SystemTime = self.context.now();
        now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
    }
}

fn token(checkpoint: &Checkpoint) -> Result<String> {
    serde_json::to_string(checkpoint)
        .map_err(|error| Error::failed(format!("the checkpoint cannot be written: {error}")))
}
