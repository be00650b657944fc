use crate::{PhaseTime, SessionId, Spending, TaskState, ValidationReport};
use cyrus_executor::{
    Cost, Denial, ErrorKind, ExecutionError, LaunchedProgram, Link, Placement, TaskId, TaskKind,
    Usage, WorkProduct,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionOutcome {
    /// The result passed the checks.
    Validated,
    /// There is a result, and nothing to check it with.
    Unverified,
    /// There is a result, and it failed the checks.
    Rejected,
    /// There is no result.
    Failed,
    /// Somebody stopped it, and nothing of it goes on.
    Cancelled,
    /// Set aside; it can be resumed.
    Paused,
}

impl SessionOutcome {
    /// The word for it in messages and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Validated => "validated",
            Self::Unverified => "unverified",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Paused => "paused",
        }
    }
}

/// How an execution ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExecutionOutcome {
    /// It finished; what it is worth is validation's to say.
    Completed,
    /// It goes on somewhere, and can be taken up again.
    Suspended,
    /// It did not finish: [`ExecutionReport::error`] says why.
    Failed,
}

/// What became of one execution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionReport {
    /// Its id.
    pub id: String,
    /// The task it was an attempt at.
    pub task: TaskId,
    /// Who did it.
    pub executor: String,
    /// Where.
    pub placement: Placement,
    /// How it ended.
    pub outcome: ExecutionOutcome,
    /// What went wrong, when it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Box<ExecutionError>>,
    /// What the executor said it did.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// The answer in the asked-for schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub structured: Option<Value>,
    /// Where its work is.
    pub product: WorkProduct,
    /// What it cost, and whether that is a bill or an estimate; `None` is not known.
    pub cost: Option<Cost>,
    /// Everything it used.
    pub usage: Usage,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// From here it could go on.
    pub checkpoint: Option<String>,
    /// What there is to look at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// What the agent was not allowed to do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub denials: Vec<Denial>,
    /// The programs that were launched for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<LaunchedProgram>,
    /// What the executor claimed to have used that it cannot have, for people: [`ExecutionReport::cost`] and
    /// [`ExecutionReport::usage`] are the most that is plausible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub implausible: Option<String>,
}

impl ExecutionReport {
    /// Whether it failed at its work: not one that was stopped, could not begin, or was given what nobody could do.
    /// Those say nothing about how good its executor is.
    pub fn failed_at_its_work(&self) -> bool {
        let at_its_work = |kind: &ErrorKind| match kind {
            ErrorKind::Failed
            | ErrorKind::Other(_)
            | ErrorKind::TimedOut
            | ErrorKind::TurnLimit
            | ErrorKind::BudgetExceeded => true,
            ErrorKind::Unavailable
            | ErrorKind::RateLimited
            | ErrorKind::Unauthorized
            | ErrorKind::QuotaExhausted
            | ErrorKind::InvalidRequest
            | ErrorKind::Unsupported
            | ErrorKind::Refused
            | ErrorKind::Denied
            | ErrorKind::Cancelled => false,
        };
        self.outcome == ExecutionOutcome::Failed
            && self.error.as_ref().is_none_or(|error| at_its_work(&error.kind))
    }
}

/// How much a result changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DiffStat {
    /// Files changed.
    pub files: u64,
    /// Lines added; a binary file counts none.
    pub insertions: u64,
    /// Lines removed.
    pub deletions: u64,
}

/// What became of one task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskReport {
    /// The task.
    pub id: TaskId,
    /// What kind of work it was.
    pub kind: TaskKind,
    /// One line for people.
    pub title: String,
    /// The tasks it came after.
    pub after: Vec<TaskId>,
    /// Where it stands.
    #[serde(flatten)]
    pub state: TaskState,
    /// Who did it, in the last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executor: Option<String>,
    /// Attempts at it.
    pub attempts: u32,
    /// How long its executions took together, in milliseconds.
    pub duration_ms: u64,
    /// What collecting its result noted: what was left out, where it was found, what could not be done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What a session came to. The last line of `--json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionReport {
    /// The session.
    pub session: SessionId,
    /// How it ended.
    pub outcome: SessionOutcome,
    /// Why, when that is not plain: what went wrong, where, what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The branch the result is on, when there is one.
    pub branch: Option<String>,
    /// Its commit.
    pub commit: Option<String>,
    /// How much it changes.
    pub diff: Option<DiffStat>,
    /// The tasks and how each ended, in the plan's order.
    #[serde(default)]
    pub tasks: Vec<TaskReport>,
    /// Every attempt, in order.
    pub executions: Vec<Arc<ExecutionReport>>,
    /// What the sandboxes of the programs that were launched for it lacked, by the names of the rows of `cyrus doctor`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sandbox_lacked: Vec<String>,
    /// What the checks said of what was merged, when it came to that.
    pub validation: Option<ValidationReport>,
    /// What it cost, all executions together: what was reported, and what is our estimate.
    #[serde(default)]
    pub cost: Spending,
    /// The pull request, when one was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<String>,
    /// How long this process's work took besides executions and checks, by phase.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<PhaseTime>,
    /// How long it took in all, in milliseconds.
    pub duration_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_that_has_little_to_say_reads_back() {
        let report = ExecutionReport {
            id: "e".into(),
            task: "t1".parse().unwrap(),
            executor: "claude".into(),
            placement: Placement::Local,
            outcome: ExecutionOutcome::Failed,
            error: None,
            summary: String::new(),
            structured: None,
            product: WorkProduct::Nothing,
            cost: None,
            usage: Usage::default(),
            duration_ms: 0,
            checkpoint: None,
            links: vec![],
            denials: vec![],
            programs: vec![],
            implausible: None,
        };
        let written = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<ExecutionReport>(&written).unwrap(), report);
    }
}
