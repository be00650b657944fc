use crate::{
    detect::{Detected, READ, TopLevel, detect},
    diff::{Change, Mode, raw},
    environment::CheckEnvironment,
    error::{io, unreadable},
    git::Git,
    layout::private_dir,
    object::ObjectId,
    repository::Main,
    rules::{CONFLICT_MARKER, EMPTY_DIFF, OUTSIDE_WORKSPACE, conflicts, escapes},
    workspaces::{base_commit, kept_ref},
};
use async_trait::async_trait;
use cyrus_core::{
    Check, CheckReport, CheckSource, Observer, PreparedWorkspace, SessionEvent, ValidationReport,
    Validator, WorkspaceError,
};
use cyrus_executor::Finding;
use cyrus_sandbox::{AbsolutePath, Exit, Launch, Launcher, Limits};
use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::BufReader,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// How much of the end of a check's output is kept, in bytes.
const OUTPUT_TAIL: usize = 32 << 10;

/// The code of a check that did not pass.
const CHECK_FAILED: &str = "check-failed";

/// The port [`Validator`] with commands: the operator's, else those detected from the base commit.
///
/// A command never comes from what the executor wrote. What the command runs does, in part: a test that the executor
/// changed is the changed test. The checks run in the sandbox as programs that nobody trusts.
#[derive(Clone, Debug)]
pub struct CommandValidator {
    launcher: Launcher,
    git: Git,
    configured: Vec<Check>,
    environment: CheckEnvironment,
}

impl CommandValidator {
    /// Runs the `configured` checks, or when there are none those that are detected.
    pub fn new(
        launcher: Launcher,
        git: Git,
        configured: Vec<Check>,
        environment: CheckEnvironment,
    ) -> Self {
        Self { launcher, git, configured, environment }
    }

    /// What is at the top of the base commit.
    async fn top_level(&self, main: &Main, base: &ObjectId) -> Result<TopLevel, WorkspaceError> {
        let call = main.call(&["ls-tree", "-z", "--name-only", base.as_str()]).await?;
        let names = self.git.output(call).await?;
        let mut top = TopLevel::new();
        for name in names.split(|b| *b == 0).filter_map(|name| std::str::from_utf8(name).ok()) {
            let content = if READ.contains(&name) {
                let call = main.call(&["cat-file", "blob"]).await?.arg(format!("{base}:{name}"));
                let answer = self.git.run(call).await?;
                // It may be a directory of that name.
                (answer.code == 0).then(|| String::from_utf8_lossy(&answer.stdout).into_owned())
            } else {
                None
            };
            top.insert(name.to_owned(), content);
        }
        Ok(top)
    }

    async fn run(
        &self,
        workspace: &PreparedWorkspace,
        check: &Check,
    ) -> Result<CheckReport, WorkspaceError> {
        let failed = |cause: String| WorkspaceError::Io {
            what: format!("cannot run the check `{}`", check.command),
            cause,
        };
        let root = &workspace.workspace.root;
        let home = check_home(workspace);
        private_dir(&home)?;
        let directory = AbsolutePath::parse(root).map_err(|error| failed(error.to_string()))?;
        let launch = Launch::new(self.environment.shell.clone(), directory)
            .envs(self.environment.variables.iter().cloned())
            .env("HOME", home)
            .env("LANG", "C.UTF-8")
            .env("CI", "true")
            // One stream, so that what was printed stays in order.
            .args(["-c".to_owned(), format!("exec 2>&1\n{}", check.command)]);
        let limits = Limits { head: 0, tail: OUTPUT_TAIL, ..Limits::within(check.timeout) };
        let ended = self.launcher.run_to_end(launch, &limits).await;
        let ended = ended.map_err(|error| failed(error.to_string()))?;
        let exit_code = match ended.exit {
            Exit::Code(code) if !ended.timed_out => Some(code),
            _ => None,
        };
        Ok(CheckReport {
            check: check.clone(),
            passed: ended.success(),
            exit_code,
            timed_out: ended.timed_out,
            duration_ms: u64::try_from(ended.duration.as_millis()).unwrap_or(u64::MAX),
            output: ended.stdout.text().trim().to_owned(),
        })
    }

    /// What the diff rules find in the result that was collected.
    async fn findings(
        &self,
        workspace: &PreparedWorkspace,
    ) -> Result<Vec<Finding>, WorkspaceError> {
        let main = Main::open(&self.git, &workspace.base.path).await?;
        let base = base_commit(&workspace.base)?;
        let kept = kept_ref(&workspace.session, &workspace.task);
        let since = match main.resolve(&kept).await? {
            Some(commit) => main.merge_base(&base, &commit).await?.map(|since| (since, commit)),
            None => None,
        };
        let Some((since, commit)) = since else {
            return Err(WorkspaceError::Unacceptable(format!("there is no result at {kept}")));
        };
        let args = ["diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev"];
        let call = main.call(&args).await?.args([
            "--no-ext-diff",
            "--ignore-submodules=none",
            since.as_str(),
            commit.as_str(),
        ]);
        let changes = raw(&self.git.output(call).await?).ok_or_else(|| unreadable("diff-tree"))?;
        if changes.is_empty() {
            let message = "nothing was changed: the result is the same as the base".to_owned();
            return Ok(vec![finding(EMPTY_DIFF, message, None, None)]);
        }
        let mut found = self.links(&main, &changes).await?;
        found.extend(self.conflicts(&main, &since, &workspace.workspace.root, &changes).await?);
        Ok(found)
    }

    async fn links(&self, main: &Main, changes: &[Change]) -> Result<Vec<Finding>, WorkspaceError> {
        let mut found = Vec::new();
        for link in changes.iter().filter(|change| change.mode == Mode::Symlink) {
            let call = main.call(&["cat-file", "blob", link.object.as_str()]).await?;
            let target = self.git.output(call).await?;
            if escapes(&link.path, &target) {
                let path = String::from_utf8_lossy(&link.path);
                let target = String::from_utf8_lossy(&target);
                let message =
                    format!("the symbolic link {path} leads out of the repository, to {target}");
                found.push(finding(OUTSIDE_WORKSPACE, message, Some(&path), None));
            }
        }
        Ok(found)
    }

    async fn conflicts(
        &self,
        main: &Main,
        base: &ObjectId,
        root: &Path,
        changes: &[Change],
    ) -> Result<Vec<Finding>, WorkspaceError> {
        let mut found = Vec::new();
        for file in changes.iter().filter(|change| change.mode == Mode::File) {
            let Some(lines) = conflicts_in(root, &file.path)? else { continue };
            let path = String::from_utf8_lossy(&file.path);
            // A file may be about conflicts, and may have been before.
            let mut name = OsString::from(format!("{base}:"));
            name.push(OsStr::from_bytes(&file.path));
            let before = self.git.run(main.call(&["cat-file", "blob"]).await?.arg(name)).await?;
            let known = conflicts(&before.stdout[..]).map_or(0, |lines| lines.len());
            if lines.len() > known {
                let line = lines[0];
                let message = format!("{path} has an unresolved conflict at line {line}");
                found.push(finding(CONFLICT_MARKER, message, Some(&path), Some(line)));
            }
        }
        Ok(found)
    }
}

#[async_trait]
impl Validator for CommandValidator {
    async fn checks(&self, workspace: &PreparedWorkspace) -> Result<Vec<Check>, WorkspaceError> {
        if !self.configured.is_empty() {
            return Ok(self.configured.clone());
        }
        let main = Main::open(&self.git, &workspace.base.path).await?;
        let top = self.top_level(&main, &base_commit(&workspace.base)?).await?;
        let check = |found: Detected| Check {
            command: found.command,
            source: CheckSource::Detected(found.file),
            timeout: self.environment.timeout,
        };
        Ok(detect(&top).into_iter().map(check).collect())
    }

    async fn validate(
        &self,
        workspace: &PreparedWorkspace,
        checks: &[Check],
        observer: &dyn Observer,
    ) -> Result<ValidationReport, WorkspaceError> {
        // First, because a check may write into the workspace.
        let mut findings = self.findings(workspace).await?;
        let mut reports = Vec::new();
        for check in checks {
            observer.on_event(SessionEvent::CheckStarted { check: check.clone() });
            let report = self.run(workspace, check).await?;
            observer.on_event(report.clone().into());
            findings.extend(failure(&report));
            reports.push(report);
        }
        Ok(ValidationReport::new(reports, findings))
    }
}

/// The home of the checks: not the executor's, where it may have left what changes how programs behave.
fn check_home(workspace: &PreparedWorkspace) -> PathBuf {
    workspace.workspace.root.with_file_name("check-home")
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

/// The conflicts in a file of the workspace; `None` when there are none, or no plain file is there.
fn conflicts_in(root: &Path, path: &[u8]) -> Result<Option<Vec<u32>>, WorkspaceError> {
    let path = root.join(OsStr::from_bytes(path));
    let inside = path.canonicalize().is_ok_and(|real| {
        root.canonicalize().is_ok_and(|root| real.starts_with(root)) && real.is_file()
    });
    if !inside {
        return Ok(None);
    }
    let file = File::open(&path).map_err(io("cannot read", &path))?;
    let lines = conflicts(BufReader::new(file)).map_err(io("cannot read", &path))?;
    Ok((!lines.is_empty()).then_some(lines))
}

fn finding(code: &str, message: String, path: Option<&str>, line: Option<u32>) -> Finding {
    Finding {
        code: code.to_owned(),
        message,
        path: path.map(ToOwned::to_owned),
        line,
        command: None,
        output: None,
    }
}
