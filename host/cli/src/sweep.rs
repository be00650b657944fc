//! Sees to what earlier processes left behind. Clones of sessions that are over are removed: of those that were cut off
//! while they tidied up, and of failed ones once nobody will look into them any more. What programs changed in the
//! granted files of the user's home, a login that was renewed, is brought back from sessions that were cut off. Clones that
//! are where an older version had them are moved to where they are now.

use crate::app::App;
use anyhow::Result;
use cyrus_core::{Session, SessionOutcome, SessionState, SessionSummary, Workspaces as _};
use cyrus_runtime::home_owner;
use cyrus_sandbox::{HomeFile, PrivateHome};
use cyrus_workspace::GitWorkspaces;
use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, SystemTime},
};

/// Sweeps. What cannot be removed stays, and that is said: it is no reason not to work.
pub(crate) async fn sweep(app: &App) {
    app.sweep_launches();
    if let Err(error) = swept(app).await {
        tracing::warn!("what earlier sessions left behind could not be looked at: {error:#}");
    }
}

async fn swept(app: &App) -> Result<()> {
    let workspaces = app.workspaces(Path::new("/"), None)?;
    let former = workspaces.former(&app.former_sessions())?;
    workspaces.take_out()?;
    let mut present = workspaces.present().await?;
    if present.is_empty() && former.is_empty() {
        return Ok(());
    }
    let sessions = app.store().await?.sessions().await?.into_iter();
    let known: BTreeMap<_, _> = sessions.map(|one| (one.session.id.clone(), one)).collect();
    workspaces.remove_trials(|id| known.contains_key(id))?;
    // A process of before works where it began.
    for found in former.iter().filter_map(|id| known.get(id)).filter(|found| !found.held) {
        let session = &found.session.id;
        match workspaces.take_over(&app.former_sessions(), session) {
            Ok(()) => present.push(session.clone()),
            Err(error) => {
                tracing::warn!("the clones of session {session} stay where they were: {error}");
            }
        }
    }
    let retention = app.config().retention();
    let keep_for = if retention.keep_failed { retention.keep_for } else { Duration::ZERO };
    // What the store does not know is not ours to judge: another store may have its clones here.
    for found in present.iter().filter_map(|id| known.get(id)) {
        if found.state == SessionState::Running && !found.held {
            return_files(app, &workspaces, &found.session);
        }
        if !is_spent(found, keep_for, SystemTime::now()) {
            continue;
        }
        let session = &found.session;
        if let Err(error) = workspaces.clear(&session.base, &session.id).await {
            tracing::warn!("what session {} left behind could not be removed: {error}", session.id);
        }
    }
    Ok(())
}

/// Brings to the user what the programs of a session changed of the user's files. They are gone, and the session may
/// never be gone on with, while a login that was renewed there is the only one that still holds. Which files these are
/// the host recorded where no program writes, and each must be granted today as it was then.
fn return_files(app: &App, workspaces: &GitWorkspaces, session: &Session) {
    let Some(user) = app.user_home() else { return };
    let granted = |owner: &str| granted_files(app, session, owner);
    for place in workspaces.homes(&session.id).unwrap_or_default() {
        let left = PrivateHome::left(&place, &user, granted);
        let homes = left.map(|homes| homes.into_iter().map(|home| home.sync()));
        let errors = match homes {
            Ok(returned) => returned.filter_map(Result::err).collect(),
            Err(error) => vec![error],
        };
        for error in errors {
            tracing::warn!(
                "what a program of session {} changed in its home did not reach yours: {error}",
                session.id
            );
        }
    }
}

/// The files of the user's home that this owner is granted in the configuration as it is now.
fn granted_files(app: &App, session: &Session, owner: &str) -> Vec<HomeFile> {
    let mut executors = app.repository(&session.base.path).executors();
    for executor in &mut executors {
        app.variables().give(executor);
    }
    let grants = executors.iter().flat_map(|executor| {
        let of = move |grant: &str| home_owner(&executor.name, grant) == owner;
        executor.grants.process.iter().filter(move |(grant, _)| of(grant))
    });
    let files = grants.flat_map(|(_, process)| &process.home_files);
    files.filter_map(|file| HomeFile::parse(file).ok()).collect()
}

/// Whether nobody will go on in a session's clones or look into them.
fn is_spent(found: &SessionSummary, keep_for: Duration, now: SystemTime) -> bool {
    let old = now.duration_since(found.session.created).is_ok_and(|age| age >= keep_for);
    match found.state {
        SessionState::Running | SessionState::Paused => false,
        SessionState::Finished(SessionOutcome::Validated | SessionOutcome::Unverified) => {
            !found.held
        }
        SessionState::Finished(_) => old && !found.held,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cyrus_core::{Base, Issue};
    use cyrus_executor::{Limits, Repository};

    fn summary(state: SessionState, held: bool) -> SessionSummary {
        let repository = Repository {
            remote: None,
            base_branch: None,
            base_commit: "0".repeat(40),
            work_branch: "cyrus/aaaa".to_owned(),
        };
        let session = Session {
            id: "aaaa".parse().unwrap(),
            issue: Issue::from_markdown("Do it").unwrap(),
            base: Base { path: "/r".into(), repository, dirty: false },
            branch: "cyrus/aaaa".to_owned(),
            kind: None,
            executor: None,
            strategy: None,
            plan: None,
            model: None,
            limits: Limits::default(),
            created: SystemTime::UNIX_EPOCH,
        };
        SessionSummary { session, state, held }
    }

    #[test]
    fn only_what_nobody_needs_any_more_is_spent() {
        use SessionOutcome::{Cancelled, Failed, Rejected, Unverified, Validated};
        let (young, old) = (Duration::from_hours(1), Duration::from_hours(3));
        let spent = |state, held, age| {
            is_spent(&summary(state, held), Duration::from_hours(2), SystemTime::UNIX_EPOCH + age)
        };
        for state in [SessionState::Running, SessionState::Paused] {
            assert!(!spent(state, false, old) && !spent(state, true, old), "{state:?}");
        }
        for outcome in [Validated, Unverified] {
            let state = SessionState::Finished(outcome);
            assert!(spent(state, false, young), "{outcome:?}");
            assert!(!spent(state, true, young), "somebody tidies it up: {outcome:?}");
        }
        for outcome in [Rejected, Failed, Cancelled] {
            let state = SessionState::Finished(outcome);
            assert!(spent(state, false, old), "{outcome:?}");
            assert!(!spent(state, false, young) && !spent(state, true, old), "{outcome:?}");
        }
        // A clock that was set back makes nothing old.
        let created = SystemTime::UNIX_EPOCH - Duration::from_hours(9);
        let failed = summary(SessionState::Finished(Failed), false);
        assert!(!is_spent(&failed, Duration::from_hours(2), created));
    }
}
