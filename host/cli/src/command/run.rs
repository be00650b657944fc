use crate::{
    app::App,
    args::RunArgs,
    chosen::{self, Chosen, Considered},
    exit::{Exit, UsageError},
    intake,
    output::table,
    work::{self, Work},
};
use anyhow::Result;
use cyrus_core::{Check, CheckSource, Issue, Session, SessionId, WorkspaceError, Workspaces as _};
use cyrus_executor::TaskKind;
use serde_json::json;
use std::{fmt::Write as _, time::SystemTime};

/// `cyrus run`
pub(crate) async fn run(app: &App, args: &RunArgs) -> Result<Exit> {
    let issue = intake::issue(args)?;
    let kind = TaskKind::new(&args.kind);
    let id = SessionId::generate(SystemTime::now());
    let base = app.workspaces()?.base(&args.repo, &id.branch()).await.map_err(as_usage)?;
    let chosen = choose(app, args, &kind, &base.path).await?;
    let session = intake::session(app, id, issue, base, chosen.executor.info().name.as_str(), args);
    if args.dry_run {
        return dry_run(app, &session, &chosen, args.json.json).await;
    }
    if session.base.dirty {
        eprintln!(
            "cyrus: {} has changes that are not committed; the work starts from the last commit and does not see them",
            session.base.path.display()
        );
    }
    let Chosen { executor, .. } = chosen;
    work::work(app, Work::Start(session, executor), args.json.into()).await
}

/// What is wrong with the repository is for the user to mend.
fn as_usage(error: WorkspaceError) -> anyhow::Error {
    match error {
        WorkspaceError::NotUsable { .. } => UsageError(error.to_string()).into(),
        error => error.into(),
    }
}

async fn choose(
    app: &App,
    args: &RunArgs,
    kind: &TaskKind,
    repository: &std::path::Path,
) -> Result<Chosen> {
    if let Some(name) = &args.executor {
        return chosen::by_name(app, name, repository).await;
    }
    let strategy = args.strategy.unwrap_or_else(|| app.repository(repository).strategy());
    chosen::by_strategy(app, strategy, kind, repository).await
}

/// Says what would be done. The clone that the checks are worked out in is removed again.
async fn dry_run(app: &App, session: &Session, chosen: &Chosen, json: bool) -> Result<Exit> {
    let wiring = app.wiring(&session.base.path, &session.kind).await?;
    let task = "t1".parse()?;
    let workspace = wiring.ports.workspaces.prepare(&session.id, &task, &session.base).await?;
    let checks = wiring.ports.validator.checks(&workspace).await;
    wiring.ports.workspaces.discard(&workspace).await?;
    let checks = checks?;
    if json {
        let plan = json!({
            "type": "plan",
            "title": session.issue.title,
            "repository": session.base.path,
            "baseCommit": session.base.repository.base_commit,
            "dirty": session.base.dirty,
            "tasks": [{
                "id": task, "kind": session.kind, "executor": chosen.executor.info(),
                "model": session.model, "limits": session.limits,
            }],
            "receipt": chosen.receipt,
            "checks": checks,
        });
        println!("{plan}");
    } else {
        print!("{}", described(&session.issue, session, chosen, &checks));
    }
    Ok(Exit::Done)
}

fn described(issue: &Issue, session: &Session, chosen: &Chosen, checks: &[Check]) -> String {
    let commit = session.base.repository.base_commit.get(..12).unwrap_or_default();
    let info = chosen.executor.info();
    let mut text = format!(
        "Nothing was done. This would be:\n  issue     {}\n  task      {} from {commit} of {}\n  executor  {} ({}, plugin {} {})\n",
        issue.title,
        session.kind,
        session.base.path.display(),
        info.name,
        info.placement,
        info.plugin,
        info.version,
    );
    for check in checks {
        let source = match &check.source {
            CheckSource::Configured => "configured".to_owned(),
            CheckSource::Detected(file) => format!("detected from {file}"),
        };
        let _ = writeln!(text, "  check     `{}` ({source})", check.command);
    }
    if checks.is_empty() {
        text.push_str("  check     none: the result would be unverified\n");
    }
    let rows: Vec<_> = chosen.receipt.iter().map(receipt_row).collect();
    text + "considered:\n" + &table(&rows)
}

fn receipt_row(line: &Considered) -> Vec<String> {
    let mark = if line.chosen { "  *" } else { "   " };
    vec![mark.to_owned(), line.executor.clone(), line.why.clone()]
}
