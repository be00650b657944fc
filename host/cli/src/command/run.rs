use crate::{
    app::App,
    args::{PlanArgs, RunArgs, TaskArgs},
    exit::{Exit, UsageError, usage},
    intake,
    preview::{Asked, Preview},
    site::site,
    work::{self, Work},
};
use anyhow::Result;
use cyrus_core::{
    Base, Check, Issue, Session, SessionId, WorkspaceError, Workspaces as _,
};
use cyrus_orchestrator::Site;
use serde_json::json;
use std::time::SystemTime;

/// What the command line is about, looked at and not begun.
struct Intended {
    session: Session,
    site: Site,
    preview: Preview,
}

/// `cyrus run`
pub(crate) async fn run(app: &App, args: &RunArgs) -> Result<Exit> {
    let intended = intend(app, &args.task).await?;
    if args.dry_run {
        return show(app, &intended, args.json.json, false).await;
    }
    let Intended { session, site, preview } = intended;
    if let Some(why) = preview.impossible() {
        return Err(usage(why));
    }
    if session.base.dirty {
        eprintln!(
            "cyrus: {} has changes that are not committed; the work starts from the last commit and does not see them",
            session.base.path.display()
        );
    }
    work::work(app, Work::Start(Box::new(session), Box::new(site)), args.json.into()).await
}

/// `cyrus plan`
pub(crate) async fn plan(app: &App, args: &PlanArgs) -> Result<Exit> {
    let intended = intend(app, &args.task).await?;
    show(app, &intended, args.json.json, args.graph).await
}

async fn intend(app: &App, args: &TaskArgs) -> Result<Intended> {
    let issue = intake::issue(args)?;
    let plan = intake::plan(args)?;
    let id = SessionId::generate(SystemTime::now());
    let workspaces = app.workspaces(&args.repo).await?;
    let base = workspaces.base(&args.repo, &id.branch()).await.map_err(as_usage)?;
    let site = site(app, &base.path, args.executor.as_deref()).await?;
    let asked = Asked {
        kind: args.kind(),
        executor: args.executor.clone(),
        strategy: args.strategy,
        plan: plan.clone(),
    };
    let preview = Preview::of(&issue, &asked, &site, app.store().await?, &base.path).await?;
    let session = intake::session(app, id, issue, base, plan, args);
    Ok(Intended { session, site, preview })
}

/// What is wrong with the repository is for the user to mend.
fn as_usage(error: WorkspaceError) -> anyhow::Error {
    match error {
        WorkspaceError::NotUsable { .. } => UsageError(error.to_string()).into(),
        error => error.into(),
    }
}

/// Says what would be done.
async fn show(app: &App, intended: &Intended, json: bool, graph: bool) -> Result<Exit> {
    let Intended { session, preview, .. } = intended;
    if graph {
        print!("{}", preview.graph());
        return Ok(Exit::Done);
    }
    let checks = checks(app, &session.base).await?;
    if json {
        let mut shown = serde_json::to_value(preview)?;
        if let Some(fields) = shown.as_object_mut() {
            fields.insert("type".to_owned(), json!("plan"));
            fields.insert("title".to_owned(), json!(session.issue.title));
            fields.insert("repository".to_owned(), json!(session.base.path));
            fields.insert("baseCommit".to_owned(), json!(session.base.repository.base_commit));
            fields.insert("dirty".to_owned(), json!(session.base.dirty));
            fields.insert("checks".to_owned(), json!(checks));
            fields.insert("graph".to_owned(), json!(preview.graph()));
        }
        println!("{shown}");
    } else {
        let commit = session.base.repository.base_commit.get(..12).unwrap_or_default();
        println!("Nothing was done. From {commit} of {} this would be:", session.base.path.display());
        print!("{}", preview.text(issue(session), &checks));
    }
    Ok(Exit::Done)
}

fn issue(session: &Session) -> &Issue {
    &session.issue
}

async fn checks(app: &App, base: &Base) -> Result<Vec<Check>> {
    let ports = app.ports(&base.path).await?;
    Ok(ports.validator.checks(base).await?)
}
