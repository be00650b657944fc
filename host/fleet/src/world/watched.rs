use super::WorldPorts;
use crate::{Moment, Step};
use async_trait::async_trait;
use cyrus_core::{
    Change, EffectRecord, Heading, Lease, LogLine, Session, SessionEvent, SessionId, SessionStore,
    SessionSummary, Snapshot, Spending, StoreError, TrackRecord,
};
use cyrus_executor::{StopMode, TaskId};
use std::{path::Path, sync::Arc, time::Duration};

/// A process's handle on any store, watched: its transactions are points at which the process may be killed, and what
/// they change is looked at.
pub struct WatchedStore {
    inner: Arc<dyn SessionStore>,
    ports: WorldPorts,
}

impl WatchedStore {
    /// Watches this handle, for the process of these ports.
    pub fn new(inner: Arc<dyn SessionStore>, ports: WorldPorts) -> Self {
        Self { inner, ports }
    }

    async fn before(&self) {
        self.ports.process.pass(Moment::Before, Step::Transaction).await;
    }

    async fn after(&self) {
        self.ports.process.pass(Moment::After, Step::Transaction).await;
    }
}

#[async_trait]
impl SessionStore for WatchedStore {
    async fn open(&self, session: &Session) -> Result<Lease, StoreError> {
        self.before().await;
        let opened = self.inner.open(session).await;
        if opened.is_ok() {
            self.ports.world.outside().book.opened(session);
        }
        self.after().await;
        opened
    }

    async fn take(&self, id: &SessionId) -> Result<(Lease, Snapshot), StoreError> {
        self.before().await;
        let taken = self.inner.take(id).await;
        self.after().await;
        taken
    }

    async fn renew(&self) -> Result<Vec<SessionId>, StoreError> {
        self.inner.renew().await
    }

    fn lease_time(&self) -> Duration {
        self.inner.lease_time()
    }

    async fn commit(&self, lease: &Lease, changes: Vec<Change>) -> Result<(), StoreError> {
        self.before().await;
        let noted = changes.clone();
        let committed = self.inner.commit(lease, changes).await;
        if committed.is_ok() {
            let mut outside = self.ports.world.outside();
            outside.note_late(
                Step::Transaction,
                &self.ports.process,
                self.ports.process.is_overtaken(),
            );
            let violations = outside.book.note(lease, &noted);
            outside.violations.extend(violations);
        }
        self.after().await;
        committed
    }

    async fn check(&self, lease: &Lease) -> Result<(), StoreError> {
        self.inner.check(lease).await
    }

    async fn effect(&self, key: &str) -> Result<Option<EffectRecord>, StoreError> {
        self.inner.effect(key).await
    }

    async fn snapshot(&self, id: &SessionId) -> Result<Snapshot, StoreError> {
        self.inner.snapshot(id).await
    }

    async fn sessions(&self) -> Result<Vec<SessionSummary>, StoreError> {
        self.inner.sessions().await
    }

    async fn spending(&self, headings: &[Heading]) -> Result<Vec<Spending>, StoreError> {
        self.inner.spending(headings).await
    }

    async fn track_records(&self, repository: &Path) -> Result<Vec<TrackRecord>, StoreError> {
        self.inner.track_records(repository).await
    }

    async fn log(&self, session: &SessionId, events: Vec<SessionEvent>) -> Result<(), StoreError> {
        self.inner.log(session, events).await
    }

    async fn log_lines(
        &self,
        session: &SessionId,
        after: u64,
        most: usize,
    ) -> Result<Vec<LogLine>, StoreError> {
        self.inner.log_lines(session, after, most).await
    }

    async fn request_stop(&self, session: &SessionId, mode: StopMode) -> Result<(), StoreError> {
        self.inner.request_stop(session, mode).await
    }

    async fn requests(&self) -> Result<Vec<(SessionId, StopMode)>, StoreError> {
        self.inner.requests().await
    }

    async fn cancel(&self, session: &SessionId, task: &TaskId) -> Result<(), StoreError> {
        self.inner.cancel(session, task).await
    }

    async fn cancelled(&self) -> Result<Vec<(SessionId, TaskId)>, StoreError> {
        self.inner.cancelled().await
    }
}
