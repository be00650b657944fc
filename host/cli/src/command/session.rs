mod again;
mod remove;

use crate::{
    app::App,
    args::{JsonArgs, LogsArgs, SessionCommand, SessionPrefix},
    exit::{Exit, usage},
    output::{
        Timed, clock_time, in_full, note, print_all, print_json, print_json_pretty, say, summary,
        table, timestamp, ways_on,
    },
    work::{self, Work},
};
use anyhow::Result;
use cyrus_core::{
    SessionEvent, SessionId, SessionState, SessionStore, SessionSummary, Snapshot, StoreError,
};
use cyrus_executor::{MicroUsd, StopMode, TaskId};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// Lines of a log that are read at a time.
const PAGE: usize = 500;

/// How often a session is looked at that was asked to stop.
const LOOK: Duration = Duration::from_millis(200);

/// How long a session has to stop before that is said to take long: what it runs gets its grace first.
const LONG: Duration = Duration::from_mins(1);

/// Times that a session is taken up by itself without anything coming of it, before it is left to a person.
const FRUITLESS: u32 = 3;

/// `cyrus session …`
pub(crate) async fn session(app: &App, command: SessionCommand) -> Result<Exit> {
    match command {
        SessionCommand::List(JsonArgs { json }) => list(app, json).await,
        SessionCommand::Show { id, json } => show(app, &found(app, &id).await?, json.json).await,
        SessionCommand::Stop { id, task: Some(task), .. } => {
            cancel(app, &found(app, &id).await?, &task).await
        }
        SessionCommand::Stop { id, task: None, detach } => {
            let mode = if detach { StopMode::Detach } else { StopMode::Cancel };
            stop(app, &found(app, &id).await?, mode).await
        }
        SessionCommand::Logs(args) => logs(app, &args).await,
        SessionCommand::Resume { id: Some(id), json, max_cost, .. } => {
            let (lease, mut snapshot) = take(app, &found(app, &id).await?).await?;
            raise(&mut snapshot, max_cost);
            work::work(app, Work::Resume(lease, Box::new(snapshot), None), json.into()).await
        }
        SessionCommand::Resume { id: None, json, .. } => resume_all(app, json).await,
        SessionCommand::Retry(args) => again::retry(app, args).await,
        SessionCommand::Recheck { id, json } => {
            again::recheck(app, &found(app, &id).await?, json).await
        }
        SessionCommand::Rm { ids, results, force } => {
            let mut sessions = Vec::new();
            for id in &ids {
                sessions.push(found(app, id).await?);
            }
            remove::remove(app, &sessions, results, force).await
        }
    }
}

/// The session whose id begins like this.
pub(crate) async fn found(app: &App, prefix: &SessionPrefix) -> Result<SessionId> {
    let SessionPrefix(prefix) = prefix;
    let sessions = app.store().await?.sessions().await?;
    let ids = || sessions.iter().map(|found| &found.session.id);
    if let Some(whole) = ids().find(|id| id.as_str() == prefix) {
        return Ok(whole.clone());
    }
    let found: Vec<_> = ids().filter(|id| id.as_str().starts_with(prefix.as_str())).collect();
    match found[..] {
        [one] => Ok(one.clone()),
        [] => match prefix.parse::<SessionId>() {
            // Whatever is asked of it says that there is none.
            Ok(id) => Ok(id),
            Err(error) => Err(usage(error.to_string())),
        },
        _ => {
            let named: Vec<_> = found.iter().take(5).map(ToString::to_string).collect();
            let all = named.join(", ");
            Err(usage(format!(
                "{} sessions begin with {prefix}: {all}; write more of the id",
                found.len()
            )))
        }
    }
}

/// Sees to it that a session's repository is there, before anything is done of which it would be the end.
pub(super) async fn at_hand(app: &App, known: &Snapshot) -> Result<()> {
    let (session, base) = (&known.session.id, &known.session.base);
    let workspaces = app.workspaces(&base.path, None)?;
    workspaces.is_there(base).await.map_err(|error| {
        usage(format!(
            "session {session} stays as it is, for its repository is not to be had at {}: {error}. Bring it back there (`git worktree add` makes a working tree anew that was removed), and ask again",
            base.path.display()
        ))
    })
}

/// Takes hold of a session that is not over.
async fn take(app: &App, id: &SessionId) -> Result<(cyrus_core::Lease, Snapshot)> {
    let store = app.store().await?;
    let known = store.snapshot(id).await.map_err(as_usage)?;
    if let SessionState::Finished(outcome) = known.state {
        let again = ways_on(outcome, id).map(|how| format!("; {how}")).unwrap_or_default();
        return Err(usage(format!("session {id} is over: it was {}{again}", outcome.as_str())));
    }
    at_hand(app, &known).await?;
    store.take(id).await.map_err(as_usage)
}

/// Puts the cap that the operator asks for in the place of the session's own.
fn raise(snapshot: &mut Snapshot, max_cost: Option<MicroUsd>) {
    let limits = &mut snapshot.session.limits;
    limits.max_cost = max_cost.or(limits.max_cost);
}

fn as_usage(error: StoreError) -> anyhow::Error {
    match error {
        StoreError::UnknownSession(_)
        | StoreError::UnknownTask { .. }
        | StoreError::Held { .. } => usage(error.to_string()),
        error => error.into(),
    }
}

/// Goes on with every session that was cut off, one after the other.
async fn resume_all(app: &App, json: JsonArgs) -> Result<Exit> {
    let cut_off = app.store().await?.sessions().await?.into_iter().rev();
    let cut_off = cut_off.filter(|found| found.state == SessionState::Running && !found.held);
    let mut worst = Exit::Done;
    for SessionSummary { session, .. } in cut_off {
        let (lease, snapshot) = match take(app, &session.id).await {
            Ok(taken) => taken,
            Err(error) => {
                note!("cyrus: session {}: {error:#}", session.id);
                continue;
            }
        };
        if snapshot.progress.fruitless >= FRUITLESS {
            set_aside(app, &lease, &session.id).await?;
            continue;
        }
        let ended =
            work::work(app, Work::Resume(lease, Box::new(snapshot), None), json.into()).await;
        match ended {
            Ok(Exit::Interrupted) => return Ok(Exit::Interrupted),
            Ok(Exit::Done) => {}
            Ok(_) => worst = Exit::NotDone,
            // One session that cannot be worked on is no reason to leave the others.
            Err(error) => {
                note!("cyrus: session {}: {error:#}", session.id);
                worst = Exit::NotDone;
            }
        }
    }
    Ok(worst)
}

/// Leaves a session to a person that was taken up again and again without anything coming of it.
async fn set_aside(app: &App, lease: &cyrus_core::Lease, id: &SessionId) -> Result<()> {
    let paused = cyrus_core::Change::State(SessionState::Paused, None);
    app.store().await?.commit(lease, vec![paused]).await?;
    note!(
        "cyrus: session {id} was cut off {FRUITLESS} times without anything coming of it; it is paused, and `cyrus session resume {id}` goes on"
    );
    Ok(())
}

async fn list(app: &App, json: bool) -> Result<Exit> {
    let sessions = app.store().await?.sessions().await?;
    if json {
        let all: Vec<Value> = sessions.iter().map(described).collect();
        print_json_pretty(&all)?;
        return Ok(Exit::Done);
    }
    let mut rows = vec![["SESSION", "STATE", "REPOSITORY", "TITLE"].map(str::to_owned).to_vec()];
    rows.extend(sessions.iter().map(|found| {
        vec![
            found.session.id.to_string(),
            word(found.state, found.held).to_owned(),
            found.session.base.path.display().to_string(),
            found.session.issue.title.clone(),
        ]
    }));
    print_all(&table(&rows));
    Ok(Exit::Done)
}

fn described(found: &SessionSummary) -> Value {
    let SessionSummary { session, state, held } = found;
    json!({
        "id": session.id,
        "state": word(*state, true),
        "held": held,
        "title": session.issue.title,
        "executor": session.executor,
        "repository": session.base.path,
        "branch": session.branch,
        "created": jiff::Timestamp::try_from(session.created).ok().map(|at| at.to_string()),
    })
}

fn word(state: SessionState, held: bool) -> &'static str {
    match state {
        SessionState::Running if held => "running",
        SessionState::Running => "interrupted",
        SessionState::Paused => "paused",
        SessionState::Finished(outcome) => outcome.as_str(),
    }
}

async fn show(app: &App, id: &SessionId, json: bool) -> Result<Exit> {
    let store = app.store().await?;
    let found = store.snapshot(id).await.map_err(as_usage)?;
    let held = store.sessions().await?.iter().any(|one| one.session.id == *id && one.held);
    let disk = app.workspaces(&found.session.base.path, None)?.disk_use(id)?;
    if json {
        let mut whole = whole(&found, held);
        whole["diskBytes"] = disk.bytes.into();
        print_json_pretty(&whole)?;
        return Ok(Exit::Done);
    }
    let Snapshot { session, state, tasks, executions, open_effects, report, .. } = &found;
    say!("{}  {}: {}", session.id, word(*state, held), session.issue.title);
    say!("  {} from {}", session.base.path.display(), session.base.repository.base_commit);
    let rows: Vec<_> = tasks
        .iter()
        .map(|task| {
            let of = |record: &&cyrus_core::ExecutionRecord| record.task == *task.planned.id();
            let last = executions.iter().rev().find(of).map(|record| record.executor.clone());
            vec![
                "  ".to_owned(),
                task.planned.id().to_string(),
                task.state.as_str().to_owned(),
                last.unwrap_or_default(),
                task.planned.task.title.clone(),
            ]
        })
        .collect();
    print_all(&table(&rows));
    if disk.bytes > 0 {
        say!("  on disk: {}; `cyrus session rm {id}` removes it", remove::size(disk));
    }
    for effect in open_effects {
        say!("  not known to be done: {}", effect.key);
    }
    if let Some(report) = report {
        print_all(&summary(report));
    }
    Ok(Exit::Done)
}

/// All there is of a session, for machines.
fn whole(found: &Snapshot, held: bool) -> Value {
    let executions: Vec<Value> = found
        .executions
        .iter()
        .map(|record| {
            json!({
                "id": record.id, "task": record.task, "executor": record.executor,
                "attempt": record.attempt, "checkpoint": record.checkpoint, "usage": record.usage,
                "receipt": record.receipt, "report": record.report,
                "collected": record.collected, "verdict": record.verdict,
            })
        })
        .collect();
    json!({
        "session": found.session,
        "state": word(found.state, true),
        "held": held,
        "analysis": found.analysis,
        "plan": found.plan.as_ref().map(|plan| json!({ "source": plan.source, "note": plan.note })),
        "tasks": found.tasks,
        "executions": executions,
        "progress": found.progress,
        "openEffects": found.open_effects,
        "report": found.report,
    })
}

/// Asks whoever works on a session to stop, and waits until it has.
async fn stop(app: &App, id: &SessionId, mode: StopMode) -> Result<Exit> {
    let store = app.store().await?;
    let state = store.snapshot(id).await.map_err(as_usage)?.state;
    if state != SessionState::Running {
        return Err(usage(format!(
            "session {id} is not being worked on: it is {}",
            word(state, false)
        )));
    }
    if !is_held(&store, id).await? {
        return Err(usage(format!(
            "nobody works on session {id} any more; `cyrus session resume {id}` goes on with it"
        )));
    }
    store.request_stop(id, mode).await?;
    let mut waited = Duration::ZERO;
    while is_held(&store, id).await? {
        tokio::time::sleep(LOOK).await;
        waited += LOOK;
        if waited == LONG {
            note!("cyrus: session {id} is still stopping; what it runs is given time to end");
        }
    }
    let state = store.snapshot(id).await?.state;
    say!("session {id} is {}", word(state, false));
    Ok(Exit::Done)
}

/// Asks for one task to be cancelled, and waits until it is over where somebody works on its session.
async fn cancel(app: &App, id: &SessionId, task: &TaskId) -> Result<Exit> {
    let store = app.store().await?;
    let state = store.snapshot(id).await.map_err(as_usage)?.state;
    if let SessionState::Finished(_) = state {
        return Err(usage(format!("session {id} is over: it is {}", word(state, false))));
    }
    store.cancel(id, task).await.map_err(as_usage)?;
    loop {
        let held = is_held(&store, id).await?;
        let tasks = store.snapshot(id).await?.tasks;
        let found = tasks.iter().find(|record| record.planned.id() == task);
        match found.map(|record| &record.state).filter(|state| state.is_over()) {
            Some(state) => say!("task {task} of session {id} is {}", state.as_str()),
            None if held => {
                tokio::time::sleep(LOOK).await;
                continue;
            }
            None => say!("task {task} is cancelled when session {id} is resumed"),
        }
        return Ok(Exit::Done);
    }
}

async fn is_held(store: &Arc<dyn SessionStore>, id: &SessionId) -> Result<bool> {
    let sessions = store.sessions().await?;
    let found = sessions.into_iter().find(|found| found.session.id == *id);
    Ok(found.is_some_and(|found| found.state == SessionState::Running && found.held))
}

/// `cyrus logs`
pub(crate) async fn logs(app: &App, args: &LogsArgs) -> Result<Exit> {
    let store = app.store().await?;
    let id = found(app, &args.session).await?;
    let tasks = store.snapshot(&id).await.map_err(as_usage)?.tasks;
    if let Some(task) = &args.task
        && !tasks.iter().any(|known| known.planned.id() == task)
    {
        return Err(as_usage(StoreError::UnknownTask { session: id, task: task.clone() }));
    }
    let mut after = 0;
    loop {
        let page = store.log_lines(&id, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(Exit::Done) };
        after = last.number;
        for line in page.iter().filter(|line| concerns(&line.event, args.task.as_ref())) {
            if args.json.json {
                print_json(&Timed {
                    number: Some(line.number),
                    at: line.at.and_then(timestamp),
                    event: &line.event,
                })?;
            } else {
                let time = line.at.map(clock_time).unwrap_or_default();
                print_all(&in_full(&line.event, &time));
            }
        }
    }
}

/// Whether an event is about this task, or about the session when there is none.
fn concerns(event: &SessionEvent, task: Option<&TaskId>) -> bool {
    let Some(task) = task else { return true };
    match event {
        SessionEvent::ExecutionStarted { task: of, .. }
        | SessionEvent::TaskChanged { task: of, .. }
        | SessionEvent::ExecutorChosen { task: of, .. }
        | SessionEvent::TaskWaits { task: of, .. }
        | SessionEvent::TaskValidated { task: of, .. }
        | SessionEvent::TaskMerged { task: of, .. } => of == task,
        SessionEvent::PhaseStarted { task: of, .. }
        | SessionEvent::PhaseFinished { task: of, .. } => of.as_ref() == Some(task),
        SessionEvent::ExecutionFinished(report) => report.task == *task,
        SessionEvent::TaskAdded(planned) => planned.id() == task,
        // An execution's id is the session's, the task's and the attempt's number.
        SessionEvent::ExecutionEvent { execution, .. } => {
            execution.rsplit_once('-').is_some_and(|(of, _)| of.ends_with(&format!("-{task}")))
        }
        _ => false,
    }
}
