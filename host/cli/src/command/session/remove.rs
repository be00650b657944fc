//! `cyrus session rm`.

use super::{as_usage, word};
use crate::{
    app::App,
    exit::{Exit, usage},
    output::{note, say},
};
use anyhow::Result;
use cyrus_core::{Change, SessionId, SessionState, Workspaces as _};
use cyrus_workspace::DiskUse;

/// Removes sessions, one after the other. One that cannot be removed is no reason to leave the others.
pub(crate) async fn remove(
    app: &App,
    ids: &[SessionId],
    results: bool,
    force: bool,
) -> Result<Exit> {
    if let [id] = ids {
        return remove_one(app, id, results, force).await.map(|()| Exit::Done);
    }
    let mut exit = Exit::Done;
    for id in ids {
        if let Err(error) = remove_one(app, id, results, force).await {
            note!("cyrus: {error:#}");
            exit = Exit::NotDone;
        }
    }
    Ok(exit)
}

async fn remove_one(app: &App, id: &SessionId, results: bool, force: bool) -> Result<()> {
    let store = app.store().await?;
    let state = store.snapshot(id).await.map_err(as_usage)?.state;
    let is_held = store.sessions().await?.iter().any(|one| one.session.id == *id && one.held);
    if is_held {
        return Err(usage(format!(
            "session {id} is being worked on: stop it first with `cyrus session stop {id}`"
        )));
    }
    if !matches!(state, SessionState::Finished(_)) && !force {
        return Err(usage(format!(
            "session {id} is {}, and can be resumed: `cyrus session rm {id} --force` removes it all the same",
            word(state, false)
        )));
    }
    let (lease, snapshot) = store.take(id).await.map_err(as_usage)?;
    let base = &snapshot.session.base;
    let workspaces = app.workspaces(&base.path, None)?;
    let disk = workspaces.disk_use(id)?;
    // A repository that is gone keeps nothing, and is no reason to keep the rest.
    let kept = if base.path.exists() {
        workspaces.clear(base, id).await?;
        if results {
            workspaces.forget(base, id).await?;
        }
        workspaces.kept(base, id).await?
    } else {
        workspaces.sweep(id).await?;
        Vec::new()
    };
    store.commit(&lease, vec![Change::Remove]).await?;
    say!("session {id} is removed: {} on disk", size(disk));
    for (name, commit) in kept {
        say!("  {name} stays: {commit}; `git update-ref -d {name}` removes it");
    }
    if let Some(branch) = snapshot.report.and_then(|report| report.branch) {
        say!("  its branch stays: `git branch -D {branch}` removes it");
    }
    Ok(())
}

/// An amount of bytes, for people.
pub(crate) fn size(disk: DiskUse) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let (mut tenths, mut unit) = (disk.bytes.saturating_mul(10) / 1024, 0);
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    let more = if disk.is_partial { "at least " } else { "" };
    format!("{more}{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        let shown = |bytes, is_partial| size(DiskUse { bytes, is_partial });
        assert_eq!(shown(0, false), "0.0 KiB");
        assert_eq!(shown(1536, false), "1.5 KiB");
        assert_eq!(shown(1_503_238_554, true), "at least 1.4 GiB");
        assert_eq!(shown(u64::MAX, false), "1677721.5 TiB");
    }
}
