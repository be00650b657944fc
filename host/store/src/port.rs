//! The port: what each call does is in the module of its noun.

use crate::{Store, commit, lease, ledger, log, request, snapshot, track};
use async_trait::async_trait;
use cyrus_core::{
    Change, EffectRecord, Heading, Lease, LogLine, Session, SessionEvent, SessionId, SessionStore,
    SessionSummary, Snapshot, Spending, StoreError, TrackRecord,
};
use cyrus_executor::{StopMode, TaskId};
use std::{path::Path, time::Duration};

#[async_trait]
impl SessionStore for Store {
    async fn open(&self, session: &Session) -> Result<Lease, StoreError> {
        lease::open(self, session).await.map_err(|fault| self.unwritten(fault))
    }

    async fn take(&self, id: &SessionId) -> Result<(Lease, Snapshot), StoreError> {
        lease::take(self, id).await.map_err(|fault| self.unread(fault))
    }

    async fn renew(&self) -> Result<Vec<SessionId>, StoreError> {
        lease::renew(self).await.map_err(|fault| self.unwritten(fault))
    }

    fn lease_time(&self) -> Duration {
        self.lease_time
    }

    async fn commit(&self, lease: &Lease, changes: Vec<Change>) -> Result<(), StoreError> {
        commit::commit(self, lease, &changes).await.map_err(|fault| self.unwritten(fault))
    }

    async fn check(&self, lease: &Lease) -> Result<(), StoreError> {
        lease::check(self, lease).await.map_err(|fault| self.unread(fault))
    }

    async fn effect(&self, key: &str) -> Result<Option<EffectRecord>, StoreError> {
        snapshot::effect_of_key(self, key).await.map_err(|fault| self.unread(fault))
    }

    async fn snapshot(&self, id: &SessionId) -> Result<Snapshot, StoreError> {
        snapshot::snapshot(self, id).await.map_err(|fault| self.unread(fault))
    }

    async fn sessions(&self) -> Result<Vec<SessionSummary>, StoreError> {
        lease::sessions(self).await.map_err(|fault| self.unread(fault))
    }

    async fn spending(&self, headings: &[Heading]) -> Result<Vec<Spending>, StoreError> {
        ledger::spending(self, headings).await.map_err(|fault| self.unread(fault))
    }

    async fn track_records(&self, repository: &Path) -> Result<Vec<TrackRecord>, StoreError> {
        track::records(self, repository).await.map_err(|fault| self.unread(fault))
    }

    async fn log(&self, session: &SessionId, events: Vec<SessionEvent>) -> Result<(), StoreError> {
        log::add(self, session, &events).await.map_err(|fault| self.unwritten(fault))
    }

    async fn log_lines(
        &self,
        session: &SessionId,
        after: u64,
        most: usize,
    ) -> Result<Vec<LogLine>, StoreError> {
        log::lines(self, session, after, most).await.map_err(|fault| self.unread(fault))
    }

    async fn request_stop(&self, session: &SessionId, mode: StopMode) -> Result<(), StoreError> {
        request::stop(self, session, mode).await.map_err(|fault| self.unwritten(fault))
    }

    async fn requests(&self) -> Result<Vec<(SessionId, StopMode)>, StoreError> {
        request::stops(self).await.map_err(|fault| self.unread(fault))
    }

    async fn cancel(&self, session: &SessionId, task: &TaskId) -> Result<(), StoreError> {
        request::cancel(self, session, task).await.map_err(|fault| self.unwritten(fault))
    }

    async fn cancelled(&self) -> Result<Vec<(SessionId, TaskId)>, StoreError> {
        request::cancelled(self).await.map_err(|fault| self.unread(fault))
    }
}
