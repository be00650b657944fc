use crate::{
    app::App,
    args::{PlanArgs, RunArgs, TaskArgs},
    commands::{Commands, IntendedCommand},
    exit::{Exit, UsageError, usage},
    intake,
    output::{is_at_a_terminal, note, print_all, print_json, say},
    preview::{Asked, Past, Preview},
    programs,
    site::site,
    work::{self, Work},
};
use anyhow::Result;
use cyrus_core::{
    Base, Check, Issue, Plan, Session, SessionId, SessionState, Validator as _, WorkspaceError,
};
use cyrus_executor::{MicroUsd, TaskId};
use cyrus_orchestrator::{AnalysisRules, Site, analyse};
use cyrus_plugin::Purpose;
use cyrus_workspace::{BrokenFile, Start};
use serde_json::{Value, json};
use std::{
    io::stdin,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// What the command line is about, looked at and not begun.
struct Intended {
    session: Session,
    site: Site,
    preview: Preview,
    /// Warnings about the repository.
    notes: Vec<String>,
}

/// `cyrus run`
pub(crate) async fn run(app: &App, args: &RunArgs) -> Result<Exit> {
    let purpose = if args.dry_run { Purpose::Inspect } else { Purpose::Work };
    let intended = intend(app, &args.task, purpose).await?;
    if args.dry_run {
        return show(app, &intended, args.json.json, false).await;
    }
    let Intended { session, site, preview, notes } = intended;
    if let Some(why) = preview.impossible() {
        return Err(usage(why));
    }
    if !args.yes && !agreed(&preview)? {
        note!("cyrus: not started; --yes starts without asking");
        return Ok(Exit::NotDone);
    }
    for said in &notes {
        note!("cyrus: {said}");
    }
    if let Some(start) = &preview.start {
        note!("cyrus: starts from {start}");
    }
    work::work(app, Work::Start(Box::new(session), Box::new(site)), args.json.into()).await
}

/// The expected cost from which a person is asked first.
const HIGH_COST: MicroUsd = MicroUsd(5_000_000);

/// Asks the operator at the terminal whether to start. One task that costs little starts without a question, and so does
/// every run without a terminal.
fn agreed(preview: &Preview) -> Result<bool> {
    let tasks = preview.plan.tasks.len();
    let is_large = tasks > 1 || preview.expected_cost >= HIGH_COST;
    if !is_large || !is_at_a_terminal() {
        return Ok(true);
    }
    for task in &preview.plan.tasks {
        note!("  {}  {}", task.id(), task.task.title);
    }
    note!("{tasks} tasks, about {}. Start? [y/N] ", preview.expected_cost);
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// `cyrus plan`
pub(crate) async fn plan(app: &App, args: &PlanArgs) -> Result<Exit> {
    let intended = intend(app, &args.task, Purpose::Inspect).await?;
    show(app, &intended, args.json.json, args.graph).await
}

async fn intend(app: &App, args: &TaskArgs, purpose: Purpose) -> Result<Intended> {
    let plan = intake::plan(args)?;
    let issue = intake::issue(args, plan.as_ref())?;
    let id = SessionId::generate(SystemTime::now());
    let place = place(app, args, &issue)?;
    let branch = args.branch.clone().unwrap_or_else(|| id.branch());
    let base = base(app, &place, &branch).await?;
    let site = site(app, &base.path, args.executor.as_deref(), purpose).await?;
    named_executors(app, plan.as_ref(), &site, &base.path)?;
    let asked = Asked {
        kind: args.kind(),
        executor: args.executor.clone(),
        strategy: args.strategy,
        plan: plan.clone(),
        max_cost: args.max_cost.or(app.config().limits().max_cost),
    };
    let mut preview = Preview::of(&issue, &asked, &site, &past(app, &site, &id, &base).await?);
    if let Start::Issue(branch) = place.start.as_ref() {
        preview.start = Some(format!("the branch {branch}, which the issue names"));
    }
    if let Some(branch) = &args.branch
        && let Some(other) = at_work_on(app, branch, &base.path).await?
    {
        let problem = format!(
            "--branch {branch}: session {other} is not done and has its result there: name another branch, or look at that one with `cyrus session show {other}`, go on with it, or remove it"
        );
        match purpose {
            Purpose::Inspect => preview.warnings.push(problem),
            Purpose::Work => return Err(usage(problem)),
        }
    }
    if app.repository(&base.path).integration().push
        && let Err(error) = app.workspaces(&base.path, None)?.can_push(&base).await
    {
        match purpose {
            Purpose::Inspect => preview.warnings.push(error.to_string()),
            Purpose::Work => return Err(as_usage(error)),
        }
    }
    let notes = notes(app, &base).await?;
    if purpose == Purpose::Inspect {
        preview.warnings.extend(notes.iter().cloned());
    }
    let session = intake::session(app, id, issue, base, plan, args);
    Ok(Intended { session, site, preview, notes })
}

/// What happened here before, and what of the day's money is spent.
async fn past(app: &App, site: &Site, session: &SessionId, base: &Base) -> Result<Past> {
    if !app.has_store() {
        return Ok(Past::default());
    }
    let (store, candidates) = (app.store().await?, site.candidates());
    let any = (session, &TaskId::numbered(1));
    let spent = site.budget.spent(&*store, any, &candidates, SystemTime::now()).await?;
    Ok(Past { history: store.track_records(&base.path).await?, spent })
}

/// The session that is not over and whose result is to be on that branch of that repository.
async fn at_work_on(app: &App, branch: &str, repository: &Path) -> Result<Option<SessionId>> {
    let sessions = app.sessions().await?;
    let found = sessions.into_iter().find(|one| {
        let is_over = matches!(one.state, SessionState::Finished(_));
        !is_over && one.session.branch == branch && one.session.base.path == repository
    });
    Ok(found.map(|one| one.session.id))
}

/// Refuses a plan whose tasks name an executor that there is not, before anything is paid for.
fn named_executors(app: &App, plan: Option<&Plan>, site: &Site, repository: &Path) -> Result<()> {
    for task in plan.into_iter().flat_map(|plan| &plan.tasks) {
        let Some(name) = &task.executor else { continue };
        if site.members.iter().any(|member| member.candidate.info.name == *name) {
            continue;
        }
        let why = match app.executor_config(name, repository) {
            Err(error) => error.to_string(),
            Ok(_) => format!("executor {name} is not configured"),
        };
        return Err(usage(format!("--plan: task {}: {why}", task.id())));
    }
    Ok(())
}

/// Warnings about a repository, for the operator.
async fn notes(app: &App, base: &Base) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    if base.dirty {
        notes.push(format!(
            "{} has changes that are not committed; the work starts from the last commit and does not see them",
            base.path.display()
        ));
    }
    for BrokenFile { file, error } in app.validator(&base.path, None)?.broken_files(base).await? {
        notes.push(format!(
            "{file} cannot be read, so that nothing is set up or checked by it: {error}"
        ));
    }
    let git = app.workspaces(&base.path, None)?.git_configuration(base).await?;
    if let Some(error) = &git.unreadable {
        notes.push(format!(
            "git cannot read your configuration, so that nothing of it counts, neither a name nor how to reach remotes: {error}"
        ));
    }
    if let Some(author) = &git.default_author {
        notes.push(unnamed(author, &git.lacks));
    }
    notes.extend(programs::warnings(app, base).await?);
    Ok(notes)
}

/// Warns of commits that are not by the user, for git lacks these.
fn unnamed(author: &str, lacks: &[&str]) -> String {
    let lacks = if lacks.is_empty() { &["user.name", "user.email"] } else { lacks };
    let how = lacks.iter().map(|name| {
        let value = if *name == "user.name" { "NAME" } else { "ADDRESS" };
        format!("`git config --global {name} {value}`")
    });
    format!(
        "git has no {} for this repository, so commits are by {author}: use {}",
        lacks.join(" and "),
        how.collect::<Vec<_>>().join(" and ")
    )
}

/// Where work is to be done.
struct Place {
    repository: PathBuf,
    start: ChosenStart,
}

/// What work starts from, by who chose it.
enum ChosenStart {
    CheckedOut,
    Operator(String),
    Issue(String),
}

impl ChosenStart {
    fn as_ref(&self) -> Start<'_> {
        match self {
            Self::CheckedOut => Start::CheckedOut,
            Self::Operator(name) => Start::Operator(name),
            Self::Issue(name) => Start::Issue(name),
        }
    }
}

/// What work starts from there. An issue chooses among the branches that the operator allows, and the one that is
/// checked out.
async fn base(app: &App, place: &Place, branch: &str) -> Result<Base> {
    let Place { repository, start } = place;
    let workspaces = app.workspaces(repository, None)?;
    let at = async |start| workspaces.base_at(repository, start, branch).await.map_err(as_usage);
    let base = at(start.as_ref()).await?;
    if let Start::Issue(name) = start.as_ref()
        && !app.repository(&base.path).issue_may_name(name)
        && at(Start::CheckedOut).await?.repository.base_branch.as_deref() != Some(name)
    {
        return Err(usage(format!(
            "the issue asks to start from the branch {name}, which issues may not choose in {}: add it to `issueBranches` of the repository's entry in {}, or give --base {name}",
            base.path.display(),
            app.config().file().display()
        )));
    }
    Ok(base)
}

/// Where the command line, else the issue's tag `[repo=NAME#BRANCH]`, says that work is to be done.
fn place(app: &App, args: &TaskArgs, issue: &Issue) -> Result<Place> {
    let tags = analyse(issue, &AnalysisRules::default()).tags;
    let named = |name: &str| app.config().repository_named(name).map(Path::to_owned);
    let (repository, tagged) = match (&args.repo, &tags.repo) {
        (Some(path), _) => {
            let known = path.to_str().filter(|_| !path.exists()).and_then(named);
            (known.unwrap_or_else(|| path.clone()), None)
        }
        (None, None) => (PathBuf::from("."), None),
        (None, Some(name)) => {
            let known = named(name).or_else(|| is_here(name).then(|| PathBuf::from(".")));
            let known = known.ok_or_else(|| {
                usage(format!(
                    "the issue's tag [repo={name}] names no repository: add one of that name to `repositories` in {}, or choose one with --repo",
                    app.config().file().display()
                ))
            })?;
            (known, tags.branch)
        }
    };
    let start = match (&args.base, tagged) {
        (Some(base), _) => ChosenStart::Operator(base.clone()),
        (None, Some(branch)) => ChosenStart::Issue(branch),
        (None, None) => ChosenStart::CheckedOut,
    };
    Ok(Place { repository, start })
}

/// Whether the repository of the current directory has this name: that of its directory, as in `owner/name` too.
fn is_here(name: &str) -> bool {
    let here = std::env::current_dir().unwrap_or_default();
    let last = name.rsplit('/').next().unwrap_or(name);
    here.ancestors()
        .find(|directory| directory.join(".git").exists())
        .and_then(|top| top.file_name())
        .is_some_and(|top| top.to_string_lossy().eq_ignore_ascii_case(last))
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
        preview.graph().lines().for_each(|line| say!("{line}"));
        return Ok(Exit::Done);
    }
    let checks = app.validator(&session.base.path, None)?.checks(&session.base).await?;
    let scripts = app.workspaces(&session.base.path, None)?.scripts(&session.base).await?;
    let commands = Commands {
        scripts: &scripts,
        checks: &checks,
        plan: &preview.plan,
        analysis: &preview.analysis,
        policy: app.command_policy(&session.base.path),
    };
    let commands = commands.all();
    if json {
        print_json(&shown(intended, &checks, &commands))?;
    } else {
        let commit = session.base.repository.base_commit.get(..12).unwrap_or_default();
        say!("Nothing was done. From {commit} of {} this would be:", session.base.path.display());
        print_all(&preview.text(&session.issue, &commands));
    }
    Ok(Exit::Done)
}

/// All of it, for machines.
fn shown(
    Intended { session, site, preview, .. }: &Intended,
    checks: &[Check],
    commands: &[IntendedCommand],
) -> Value {
    let who = |name: &str| {
        let member = site.members.iter().find(|member| member.candidate.info.name == name);
        member.map(|member| member.candidate.info.clone())
    };
    let tasks = preview.plan.tasks.iter().zip(&preview.receipts).map(|(task, receipt)| {
        json!({
            "id": task.id(),
            "kind": task.kind(),
            "title": task.task.title,
            "after": task.after,
            "complexity": task.complexity,
            "needs": task.needs,
            "executor": receipt.chosen.as_deref().and_then(who),
            "model": task.model.as_ref().or(session.model.as_ref()),
            "limits": session.limits,
            "expectedCost": receipt.cost(),
            "receipt": receipt,
        })
    });
    json!({
        "type": "plan",
        "title": session.issue.title,
        "repository": session.base.path,
        "baseCommit": session.base.repository.base_commit,
        "baseBranch": session.base.repository.base_branch,
        "dirty": session.base.dirty,
        "analysis": preview.analysis,
        "source": preview.plan.source,
        "note": preview.plan.note,
        "asksForPlan": preview.asks_for_plan,
        "warnings": preview.warnings,
        "tasks": tasks.collect::<Vec<_>>(),
        "expectedCost": preview.expected_cost,
        "criticalPath": preview.critical_path,
        "checks": checks,
        "commands": commands,
        "graph": preview.graph(),
    })
}
