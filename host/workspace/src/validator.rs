use crate::{
    baseline::{self, Baseline, Lack, Run, SetUpCommands},
    confined::{Confined, Order},
    definitions::Definitions,
    detect::{self, Detected},
    diff::{Change, Mode},
    executed::{executed, runs_no_tests},
    failing::failing,
    failures::{failed_tests, missing},
    findings::{Examination, finding},
    git::Git,
    junit::Reports,
    layout::{Roots, TaskDir},
    links::Links,
    listing,
    object::ObjectId,
    prepared::{self, Site},
    repository::Main,
    rules::{DiffRules, EMPTY_DIFF, IN_SET_UP, OUTSIDE_WORKSPACE},
    settings::WorkspaceSettings,
    setup,
    tree::{Tree, Trees},
    workspaces::{base_commit, commit},
};
use async_trait::async_trait;
use cyrus_core::{
    Base, Check, CheckReport, CommandOrigin, CommandPolicy, FailingBase, Observer, OnBase,
    RefusedCheck, SessionEvent, Subject, TestCount, ValidationReport, Validator, WorkspaceError,
};
use cyrus_executor::Finding;
use cyrus_sandbox::{Exit, Launcher};
use std::{collections::BTreeSet, ffi::OsString, path::Path};

/// Variables of every check. What a cache says that passed before counts for nothing.
const CHECKING: [(&str, &str); 4] = [
    ("CI", "true"),
    ("NX_SKIP_NX_CACHE", "true"),
    ("NX_SKIP_REMOTE_CACHE", "true"),
    ("TURBO_FORCE", "true"),
];

/// The code of a check that did not pass.
const CHECK_FAILED: &str = "check-failed";

/// Below what a check printed that fails on the base commit, too, and goes back all the same.
const ALSO_ON_BASE: &str =
    "\n(it fails on the base commit in the same way, and names what this result changes)";

/// The code of a check that passed and ran no test, where it runs some on the base commit.
const NO_TESTS: &str = "no-tests-executed";

/// The code of a check that passed and says that tests failed.
const TESTS_FAILED: &str = "tests-failed";

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
    /// Whether what a check does is what the result says in `package.json`, makefiles and their like; else the base
    /// commit does.
    pub definitions_of_results: bool,
    /// What becomes of a result whose failed checks fail on the base commit too.
    pub failing_base: FailingBase,
}

/// The port [`Validator`] with commands: the operator's, else those detected from the base commit.
///
/// What is checked is the collected commit. Each check has a fresh tree of it (see the crate's documentation), so that
/// nothing an executor left beside its commit, and nothing an earlier check wrote, takes part.
///
/// This is the one place that launches checks, and it refuses a command whose origin [`CommandPolicy`] does not allow.
/// When a result changes the files that say what a command does (the scripts of `package.json`, a makefile), what they
/// say in the base commit is run, unless [`CheckSettings::definitions_of_results`]. All else that a command reads is the result's: a test that the
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
    /// Launches checks.
    launcher: Launcher,
    /// How commands go on base commits.
    baseline: Baseline,
}

/// What came of one check of a result.
struct Judged {
    report: CheckReport,
    run: Run,
    /// Why a person has to look at it although it passed.
    doubt: Option<String>,
}

impl CommandValidator {
    /// Checks results below these roots. The trees of checks are set up as clones are, by the `settings`.
    pub fn new(roots: Roots, git: Git, settings: WorkspaceSettings, checks: CheckSettings) -> Self {
        let launcher = settings.launcher.clone();
        Self { roots, git, settings, checks, launcher, baseline: Baseline::default() }
    }

    /// The same, with this launcher for checks. It is of the same profile as that of the set-up.
    #[must_use]
    pub fn launching_checks_with(self, launcher: Launcher) -> Self {
        Self { launcher, ..self }
    }

    fn confined(&self) -> Confined {
        Confined::new(self.launcher.clone(), self.settings.environment.clone())
    }

    /// Runs a command in a tree.
    pub(crate) async fn run(
        &self,
        tree: &Tree,
        check: &Check,
        definitions: Option<&Definitions>,
    ) -> Result<(CheckReport, Run), WorkspaceError> {
        let confined = self.confined();
        let command = definitions.map_or(check.command.as_str(), |known| known.command(check));
        let environment = tree.environment.as_deref();
        let activated =
            environment.map(|programs| activated(programs, &confined.environment.variables));
        let order = Order {
            name: format!("the check `{}`", check.command),
            program: confined.environment.shell.clone(),
            args: vec!["-c".into(), command.into()],
            variables: CHECKING
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .chain(activated.into_iter().flatten())
                .collect(),
            time: check.timeout,
        };
        let before = Reports::find(&tree.place.root, &self.checks.junit);
        let ran = confined.run(&tree.place, order).await?;
        let ended = &ran.ended;
        let exit_code = match ended.exit {
            Exit::Code(code) if !ended.timed_out => Some(code),
            _ => None,
        };
        let printed = ran.printed();
        let reported = Reports::find(&tree.place.root, &self.checks.junit).since(&before);
        let set_up = tree.set_up_failure.as_ref().map(|said| {
            format!("(the set-up failed in the tree of this check:\n{}\n)", said.trim())
        });
        let notes = set_up.into_iter().chain(definitions.and_then(Definitions::note));
        let failed = reported.as_ref().map(|reported| &reported.failed);
        let run = Run {
            passed: ended.success(),
            exit_code,
            timed_out: ended.timed_out,
            executed: reported
                .as_ref()
                .map(|reported| reported.executed)
                .or_else(|| executed(&printed)),
            failing: failing(&printed),
            failed: if ended.success() {
                BTreeSet::default()
            } else {
                failed_tests(&printed, failed)
            },
            missing: if ended.success() { None } else { missing(&printed) },
            refused: ran.refused.clone(),
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

    /// Whether a check is about what the result changes.
    fn applies(check: &Check, checks: &[Check], changed: &[Vec<u8>]) -> bool {
        let about = |check: &Check| match &check.origin {
            CommandOrigin::Base(file) => detect::applies(file, changed),
            _ => true,
        };
        let files = checks.iter().filter_map(|check| match &check.origin {
            CommandOrigin::Base(file) => Some(file.as_str()),
            _ => None,
        });
        about(check) || !checks.iter().any(about) || detect::is_shared(files, changed)
    }

    /// What is to be said of the checks that fail as they do on the base commit.
    async fn as_before(
        &self,
        trees: &Trees<'_>,
        reports: &[CheckReport],
        runs: &[Run],
    ) -> Result<Option<String>, WorkspaceError> {
        if !reports.iter().any(CheckReport::fails_as_before) {
            return Ok(None);
        }
        let listing = listing::read(&self.git, trees.site.main, trees.site.base).await?;
        let scripts =
            setup::scripts(&self.git, &self.settings, trees.site.main, trees.site.base).await?;
        let found = detect::setup::set_up(&listing).into_iter().map(|found| found.command);
        let set_up = if scripts.iter().any(|script| script.is_detected) {
            SetUpCommands::Run(found.collect())
        } else {
            SetUpCommands::Suggested(found.collect())
        };
        let modules = trees.site.main.submodules(trees.site.base).await?;
        let submodules =
            modules.iter().map(|path| String::from_utf8_lossy(path).into_owned()).collect();
        let prepared = trees.site.prepared().await?;
        let failure = prepared.filter(|prepared| prepared.set_up.failure.is_some());
        let failure = failure.map(|prepared| ending(&prepared.set_up.said));
        let lack = Lack { set_up, failure, submodules };
        let said: Vec<_> = reports
            .iter()
            .zip(runs)
            .filter_map(|(report, run)| baseline::explain(report, run, &lack))
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
        let examination = Examination::new(trees.site.main, &self.checks.rules, subject).await?;
        let mut findings = examination.findings().await?;
        if findings.iter().any(|finding| finding.code == EMPTY_DIFF) {
            // What the checks say of it they say of the base commit.
            return Ok(ValidationReport::new(Vec::new(), findings));
        }
        let (mut reports, mut runs, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        let (mut carried, mut doubts) = (Vec::new(), Vec::new());
        let changes = trees.site.main.changes(trees.site.base, &result, &[]).await?;
        let paths: Vec<_> = changes.iter().map(|change| change.path.clone()).collect();
        // Another commit of a submodule of the base brings no file: what is in it comes with the set-up.
        let is_module = |change: &Change| change.mode == Mode::Submodule;
        let before = if changes.iter().any(is_module) {
            trees.site.main.links(trees.site.base).await?
        } else {
            Links::default()
        };
        let is_moved = |change: &Change| is_module(change) && before.has_module(&change.path);
        let files = changes.iter().filter(|change| !is_moved(change));
        let files: Vec<_> = files.map(|change| change.path.clone()).collect();
        findings.extend(self.brought(trees, &result, &files, observer).await?);
        // What leads out of the tree, or chooses the programs, is not run.
        let is_safe = !findings
            .iter()
            .any(|finding| [OUTSIDE_WORKSPACE, IN_SET_UP].contains(&finding.code.as_str()));
        let definitions = if self.checks.definitions_of_results {
            Definitions::default()
        } else {
            Definitions::find(trees.site.main, (trees.site.base, &result), checks).await?
        };
        let tools = definitions.without_programs();
        let applying =
            checks.iter().filter(|check| is_safe && Self::applies(check, checks, &paths));
        for check in applying {
            if let Some(reason) = self.checks.policy.refusal(&check.origin) {
                let (check, reason) = (check.clone(), reason.to_owned());
                refused.push(RefusedCheck { check, reason });
                continue;
            }
            observer.on_event(SessionEvent::CheckStarted { check: check.clone() });
            let tree;
            (tree, carried) = self.tree(trees, &result).await?;
            if reports.is_empty() {
                findings.extend(self.ignored(trees, &tree, &paths).await?);
            }
            if let Some(said) = tree.set_up_failure.as_deref().filter(|_| reports.is_empty()) {
                let message = format!(
                    "the set-up failed in the tree of the checks, so what they pass may say little: {}",
                    said.trim()
                );
                observer.on_event(SessionEvent::Warning { message });
            }
            let judged = self.judge(trees, &result, &tree, check, (&definitions, tools.as_ref()));
            let Judged { report, run, doubt } = judged.await?;
            doubts.extend(doubt);
            observer.on_event(report.clone().into());
            findings.extend(failure(&report));
            findings.extend(self.no_tests(trees, &report).await?);
            findings.extend(self.hidden_failures(trees, &report, &run).await?);
            reports.push(report);
            runs.push(run);
        }
        let as_before = self.as_before(trees, &reports, &runs).await?;
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
        if !doubts.is_empty() {
            let reasons = doubts.into_iter().chain(report.unverified.take());
            let reason = reasons.collect::<Vec<_>>().join("; ");
            report = report.without_proof(reason);
        }
        Ok(report)
    }

    /// Runs one check on a result, in a fresh tree of it and in more where that does not say all.
    async fn judge(
        &self,
        trees: &Trees<'_>,
        result: &ObjectId,
        tree: &Tree,
        check: &Check,
        (definitions, tools): (&Definitions, Option<&(Definitions, String)>),
    ) -> Result<Judged, WorkspaceError> {
        definitions.lay_over(&tree.place.root)?;
        let (mut report, mut run) = self.run(tree, check, Some(definitions)).await?;
        let mut doubt = None;
        if let Some((tools, names)) = tools {
            let (tree, _) = self.tree(trees, result).await?;
            tools.lay_over(&tree.place.root)?;
            let by_own = self.run(&tree, check, Some(tools)).await?;
            let passes_by_own_alone = by_own.1.passed && !run.passed;
            // What was wrong before may be what was to be mended.
            if passes_by_own_alone && self.on_base(trees, check).await?.passed {
                doubt = Some(format!(
                    "`{}` passes with what the result makes of {names}, and fails with what the base commit has: what it runs was changed, so a person has to look at that",
                    check.command
                ));
            }
            if !(by_own.1.passed && run.passed) {
                (report, run) = by_own;
            }
        }
        // What a task or an issue asks for is not so on the base commit, or there would be nothing to do.
        let is_of_the_repository =
            matches!(check.origin, CommandOrigin::Operator | CommandOrigin::Base(_));
        let retries = self.checks.failing_base == FailingBase::Retry;
        if !run.passed && !retries && is_of_the_repository {
            let base = self.on_base(trees, check).await?;
            let on_base = baseline::compare(&run, &base);
            let same = matches!(on_base, OnBase::SameFailures { missing: None, .. });
            if same && self.is_about(trees, result, &report.output).await? {
                report.output.push_str(ALSO_ON_BASE);
            } else {
                report.on_base = Some(on_base);
            }
        }
        Ok(Judged { report, run, doubt })
    }

    /// A tree of a result for one check, with what is carried over from the executor's clone.
    async fn tree(
        &self,
        trees: &Trees<'_>,
        result: &ObjectId,
    ) -> Result<(Tree, Vec<String>), WorkspaceError> {
        let mut tree = trees.fresh(result).await?;
        let carried = trees.carry(result, &self.checks.carry).await?;
        let is_environment =
            |directory: &String| directory.trim_start_matches("./").starts_with(".venv");
        if carried.iter().any(is_environment) {
            // It is the executor's now.
            tree.environment = None;
        }
        Ok((tree, carried))
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
        let user = self.git.user_in(&spec.base.path).await?;
        let (base, task) = (base_commit(&spec.base)?, TaskDir::of(&self.roots, spec));
        let site = Site {
            git: &self.git,
            main: &main,
            spec,
            base: &base,
            task: &task,
            settings: &self.settings,
            identity: &user.identity(),
            seen: prepared::seen(&self.settings, &task).await,
        };
        let trees = Trees { site, rules: &self.checks.rules };
        let report = self.examine(&trees, subject, checks, observer).await;
        // What is kept for the next attempt goes with the task's clone; a merge has neither.
        let removed = if task.is_made() { trees.site.remove().await } else { task.remove() };
        report.and_then(|report| removed.map(|()| report))
    }
}

/// The last lines of what was printed, as one.
fn ending(said: &str) -> String {
    const LINES: usize = 6;
    const LONGEST: usize = 400;
    let lines: Vec<_> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let text = lines[lines.len().saturating_sub(LINES)..].join(" | ");
    let from = text.char_indices().rev().nth(LONGEST - 1).map_or(0, |(at, _)| at);
    let text = &text[from..];
    // Not in the middle of a word.
    match text.split_once(' ') {
        Some((_, rest)) if from > 0 => format!("… {rest}"),
        _ => text.to_owned(),
    }
}

/// The variables of an activated virtual environment whose programs are here.
fn activated(programs: &Path, variables: &[(OsString, OsString)]) -> [(OsString, OsString); 2] {
    let before = variables.iter().find(|(name, _)| name == "PATH").map(|(_, path)| path);
    let mut path = programs.as_os_str().to_owned();
    if let Some(before) = before {
        path.push(":");
        path.push(before);
    }
    let environment = programs.parent().unwrap_or(programs).as_os_str().to_owned();
    [("PATH".into(), path), ("VIRTUAL_ENV".into(), environment)]
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
