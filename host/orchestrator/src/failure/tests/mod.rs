//! The failure table, row by row, and what holds whatever happens. The names are those of `docs/selection.md`.

mod always;
mod documented;
mod recovery;
mod rows;

use super::*;
use cyrus_core::{
    Collected, DiffStat, EMPTY_DIFF, ExecutionOutcome, ExecutionRecord, ExecutionReport,
    PlannedTask, ValidationReport, ValidationVerdict,
};
use cyrus_executor::{
    Cost, CostSource, ErrorKind, ExecutionError, HostVerdict, MicroUsd, Placement, Task, TaskKind,
    Usage, WorkProduct,
};
use std::{sync::Arc, time::SystemTime};

fn report(outcome: ExecutionOutcome, error: Option<ExecutionError>) -> ExecutionReport {
    ExecutionReport {
        id: "e".into(),
        task: "t1".parse().unwrap(),
        executor: "near".into(),
        placement: Placement::Local,
        outcome,
        error: error.map(Box::new),
        summary: String::new(),
        structured: None,
        product: WorkProduct::Workspace,
        cost: None,
        usage: Usage::default(),
        duration_ms: 0,
        checkpoint: None,
        links: vec![],
        denials: vec![],
        programs: vec![],
        implausible: None,
    }
}

pub(crate) fn completed() -> ExecutionReport {
    report(ExecutionOutcome::Completed, None)
}

pub(crate) fn suspended() -> ExecutionReport {
    report(ExecutionOutcome::Suspended, None)
}

pub(crate) fn failed(kind: ErrorKind) -> ExecutionReport {
    report(ExecutionOutcome::Failed, Some(ExecutionError::new(kind, "it says why")))
}

pub(crate) fn retry_after(kind: ErrorKind, seconds: u64) -> ExecutionReport {
    let mut error = ExecutionError::new(kind, "it says why");
    error.retry_after = Some(Duration::from_secs(seconds));
    report(ExecutionOutcome::Failed, Some(error))
}

pub(crate) fn rate_limited(seconds: Option<u64>) -> ExecutionReport {
    let limited = || failed(ErrorKind::RateLimited);
    seconds.map_or_else(limited, |seconds| retry_after(ErrorKind::RateLimited, seconds))
}

fn by_host(verdict: HostVerdict) -> ExecutionReport {
    let error = ExecutionError::new(ErrorKind::Failed, "it says why").by_host(verdict);
    report(ExecutionOutcome::Failed, Some(error))
}

fn task(kind: &str) -> PlannedTask {
    PlannedTask::new(Task {
        id: "t1".parse().unwrap(),
        kind: TaskKind::new(kind),
        title: "A task".into(),
        prompt: "Do it".into(),
    })
}

fn finding(message: &str) -> Finding {
    Finding {
        code: "check-failed".into(),
        message: message.into(),
        path: None,
        line: None,
        command: None,
        output: None,
    }
}

/// The attempts at a task so far. Each saved the checkpoint "of <executor> <attempt>".
#[derive(Clone, Debug, Default)]
struct Past(Vec<ExecutionRecord>);

impl Past {
    fn cut_off(mut self, executor: &str) -> Self {
        let attempt = u32::try_from(self.0.len()).unwrap() + 1;
        self.0.push(ExecutionRecord {
            id: format!("e{attempt}"),
            idempotency_key: executor.into(),
            session: "0abc-1".parse().unwrap(),
            task: "t1".parse().unwrap(),
            executor: executor.into(),
            attempt,
            started: SystemTime::UNIX_EPOCH,
            receipt: None,
            token: 1,
            start: String::new(),
            checkpoint: Some(format!("of {executor} {attempt}")),
            usage: Usage::default(),
            report: None,
            collected: None,
            verdict: None,
        });
        self
    }

    fn ended(self, executor: &str, report: ExecutionReport) -> Self {
        self.cut_off(executor).last(|record| record.report = Some(Arc::new(report)))
    }

    fn failed(self, executor: &str, kind: ErrorKind) -> Self {
        self.ended(executor, failed(kind))
    }

    fn completed(self, executor: &str) -> Self {
        self.ended(executor, completed())
    }

    fn collected(self, executor: &str, files: u64) -> Self {
        let diff = DiffStat { files, insertions: files, deletions: 0 };
        self.completed(executor).last(|record| {
            let commit = format!("c{}", record.attempt);
            record.collected = Some(Collected { commit, kept: "k".into(), diff, notes: vec![] });
        })
    }

    /// It left the result of this attempt as it was.
    fn left_as_by(self, attempt: usize) -> Self {
        let before = self.0[attempt - 1].collected.clone();
        self.last(|record| record.collected = before)
    }

    fn judged(self, executor: &str, verdict: ValidationVerdict, found: &[&str]) -> Self {
        let findings = found.iter().map(|message| finding(message)).collect();
        let report = ValidationReport { verdict, ..ValidationReport::new(vec![], findings) };
        self.collected(executor, 1).last(|record| record.verdict = Some(report))
    }

    /// It said it was done, in these words, and changed nothing.
    fn unchanged(self, executor: &str, words: &str) -> Self {
        let found = Finding { code: EMPTY_DIFF.into(), ..finding("nothing was changed") };
        let verdict = ValidationReport::new(vec![], vec![found]);
        let summary = words.to_owned();
        self.ended(executor, ExecutionReport { summary, ..completed() }).last(|record| {
            let diff = DiffStat::default();
            let collected = Collected { commit: "c".into(), kept: "k".into(), diff, notes: vec![] };
            (record.collected, record.verdict) = (Some(collected), Some(verdict));
        })
    }

    fn rejected(self, executor: &str, found: &str) -> Self {
        self.judged(executor, ValidationVerdict::Failed, &[found])
    }

    /// It left nothing to go on from.
    fn without_checkpoint(self) -> Self {
        self.last(|record| record.checkpoint = None)
    }

    fn costing(self, amount: u64) -> Self {
        let cost = Cost { amount: MicroUsd(amount), source: CostSource::Reported };
        self.last(|record| Arc::make_mut(record.report.as_mut().unwrap()).cost = Some(cost))
    }

    fn last(mut self, change: impl FnOnce(&mut ExecutionRecord)) -> Self {
        change(self.0.last_mut().unwrap());
        self
    }

    fn then(&self, policy: &AttemptPolicy) -> Step {
        decide(&task("builder"), &self.0, policy)
    }
}

fn past() -> Past {
    Past::default()
}

/// A step in short: `again near 2s from of near 1`, `choose without near`, `fail`.
fn short(step: &Step) -> String {
    match step {
        Step::Choose { tried, cheaper_than, .. } => {
            let tried: Vec<_> = tried.iter().map(|tried| tried.executor.as_str()).collect();
            let cheaper = cheaper_than.as_ref().map(|price| format!(" cheaper than {price}"));
            format!("choose without [{}]{}", tried.join(" "), cheaper.unwrap_or_default())
        }
        Step::Again { executor, wait, resume, .. } => {
            let from = resume.as_ref().map(|from| format!(" from {from}")).unwrap_or_default();
            format!("again {executor} in {} s{from}", wait.as_secs())
        }
        Step::Collect { execution } => format!("collect {execution}"),
        Step::Validate { execution } => format!("validate {execution}"),
        Step::Accept { execution } => format!("accept {execution}"),
        Step::Fail { .. } => "fail".into(),
        Step::Hold { .. } => "hold".into(),
    }
}

fn found(step: &Step) -> Vec<&str> {
    match step {
        Step::Choose { findings, .. } | Step::Again { findings, .. } => {
            findings.iter().map(|finding| finding.message.as_str()).collect()
        }
        _ => vec![],
    }
}
