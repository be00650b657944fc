use crate::{
    confined::{Confined, Order, Place},
    definition::Definition,
    detect::{Detected, READ, TopLevel, detect},
    environment::CheckEnvironment,
    findings::{Examination, finding},
    git::Git,
    layout::{Roots, TaskDir, private_dir, remove_tree},
    object::ObjectId,
    repository::Main,
    rules::DiffRules,
    workspaces::{base_commit, commit},
};
use async_trait::async_trait;
use cyrus_core::{
    Base, Check, CheckReport, CheckSource, Observer, SessionEvent, Subject, ValidationReport,
    Validator, WorkspaceError,
};
use cyrus_executor::Finding;
use cyrus_sandbox::{Exit, Launcher};

/// The code of a check that did not pass.
const CHECK_FAILED: &str = "check-failed";

/// The port [`Validator`] with commands: the operator's, else those detected from the base commit.
///
/// A command never comes from what the executor wrote. When a result changes the file that says what a detected
/// command does (the scripts of `package.json`, a makefile), what that file says in the base commit is run. All else
/// that a command reads is the result's: a test that the executor changed is the changed test, and a configuration
/// of a test runner the changed one. Who must not depend on that configures commands whose files are in
/// [`DiffRules::protected_paths`]. The checks run in the sandbox as programs that nobody trusts.
#[derive(Clone, Debug)]
pub struct CommandValidator {
    roots: Roots,
    git: Git,
    configured: Vec<Check>,
    confined: Confined,
    rules: DiffRules,
}

impl CommandValidator {
    /// Runs the `configured` checks, or when there are none those that are detected; and holds diffs to the `rules`.
    pub fn new(
        launcher: Launcher,
        roots: Roots,
        git: Git,
        configured: Vec<Check>,
        environment: CheckEnvironment,
        rules: DiffRules,
    ) -> Self {
        Self { roots, git, configured, confined: Confined::new(launcher, environment), rules }
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

    async fn run(
        &self,
        subject: &Subject<'_>,
        check: &Check,
        definition: Option<Definition>,
    ) -> Result<CheckReport, WorkspaceError> {
        let task = TaskDir::of(&self.roots, &subject.workspace.spec);
        let place = Place::new(task.workspace(), &task.check_dir());
        let command = definition.as_ref().map_or(&check.command, |known| &known.command);
        let order = Order {
            name: format!("the check `{}`", check.command),
            program: self.confined.environment.shell.clone(),
            args: vec!["-c".into(), command.into()],
            variables: vec![("CI".into(), "true".into())],
            time: check.timeout,
        };
        let ended = self.confined.run(&place, order).await?;
        let exit_code = match ended.exit {
            Exit::Code(code) if !ended.timed_out => Some(code),
            _ => None,
        };
        let said = ended.stdout.text().trim().to_owned();
        Ok(CheckReport {
            check: check.clone(),
            passed: ended.success(),
            exit_code,
            timed_out: ended.timed_out,
            duration_ms: u64::try_from(ended.duration.as_millis()).unwrap_or(u64::MAX),
            output: definition.map_or(said.clone(), |known| format!("{}\n{said}", known.note)),
        })
    }
}

#[async_trait]
impl Validator for CommandValidator {
    async fn checks(&self, base: &Base) -> Result<Vec<Check>, WorkspaceError> {
        if !self.configured.is_empty() {
            return Ok(self.configured.clone());
        }
        let main = Main::open(&self.git, &base.path).await?;
        let top = self.top_level(&main, &base_commit(base)?).await?;
        let check = |found: Detected| Check {
            command: found.command,
            source: CheckSource::Detected(found.file),
            timeout: self.confined.environment.timeout,
        };
        Ok(detect(&top).into_iter().map(check).collect())
    }

    async fn validate(
        &self,
        subject: &Subject<'_>,
        checks: &[Check],
        observer: &dyn Observer,
    ) -> Result<ValidationReport, WorkspaceError> {
        let spec = &subject.workspace.spec;
        let main = Main::open(&self.git, &spec.base.path).await?;
        let (base, result) = (base_commit(&spec.base)?, commit(subject.commit)?);
        // First, because a check may write into the workspace.
        let mut findings = Examination::new(&main, &self.rules, subject).await?.findings().await?;
        let beside = TaskDir::of(&self.roots, spec).check_dir();
        let mut reports = Vec::new();
        for check in checks {
            observer.on_event(SessionEvent::CheckStarted { check: check.clone() });
            remove_tree(&beside)?;
            private_dir(&beside)?;
            let definition = Definition::find(&main, (&base, &result), check, &beside).await?;
            let report = self.run(subject, check, definition).await?;
            observer.on_event(report.clone().into());
            findings.extend(failure(&report));
            reports.push(report);
        }
        Ok(ValidationReport::new(reports, findings))
    }
}

/// What there is to mend when a check did not pass.
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
