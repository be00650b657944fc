use crate::{
    app::App,
    args::RunArgs,
    exit::{UsageError, usage},
};
use anyhow::{Context as _, Result};
use cyrus_core::{Base, Issue, Session, SessionId};
use cyrus_executor::{Limits, TaskKind};
use std::{
    io::{Read as _, stdin},
    path::Path,
    time::{Duration, SystemTime},
};

/// How long an execution may take when nothing is said of it.
const DEADLINE: Duration = Duration::from_hours(1);

/// The longest issue that is read, in bytes.
const MAX_ISSUE_BYTES: u64 = 1 << 20;

/// The issue that the command line gives.
pub(crate) fn issue(args: &RunArgs) -> Result<Issue> {
    let (text, source) = match (&args.prompt, &args.issue) {
        (Some(prompt), _) => (prompt.clone(), "the prompt".to_owned()),
        (None, Some(path)) if path == Path::new("-") => {
            (read(stdin())?, "standard input".to_owned())
        }
        (None, Some(path)) => {
            let file = std::fs::File::open(path)
                .map_err(|error| usage(format!("--issue {}: {error}", path.display())))?;
            (read(file)?, path.display().to_string())
        }
        (None, None) => return Err(usage("say what is to be done, or name a file with --issue")),
    };
    Issue::from_markdown(&text).map_err(|error| UsageError(format!("{source}: {error}")).into())
}

fn read(from: impl std::io::Read) -> Result<String> {
    let mut text = String::new();
    from.take(MAX_ISSUE_BYTES + 1).read_to_string(&mut text).context("the issue cannot be read")?;
    if text.len() as u64 > MAX_ISSUE_BYTES {
        return Err(usage(format!("the issue is longer than {} KiB", MAX_ISSUE_BYTES >> 10)));
    }
    Ok(text)
}

/// What the command line says an execution may use.
fn limits(args: &RunArgs) -> Limits {
    Limits {
        deadline: args.deadline.map(Duration::from_mins),
        max_cost: args.max_cost,
        max_turns: args.max_turns,
    }
}

/// The session that works on this issue from this base.
pub(crate) fn session(
    app: &App,
    id: SessionId,
    issue: Issue,
    base: Base,
    executor: &str,
    args: &RunArgs,
) -> Session {
    let configured = app.repository(&base.path);
    let mut limits = limits(args);
    limits.max_cost = limits.max_cost.or_else(|| configured.max_cost_per_task());
    let default = app.config().limits();
    limits.max_cost = limits.max_cost.or(default.max_cost);
    limits.max_turns = limits.max_turns.or(default.max_turns);
    limits.deadline = limits.deadline.or(default.deadline).or(Some(DEADLINE));
    Session {
        branch: id.branch(),
        id,
        issue,
        base,
        kind: TaskKind::new(&args.kind),
        executor: executor.to_owned(),
        model: args.model.clone(),
        limits,
        created: SystemTime::now(),
    }
}
