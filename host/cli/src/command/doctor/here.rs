//! What a session in the repository of the current directory would run.

use super::{Finding, State};
use crate::{app::App, output::seconds, programs};
use anyhow::Result;
use cyrus_core::{Base, Check, SessionEvent, SessionId, Validator as _, Workspaces as _};
use std::{path::Path, time::SystemTime};

/// A row for the set-up, for each check, and for each submodule; none outside of a repository.
pub(super) async fn repository(app: &App, try_checks: bool) -> Vec<Finding> {
    let here = Path::new(".");
    let work_branch = SessionId::generate(SystemTime::now()).branch();
    let Ok(workspaces) = app.workspaces(here, None) else { return Vec::new() };
    let base = match workspaces.base(here, &work_branch).await {
        Ok(base) => base,
        Err(error) => return refused(&error.to_string()).into_iter().collect(),
    };
    let mut rows = hooks(app, &base.path);
    match looked_at(app, &base, try_checks).await {
        Ok(found) => rows.extend(found),
        Err(error) => {
            let mend = "see what it says; sessions here would not begin";
            rows.push(Finding::new("repository", State::Missing, format!("{error:#}"), mend));
        }
    }
    rows
}

/// What a session here would be refused with; `None` where there is no repository at all.
fn refused(error: &str) -> Option<Finding> {
    let mend = "see what it says; sessions here would not begin";
    let is_one = !error.contains("not a git repository");
    is_one.then(|| Finding::new("repository", State::Missing, error.trim().to_owned(), mend))
}

/// The operator's scripts that are not there: a session would be paused by them.
fn hooks(app: &App, repository: &Path) -> Vec<Finding> {
    let hooks = app.repository(repository).hooks();
    let named = [("hooks.setup", hooks.setup), ("hooks.teardown", hooks.teardown)];
    let missing = named.into_iter().filter_map(|(key, script)| Some((key, script?)));
    missing
        .filter(|(_, script)| !script.is_file())
        .map(|(key, script)| {
            let seen = format!("{} is not there", script.display());
            Finding::new(key, State::Missing, seen, "write the script, or correct the key")
        })
        .collect()
}

async fn looked_at(app: &App, base: &Base, try_checks: bool) -> Result<Vec<Finding>> {
    const CHECK: &str = "check here";
    let validator = app.validator(&base.path, None)?;
    let checks = validator.checks(base).await?;
    let scripts = app.workspaces(&base.path, None)?.scripts(base).await?;
    let mut rows: Vec<_> = scripts
        .iter()
        .filter(|script| script.is_set_up)
        .map(|script| {
            let seen = format!("{} ({})", script.command, script.origin);
            let is_command = script.is_detected;
            found(
                "set-up here",
                seen,
                is_command.then(|| programs::missing(app, &script.command)).flatten(),
            )
        })
        .collect();
    let has_set_up = !rows.is_empty() && rows.iter().all(Finding::is_good);
    if rows.is_empty() {
        let suggested = validator.suggested_set_up(base).await?;
        rows.extend(suggested.iter().map(|found| {
            let seen = format!("none; {} suggests `{}`", found.file, found.command);
            let mend = "`cyrus init` tries it, and `cyrus init --write` configures it";
            Finding::new("set-up here", State::Less, seen, mend)
        }));
    }
    rows.extend(validator.submodules(base).await?.into_iter().map(|module| {
        let seen = format!("submodule {module} is empty in a clone");
        Finding::new("set-up here", State::Less, seen, "bring what checks need of it in a set-up")
    }));
    if checks.is_empty() {
        let seen = "none was found: results would be unverified";
        let mend = "set `validation.commands`, or give the repository a test command";
        rows.push(Finding::new(CHECK, State::Less, seen, mend));
    }
    if !try_checks {
        rows.extend(checks.iter().map(|check| {
            // A set-up may bring it.
            let missing = if has_set_up { None } else { programs::missing(app, &check.command) };
            found(CHECK, described(check), missing)
        }));
        return Ok(rows);
    }
    let trial = validator.try_on_base(base, &checks, &|_: SessionEvent| {}).await?;
    if let Some(failure) = trial.set_up {
        let mend = "`cyrus init` shows what it prints; mend it, or name another: `hooks.setup`";
        rows.retain(|row| !row.is_good());
        rows.push(Finding::new("set-up here", State::Less, failure.what, mend));
    }
    for tried in trial.checks {
        let what = described(&tried.report.check);
        let time = seconds(tried.report.duration_ms);
        rows.push(if tried.report.passed {
            let proof = if tried.proves_nothing { ", without a test that is known to have run" } else { "" };
            Finding::good(CHECK, format!("{what} passes on the base commit after {time}{proof}"))
        } else {
            let missing = tried.missing.map(|what| format!(": {what} is missing")).unwrap_or_default();
            let seen = format!("{what} fails on the base commit after {time}{missing}");
            let mend = "install what it lacks in a cyrus-setup.sh at the top of the repository, or mend the base";
            Finding::new(CHECK, State::Less, seen, mend)
        });
    }
    Ok(rows)
}

/// A row for a command, and for the program that it cannot do without.
fn found(row: &'static str, seen: String, missing: Option<String>) -> Finding {
    match missing {
        None => Finding::good(row, seen),
        Some(program) => Finding::new(
            row,
            State::Less,
            format!("{seen}: `{program}` is not installed, or not on PATH"),
            programs::MEND,
        ),
    }
}

fn described(check: &Check) -> String {
    format!("`{}` ({})", check.command, check.origin)
}
