//! One check of one result: run, tried on the base commit and again where it fails, and what there is to find of it.

use crate::{
    baseline::{self, Run},
    definitions::Definitions,
    executed::runs_no_tests,
    findings::finding,
    object::ObjectId,
    tree::{Tree, Trees},
    validator::CommandValidator,
};
use cyrus_core::{
    Check, CheckReport, CommandOrigin, FailingBase, FlakyCheck, OnBase, Repeated, SessionEvent,
    WorkspaceError,
};
use cyrus_executor::Finding;

/// The code of a check that did not pass.
const CHECK_FAILED: &str = "check-failed";

/// Below what a check printed that fails on the base commit, too, and goes back all the same.
const ALSO_ON_BASE: &str =
    "\n(it fails on the base commit in the same way, and names what this result changes)";

/// Below what a check printed that failed, and passed when it was run again.
const PASSED_AGAIN: &str = "\n(that was the first run; run again on the same commit, it passed:)\n";

/// The code of a check that passed and ran no test, where it runs some on the base commit.
const NO_TESTS: &str = "no-tests-executed";

/// The code of a check that passed and says that tests failed.
const TESTS_FAILED: &str = "tests-failed";

/// What came of one check of a result.
pub(crate) struct Judged {
    pub(crate) report: CheckReport,
    pub(crate) run: Run,
    /// Why a person has to look at it although it passed.
    pub(crate) doubt: Option<String>,
    /// That it failed, and passed when it was run again on the same commit.
    pub(crate) flaky: Option<String>,
    /// That it passed with what the result makes of what is run, and does not with the base's.
    pub(crate) mended: Option<String>,
}

impl CommandValidator {
    /// Runs one check on a result, in a fresh tree of it and in more where that does not say all.
    pub(crate) async fn judge(
        &self,
        trees: &Trees<'_>,
        result: &ObjectId,
        tree: &Tree,
        check: &Check,
        (definitions, tools): (&Definitions, Option<&(Definitions, String)>),
    ) -> Result<Judged, WorkspaceError> {
        definitions.lay_over(&tree.place.root)?;
        let (mut report, mut run) = self.run(tree, check, Some(definitions)).await?;
        // With what the check failed.
        let mut failed: Vec<_> = (!run.passed).then_some(definitions).into_iter().collect();
        let (mut doubt, mut mended) = (None, None);
        if let Some((tools, names)) = tools {
            let (tree, _) = self.tree(trees, result).await?;
            tools.lay_over(&tree.place.root)?;
            let by_own = self.run(&tree, check, Some(tools)).await?;
            let passes_by_own_alone = by_own.1.passed && !run.passed;
            // What was wrong before may be what was to be mended.
            if passes_by_own_alone {
                let command = &check.command;
                let how = format!(
                    "`{command}` passes with what the result makes of {names}, and fails with what the base commit has"
                );
                if self.on_base(trees, check).await?.passed {
                    doubt = Some(format!(
                        "{how}: what it runs was changed, so a person has to look at that"
                    ));
                } else {
                    mended = Some(format!("{how}, as it does there: see that it is mended"));
                }
            }
            if !(by_own.1.passed && run.passed) {
                failed.extend((!by_own.1.passed).then_some(tools));
                (report, run) = by_own;
            }
        }
        // What a task or an issue asks for is not so on the base commit, or there would be nothing to do.
        let is_of_the_repository =
            matches!(check.origin, CommandOrigin::Operator | CommandOrigin::Base(_));
        if !run.passed && is_of_the_repository {
            self.compare_with_base(trees, result, &mut report, &run).await?;
        }
        let is_new = !run.passed && !report.fails_as_before() && !run.timed_out;
        let mut flaky = None;
        let is_run_again = is_new && is_of_the_repository && self.checks.flaky != FlakyCheck::Retry;
        if is_run_again && let Some(again) = self.again(trees, result, check, &failed).await? {
            flaky = Some(flakiness(check, &run));
            (report, run) = passed_again(report, again);
        }
        if !run.passed
            && !report.fails_as_before()
            && let Some(said) = self.left_out(trees, result, &report.output).await?
        {
            report.output.push_str(&said);
        }
        if let Some(said) = &mended {
            report.output = format!("({said})\n{}", report.output);
        }
        Ok(Judged { report, run, doubt, flaky, mended })
    }

    /// Has the report of a check that failed say how it goes on the base commit.
    async fn compare_with_base(
        &self,
        trees: &Trees<'_>,
        result: &ObjectId,
        report: &mut CheckReport,
        run: &Run,
    ) -> Result<(), WorkspaceError> {
        if self.checks.failing_base == FailingBase::Retry {
            return Ok(());
        }
        let on_base = baseline::compare(run, &self.on_base(trees, &report.check).await?);
        let same = matches!(on_base, OnBase::SameFailures { missing: None, .. });
        if same && self.is_about(trees, result, &report.output).await? {
            report.output.push_str(ALSO_ON_BASE);
        } else {
            report.on_base = Some(on_base);
        }
        Ok(())
    }

    /// Runs a check once more on the same commit, in another fresh tree of it for each of what it failed with. Gives the
    /// last run when it passes with all.
    async fn again(
        &self,
        trees: &Trees<'_>,
        result: &ObjectId,
        check: &Check,
        failed: &[&Definitions],
    ) -> Result<Option<(CheckReport, Run)>, WorkspaceError> {
        let mut last = None;
        for definitions in failed {
            repeated(trees, check, Repeated::OnResult);
            let (tree, _) = self.tree(trees, result).await?;
            definitions.lay_over(&tree.place.root)?;
            let again = self.run(&tree, check, Some(definitions)).await?;
            if !again.1.passed {
                return Ok(None);
            }
            last = Some(again);
        }
        Ok(last)
    }

    /// What is wrong with the result, by this check.
    pub(crate) async fn findings_of(
        &self,
        trees: &Trees<'_>,
        Judged { report, run, .. }: &Judged,
    ) -> Result<Vec<Finding>, WorkspaceError> {
        let mut all: Vec<_> = failure(report, run).into_iter().collect();
        all.extend(self.no_tests(trees, report).await?);
        all.extend(self.hidden_failures(trees, report, run).await?);
        Ok(all)
    }

    /// What is to be found of a check that passed and of which no test is known to have run.
    async fn no_tests(
        &self,
        trees: &Trees<'_>,
        report: &CheckReport,
    ) -> Result<Option<Finding>, WorkspaceError> {
        let Check { command, origin, .. } = &report.check;
        let is_proof = origin.can_validate() && report.passed && !runs_no_tests(command);
        if !is_proof || report.tests.is_some_and(|tests| tests.executed > 0) {
            return Ok(None);
        }
        let on_base = self.on_base(trees, &report.check).await?.executed;
        Ok(on_base.filter(|executed| *executed > 0).map(|executed| {
            let message = format!(
                "`{command}` passed without running a test; on the base commit it runs {executed}: see what keeps the tests from running"
            );
            Finding {
                command: Some(command.clone()),
                output: Some(report.output.clone()),
                ..finding(NO_TESTS, message, None, None)
            }
        }))
    }

    /// What is to be found of a check that passed and says that tests failed, more than it says of the base commit.
    async fn hidden_failures(
        &self,
        trees: &Trees<'_>,
        report: &CheckReport,
        run: &Run,
    ) -> Result<Option<Finding>, WorkspaceError> {
        let Check { command, origin, .. } = &report.check;
        if !origin.can_validate() || !report.passed || run.failing == 0 {
            return Ok(None);
        }
        let before = self.on_base(trees, &report.check).await?.failing;
        let more = run.failing.saturating_sub(before);
        Ok((more > 0).then(|| {
            let message = format!(
                "`{command}` ended with 0, and says that {more} of its tests failed that do not fail on the base commit"
            );
            Finding {
                command: Some(command.clone()),
                output: Some(report.output.clone()),
                ..finding(TESTS_FAILED, message, None, None)
            }
        }))
    }

    /// How a check goes on the base commit. It is run there once.
    async fn on_base(&self, trees: &Trees<'_>, check: &Check) -> Result<Run, WorkspaceError> {
        if let Some(known) = self.baseline.known(trees.site.base, &check.command) {
            return Ok(known);
        }
        repeated(trees, check, Repeated::OnBase);
        let tree = trees.fresh(trees.site.base).await?;
        let (_, run) = self.run(&tree, check, None).await?;
        tracing::debug!(command = check.command, ?run, "a check on the base commit");
        self.baseline.keep(trees.site.base, &check.command, run.clone());
        Ok(run)
    }

    /// Whether what a check printed names a file that the result changes.
    async fn is_about(
        &self,
        trees: &Trees<'_>,
        result: &ObjectId,
        output: &str,
    ) -> Result<bool, WorkspaceError> {
        let changes = trees.site.main.changes(trees.site.base, result, &[]).await?;
        Ok(baseline::is_about(output, changes.iter().map(|change| &change.path[..])))
    }
}

/// Says that a check takes longer, because it is run once more.
fn repeated(trees: &Trees<'_>, check: &Check, on: Repeated) {
    trees.observer.on_event(SessionEvent::CheckRepeated { check: check.clone(), on });
}

/// A check that passed when it was run again: the account of that run, with what both printed and the time of both.
fn passed_again(first: CheckReport, (again, run): (CheckReport, Run)) -> (CheckReport, Run) {
    let duration_ms = first.duration_ms.saturating_add(again.duration_ms);
    let output = first.output + PASSED_AGAIN + &again.output;
    (CheckReport { duration_ms, output, ..again }, run)
}

/// What is to be said of a check that failed like this, and passed when it was run again.
fn flakiness(check: &Check, first: &Run) -> String {
    let command = &check.command;
    let tests = baseline::list(&first.failed.iter().cloned().collect::<Vec<_>>());
    let failed =
        if tests.is_empty() { String::new() } else { format!(" (the first time, {tests} failed)") };
    format!(
        "`{command}` failed, and passed when it was run again on the same commit{failed}: it is flaky, and what it passes may say little"
    )
}

/// What there is to repair when a check did not pass.
fn failure(report: &CheckReport, run: &Run) -> Option<Finding> {
    let command = &report.check.command;
    let message = match report.exit_code {
        _ if report.passed || report.fails_as_before() => return None,
        _ if report.timed_out => {
            format!("`{command}` took longer than {} s", report.check.timeout.as_secs())
        }
        Some(code) => format!("`{command}` failed with exit code {code}"),
        None => format!("`{command}` was ended by a signal"),
    };
    let failed: Vec<_> = run.failed.iter().cloned().collect();
    let message = match baseline::new_failures(report) {
        Some(message) => message,
        None if failed.is_empty() => message,
        None => format!("{message}: {}", baseline::list(&failed)),
    };
    Some(Finding {
        command: Some(command.clone()),
        output: Some(report.output.clone()),
        ..finding(CHECK_FAILED, message, None, None)
    })
}
