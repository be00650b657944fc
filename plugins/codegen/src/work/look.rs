use super::{Work, token};
use crate::{
    api::{AgentRun, Api},
    checkpoint::{Checkpoint, Follow},
    news, outcome,
    pace::FAILURES_ALLOWED,
    status::{State, state},
};
use cyrus_sdk::{
    Error, Result,
    contract::{ErrorKind, Event, Level, Outcome},
    http::HttpError,
};
use std::time::Duration;

/// How many pages of log are told at one look.
const LOG_PAGES: u32 = 10;

/// How many looks a run may take to wake after it was told to go on.
const LOOKS_TO_WAKE: u32 = 6;

impl Work {
    /// Looks at the run, tells what is new, and ends or suspends the execution.
    pub(super) async fn look(&mut self, mut follow: Follow) -> Result<Outcome> {
        let run = match self.api.run(follow.run).await {
            Ok(run) => run,
            Err(error) => return self.look_again(follow, error),
        };
        let news = self.tell(&mut follow, &run).await?;
        follow.seen(news);
        let state = state(run.status.as_deref());
        if !state.is_over() || news || follow.quiet >= LOOKS_TO_WAKE {
            follow.waking = false;
        }
        self.at = Some(Checkpoint::Following(follow.clone()));
        match state {
            State::Succeeded if !follow.waking => {
                let wanted = self.context.repository().map(|repository| repository.work_branch);
                let result = outcome::result(&run, wanted.as_deref(), self.usage);
                Ok(result.checkpoint(token(&Checkpoint::Ended(follow))?).into())
            }
            State::Failed(failure) if !follow.waking => {
                self.at = Some(Checkpoint::Ended(follow));
                let partial = outcome::result(&run, None, self.usage);
                Err(outcome::error(&run, failure).with_partial(partial))
            }
            _ => {
                self.check_time(&follow).await?;
                let pace = self.pace().after_quiet(follow.quiet);
                self.suspend(follow, pace)
            }
        }
    }

    /// A look that failed for a reason that passes is no failure of the execution.
    fn look_again(&mut self, mut follow: Follow, error: HttpError) -> Result<Outcome> {
        let retry_after = error.rejection().and_then(|rejection| rejection.retry_after);
        let error = Error::from(error);
        let limited = error.kind == ErrorKind::RateLimited;
        let passes = error.kind == ErrorKind::Unavailable && follow.failures < FAILURES_ALLOWED;
        if !limited && !passes {
            return Err(error);
        }
        self.context.log(Level::Warn, format!("run {} not seen: {error}", follow.run));
        follow.failures += 1;
        let wait = self.pace().after_failure(follow.failures, retry_after);
        self.suspend(follow, wait)
    }

    /// Tells what is new of a run. Its log is an extra: when it cannot be had, the rest still counts.
    async fn tell(&self, follow: &mut Follow, run: &AgentRun) -> Result<bool> {
        let mut news = false;
        for _ in 0..LOG_PAGES {
            let logs = match self.api.logs(follow.run, follow.logs).await {
                Ok(logs) => logs,
                Err(HttpError::Stopped(stopped)) => return Err(stopped.into()),
                Err(error) => {
                    self.context.log(Level::Warn, format!("log not read: {error}"));
                    break;
                }
            };
            let events = logs.iter().zip(follow.logs..).flat_map(|(log, n)| news::events(n, log));
            self.context.emit_all(events).await;
            follow.logs += logs.len() as u64;
            news |= !logs.is_empty();
            if !Api::is_full(&logs) {
                break;
            }
        }
        for request in run.pull_requests() {
            if let Some(url) = &request.url
                && !follow.pull_requests.contains(&request.id)
            {
                let title = request.title.as_deref().unwrap_or("pull request");
                self.context.emit(Event::link("pull-request", title, url)).await;
                follow.pull_requests.push(request.id);
                news = true;
            }
        }
        if run.status != follow.status {
            let status = run.status.as_deref().unwrap_or("no status");
            let told = format!("Codegen run {}: {}", run.id, status.to_lowercase());
            self.context.emit(Event::progress(told, None)).await;
            follow.status.clone_from(&run.status);
            news = true;
        }
        Ok(news)
    }

    async fn check_time(&self, follow: &Follow) -> Result<()> {
        let limit = self.settings.run_timeout();
        if Duration::from_secs(self.now().saturating_sub(follow.since)) < limit {
            return Ok(());
        }
        self.put_down(follow.run).await;
        let seconds = limit.as_secs();
        let message =
            format!("Codegen run {} has not ended in {seconds} seconds (runTimeout)", follow.run);
        Err(Error::timed_out(message))
    }
}
