use crate::{
    app::App,
    args::TaskArgs,
    exit::{UsageError, usage},
};
use anyhow::{Context as _, Result};
use cyrus_core::{Base, Issue, Plan, Session, SessionId};
use cyrus_executor::Limits;
use cyrus_orchestrator::{PlanLimits, parse_file};
use std::{
    io::{Read as _, stdin},
    path::Path,
    time::{Duration, SystemTime},
};

/// How long an execution may take when nothing is said of it.
const DEADLINE: Duration = Duration::from_hours(1);

/// The longest issue that is read, in bytes.
const MAX_ISSUE_BYTES: u64 = 1 << 20;

/// The longest plan file that is read, in bytes.
const MAX_PLAN_BYTES: u64 = 4 << 20;

/// The issue that the command line gives. Of a plan alone it is what its tasks are.
pub(crate) fn issue(args: &TaskArgs, plan: Option<&Plan>) -> Result<Issue> {
    let (text, source) = match (&args.prompt, &args.issue, plan) {
        (Some(prompt), ..) => (prompt.clone(), "the prompt".to_owned()),
        (None, Some(path), _) if path == Path::new("-") => {
            (read(stdin(), "the issue", MAX_ISSUE_BYTES)?, "standard input".to_owned())
        }
        (None, Some(path), _) => {
            let file = std::fs::File::open(path)
                .map_err(|error| usage(format!("--issue {}: {error}", path.display())))?;
            (read(file, "the issue", MAX_ISSUE_BYTES)?, path.display().to_string())
        }
        (None, None, Some(plan)) => (of_plan(plan), "the plan".to_owned()),
        (None, None, None) => {
            return Err(usage("say what is to be done, or name a file with --issue or --plan"));
        }
    };
    let mut issue =
        Issue::from_markdown(&text).map_err(|error| UsageError(format!("{source}: {error}")))?;
    issue.labels.extend(args.labels.iter().cloned());
    Ok(issue)
}

/// What a plan is about, where nothing else says it: its tasks.
fn of_plan(plan: &Plan) -> String {
    let titles: Vec<_> = plan.tasks.iter().map(|task| task.task.title.as_str()).collect();
    match &titles[..] {
        [one] => (*one).to_owned(),
        [first, rest @ ..] => {
            format!("{first}, and {} more\n\n- {}", rest.len(), titles.join("\n- "))
        }
        [] => String::new(),
    }
}

/// Reads a text of at most this many bytes. The byte-order mark of an editor is no part of it.
fn read(from: impl std::io::Read, what: &str, limit: u64) -> Result<String> {
    let mut bytes = Vec::new();
    let read = from.take(limit + 1).read_to_end(&mut bytes);
    read.with_context(|| format!("{what} cannot be read"))?;
    if bytes.len() as u64 > limit {
        return Err(usage(format!(
            "{what} is longer than {} KiB: make it shorter, or name files of the repository in it",
            limit >> 10
        )));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        usage(format!("{what} is no UTF-8 from byte {} on: save it as UTF-8", at + 1))
    })?;
    Ok(text.strip_prefix('\u{feff}').map_or_else(|| text.clone(), str::to_owned))
}

/// What the command line says an execution may use.
fn limits(args: &TaskArgs) -> Limits {
    Limits {
        deadline: args.deadline.map(Duration::from_mins),
        max_cost: args.max_cost,
        max_turns: args.max_turns,
    }
}

/// The plan that the command line gives.
pub(crate) fn plan(args: &TaskArgs) -> Result<Option<Plan>> {
    let Some(path) = &args.plan else { return Ok(None) };
    let named =
        |error: &dyn std::fmt::Display| usage(format!("--plan {}: {error}", path.display()));
    let file = std::fs::File::open(path).map_err(|error| named(&error))?;
    let text = read(file, "the plan", MAX_PLAN_BYTES).map_err(|error| named(&error))?;
    parse_file(&text, &PlanLimits::default()).map(Some).map_err(|error| named(&error))
}

/// The session that works on this issue from this base.
pub(crate) fn session(
    app: &App,
    id: SessionId,
    issue: Issue,
    base: Base,
    plan: Option<Plan>,
    args: &TaskArgs,
) -> Session {
    let mut limits = limits(args);
    let default = app.config().limits();
    limits.max_cost = limits.max_cost.or(default.max_cost);
    limits.max_turns = limits.max_turns.or(default.max_turns);
    limits.deadline = limits.deadline.or(default.deadline).or(Some(DEADLINE));
    Session {
        branch: base.repository.work_branch.clone(),
        id,
        issue,
        base,
        kind: args.kind(),
        executor: args.executor.clone(),
        strategy: args.strategy,
        plan,
        model: args.model.clone(),
        limits,
        created: SystemTime::now(),
    }
}
