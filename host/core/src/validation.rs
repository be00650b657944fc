use crate::{Base, Observer, PreparedWorkspace, SessionEvent, WorkspaceError};
use async_trait::async_trait;
use cyrus_executor::Finding;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Where a check comes from. Never from what an executor wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckSource {
    /// The operator's configuration.
    Configured,
    /// Worked out from a file of the base commit, which is named.
    Detected(String),
    /// A plan that the user gave, for this task.
    Acceptance,
}

/// A command that a result has to pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// What is run, by `sh -c`, in the workspace.
    pub command: String,
    /// Why it is run.
    pub source: CheckSource,
    /// How long it may take.
    #[serde(rename = "timeoutMs", with = "cyrus_executor::millis")]
    pub timeout: Duration,
}

/// How one check went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckReport {
    /// The check.
    pub check: Check,
    /// Whether it passed.
    pub passed: bool,
    /// Its exit code; `None` when a signal or the time limit ended it.
    pub exit_code: Option<i32>,
    /// Whether the time limit ended it.
    pub timed_out: bool,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// The end of what it printed.
    pub output: String,
}

/// What validation says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ValidationVerdict {
    /// There were checks, and the result passed them all.
    Passed,
    /// Something was found.
    Failed,
    /// There was nothing to check it with. Never taken for success.
    Unchecked,
}

impl ValidationVerdict {
    /// Whether the result passed; `None` where nothing was learned of it.
    pub fn passed(self) -> Option<bool> {
        match self {
            Self::Passed => Some(true),
            Self::Failed => Some(false),
            Self::Unchecked => None,
        }
    }
}

/// Validation's verdict with its evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidationReport {
    /// What it comes to.
    pub verdict: ValidationVerdict,
    /// The commands that were run.
    pub checks: Vec<CheckReport>,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// What is validated: a result in a clone, or what was merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject<'a> {
    /// The clone it is in.
    pub workspace: &'a PreparedWorkspace,
    /// The commit that holds it.
    pub commit: &'a str,
    /// Whether it is wrong for nothing to have changed.
    pub must_change: bool,
    /// Whether the commit that the clone started from may hold conflict markers, which the result must not.
    pub had_conflict: bool,
}

/// Checks results. It never takes an executor's word.
#[async_trait]
pub trait Validator: Send + Sync {
    /// The checks for work that starts from this base: configured, else detected from its commit.
    async fn checks(&self, base: &Base) -> Result<Vec<Check>, WorkspaceError>;

    /// Looks at what was changed and runs the checks on the result that is in the workspace, telling the observer of
    /// each with [`SessionEvent::CheckStarted`] and [`SessionEvent::CheckFinished`].
    async fn validate(
        &self,
        subject: &Subject<'_>,
        checks: &[Check],
        observer: &dyn Observer,
    ) -> Result<ValidationReport, WorkspaceError>;
}

impl ValidationReport {
    /// The verdict that these checks and findings come to.
    pub fn new(checks: Vec<CheckReport>, findings: Vec<Finding>) -> Self {
        let verdict = if !findings.is_empty() || checks.iter().any(|c| !c.passed) {
            ValidationVerdict::Failed
        } else if checks.is_empty() {
            ValidationVerdict::Unchecked
        } else {
            ValidationVerdict::Passed
        };
        Self { verdict, checks, findings }
    }
}

impl From<CheckReport> for SessionEvent {
    fn from(report: CheckReport) -> Self {
        Self::CheckFinished(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(passed: bool) -> CheckReport {
        let check = Check {
            command: "make check".into(),
            source: CheckSource::Configured,
            timeout: Duration::from_secs(1),
        };
        CheckReport {
            check,
            passed,
            exit_code: Some(0),
            timed_out: false,
            duration_ms: 1,
            output: String::new(),
        }
    }

    fn finding() -> Finding {
        Finding {
            code: "empty-diff".into(),
            message: "nothing changed".into(),
            path: None,
            line: None,
            command: None,
            output: None,
        }
    }

    #[test]
    fn nothing_to_check_with_is_never_a_pass() {
        let verdict = |checks, findings| ValidationReport::new(checks, findings).verdict;
        assert_eq!(verdict(vec![], vec![]), ValidationVerdict::Unchecked);
        assert_eq!(verdict(vec![check(true)], vec![]), ValidationVerdict::Passed);
        assert_eq!(verdict(vec![check(true), check(false)], vec![]), ValidationVerdict::Failed);
        assert_eq!(verdict(vec![check(true)], vec![finding()]), ValidationVerdict::Failed);
        assert_eq!(verdict(vec![], vec![finding()]), ValidationVerdict::Failed);
    }
}
