use crate::{
    confined::{Confined, Directories, Order},
    definition::Definition,
    detect::{Detected, READ, TopLevel, detect},
    executed::{executed, runs_no_tests},
    findings::{Examination, finding},
    git::Git,
    junit::Reports,
    layout::{Roots, TaskDir},
    object::ObjectId,
    repository::Main,
    rules::DiffRules,
    settings::WorkspaceSettings,
    tree::{Tree, Trees},
    workspaces::{base_commit, commit},
};
use async_trait::async_trait;
use cyrus_core::{
    Base, Check, CheckReport, CommandOrigin, CommandPolicy, Observer, RefusedCheck, SessionEvent,
    Subject, TestCount, ValidationReport, Validator, WorkspaceError,
};
use cyrus_executor::Finding;
use cyrus_sandbox::Exit;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// The code of a check that did not pass.
const CHECK_FAILED: &str = "check-failed";

/// The code of a check that passed and ran no test, where it runs some on the base commit.
const NO_TESTS: &str = "no-tests-executed";

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
}

/// How many tests each command runs on a base commit; `None` where its output names no number.
type OnBase = HashMap<(ObjectId, String), Option<u64>>;

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
/// test, where it runs some on the base commit, is a finding. The checks run in the sandbox as programs that nobody
/// trusts.
#[derive(Clone)]
pub struct CommandValidator {
    roots: Roots,
    git: Git,
    settings: WorkspaceSettings,
    checks: CheckSettings,
    /// How many tests a command runs on a base commit.
    on_base: Arc<Mutex<OnBase>>,
}

impl CommandValidator {
    /// Checks results below these roots. The trees of checks are set up as clones are, by the `settings`.
    pub fn new(roots: Roots, git: Git, settings: WorkspaceSettings, checks: CheckSettings) -> Self {
        Self { roots, git, settings, checks, on_base: Arc::default() }
    }

    /// What is at the top of the base commit.
    async fn top_level(&self, main: &Main, base: &ObjectId) -> Result<TopLevel, WorkspaceError> {
        let call = main.call(&["ls-tree", "-z", "--name-only", base.as_str()]).await?;
        let names = self.git.output(call).await?;
        let mut top = TopLevel::new();
        for name in names.split(|b| *b == 0).filter_map(|name| std::str::from_utf8(name).ok()) {
            // It may be a directory of that name.
            let content = if READ.contains(&name) { main.file(base, name).await? } else { None };
            let content = content.map(|content| String::from_utf8_lossy(&content).into_owned());
            top.insert(name.to_owned(), content);
        }
        Ok(top)
    }

    fn confined(&self) -> Confined {
        let WorkspaceSettings { launcher, environment, .. } = &self.settings;
        Confined::new(launcher.clone(), environment.clone())
    }

    /// Runs a command in a tree.
    async fn run(
        &self,
        tree: &Tree,
        check: &Check,
        definition: Option<Definition>,
    ) -> Result<CheckReport, WorkspaceError> {
        let confined = self.confined();
        let command = definition.as_ref().map_or(&check.command, |known| &known.command);
        let order = Order {
            name: format!("the check `{}`", check.command),
            program: confined.environment.shell.clone(),
            args: vec!["-c".into(), command.into()],
            variables: vec![("CI".into(), "true".into())],
            time: check.timeout,
        };
        let before = Reports::find(&tree.place.root, &self.checks.junit);
        let ended = confined.run(&tree.place, order).await?;
        let exit_code = match ended.exit {
            Exit::Code(code) if !ended.timed_out => Some(code),
            _ => None,
        };
        let printed = ended.stdout.text().trim().to_owned();
        let reported = Reports::find(&tree.place.root, &self.checks.junit).executed_since(&before);
        let set_up = tree.set_up_failure.as_ref().map(|said| {
            format!("(the set-up failed in the tree of this check:\n{}\n)", said.trim())
        });
        let notes = set_up.into_iter().chain(definition.map(|known| known.note));
        Ok(CheckReport {
            check: check.clone(),
            passed: ended.success(),
            exit_code,
            timed_out: ended.timed_out,
            duration_ms: u64::try_from(ended.duration.as_millis()).unwrap_or(u64::MAX),
            tests: reported.or_else(|| executed(&printed)).map(|executed| TestCount { executed }),
            output: notes.chain([printed]).collect::<Vec<_>>().join("\n"),
        })
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
        let on_base = self.tests_on_base(trees, &report.check).await?;
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

    /// How many tests a command runs on the base commit. It is run there once.
    async fn tests_on_base(
        &self,
        trees: &Trees<'_>,
        check: &Check,
    ) -> Result<Option<u64>, WorkspaceError> {
        let key = (trees.base.clone(), check.command.clone());
        let known = || self.on_base.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known().get(&key) {
            return Ok(*known);
        }
        let tree = trees.fresh(trees.base).await?;
        let report = self.run(&tree, check, None).await?;
        let executed = report.tests.map(|tests| tests.executed);
        tracing::debug!(command = check.command, ?executed, "tests on the base commit");
        known().insert(key, executed);
        Ok(executed)
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
        for check in checks {
            if let Some(reason) = self.checks.policy.refusal(&check.origin) {
                let (check, reason) = (check.clone(), reason.to_owned());
                refused.push(RefusedCheck { check, reason });
                continue;
            }
            observer.on_event(SessionEvent::CheckStarted { check: check.clone() });
            let tree = trees.fresh(&result).await?;
            carried = trees.carry(&result, &self.checks.carry).await?;
            let Directories { tmp, .. } = &tree.place;
            let definition =
                Definition::find(trees.main, (trees.base, &result), check, tmp).await?;
            let report = self.run(&tree, check, definition).await?;
            observer.on_event(report.clone().into());
            findings.extend(failure(&report));
            findings.extend(self.no_tests(trees, &report).await?);
            reports.push(report);
        }
        Ok(ValidationReport { refused, carried, ..ValidationReport::new(reports, findings) })
    }
}

#[async_trait]
impl Validator for CommandValidator {
    async fn checks(&self, base: &Base) -> Result<Vec<Check>, WorkspaceError> {
        if !self.checks.configured.is_empty() {
            return Ok(self.checks.configured.clone());
        }
        let main = Main::open(&self.git, &base.path).await?;
        let top = self.top_level(&main, &base_commit(base)?).await?;
        let check = |found: Detected| Check {
            command: found.command,
            origin: CommandOrigin::Base(found.file),
            timeout: self.settings.environment.timeout,
        };
        Ok(detect(&top).into_iter().map(check).collect())
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

/// What there is to repair when a check did not pass.
fn failure(report: &CheckReport) -> Option<Finding> {
    let command = &report.check.command;
    let message = match report.exit_code {
        _ if report.passed => return None,
        _ if report.timed_out => {
            format!("`{command}` took longer than {} s", report.check.timeout.as_secs())
        }
        Some(code) => format!("`{command}` failed with exit code {code}"),
        None => format!("`{command}` was ended by a signal"),
    };
    Some(Finding {
        command: Some(command.clone()),
        output: Some(report.output.clone()),
        ..finding(CHECK_FAILED, message, None, None)
    })
}
