use crate::{Check, CheckReport, ExecutionReport, SessionId, SessionReport};
use cyrus_executor::{Event, ExecutorInfo, TaskId};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

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
    ExecutionFinished(Box<ExecutionReport>),
    /// A check is run.
    CheckStarted {
        /// The check.
        check: Check,
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
            executions: vec![],
            validation: None,
            duration_ms: 7,
        };
        let line = serde_json::to_value(SessionEvent::SessionFinished(Box::new(report))).unwrap();
        let expected = serde_json::json!({
            "type": "session-finished", "session": "0abc-1", "outcome": "unverified",
            "branch": "cyrus/0abc-1", "commit": null, "diff": null, "executions": [],
            "validation": null, "durationMs": 7,
        });
        assert_eq!(line, expected);
    }
}
