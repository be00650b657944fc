//! Where tasks start from, and how those in the cloud get it.

use super::desk::Desk;
use crate::{Broken, effects::Effect};
use cyrus_core::{EffectKind, PlannedTask, SessionEvent};
use cyrus_executor::Placement;
use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
};

/// What a session has put on branches of the origin.
#[derive(Default)]
pub(super) struct Sharing {
    /// The commits that are there. Held while one is pushed, so that each is pushed once.
    shared: tokio::sync::Mutex<BTreeSet<String>>,
    /// The origin took one not.
    refused: AtomicBool,
}

impl Desk<'_> {
    /// What a task starts from that begins now: here from everything that was merged so far, in the cloud from that
    /// only when it comes after something.
    pub(super) fn root(&self, planned: &PlannedTask, placement: Placement) -> String {
        let alone = placement == Placement::Cloud && planned.after.is_empty();
        let base = || self.session.base.repository.base_commit.clone();
        planned.start.clone().unwrap_or_else(|| if alone { base() } else { self.head() })
    }

    /// Whether executors that work there can have a commit. Those in the cloud work on the origin.
    pub(super) fn reaches(&self, placement: Placement, commit: &str) -> bool {
        let shares = self.site.delivery.share && !self.sharing.refused.load(Ordering::Relaxed);
        placement == Placement::Local || shares || self.is_base(commit)
    }

    /// The branch of the origin that an executor finds its start on, when that is one of its own.
    pub(super) fn branch_of_start(&self, placement: Placement, commit: &str) -> Option<String> {
        let is_shared = placement == Placement::Cloud && !self.is_base(commit);
        is_shared.then(|| self.session.base.shared_branch(commit))
    }

    fn is_base(&self, commit: &str) -> bool {
        commit == self.session.base.repository.base_commit
    }

    /// Puts what an attempt starts from where its executor can have it. `false`: the origin does not take it, and the
    /// choice is to be made again.
    pub(super) async fn share(&self, placement: Placement, commit: &str) -> Result<bool, Broken> {
        if self.branch_of_start(placement, commit).is_none() {
            return Ok(true);
        }
        if !self.reaches(placement, commit) {
            return Ok(false);
        }
        let mut shared = self.sharing.shared.lock().await;
        if shared.contains(commit) {
            return Ok(true);
        }
        let effect = Effect { kind: EffectKind::Share, task: None, what: commit };
        let pushing = self.ports().integration.share(&self.session.base, commit);
        match self.effects.perform(effect, || pushing, |_: &String| Vec::new()).await {
            Ok(_) => {
                shared.insert(commit.to_owned());
                Ok(true)
            }
            Err(Broken::Workspace(error)) => {
                self.sharing.refused.store(true, Ordering::Relaxed);
                let message = format!(
                    "what tasks build on could not be shared with the cloud ({error}); those tasks are done here"
                );
                self.tell(SessionEvent::Warning { message });
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Takes away what was shared, once nobody needs it any more. What stays is no reason to fail.
    pub(super) async fn unshare(&self) {
        let perhaps = self.effects.resumed() && self.site.delivery.share;
        if self.sharing.shared.lock().await.is_empty() && !perhaps {
            return;
        }
        if let Err(error) = self.ports().integration.unshare(&self.session.base).await {
            let message = format!("what was shared with the cloud could not be removed: {error}");
            self.tell(SessionEvent::Warning { message });
        }
    }
}
