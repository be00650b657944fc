use crate::{
    Analysis, Check, CheckReport, ExecutionReport, Plan, PlannedTask, Receipt, SessionId,
    SessionReport, TaskState, ValidationReport,
};
use cyrus_executor::{Event, ExecutorInfo, TaskId};
use serde::{Deserialize, Serialize};
use std::{path::PathBuf, sync::Arc};

/// A part of a session's work that takes time besides executions, which have events of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The clone of a task is made and set up.
    Preparing,
    /// The result of an execution is brought into the repository.
    Collecting,
    /// A result is looked at: trees are made and set up, and checks run in them, on the base commit too.
    Checking,
    /// A result is merged with what was merged before it.
    Merging,
    /// The merged result is put on its branch, and delivered.
    Publishing,
    /// Clones are torn down and removed.
    Removing,
}

impl Phase {
    /// The word for it in messages and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Preparing => "preparing",
            Self::Collecting => "collecting",
            Self::Checking => "checking",
            Self::Merging => "merging",
            Self::Publishing => "publishing",
            Self::Removing => "removing",
        }
    }
}

/// How long the parts of a session's work took together that have this phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PhaseTime {
    /// The phase.
    pub phase: Phase,
    /// In milliseconds.
    pub duration_ms: u64,
}

/// What a check is run on once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Repeated {
    /// The base commit: it tells what the result made of it.
    OnBase,
    /// The same result: it tells whether the check is flaky.
    OnResult,
}

/// What is told of a session while it goes on. One JSON object each, with a `type`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "type")]
pub enum SessionEvent {
    /// Work begins, or goes on.
    SessionStarted {
        /// Its id.
        session: SessionId,
        /// The title.
        title: String,
        /// Where the work is done.
        repository: PathBuf,
        /// The commit it starts from.
        base_commit: String,
        /// Whether it was begun before.
        resumed: bool,
    },
    /// What the issue was found to be.
    Analysed(Box<Analysis>),
    /// The tasks and their dependencies.
    Planned(Plan),
    /// A task more: a conflict to resolve, or checks of the merged result to mend.
    TaskAdded(Box<PlannedTask>),
    /// A task stands somewhere else now.
    TaskChanged {
        /// Which.
        task: TaskId,
        /// Where.
        #[serde(flatten)]
        state: TaskState,
    },
    /// Who has the next attempt at a task, and why.
    ExecutorChosen {
        /// The task.
        task: TaskId,
        /// Why.
        receipt: Box<Receipt>,
    },
    /// A task waits before its next attempt.
    TaskWaits {
        /// The task.
        task: TaskId,
        /// For how long.
        #[serde(rename = "forMs", with = "cyrus_executor::millis")]
        time: std::time::Duration,
        /// Why.
        because: String,
    },
    /// A phase begins.
    PhaseStarted {
        /// The task it is about; `None` for the whole session.
        task: Option<TaskId>,
        /// The phase.
        phase: Phase,
    },
    /// A phase is over.
    PhaseFinished {
        /// The task it was about; `None` for the whole session.
        task: Option<TaskId>,
        /// The phase.
        phase: Phase,
        /// How long it took, in milliseconds.
        duration_ms: u64,
    },
    /// What the checks said of a task's result.
    TaskValidated {
        /// The task.
        task: TaskId,
        /// What they said.
        report: Box<ValidationReport>,
    },
    /// A result was merged.
    TaskMerged {
        /// The task.
        task: TaskId,
        /// What it was merged into.
        commit: String,
    },
    /// The checks that the result will have to pass.
    ChecksPlanned {
        /// May be empty: then nothing can be validated.
        checks: Vec<Check>,
    },
    /// An execution begins.
    ExecutionStarted {
        /// Its id.
        execution: String,
        /// What it is an attempt at.
        task: TaskId,
        /// Who does it.
        executor: ExecutorInfo,
    },
    /// Something happened in an execution.
    ExecutionEvent {
        /// Its id.
        execution: String,
        /// What happened.
        event: Event,
    },
    /// An execution ended.
    ExecutionFinished(Arc<ExecutionReport>),
    /// A check is run.
    CheckStarted {
        /// The check.
        check: Check,
    },
    /// A check that was started is run once more before its verdict.
    CheckRepeated {
        /// The check.
        check: Check,
        /// On what.
        on: Repeated,
    },
    /// A check was run.
    CheckFinished(CheckReport),
    /// Something a person should know.
    Warning {
        /// What, and what to do.
        message: String,
    },
    /// It is over. Always the last.
    SessionFinished(Box<SessionReport>),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SessionOutcome;

    #[test]
    fn the_last_line_has_the_shape_that_scripts_rely_on() {
        let report = SessionReport {
            session: "0abc-1".parse().unwrap(),
            outcome: SessionOutcome::Unverified,
            reason: None,
            branch: Some("cyrus/0abc-1".into()),
            commit: None,
            diff: None,
            tasks: vec![],
            executions: vec![],
            validation: None,
            cost: crate::Spending::default(),
            pull_request: None,
            sandbox_lacked: Vec::new(),
            phases: vec![],
            duration_ms: 7,
        };
        let line = serde_json::to_value(SessionEvent::SessionFinished(Box::new(report))).unwrap();
        let expected = serde_json::json!({
            "type": "session-finished", "session": "0abc-1", "outcome": "unverified",
            "branch": "cyrus/0abc-1", "commit": null, "diff": null, "tasks": [],
            "executions": [], "validation": null,
            "cost": {"reserved": 0, "reported": 0, "estimated": 0}, "durationMs": 7,
        });
        assert_eq!(line, expected);
    }
}
