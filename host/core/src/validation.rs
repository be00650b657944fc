use crate::{Base, CommandOrigin, Observer, SessionEvent, WorkspaceError, WorkspaceSpec};
use async_trait::async_trait;
use cyrus_executor::Finding;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A command that a result has to pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// The command, run by `sh -c` at the top of a fresh tree of the result.
    pub command: String,
    /// Where the command comes from.
    #[serde(rename = "source")]
    pub origin: CommandOrigin,
    /// How long it may take.
    #[serde(rename = "timeoutMs", with = "cyrus_executor::millis")]
    pub timeout: Duration,
}

/// How many tests a check ran, as far as the test runner's own output says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TestCount {
    /// The tests that were executed, passed or not; skipped ones are none.
    pub executed: u64,
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
    /// How many tests it ran; `None` where the output names no number that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tests: Option<TestCount>,
    /// How the check goes on the base commit, where it failed and was tried there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_base: Option<OnBase>,
    /// The beginning and the end of what it printed.
    pub output: String,
}

/// The code of a finding that says only that a check fails as it does on the base commit: no further attempt can do
/// anything about it.
pub const FAILS_ON_BASE: &str = "fails-on-base";

/// The code of a finding that says that a task which is to change something changed nothing.
pub const EMPTY_DIFF: &str = "empty-diff";

/// How a check that failed on a result goes on the base commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "outcome")]
pub enum OnBase {
    /// It passes there: the result broke it.
    Passes,
    /// It fails there too, and nothing is known that the result made worse.
    SameFailures {
        /// The tests that fail in both, where the output or a report names them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tests: Vec<String>,
        /// What the check lacks to run, where its output names it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        missing: Option<String>,
    },
    /// It fails there too, and the result makes more tests fail.
    NewFailures {
        /// The tests that fail on the result only.
        tests: Vec<String>,
    },
}

/// What becomes of a result whose failed checks fail on the base commit too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailingBase {
    /// It is kept, and does not count as validated.
    #[default]
    Unverified,
    /// It counts as one that passes: it makes nothing worse.
    Accept,
    /// It is rejected, and nothing more is paid for.
    Stop,
    /// It is rejected like any other, and goes back to its executor: nothing is tried on the base commit.
    Retry,
}

/// What becomes of a result of which a check fails, and passes when it is run again on the same commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlakyCheck {
    /// It is kept, and does not count as validated.
    #[default]
    Unverified,
    /// It counts as one that passes.
    Accept,
    /// It goes back to its executor: a check that fails is not run again.
    Retry,
}

impl CheckReport {
    /// Whether it passed and says itself that it ran no test: what passes so proves nothing.
    pub fn ran_nothing(&self) -> bool {
        self.passed && self.tests.is_some_and(|tests| tests.executed == 0)
    }

    /// Whether it failed, and on the base commit it fails in the same way.
    pub fn fails_as_before(&self) -> bool {
        !self.passed && matches!(self.on_base, Some(OnBase::SameFailures { .. }))
    }
}

/// A check that was not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefusedCheck {
    /// The check.
    pub check: Check,
    /// Why it was not run.
    pub reason: String,
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
    /// The commands that were not run, because of where they come from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<RefusedCheck>,
    /// The ignored directories of the executor's clone that the checks were given (`validation.carry`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub carried: Vec<String>,
    /// Why the result does not count as validated although every check passed: a reviewer that gave no verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unverified: Option<String>,
}

/// What is validated: a task's result, or what was merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject<'a> {
    /// The clone that it was made in, or for a merge the one that there would be for work on it.
    pub spec: &'a WorkspaceSpec,
    /// The commit that holds it, in the main repository.
    pub commit: &'a str,
    /// Whether it is wrong for nothing to have changed.
    pub must_change: bool,
    /// Whether the commit that the clone started from may hold conflict markers, which the result must not.
    pub had_conflict: bool,
    /// What collecting it noted, for whoever mends it: see [`Collected::notes`](crate::Collected::notes).
    pub notes: &'a [String],
}

/// Checks results. It never takes an executor's word.
#[async_trait]
pub trait Validator: Send + Sync {
    /// The checks for work that starts from this base: configured, else detected from its commit.
    async fn checks(&self, base: &Base) -> Result<Vec<Check>, WorkspaceError>;

    /// Looks at what was changed and runs the checks on the commit, each in a fresh tree, with
    /// [`SessionEvent::CheckStarted`] and [`SessionEvent::CheckFinished`] to the observer. A check whose origin the
    /// operator does not allow is not run, and is in the report as refused.
    async fn validate(
        &self,
        subject: &Subject<'_>,
        checks: &[Check],
        observer: &dyn Observer,
    ) -> Result<ValidationReport, WorkspaceError>;
}

impl ValidationReport {
    /// The verdict that these checks and findings come to. A check that comes with the work, from an issue, can lower
    /// it and never raise it.
    pub fn new(checks: Vec<CheckReport>, findings: Vec<Finding>) -> Self {
        let mut proofs = checks.iter().filter(|c| c.check.origin.can_validate()).peekable();
        let has_checks = proofs.peek().is_some();
        let proves = proofs.any(|c| !c.ran_nothing());
        let verdict =
            if !findings.is_empty() || checks.iter().any(|c| !c.passed && !c.fails_as_before()) {
                ValidationVerdict::Failed
            } else if proves {
                ValidationVerdict::Passed
            } else {
                ValidationVerdict::Unchecked
            };
        let unverified = (has_checks && verdict == ValidationVerdict::Unchecked)
            .then(|| {
                "the checks passed without running a test: give the repository some, or set `validation.commands` to what shows that a result is right"
                    .to_owned()
            });
        let (refused, carried) = (Vec::new(), Vec::new());
        Self { verdict, checks, findings, refused, carried, unverified }
    }

    /// The same with findings of a review, which can only lower the verdict.
    #[must_use]
    pub fn with_findings(mut self, findings: Vec<Finding>) -> Self {
        if !findings.is_empty() {
            self.verdict = ValidationVerdict::Failed;
            self.findings.extend(findings);
        }
        self
    }

    /// The same where something that the operator wants is missing: what passed is then not validated.
    #[must_use]
    pub fn without_proof(mut self, reason: String) -> Self {
        if self.verdict != ValidationVerdict::Failed {
            self.verdict = ValidationVerdict::Unchecked;
        }
        self.unverified = Some(reason);
        self
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
        check_of(CommandOrigin::Operator, passed)
    }

    fn check_of(origin: CommandOrigin, passed: bool) -> CheckReport {
        let timeout = Duration::from_secs(1);
        let check = Check { command: "make check".into(), origin, timeout };
        CheckReport {
            check,
            passed,
            exit_code: Some(0),
            timed_out: false,
            duration_ms: 1,
            tests: None,
            on_base: None,
            output: String::new(),
        }
    }

    fn finding() -> Finding {
        Finding {
            code: EMPTY_DIFF.into(),
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

    #[test]
    fn a_check_that_says_that_it_ran_nothing_proves_nothing() {
        let ran =
            |executed, passed| CheckReport { tests: Some(TestCount { executed }), ..check(passed) };
        for (checks, expected) in [
            (vec![ran(0, true)], ValidationVerdict::Unchecked),
            (vec![ran(0, true), ran(0, true)], ValidationVerdict::Unchecked),
            (vec![ran(0, true), ran(1, true)], ValidationVerdict::Passed),
            // What says nothing of tests may be a build.
            (vec![ran(0, true), check(true)], ValidationVerdict::Passed),
            (vec![ran(0, false)], ValidationVerdict::Failed),
        ] {
            let report = ValidationReport::new(checks, vec![]);
            assert_eq!(report.verdict, expected);
            assert_eq!(report.unverified.is_some(), expected == ValidationVerdict::Unchecked);
        }
        assert_eq!(ValidationReport::new(vec![], vec![]).unverified, None);
    }

    #[test]
    fn a_command_of_an_issue_lowers_and_never_raises() {
        use CommandOrigin::{Agent, Issue, Operator, PlanFile};
        let verdict = |checks| ValidationReport::new(checks, vec![]).verdict;
        let of = check_of;
        for origin in [Issue, Agent] {
            let alone = verdict(vec![of(origin.clone(), true), of(origin.clone(), true)]);
            assert_eq!(alone, ValidationVerdict::Unchecked, "{origin}");
            let failed = verdict(vec![of(Operator, true), of(origin.clone(), false)]);
            assert_eq!(failed, ValidationVerdict::Failed, "{origin}");
            let beside = verdict(vec![of(origin.clone(), true), of(Operator, true)]);
            assert_eq!(beside, ValidationVerdict::Passed, "{origin}");
        }
        assert_eq!(verdict(vec![of(PlanFile, true)]), ValidationVerdict::Passed);
    }

    #[test]
    fn what_fails_as_before_is_not_held_against_a_result() {
        let same = OnBase::SameFailures { tests: vec![], missing: None };
        let new = OnBase::NewFailures { tests: vec!["a".into()] };
        for (on_base, expected) in [
            (None, ValidationVerdict::Failed),
            (Some(OnBase::Passes), ValidationVerdict::Failed),
            (Some(new), ValidationVerdict::Failed),
            (Some(same), ValidationVerdict::Passed),
        ] {
            let failed = CheckReport { on_base: on_base.clone(), ..check(false) };
            assert_eq!(
                ValidationReport::new(vec![failed], vec![]).verdict,
                expected,
                "{on_base:?}"
            );
        }
    }

    #[test]
    fn a_missing_review_is_no_proof() {
        let passed = ValidationReport::new(vec![check(true)], vec![]);
        let without = passed.clone().without_proof("no verdict".into());
        assert_eq!(without.verdict, ValidationVerdict::Unchecked);
        let failed = ValidationReport::new(vec![check(false)], vec![]).without_proof("x".into());
        assert_eq!(failed.verdict, ValidationVerdict::Failed);
        assert_eq!(passed.with_findings(vec![finding()]).verdict, ValidationVerdict::Failed);
    }
}
