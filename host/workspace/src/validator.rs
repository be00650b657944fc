use crate::{
    baseline::{self, Baseline, Run},
    confined::{Confined, Order},
    definition::Definition,
    detect::{self, Detected},
    executed::{executed, runs_no_tests},
    failures::{failed_tests, missing},
    findings::{Examination, finding},
    git::Git,
    junit::Reports,
    layout::{Roots, TaskDir},
    listing,
    object::ObjectId,
    repository::Main,
    rules::DiffRules,
    settings::WorkspaceSettings,
    tree::{Tree, Trees},
    workspaces::{base_commit, commit},
};
use async_trait::async_trait;
use cyrus_core::{
    Base, Check, CheckReport, CommandOrigin, CommandPolicy, FailingBase, Observer, OnBase,
    RefusedCheck, SessionEvent, Subject, TestCount, ValidationReport, Validator, WorkspaceError,
};
use cyrus_executor::Finding;
use cyrus_sandbox::Exit;
use std::{collections::BTreeSet, ffi::OsString, path::Path};

/// The code of a check that did not pass.
const CHECK_FAILED: &str = "check-failed";

/// Below what a check printed that fails on the base commit, too, and goes back all the same.
const ALSO_ON_BASE: &str =
    "\n(it fails on the base commit in the same way, and names what this result changes)";

/// The code of a check that passed and ran no test, where it runs some on the base commit.
const NO_TESTS: &str = "no-tests-executed";

/// The code of a check that fails as it does on the base commit, where that stops the work.
const FAILS_ON_BASE: &str = cyrus_core::FAILS_ON_BASE;

/// What results are checked with.
#[derive(Clone, Debug, Default)]
pub struct CheckSettings {
    /// The operator's checks; when there are none, checks are detected from the base commit.
    pub configured: Vec<Check>,
    /// Which commands are run, by their origin.
    pub policy: CommandPolicy,
    /// What diffs are held to.
    pub rules: DiffRules,
    /// Ignored directories that are copied from the executor's clone into the trees of checks, from the top of the
    /// repository.
    pub carry: Vec<String>,
    /// Where checks write `JUnit` reports, as patterns of the form of [`DiffRules::protected_paths`].
    pub junit: Vec<String>,
    /// What becomes of a result whose failed checks fail on the base commit too.
    pub failing_base: FailingBase,
}

/// The port [`Validator`] with commands: the operator's, else those detected from the base commit.
///
/// What is checked is the collected commit. Each check has a fresh tree of it (see the crate's documentation), so that
/// nothing an executor left beside its commit, and nothing an earlier check wrote, takes part.
///
/// This is the one place that launches checks, and it refuses a command whose origin [`CommandPolicy`] does not allow.
/// When a result changes the file that says what a detected command does (the scripts of `package.json`, a makefile),
/// what that file says in the base commit is run. All else that a command reads is the result's: a test that the
/// executor changed is the changed test, and a configuration of a test runner the changed one. Who must not depend on
/// that configures commands whose files are in [`DiffRules::protected_paths`]. A check that passes without running a
/// test, where it runs some on the base commit, is a finding. One that fails is run on the base commit too, once, and is
/// held against the result by what it makes worse. A detected check of a directory is run when the result changes
/// something below that. The checks run in the sandbox as programs that nobody
/// trusts.
#[derive(Clone)]
pub struct CommandValidator {
    pub(crate) roots: Roots,
    pub(crate) git: Git,
    pub(crate) settings: WorkspaceSettings,
    pub(crate) checks: CheckSettings,
    /// How commands go on base commits.
    baseline: Baseline,
}

impl CommandValidator {
    /// Checks results below these roots. The trees of checks are set up as clones are, by the `settings`.
    pub fn new(roots: Roots, git: Git, settings: WorkspaceSettings, checks: CheckSettings) -> Self {
        Self { roots, git, settings, checks, baseline: Baseline::default() }
    }

    fn confined(&self) -> Confined {
        let WorkspaceSettings { launcher, environment, .. } = &self.settings;
        Confined::new(launcher.clone(), environment.clone())
    }

    /// Runs a command in a tree.
    pub(crate) async fn run(
        &self,
        tree: &Tree,
        check: &Check,
        definition: Option<Definition>,
    ) -> Result<(CheckReport, Run), WorkspaceError> {
        let confined = self.confined();
        let command = definition.as_ref().map_or(&check.command, |known| &known.command);
        let activated = activated(&tree.place.root, &confined.environment.variables);
        let order = Order {
            name: format!("the check `{}`", check.command),
            program: confined.environment.shell.clone(),
            args: vec!["-c".into(), command.into()],
            variables: [("CI".into(), "true".into())].into_iter().chain(activated).collect(),
            time: check.timeout,
        };
        let before = Reports::find(&tree.place.root, &self.checks.junit);
        let ended = confined.run(&tree.place, order).await?;
        let exit_code = match ended.exit {
            Exit::Code(code) if !ended.timed_out => Some(code),
            _ => None,
        };
        let printed = ended.stdout.text().trim().to_owned();
        let reported = Reports::find(&tree.place.root, &self.checks.junit).since(&before);
        let set_up = tree.set_up_failure.as_ref().map(|said| {
            format!("(the set-up failed in the tree of this check:\n{}\n)", said.trim())
        });
        let notes = set_up.into_iter().chain(definition.map(|known| known.note));
        let failed = reported.as_ref().map(|reported| &reported.failed);
        let run = Run {
            passed: ended.success(),
            exit_code,
            timed_out: ended.timed_out,
            executed: reported
                .as_ref()
                .map(|reported| reported.executed)
                .or_else(|| executed(&printed)),
            failed: if ended.success() {
                BTreeSet::default()
            } else {
                failed_tests(&printed, failed)
            },
            missing: if ended.success() { None } else { missing(&printed) },
        };
        let report = CheckReport {
            check: check.clone(),
            passed: run.passed,
            exit_code,
            timed_out: ended.timed_out,
            duration_ms: u64::try_from(ended.duration.as_millis()).unwrap_or(u64::MAX),
            tests: run.executed.map(|executed| TestCount { executed }),
            on_base: None,
            output: notes.chain([printed]).collect::<Vec<_>>().join("\n"),
        };
        Ok((report, run))
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

    /// How a check goes on the base commit. It is run there once.
    async fn on_base(&self, trees: &Trees<'_>, check: &Check) -> Result<Run, WorkspaceError> {
        if let Some(known) = self.baseline.known(trees.base, &check.command) {
            return Ok(known);
        }
        let tree = trees.fresh(trees.base).await?;
        let (_, run) = self.run(&tree, check, None).await?;
        tracing::debug!(command = check.command, ?run, "a check on the base commit");
        self.baseline.keep(trees.base, &check.command, run.clone());
        Ok(run)
    }

    /// Whether what a check printed names a file that the result changes.
    async fn is_about(
        &self,
        trees: &Trees<'_>,
        result: &ObjectId,
        output: &str,
    ) -> Result<bool, WorkspaceError> {
        let changes = trees.main.changes(trees.base, result, &[]).await?;
        Ok(baseline::is_about(output, changes.iter().map(|change| &change.path[..])))
    }

    /// Whether a check is about what the result changes.
    fn applies(check: &Check, checks: &[Check], changed: &[Vec<u8>]) -> bool {
        let about = |check: &Check| match &check.origin {
            CommandOrigin::Base(file) => detect::applies(file, changed),
            _ => true,
        };
        // Where none is, what was changed may be what all of them share.
        about(check) || !checks.iter().any(about)
    }

    /// What is to be said of the checks that fail as they do on the base commit.
    async fn as_before(
        &self,
        trees: &Trees<'_>,
        reports: &[CheckReport],
    ) -> Result<Option<String>, WorkspaceError> {
        if !reports.iter().any(CheckReport::fails_as_before) {
            return Ok(None);
        }
        let listing = listing::read(&self.git, trees.main, trees.base).await?;
        let set_up: Vec<_> =
            detect::setup::set_up(&listing).into_iter().map(|found| found.command).collect();
        let modules = trees.main.submodules(trees.base).await?;
        let modules: Vec<_> =
            modules.iter().map(|path| String::from_utf8_lossy(path).into_owned()).collect();
        let said: Vec<_> = reports
            .iter()
            .filter_map(|report| baseline::explain(report, &set_up, &modules))
            .collect();
        Ok(Some(said.join("; ")))
    }

    /// Runs the checks that are allowed, and says what is wrong with the result.
    async fn examine(
        &self,
        trees: &Trees<'_>,
        subject: &Subject<'_>,
        checks: &[Check],
        observer: &dyn Observer,
    ) -> Result<ValidationReport, WorkspaceError> {
        let result = commit(subject.commit)?;
        let examination = Examination::new(trees.main, &self.checks.rules, subject).await?;
        let mut findings = examination.findings().await?;
        let (mut reports, mut refused) = (Vec::new(), Vec::new());
        let mut carried = Vec::new();
        let changed = trees.main.changes(trees.base, &result, &[]).await?;
        let changed: Vec<_> = changed.into_iter().map(|change| change.path).collect();
        for check in checks.iter().filter(|check| Self::applies(check, checks, &changed)) {
            if let Some(reason) = self.checks.policy.refusal(&check.origin) {
                let (check, reason) = (check.clone(), reason.to_owned());
                refused.push(RefusedCheck { check, reason });
                continue;
            }
            observer.on_event(SessionEvent::CheckStarted { check: check.clone() });
            let tree = trees.fresh(&result).await?;
            carried = trees.carry(&result, &self.checks.carry).await?;
            let definition =
                Definition::find(trees.main, (trees.base, &result), check, &tree.place).await?;
            let (mut report, run) = self.run(&tree, check, definition).await?;
            // What a task or an issue asks for is not so on the base commit, or there would be nothing to do.
            let is_of_the_repository =
                matches!(check.origin, CommandOrigin::Operator | CommandOrigin::Base(_));
            let retries = self.checks.failing_base == FailingBase::Retry;
            if !run.passed && !retries && is_of_the_repository {
                let base = self.on_base(trees, check).await?;
                let on_base = baseline::compare(&run, &base);
                let same = matches!(on_base, OnBase::SameFailures { missing: None, .. });
                if same && self.is_about(trees, &result, &report.output).await? {
                    report.output.push_str(ALSO_ON_BASE);
                } else {
                    report.on_base = Some(on_base);
                }
            }
            observer.on_event(report.clone().into());
            findings.extend(failure(&report));
            findings.extend(self.no_tests(trees, &report).await?);
            reports.push(report);
        }
        let as_before = self.as_before(trees, &reports).await?;
        let mut report =
            ValidationReport { refused, carried, ..ValidationReport::new(reports, findings) };
        if let Some(message) = as_before {
            observer.on_event(SessionEvent::Warning { message: message.clone() });
            report = match self.checks.failing_base {
                FailingBase::Accept | FailingBase::Retry => report,
                FailingBase::Unverified => report.without_proof(message),
                FailingBase::Stop => {
                    report.with_findings(vec![finding(FAILS_ON_BASE, message, None, None)])
                }
            };
        }
        Ok(report)
    }
}

#[async_trait]
impl Validator for CommandValidator {
    async fn checks(&self, base: &Base) -> Result<Vec<Check>, WorkspaceError> {
        if !self.checks.configured.is_empty() {
            return Ok(self.checks.configured.clone());
        }
        let main = Main::open(&self.git, &base.path).await?;
        let listing = listing::read(&self.git, &main, &base_commit(base)?).await?;
        let check = |found: Detected| Check {
            command: found.command,
            origin: CommandOrigin::Base(found.file),
            timeout: self.settings.environment.timeout,
        };
        Ok(detect::detect(&listing).into_iter().map(check).collect())
    }

    async fn validate(
        &self,
        subject: &Subject<'_>,
        checks: &[Check],
        observer: &dyn Observer,
    ) -> Result<ValidationReport, WorkspaceError> {
        let spec = subject.spec;
        let main = Main::open(&self.git, &spec.base.path).await?;
        let user = self.git.user().await?.with_repository(&self.git, &spec.base.path).await?;
        let (base, task) = (base_commit(&spec.base)?, TaskDir::of(&self.roots, spec));
        let trees = Trees {
            git: &self.git,
            main: &main,
            spec,
            base: &base,
            task: &task,
            settings: &self.settings,
            rules: &self.checks.rules,
            identity: &user.identity(),
        };
        let report = self.examine(&trees, subject, checks, observer).await;
        // What is kept for the next attempt goes with the task's clone; a merge has neither.
        let removed = if task.is_made() { trees.remove().await } else { task.remove() };
        report.and_then(|report| removed.map(|()| report))
    }
}

/// The `PATH` with the virtual environment that a set-up made at `.venv`, when there is one.
fn activated(root: &Path, variables: &[(OsString, OsString)]) -> Option<(OsString, OsString)> {
    let programs = root.join(".venv/bin");
    let before = variables.iter().find(|(name, _)| name == "PATH").map(|(_, path)| path);
    let mut path = programs.is_dir().then(|| programs.into_os_string())?;
    if let Some(before) = before {
        path.push(":");
        path.push(before);
    }
    Some(("PATH".into(), path))
}

/// What there is to repair when a check did not pass.
fn failure(report: &CheckReport) -> Option<Finding> {
    let command = &report.check.command;
    let message = match report.exit_code {
        _ if report.passed || report.fails_as_before() => return None,
        _ if report.timed_out => {
            format!("`{command}` took longer than {} s", report.check.timeout.as_secs())
        }
        Some(code) => format!("`{command}` failed with exit code {code}"),
        None => format!("`{command}` was ended by a signal"),
    };
    let message = baseline::new_failures(report).unwrap_or(message);
    Some(Finding {
        command: Some(command.clone()),
        output: Some(report.output.clone()),
        ..finding(CHECK_FAILED, message, None, None)
    })
}
