use crate::Broken;
use cyrus_core::{
    Change, EffectAnswer, EffectKind, EffectRecord, EffectState, Lease, SessionStore,
    WorkspaceError,
};
use cyrus_executor::TaskId;
use serde::{Serialize, de::DeserializeOwned};
use std::{future::Future, sync::Arc};

/// Everything that is done outside the store goes through here, executions apart: their own record is their intent
/// and their acknowledgement.
///
/// The intent is written before the effect and the acknowledgement after it, both under the lease. An effect that was
/// acknowledged before is not done again: what came of it is read. One that was intended and not acknowledged was
/// perhaps done; every port finds what is there already, so it is done again and finds it.
pub(crate) struct Effects {
    store: Arc<dyn SessionStore>,
    lease: Lease,
    /// Whether there may be effects of a time before.
    resumed: bool,
}

/// Names an effect within its session.
pub(crate) struct Effect<'a> {
    pub(crate) kind: EffectKind,
    pub(crate) task: Option<&'a TaskId>,
    /// What tells it from others of its kind for its task.
    pub(crate) what: &'a str,
}

impl Effects {
    pub(crate) fn new(store: Arc<dyn SessionStore>, lease: Lease, resumed: bool) -> Self {
        Self { store, lease, resumed }
    }

    /// Whether there may be effects of a time before.
    pub(crate) fn resumed(&self) -> bool {
        self.resumed
    }

    /// Does an effect, once, and commits what follows from it together with its acknowledgement.
    pub(crate) async fn perform<T, F>(
        &self,
        effect: Effect<'_>,
        act: impl FnOnce() -> F,
        follows: impl FnOnce(&T) -> Vec<Change>,
    ) -> Result<T, Broken>
    where
        T: Serialize + DeserializeOwned,
        F: Future<Output = Result<T, WorkspaceError>>,
    {
        let key = effect.key(&self.lease);
        if let Some(done) = self.done(&key).await? {
            let changes = follows(&done);
            if !changes.is_empty() {
                self.store.commit(&self.lease, changes).await?;
            }
            return Ok(done);
        }
        let intent = EffectRecord {
            key: key.clone(),
            kind: effect.kind,
            session: self.lease.session.clone(),
            task: effect.task.cloned(),
            state: EffectState::Intended,
        };
        self.store.commit(&self.lease, vec![Change::Intend(intent)]).await?;
        // That may have taken long, and the effect cannot be called back.
        self.store.check(&self.lease).await?;
        let done = act().await?;
        let answer = EffectAnswer::of(&done).map_err(|error| Broken::unreadable(&key, &error))?;
        let mut changes = vec![Change::Effect(key, EffectState::Done(answer))];
        changes.extend(follows(&done));
        self.store.commit(&self.lease, changes).await?;
        Ok(done)
    }

    /// What came of an effect that was acknowledged before.
    async fn done<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Broken> {
        if !self.resumed {
            return Ok(None);
        }
        match self.store.effect(key).await?.map(|record| record.state) {
            Some(EffectState::Done(answer)) => {
                answer.read().map(Some).map_err(|error| Broken::unreadable(key, &error))
            }
            Some(EffectState::Uncertain(why)) => Err(Broken::Uncertain(why)),
            Some(EffectState::Intended) | None => Ok(None),
        }
    }
}

impl Effect<'_> {
    fn key(&self, lease: &Lease) -> String {
        let task = self.task.map_or("-", TaskId::as_str);
        format!("{}/{task}/{}/{}", lease.session, self.kind, self.what)
    }
}
