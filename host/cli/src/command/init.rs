use crate::{
    app::App,
    args::InitArgs,
    exit::{Exit, usage},
    output::{print_all, say, seconds},
};
use anyhow::{Context as _, Result};
use cyrus_config::expand;
use cyrus_core::{
    Base, Check, CheckReport, SessionEvent, SessionId, Validator as _, Workspaces as _,
};
use cyrus_executor::Line;
use cyrus_sandbox::AbsolutePath;
use cyrus_workspace::{BrokenFile, Script, SetUpFailure, Suggestion, Trial, Tried};
use rustix::fs::{FlockOperation, flock};
use serde_json::{Value, json};
use std::{
    fs,
    io::{ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// `cyrus init`
pub(crate) async fn init(app: &App, args: &InitArgs) -> Result<Exit> {
    let work_branch = SessionId::generate(SystemTime::now()).branch();
    let workspaces = app.workspaces(&args.repo, None)?;
    let base = workspaces.base(&args.repo, &work_branch).await;
    let base = base.map_err(|error| usage(error.to_string()))?;
    let validator = app.validator(&base.path, None)?;
    let checks = validator.checks(&base).await?;
    let mut own = workspaces.scripts(&base).await?;
    own.retain(|script| script.is_set_up && !script.is_detected);
    let suggested =
        if own.is_empty() { validator.suggested_set_up(&base).await? } else { Vec::new() };
    let modules = validator.submodules(&base).await?;
    show(&base, &own, &suggested, &checks, &modules);
    for BrokenFile { file, error } in validator.broken_files(&base).await? {
        say!("  broken    {file}, by which nothing is set up or checked: {error}");
    }
    let mut good = true;
    if !args.no_try {
        good = attempt(app, &base, &suggested, &checks).await?;
    }
    if args.write {
        write(app, &base, &suggested, &checks)?;
    } else {
        say!(
            "Nothing was written; `cyrus init --write` writes it to {}",
            app.config().file().display()
        );
    }
    Ok(if good { Exit::Done } else { Exit::NotDone })
}

/// Tries the set-up and the checks; whether all passed. The checks are tried after a set-up that fails too: they may do
/// without.
async fn attempt(
    app: &App,
    base: &Base,
    suggested: &[Suggestion],
    checks: &[Check],
) -> Result<bool> {
    let script = TrialScript::of(app, suggested)?;
    let validator = app.validator_with_setup(&base.path, script.path()?)?;
    let Trial { set_up, checks } = validator.try_on_base(base, checks, &follow).await?;
    if let Some(failure) = &set_up {
        say_failure(suggested, failure);
    }
    Ok(report(&checks) && set_up.is_none())
}

fn say_failure(suggested: &[Suggestion], SetUpFailure { what, cause }: &SetUpFailure) {
    let (failed, output) = failed_command(suggested, cause);
    match failed {
        Some(Suggestion { command, file }) => say!("  set-up    `{command}` ({file}) fails"),
        None => say!("  set-up    {what}"),
    }
    print_all(&Line::block("    | ", "    | ", last_lines(output)));
}

/// Which command of the script of a try failed, and what was printed besides.
fn failed_command<'a>(
    suggested: &'a [Suggestion],
    output: &'a str,
) -> (Option<&'a Suggestion>, &'a str) {
    let found = output.trim_end().rsplit_once(FAILED);
    let (output, number) = found.unwrap_or((output, ""));
    (number.trim().parse().ok().and_then(|number: usize| suggested.get(number)), output)
}

/// The last lines of what a command printed.
fn last_lines(output: &str) -> &str {
    let output = output.trim_end();
    &output[output.rmatch_indices('\n').nth(11).map_or(0, |(at, _)| at + 1)..]
}

fn show(
    base: &Base,
    own: &[Script],
    suggested: &[Suggestion],
    checks: &[Check],
    modules: &[String],
) {
    let commit = base.repository.base_commit.get(..12).unwrap_or_default();
    say!("{} at {commit}:", base.path.display());
    for Script { command, origin, .. } in own {
        say!("  set-up    {command} ({origin})");
    }
    for Suggestion { command, file } in suggested {
        say!("  set-up    `{command}` ({file})");
    }
    for check in checks {
        say!("  check     `{}` ({})", check.command, check.origin);
    }
    if checks.is_empty() {
        say!("  check     none was found: results would be unverified; set `validation.commands`");
    }
    for module in modules {
        say!("  submodule {module} is empty in a clone: bring what checks need of it in a set-up");
    }
}

/// Says what is run now: it may take long.
fn follow(event: SessionEvent) {
    if let SessionEvent::CheckStarted { check } = event {
        say!("trying    `{}`", check.command);
    }
}

/// Says how each check went; whether all passed.
fn report(tried: &[Tried]) -> bool {
    for Tried { report, missing, proves_nothing } in tried {
        let CheckReport { check, passed, exit_code, duration_ms, output, .. } = report;
        let how = match (passed, exit_code) {
            (true, _) if *proves_nothing => "passes, and no test is known to have run".to_owned(),
            (true, _) => "passes".to_owned(),
            (false, Some(code)) => format!("fails with exit code {code}"),
            (false, None) => "fails".to_owned(),
        };
        let missing =
            missing.as_ref().map(|what| format!("; {what} is missing")).unwrap_or_default();
        say!("  `{}` {how} after {}{missing}", check.command, seconds(*duration_ms));
        if !passed {
            print_all(&Line::block("    | ", "    | ", last_lines(output)));
        }
    }
    tried.iter().all(|tried| tried.report.passed)
}

/// A script with what is suggested, where the host keeps its own files.
struct TrialScript(Option<tempfile::NamedTempFile>);

impl TrialScript {
    fn of(app: &App, set_up: &[Suggestion]) -> Result<Self> {
        if set_up.is_empty() {
            return Ok(Self(None));
        }
        let directory = app.home_directory().join("state");
        fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
        remove_left(&directory);
        let mut file = tempfile::Builder::new().prefix(SCRIPT).tempfile_in(directory)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        file.write_all(trial_text(set_up).as_bytes())?;
        Ok(Self(Some(file)))
    }

    fn path(&self) -> Result<Option<AbsolutePath>> {
        Ok(self.0.as_ref().map(|file| AbsolutePath::parse(file.path())).transpose()?)
    }
}

/// How the names of scripts of tries begin.
const SCRIPT: &str = "set-up-";

/// Removes the scripts of tries whose process has ended: an interrupted one removes nothing.
fn remove_left(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let is_script = entry.file_name().as_encoded_bytes().starts_with(SCRIPT.as_bytes());
        if is_script
            && let Ok(file) = fs::File::open(entry.path())
            && flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// What the script of a try prints before the number of the command that failed.
const FAILED: &str = "cyrus init: failed command ";

/// The set-up as a script that says which command failed.
fn trial_text(set_up: &[Suggestion]) -> String {
    let each = set_up.iter().enumerate().map(|(number, suggestion)| {
        let command = &suggestion.command;
        format!("(\n{command}\n) || {{ code=$?; echo '{FAILED}{number}'; exit $code; }}\n")
    });
    format!("#!/bin/sh\n{}", each.collect::<String>())
}

/// The set-up as a script.
fn script_text(set_up: &[Suggestion]) -> String {
    let each = set_up.iter().map(|suggestion| format!("(\n{}\n) || exit\n", suggestion.command));
    format!("#!/bin/sh\n{}", each.collect::<String>())
}

/// Adds what was found to the configuration. Everything else that is written there stays as it is.
fn write(app: &App, base: &Base, set_up: &[Suggestion], checks: &[Check]) -> Result<()> {
    let file = app.config().file();
    let mut document = match fs::read_to_string(file) {
        Ok(text) => serde_json::from_str::<Value>(&text).map_err(|error| {
            usage(format!(
                "{} is not plain JSON, and rewriting it would lose what is written beside: add `validation.commands` by hand ({error})",
                file.display()
            ))
        })?,
        Err(error) if error.kind() == ErrorKind::NotFound => json!({}),
        Err(error) => return Err(error).with_context(|| file.display().to_string()),
    };
    let name = base.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let repositories = document
        .as_object_mut()
        .map(|document| document.entry("repositories").or_insert_with(|| json!([])))
        .and_then(Value::as_array_mut)
        .ok_or_else(|| usage(format!("{}: `repositories` is no list", file.display())))?;
    let variable = |name: &str| app.variables().os(name).and_then(|value| value.into_string().ok());
    let is_here = |entry: &Value| {
        let path = entry["repositoryPath"].as_str().and_then(|path| expand(path, &variable).ok());
        path.is_some_and(|path| path.canonicalize().is_ok_and(|path| path == base.path))
    };
    let place = repositories.iter().position(is_here).unwrap_or_else(|| {
        repositories.push(json!({ "id": name, "name": name, "repositoryPath": base.path }));
        repositories.len() - 1
    });
    let commands: Vec<_> = checks.iter().map(|check| &check.command).collect();
    repositories[place]["validation"]["commands"] = json!(commands);
    if !set_up.is_empty() {
        let directory = app.home_directory().join("setup");
        fs::create_dir_all(&directory)?;
        let known = repositories[place]["hooks"]["setup"].as_str().map(PathBuf::from);
        let known = known.filter(|known| known.starts_with(&directory));
        let script = known.unwrap_or_else(|| free_script(&directory, &name));
        replace(&script, &script_text(set_up), 0o700)?;
        repositories[place]["hooks"]["setup"] = json!(script);
        say!("wrote {}", script.display());
    }
    replace(file, &format!("{document:#}\n"), 0o600)?;
    say!("wrote {}", file.display());
    Ok(())
}

/// Where the script of a repository of this name goes: other repositories of the name have theirs.
fn free_script(directory: &Path, name: &str) -> PathBuf {
    let first = directory.join(format!("{name}.sh"));
    let others = (2_u32..).map(|number| directory.join(format!("{name}-{number}.sh")));
    std::iter::once(first.clone()).chain(others).find(|script| !script.exists()).unwrap_or(first)
}

/// Writes a file at once or not at all.
fn replace(file: &Path, text: &str, mode: u32) -> Result<()> {
    let new = file.with_extension(format!("new-{}", std::process::id()));
    let written = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&new)
        .and_then(|mut open| open.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&new, file));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written.with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_of_tries_that_ended_are_removed() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        for name in ["set-up-left", "set-up-held", "other"] {
            fs::write(at(name), "").unwrap();
        }
        let held = fs::File::open(at("set-up-held")).unwrap();
        flock(&held, FlockOperation::LockExclusive).unwrap();
        remove_left(place.path());
        let is_there = ["set-up-left", "set-up-held", "other"].map(|name| at(name).exists());
        assert_eq!(is_there, [false, true, true]);
    }

    #[test]
    fn the_command_that_failed_is_named() {
        let each = ["npm ci", "uv sync"]
            .map(|command| Suggestion { command: command.to_owned(), file: "f".to_owned() });
        let output = format!("{FAILED}0\nE404\n{FAILED}1");
        let (failed, said) = failed_command(&each, &output);
        assert_eq!(failed, Some(&each[1]));
        assert!(said.ends_with("E404\n"), "{said}");
        assert_eq!(failed_command(&each, "E404"), (None, "E404"));
        assert!(trial_text(&each).contains("uv sync\n) || { code=$?;"));
    }
}
