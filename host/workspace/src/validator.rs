use crate::{
    baseline::{self, Baseline, Lack, Run, SetUpCommands},
    confined::{Confined, Order},
    definitions::Definitions,
    detect::{self, Detected},
    diff::{Change, Mode},
    executed::executed,
    failing::failing,
    failures::{failed_tests, missing},
    findings::{Examination, finding, without_examples},
    git::Git,
    judged::Judged,
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
    Base, Check, CheckReport, CommandOrigin, CommandPolicy, FailingBase, FlakyCheck, Observer,
    RefusedCheck, SessionEvent, Subject, TestCount, ValidationReport, Validator, WorkspaceError,
};
use cyrus_sandbox::{Exit, Launcher};
use std::{collections::BTreeSet, ffi::OsString, path::Path};

/// Variables of every check. What a cache says that passed before counts for nothing.
const CHECKING: [(&str, &str); 4] = [
    ("CI", "true"),
    ("NX_SKIP_NX_CACHE", "true"),
    ("NX_SKIP_REMOTE_CACHE", "true"),
    ("TURBO_FORCE", "true"),
];

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
    /// What becomes of a result of which a check fails, and passes when it is run again.
    pub flaky: FlakyCheck,
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
/// held against the result by what it makes worse, when it fails
/// a second time. A detected check of a directory is run when the result changes
/// something below that. The checks run in the sandbox as programs that nobody
/// trusts.
#[derive(Clone)]
pub struct CommandValidator {
    pub(crate) roots: Roots,
    pub(crate) git: Git,
    pub(crate) settings: WorkspaceSettings,
    pub(crate) checks: CheckSettings,
    /// Launches checks.
    pub(crate) launcher: Launcher,
    /// How commands go on base commits.
    pub(crate) baseline: Baseline,
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
        trees: &mut Trees<'_>,
        subject: &Subject<'_>,
        checks: &[Check],
    ) -> Result<ValidationReport, WorkspaceError> {
        let observer = trees.observer;
        let result = commit(subject.commit)?;
        let examination = Examination::new(trees.site.main, &self.checks.rules, subject).await?;
        let (mut findings, mut doubts) = without_examples(examination.findings().await?, subject);
        if findings.iter().any(|finding| finding.code == EMPTY_DIFF) {
            // What the checks say of it they say of the base commit.
            return Ok(ValidationReport::new(Vec::new(), findings));
        }
        let (mut reports, mut runs, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        let mut carried = Vec::new();
        let changes = trees.site.main.changes(trees.site.base, &result, &[]).await?;
        let paths: Vec<_> = changes.iter().map(|change| change.path.clone()).collect();
        doubts.extend(examination.shadows().await?);
        doubts.extend(examination.conversions().await?);
        let files = files_of(trees, &changes).await?;
        findings.extend(self.brought(trees, &result, &files).await?);
        // What leads out of the tree, or chooses the programs, is not run.
        let is_safe = !findings
            .iter()
            .any(|finding| [OUTSIDE_WORKSPACE, IN_SET_UP].contains(&finding.code.as_str()));
        let definitions = if self.checks.definitions_of_results {
            Definitions::default()
        } else {
            Definitions::find(trees.site.main, (trees.site.base, &result), checks).await?
        };
        doubts.extend(definitions.doubts().iter().cloned());
        if is_safe && !checks.is_empty() {
            let followed = self.follow_dependencies(trees, &result, &paths, &definitions);
            doubts.extend(followed.await?);
            doubts.extend(self.follow_sources(trees, &result, &definitions).await?);
        }
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
                doubts.extend(self.made(trees, &tree, &paths).await?);
            }
            if let Some(said) = tree.set_up_failure.as_deref().filter(|_| reports.is_empty()) {
                let message = format!(
                    "the set-up failed in the tree of the checks, so what they pass may say little: {}",
                    said.trim()
                );
                observer.on_event(SessionEvent::Warning { message });
            }
            let judged = self.judge(trees, &result, &tree, check, (&definitions, tools.as_ref()));
            let judged = judged.await?;
            findings.extend(self.findings_of(trees, &judged).await?);
            observer.on_event(judged.report.clone().into());
            let Judged { report, run, doubt, flaky, mended } = judged;
            if let Some(message) = mended {
                observer.on_event(SessionEvent::Warning { message });
            }
            match flaky {
                Some(message) if self.checks.flaky == FlakyCheck::Accept => {
                    observer.on_event(SessionEvent::Warning { message });
                }
                flaky => doubts.extend(flaky),
            }
            doubts.extend(doubt);
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

    /// A tree of a result for one check, with what is carried over from the executor's clone.
    pub(crate) async fn tree(
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

/// The paths of these changes that are files. Another commit of a submodule of the base brings none: what is in it comes
/// with the set-up.
async fn files_of(trees: &Trees<'_>, changes: &[Change]) -> Result<Vec<Vec<u8>>, WorkspaceError> {
    let is_module = |change: &Change| change.mode == Mode::Submodule;
    let before = if changes.iter().any(is_module) {
        trees.site.main.links(trees.site.base).await?
    } else {
        Links::default()
    };
    let is_moved = |change: &Change| is_module(change) && before.has_module(&change.path);
    let files = changes.iter().filter(|change| !is_moved(change));
    Ok(files.map(|change| change.path.clone()).collect())
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
        let mut trees =
            Trees { site, rules: &self.checks.rules, observer, installed: None, products: None };
        let report = self.examine(&mut trees, subject, checks).await;
        // What is kept for the next attempt goes with the task's clone; a merge has neither.
        let removed = if task.is_made() { trees.site.remove().await } else { task.remove() };
        report.and_then(|report| removed.map(|()| report))
    }
}

/// The last lines of what was printed, as one.
pub(crate) fn ending(said: &str) -> String {
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
