use crate::{Runner, StopSignal, ToolPolicy};
use cyrus_core::{
    ExecutionOutcome, ExecutionRecord, ExecutionReport, Journal, JournalError, SessionEvent,
};
use cyrus_executor::{
    Answer, Cost, ErrorKind, Event, Execution, ExecutionError, ExecutionHost, ExecutionRequest,
    ExecutionResult, HostError, Link, MicroUsd, Outcome, Question, SpendVerdict, StopMode, Usage,
};
use futures::{
    FutureExt,
    future::{BoxFuture, Fuse, OptionFuture},
};
use std::sync::Arc;
use tokio::pin;

/// Runs one execution to its end, with everything about it written down.
pub(crate) async fn run(
    runner: &Runner,
    record: ExecutionRecord,
    request: ExecutionRequest,
    stop: &mut StopSignal,
) -> Result<ExecutionReport, JournalError> {
    let Runner { ports, executor, observer, .. } = runner;
    let host = Arc::new(JournalHost {
        execution: record.id.clone(),
        journal: Arc::clone(&ports.journal),
        max_cost: request.limits.max_cost,
        policy: runner.policy.clone(),
    });
    ports.journal.begin_execution(&record).await?;
    observer.on_event(SessionEvent::ExecutionStarted {
        execution: record.id.clone(),
        task: record.task.clone(),
        executor: executor.info().clone(),
    });
    let begun = ports.clock.elapsed();
    let mut seen = Seen::default();
    let ended = match executor.execute_streaming(request, host).await {
        Ok(execution) => follow(runner, &record.id, execution, stop, &mut seen).await,
        Err(error) => Err(error),
    };
    let taken = ports.clock.elapsed().saturating_sub(begun);
    let saved = ports.journal.executions(&record.session).await?;
    let checkpoint = saved.into_iter().find(|r| r.id == record.id).and_then(|r| r.checkpoint);
    let mut report = seen.report(runner, &record, ended, checkpoint);
    report.duration_ms = u64::try_from(taken.as_millis()).unwrap_or(u64::MAX);
    ports.journal.finish_execution(&record.id, &report).await?;
    observer.on_event(SessionEvent::ExecutionFinished(Box::new(report.clone())));
    Ok(report)
}

/// Passes an execution's events on until it has ended, and stops it when that is asked.
async fn follow(
    runner: &Runner,
    id: &str,
    execution: Execution,
    stop: &mut StopSignal,
    seen: &mut Seen,
) -> Result<Outcome, ExecutionError> {
    let Execution { mut events, outcome, handle } = execution;
    let outcome = outcome.fuse();
    let stopping = OptionFuture::<Fuse<BoxFuture<'_, _>>>::from(None);
    pin!(outcome, stopping);
    let (mut ended, mut more, mut asked) = (None, true, false);
    while ended.is_none() || more {
        tokio::select! {
            batch = events.recv_batch(), if more => match batch {
                Some(batch) => for event in batch {
                    seen.note(&event);
                    let execution = id.to_owned();
                    runner.observer.on_event(SessionEvent::ExecutionEvent { execution, event });
                },
                None => more = false,
            },
            result = &mut outcome, if ended.is_none() => ended = Some(result),
            wanted = stop.wait(), if !asked && ended.is_none() => {
                asked = true;
                let handle = handle.clone();
                let stop: BoxFuture<'_, _> = async move { handle.stop(wanted).await }.boxed();
                stopping.set(OptionFuture::from(Some(stop.fuse())));
            }
            Some(_) = &mut stopping, if asked && ended.is_none() => {}
        }
    }
    ended.unwrap_or_else(|| {
        Err(ExecutionError::new(ErrorKind::Failed, "the execution ended without an outcome"))
    })
}

/// What was seen of an execution while it ran.
#[derive(Default)]
struct Seen {
    usage: Usage,
    links: Vec<Link>,
}

impl Seen {
    fn note(&mut self, event: &Event) {
        match event {
            Event::Usage(usage) => self.usage = usage.clone(),
            Event::Link(link) => self.link(link),
            _ => {}
        }
    }

    fn link(&mut self, link: &Link) {
        if self.links.iter().all(|known| known.url != link.url) {
            self.links.push(link.clone());
        }
    }

    fn report(
        mut self,
        runner: &Runner,
        record: &ExecutionRecord,
        ended: Result<Outcome, ExecutionError>,
        saved: Option<String>,
    ) -> ExecutionReport {
        let (outcome, result, error) = match ended {
            Ok(Outcome::Completed(result)) => (ExecutionOutcome::Completed, result, None),
            Ok(Outcome::Suspended(suspension)) => {
                let result = ExecutionResult {
                    usage: suspension.usage,
                    checkpoint: Some(suspension.checkpoint),
                    ..ExecutionResult::default()
                };
                (ExecutionOutcome::Suspended, result, None)
            }
            Err(mut error) => {
                let mut result = error.partial.take().map(|partial| *partial).unwrap_or_default();
                if let Some(usage) = error.usage.take() {
                    result.usage = *usage;
                }
                result.checkpoint = error.checkpoint.take().or(result.checkpoint);
                (ExecutionOutcome::Failed, result, Some(Box::new(error)))
            }
        };
        result.links.iter().for_each(|link| self.link(link));
        let usage = if result.usage.is_unknown() { self.usage } else { result.usage };
        ExecutionReport {
            id: record.id.clone(),
            task: record.task.clone(),
            executor: record.executor.clone(),
            placement: runner.executor.info().placement,
            outcome,
            error,
            summary: result.summary,
            product: result.product,
            cost: usage.cost,
            usage,
            duration_ms: 0,
            checkpoint: result.checkpoint.or(saved),
            links: self.links,
            denials: result.denials,
        }
    }
}

/// What an execution calls back for: the journal, the limit on cost, and the policy on tools.
struct JournalHost {
    execution: String,
    journal: Arc<dyn Journal>,
    max_cost: Option<MicroUsd>,
    policy: ToolPolicy,
}

impl ExecutionHost for JournalHost {
    fn checkpoint(&self, token: String) -> BoxFuture<'static, Result<(), HostError>> {
        let (journal, execution) = (Arc::clone(&self.journal), self.execution.clone());
        async move { Ok(journal.checkpoint(&execution, &token).await?) }.boxed()
    }

    fn spend(&self, usage: Usage) -> BoxFuture<'static, Result<SpendVerdict, HostError>> {
        let (journal, execution) = (Arc::clone(&self.journal), self.execution.clone());
        let over = match (usage.cost, self.max_cost) {
            (Some(Cost { amount, .. }), Some(max)) => amount > max,
            _ => false,
        };
        async move {
            journal.spend(&execution, &usage).await?;
            Ok(if over { SpendVerdict::Stop } else { SpendVerdict::GoOn })
        }
        .boxed()
    }

    fn ask(&self, question: Question) -> BoxFuture<'static, Answer> {
        std::future::ready(self.policy.answer(&question)).boxed()
    }
}

/// Whether an execution ended because the session was told to stop.
pub(crate) fn was_stopped(report: &ExecutionReport, asked: Option<StopMode>) -> bool {
    let cancelled = report.error.as_ref().is_some_and(|e| e.kind == ErrorKind::Cancelled);
    asked.is_some() && (cancelled || report.outcome == ExecutionOutcome::Suspended)
}
