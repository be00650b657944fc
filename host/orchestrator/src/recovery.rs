use cyrus_core::{ExecutionOutcome, ExecutionRecord, ExecutionReport, Session};
use cyrus_executor::{ErrorKind, ExecutionError, ExecutorInfo, TaskId, Usage, WorkProduct};

/// Where a session goes on, worked out from the executions it had before.
#[derive(Debug, PartialEq)]
pub(crate) enum NextStep {
    /// Begin an execution.
    Execute {
        /// The same for every try at this task, so that an effect of an earlier try is found and not repeated.
        idempotency_key: String,
        /// 1 for the first.
        attempt: u32,
        /// The last checkpoint of any try.
        resume: Option<String>,
    },
    /// The work was done; what is left is to check it and bring it in.
    Finish(WorkProduct),
}

/// What to do next for this task, after these executions of it.
pub(crate) fn next_step(session: &Session, task: &TaskId, past: &[ExecutionRecord]) -> NextStep {
    let done = past.last().and_then(|record| record.report.as_ref());
    if let Some(report) = done.filter(|report| report.outcome == ExecutionOutcome::Completed) {
        return NextStep::Finish(report.product.clone());
    }
    let key = past.first().map(|record| record.idempotency_key.clone());
    let attempts = past.iter().map(|record| record.attempt).max().unwrap_or(0);
    NextStep::Execute {
        idempotency_key: key.unwrap_or_else(|| format!("{}-{task}", session.id)),
        attempt: attempts + 1,
        resume: past.iter().rev().find_map(|record| record.checkpoint.clone()),
    }
}

/// The report of an execution that was cut off with the process that held it.
pub(crate) fn cut_off(record: &ExecutionRecord, executor: &ExecutorInfo) -> ExecutionReport {
    let error = ExecutionError::new(
        ErrorKind::Cancelled,
        "cyrus ended while this execution was under way; it goes on in the next one",
    );
    ExecutionReport {
        id: record.id.clone(),
        task: record.task.clone(),
        executor: record.executor.clone(),
        placement: executor.placement,
        outcome: ExecutionOutcome::Failed,
        error: Some(Box::new(error)),
        summary: String::new(),
        product: WorkProduct::Nothing,
        cost: record.usage.cost,
        usage: Usage::clone(&record.usage),
        duration_ms: 0,
        checkpoint: record.checkpoint.clone(),
        links: Vec::new(),
        denials: Vec::new(),
    }
}
