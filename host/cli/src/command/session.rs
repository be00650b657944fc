use crate::{
    app::App,
    args::{JsonArgs, SessionCommand},
    exit::{Exit, usage},
    output::table,
    work::{self, Work},
};
use cyrus_core::{Journal as _, JournalError, Session, SessionState};
use serde_json::{Value, json};

/// `cyrus session …`
pub(crate) async fn session(app: &App, command: SessionCommand) -> anyhow::Result<Exit> {
    match command {
        SessionCommand::List(JsonArgs { json }) => list(app, json).await,
        SessionCommand::Resume { id, json } => {
            let (session, state) = match app.store().await?.take(&id).await {
                Ok(taken) => taken,
                Err(error @ (JournalError::UnknownSession(_) | JournalError::Held { .. })) => {
                    return Err(usage(error.to_string()));
                }
                Err(error) => return Err(error.into()),
            };
            if let SessionState::Finished(outcome) = state {
                return Err(usage(format!("session {id} is over: it was {}", outcome.as_str())));
            }
            work::work(app, Work::Resume(session), json.into()).await
        }
    }
}

async fn list(app: &App, json: bool) -> anyhow::Result<Exit> {
    let sessions = app.store().await?.sessions().await?;
    if json {
        let all: Vec<Value> = sessions.iter().map(described).collect();
        println!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(Exit::Done);
    }
    let mut rows =
        vec![["SESSION", "STATE", "EXECUTOR", "REPOSITORY", "TITLE"].map(str::to_owned).to_vec()];
    rows.extend(sessions.iter().map(|(session, state)| {
        vec![
            session.id.to_string(),
            word(*state).to_owned(),
            session.executor.clone(),
            session.base.path.display().to_string(),
            session.issue.title.clone(),
        ]
    }));
    print!("{}", table(&rows));
    Ok(Exit::Done)
}

fn described((session, state): &(Session, SessionState)) -> Value {
    json!({
        "id": session.id,
        "state": word(*state),
        "title": session.issue.title,
        "executor": session.executor,
        "repository": session.base.path,
        "branch": session.branch,
        "created": jiff::Timestamp::try_from(session.created).ok().map(|at| at.to_string()),
    })
}

fn word(state: SessionState) -> &'static str {
    match state {
        SessionState::Running => "running",
        SessionState::Paused => "paused",
        SessionState::Finished(outcome) => outcome.as_str(),
    }
}
