use super::{
    ledger::{Before, Ledger},
    record::{Record, missing},
    track::{Owners, Tracks},
};
use async_trait::async_trait;
use cyrus_core::{
    Change, Clock, EffectRecord, ExecutionRecord, Heading, Lease, LogLine, Session, SessionEvent,
    SessionId, SessionState, SessionStore, SessionSummary, Snapshot, Spending, StoreError,
    TrackRecord,
};
use cyrus_executor::{StopMode, TaskId, TaskKind};
use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How long a holder on another machine counts as alive without being heard of.
const LEASE_TIME: Duration = Duration::from_secs(30);

/// A store in memory that any number of simulated processes share: [`MemoryStore::process`] gives each its handle. It
/// is the port's rules and nothing else, and what a real store is compared with.
#[derive(Clone)]
pub struct MemoryStore {
    shared: Arc<Mutex<Shared>>,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct Shared {
    sessions: BTreeMap<SessionId, Record>,
    owners: Owners,
    effects: Owners,
    ledger: Ledger,
    tracks: Tracks,
    holders: HashMap<u64, Holder>,
}

struct Holder {
    host: String,
    killed: bool,
    heard: Duration,
    /// The sessions it took hold of and has not let go of, as far as it knows.
    believed: BTreeMap<SessionId, u64>,
}

/// One process's handle on a [`MemoryStore`].
#[derive(Clone)]
pub struct MemoryProcess {
    store: MemoryStore,
    number: u64,
}

impl MemoryStore {
    /// An empty one.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { shared: Arc::default(), clock }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A process on the machine that all are on unless it is said otherwise.
    pub fn process(&self) -> MemoryProcess {
        self.process_on("here")
    }

    /// A process on this machine.
    pub fn process_on(&self, host: &str) -> MemoryProcess {
        let mut shared = self.shared();
        let number = shared.holders.len() as u64 + 1;
        let holder = Holder {
            host: host.to_owned(),
            killed: false,
            heard: self.clock.elapsed(),
            believed: BTreeMap::new(),
        };
        shared.holders.insert(number, holder);
        drop(shared);
        MemoryProcess { store: self.clone(), number }
    }

    /// Everything that executions are held to have cost or may cost, under one heading.
    pub fn total(&self, heading: &Heading) -> Spending {
        self.shared().ledger.spending(heading)
    }
}

impl MemoryProcess {
    /// Marks its process as dead. Others on its machine see that at once, others elsewhere when they have not heard
    /// of it for long enough.
    pub fn kill(&self) {
        if let Some(holder) = self.store.shared().holders.get_mut(&self.number) {
            holder.killed = true;
        }
    }
}

impl Shared {
    fn record(&self, id: &SessionId) -> Result<&Record, StoreError> {
        self.sessions.get(id).ok_or_else(|| StoreError::UnknownSession(id.clone()))
    }

    fn record_mut(&mut self, id: &SessionId) -> Result<&mut Record, StoreError> {
        self.sessions.get_mut(id).ok_or_else(|| StoreError::UnknownSession(id.clone()))
    }

    /// Whether a holder counts as alive for somebody on this machine.
    fn is_alive(&self, number: u64, seen_from: &str, now: Duration) -> bool {
        self.holders.get(&number).is_some_and(|holder| {
            let recent = now.saturating_sub(holder.heard) < LEASE_TIME;
            if holder.host == seen_from { !holder.killed } else { recent }
        })
    }

    fn host(&self, number: u64) -> String {
        self.holders.get(&number).map(|holder| holder.host.clone()).unwrap_or_default()
    }

    fn believe(&mut self, number: u64, id: &SessionId, token: u64) {
        if let Some(holder) = self.holders.get_mut(&number) {
            holder.believed.insert(id.clone(), token);
        }
    }

    /// The session of a lease that is still the newest.
    fn leased(&mut self, lease: &Lease) -> Result<&mut Record, StoreError> {
        let record = self.record_mut(&lease.session)?;
        if record.token == lease.token {
            Ok(record)
        } else {
            Err(StoreError::Fenced(lease.session.clone()))
        }
    }

    /// Makes the ledger's part of a commit; when some of it cannot be done, none of it is.
    fn book(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let mut done: Vec<Before> = Vec::new();
        for change in changes {
            let booked = match change {
                Change::Reserve(reservation) => self.ledger.reserve(reservation).map(Some),
                Change::Settle(execution, settlement) => self.ledger.settle(execution, *settlement),
                _ => Ok(None),
            };
            match booked {
                Ok(before) => done.extend(before),
                Err(error) => {
                    done.into_iter().rev().for_each(|before| self.ledger.undo(before));
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Makes a change that was admitted, and keeps what is looked up in step.
    fn apply(&mut self, id: &SessionId, change: Change) {
        let Some(record) = self.sessions.get_mut(id) else { return };
        if let Change::Intend(effect) = &change {
            self.effects.insert(&effect.key, id);
        }
        if let Change::State(state, _) = &change
            && *state != SessionState::Running
            && let Some(holder) = record.holder
            && let Some(holder) = self.holders.get_mut(&holder)
        {
            holder.believed.remove(id);
        }
        if change == Change::Remove {
            if let Some(holder) = record.holder.and_then(|holder| self.holders.get_mut(&holder)) {
                holder.believed.remove(id);
            }
            self.sessions.remove(id);
            return;
        }
        let Some(execution) = record.apply(change) else { return };
        self.owners.insert(&execution, id);
        if let Some(changed) = record.executions.get(&execution) {
            let unknown = TaskKind::new("unknown");
            let kind = record.kind(&changed.task).unwrap_or(&unknown);
            self.tracks.note(&record.session.base.path, kind, changed);
        }
    }

    fn is_begun_elsewhere(&self, changes: &[Change]) -> Option<String> {
        let begun = |change: &Change| match change {
            Change::Begin(record) => Some(record.id.clone()),
            _ => None,
        };
        changes.iter().filter_map(begun).find(|id| self.owners.get(id).is_some())
    }
}

#[async_trait]
impl SessionStore for MemoryProcess {
    async fn open(&self, session: &Session) -> Result<Lease, StoreError> {
        let mut shared = self.store.shared();
        if shared.sessions.contains_key(&session.id) {
            return Err(missing(format!("there is a session {} already", session.id)));
        }
        let record = Record::new(session.clone(), self.number);
        shared.sessions.insert(session.id.clone(), record);
        shared.believe(self.number, &session.id, 1);
        Ok(Lease { session: session.id.clone(), token: 1 })
    }

    async fn take(&self, id: &SessionId) -> Result<(Lease, Snapshot), StoreError> {
        let now = self.store.clock.elapsed();
        let mut shared = self.store.shared();
        let here = shared.host(self.number);
        if let Some(holder) = shared.record(id)?.holder
            && shared.is_alive(holder, &here, now)
        {
            let pid = u32::try_from(holder).unwrap_or(u32::MAX);
            return Err(StoreError::Held { session: id.clone(), pid, host: shared.host(holder) });
        }
        let record = shared.record_mut(id)?;
        record.token += 1;
        record.holder = Some(self.number);
        record.stop = None;
        let (token, snapshot) = (record.token, record.snapshot());
        shared.believe(self.number, id, token);
        Ok((Lease { session: id.clone(), token }, snapshot))
    }

    async fn renew(&self) -> Result<Vec<SessionId>, StoreError> {
        let now = self.store.clock.elapsed();
        let mut shared = self.store.shared();
        let Shared { holders, sessions, .. } = &mut *shared;
        let Some(holder) = holders.get_mut(&self.number) else { return Ok(Vec::new()) };
        holder.heard = now;
        let lost = |id: &SessionId, token: u64| sessions.get(id).is_none_or(|r| r.token != token);
        let all: Vec<_> = holder.believed.iter().map(|(id, token)| (id.clone(), *token)).collect();
        let lost: Vec<_> =
            all.into_iter().filter(|(id, token)| lost(id, *token)).map(|(id, _)| id).collect();
        holder.believed.retain(|id, _| !lost.contains(id));
        Ok(lost)
    }

    fn lease_time(&self) -> Duration {
        LEASE_TIME
    }

    async fn commit(&self, lease: &Lease, changes: Vec<Change>) -> Result<(), StoreError> {
        let mut shared = self.store.shared();
        shared.leased(lease)?.admits(&changes)?;
        if let Some(known) = shared.is_begun_elsewhere(&changes) {
            return Err(missing(format!("there is an execution {known:?} already")));
        }
        shared.book(&changes)?;
        for change in changes {
            shared.apply(&lease.session, change);
        }
        Ok(())
    }

    async fn check(&self, lease: &Lease) -> Result<(), StoreError> {
        self.store.shared().leased(lease).map(drop)
    }

    async fn effect(&self, key: &str) -> Result<Option<EffectRecord>, StoreError> {
        let shared = self.store.shared();
        let Some(record) = shared.effects.get(key).and_then(|id| shared.sessions.get(id)) else {
            return Ok(None);
        };
        Ok(record.effects.get(key).cloned())
    }

    async fn snapshot(&self, id: &SessionId) -> Result<Snapshot, StoreError> {
        self.store.shared().record(id).map(Record::snapshot)
    }

    async fn sessions(&self) -> Result<Vec<SessionSummary>, StoreError> {
        let now = self.store.clock.elapsed();
        let shared = self.store.shared();
        let here = shared.host(self.number);
        let mut records: Vec<_> = shared.sessions.values().collect();
        records.sort_by_key(|r| std::cmp::Reverse((r.session.created, r.session.id.clone())));
        let summary = |record: &Record| SessionSummary {
            session: record.session.clone(),
            state: record.state,
            held: record.holder.is_some_and(|holder| shared.is_alive(holder, &here, now)),
        };
        Ok(records.into_iter().map(summary).collect())
    }

    async fn spending(&self, headings: &[Heading]) -> Result<Vec<Spending>, StoreError> {
        let shared = self.store.shared();
        Ok(headings.iter().map(|heading| shared.ledger.spending(heading)).collect())
    }

    async fn track_records(&self, repository: &Path) -> Result<Vec<TrackRecord>, StoreError> {
        Ok(self.store.shared().tracks.of(repository))
    }

    async fn log(&self, session: &SessionId, events: Vec<SessionEvent>) -> Result<(), StoreError> {
        self.store.shared().record_mut(session)?.log(events);
        Ok(())
    }

    async fn log_lines(
        &self,
        session: &SessionId,
        after: u64,
        most: usize,
    ) -> Result<Vec<LogLine>, StoreError> {
        Ok(self.store.shared().record(session)?.log_lines(after, most))
    }

    async fn request_stop(&self, session: &SessionId, mode: StopMode) -> Result<(), StoreError> {
        self.store.shared().record_mut(session)?.stop = Some(mode);
        Ok(())
    }

    async fn requests(&self) -> Result<Vec<(SessionId, StopMode)>, StoreError> {
        let shared = self.store.shared();
        let mine = |record: &&Record| record.holder == Some(self.number);
        let asked = |record: &Record| Some((record.session.id.clone(), record.stop?));
        Ok(shared.sessions.values().filter(mine).filter_map(asked).collect())
    }

    async fn cancel(&self, session: &SessionId, task: &TaskId) -> Result<(), StoreError> {
        self.store.shared().record_mut(session)?.cancel(task)
    }

    async fn cancelled(&self) -> Result<Vec<(SessionId, TaskId)>, StoreError> {
        let shared = self.store.shared();
        let mine = shared.sessions.values().filter(|record| record.holder == Some(self.number));
        let of = |record: &Record| {
            let id = record.session.id.clone();
            record.cancelled.iter().map(move |task| (id.clone(), task.clone())).collect::<Vec<_>>()
        };
        Ok(mine.flat_map(of).collect())
    }
}

/// An execution's record, for whoever compares stores.
impl MemoryStore {
    /// An execution, by its id.
    pub fn execution(&self, id: &str) -> Option<ExecutionRecord> {
        let shared = self.shared();
        let record = shared.owners.get(id).and_then(|session| shared.sessions.get(session))?;
        record.executions.get(id).cloned()
    }
}
