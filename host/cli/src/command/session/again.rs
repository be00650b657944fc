//! Sessions that ended, tried or checked again.

use super::{as_usage, at_hand, found, raise};
use crate::{
    app::App,
    args::{JsonArgs, RetryArgs},
    exit::{Exit, usage},
    work::{self, Work},
};
use anyhow::Result;
use cyrus_core::{Change, SessionId, SessionState, Snapshot};
use cyrus_executor::MicroUsd;
use cyrus_orchestrator::{Retry, RetryError, recheck as check_again, retry as try_again};

/// `cyrus session retry`
pub(crate) async fn retry(app: &App, args: RetryArgs) -> Result<Exit> {
    let RetryArgs { id, task, executor, model, message, max_cost, json } = args;
    let id = found(app, &id).await?;
    if let Some(name) = &executor {
        let known = app.store().await?.snapshot(&id).await.map_err(as_usage)?;
        app.executor_config(name, &known.session.base.path)?;
    }
    let how = Retry { task, executor, model, words: message };
    again(app, &id, max_cost, json, |snapshot| try_again(snapshot, &how)).await
}

/// `cyrus session recheck`
pub(crate) async fn recheck(app: &App, id: &SessionId, json: JsonArgs) -> Result<Exit> {
    again(app, id, None, json, check_again).await
}

/// Takes a session that nobody works on, changes it, and works on it.
async fn again(
    app: &App,
    id: &SessionId,
    max_cost: Option<MicroUsd>,
    json: JsonArgs,
    change: impl Fn(&mut Snapshot) -> Result<Vec<Change>, RetryError>,
) -> Result<Exit> {
    let store = app.store().await?;
    let mut known = store.snapshot(id).await.map_err(as_usage)?;
    if known.state == SessionState::Running {
        return Err(usage(format!(
            "session {id} is not over: `cyrus session stop {id}` stops it, `cyrus session resume {id}` goes on with it"
        )));
    }
    // Tried on what is known first: a session that cannot be changed is not taken.
    change(&mut known).map_err(|error| usage(format!("session {id}: {error}")))?;
    at_hand(app, &known).await?;
    let (lease, mut snapshot) = store.take(id).await.map_err(as_usage)?;
    let changes = change(&mut snapshot).map_err(|error| usage(format!("session {id}: {error}")))?;
    store.commit(&lease, changes).await?;
    raise(&mut snapshot, max_cost);
    work::work(app, Work::Resume(lease, Box::new(snapshot), None), json.into()).await
}
