//! The same promises on the real store: sessions drawn at random, on `SQLite` in a file that process after process
//! opens.

#[path = "support/whole.rs"]
mod whole;

use async_trait::async_trait;
use cyrus_core::{
    Change, EffectRecord, Heading, Lease, LogLine, Session, SessionEvent, SessionId, SessionStore,
    SessionSummary, Snapshot, Spending, StoreError, TrackRecord,
};
use cyrus_executor::{StopMode, TaskId};
use cyrus_fleet::{Simulation, Stores, generate, run_on};
use cyrus_store::Store;
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::runtime::{self, Runtime};

/// Scenarios at once: mostly they wait for the disk.
const AT_ONCE: usize = 4;

struct SqliteStores {
    file: PathBuf,
    runtime: Arc<Runtime>,
    newest: Mutex<Option<Arc<Store>>>,
}

impl Stores for SqliteStores {
    fn handle(&self) -> Arc<dyn SessionStore> {
        let store = Arc::new(self.runtime.block_on(Store::open(&self.file)).unwrap());
        *self.newest.lock().unwrap() = Some(Arc::clone(&store));
        Arc::new(Blocking { store, runtime: Arc::clone(&self.runtime) })
    }

    fn kill(&self) {
        *self.newest.lock().unwrap() = None;
    }
}

/// A store whose calls end before anything else happens, so that a seed says everything here too.
struct Blocking {
    store: Arc<Store>,
    runtime: Arc<Runtime>,
}

#[async_trait]
impl SessionStore for Blocking {
    async fn open(&self, session: &Session) -> Result<Lease, StoreError> {
        self.runtime.block_on(SessionStore::open(&*self.store, session))
    }
    async fn take(&self, id: &SessionId) -> Result<(Lease, Snapshot), StoreError> {
        self.runtime.block_on(self.store.take(id))
    }
    async fn renew(&self) -> Result<Vec<SessionId>, StoreError> {
        self.runtime.block_on(self.store.renew())
    }
    fn lease_time(&self) -> Duration {
        self.store.lease_time()
    }
    async fn commit(&self, lease: &Lease, changes: Vec<Change>) -> Result<(), StoreError> {
        self.runtime.block_on(self.store.commit(lease, changes))
    }
    async fn check(&self, lease: &Lease) -> Result<(), StoreError> {
        self.runtime.block_on(self.store.check(lease))
    }
    async fn effect(&self, key: &str) -> Result<Option<EffectRecord>, StoreError> {
        self.runtime.block_on(self.store.effect(key))
    }
    async fn snapshot(&self, id: &SessionId) -> Result<Snapshot, StoreError> {
        self.runtime.block_on(self.store.snapshot(id))
    }
    async fn sessions(&self) -> Result<Vec<SessionSummary>, StoreError> {
        self.runtime.block_on(self.store.sessions())
    }
    async fn spending(&self, headings: &[Heading]) -> Result<Vec<Spending>, StoreError> {
        self.runtime.block_on(self.store.spending(headings))
    }
    async fn track_records(&self, repository: &Path) -> Result<Vec<TrackRecord>, StoreError> {
        self.runtime.block_on(self.store.track_records(repository))
    }
    async fn log(&self, session: &SessionId, events: Vec<SessionEvent>) -> Result<(), StoreError> {
        self.runtime.block_on(self.store.log(session, events))
    }
    async fn log_lines(
        &self,
        session: &SessionId,
        after: u64,
        most: usize,
    ) -> Result<Vec<LogLine>, StoreError> {
        self.runtime.block_on(self.store.log_lines(session, after, most))
    }
    async fn request_stop(&self, session: &SessionId, mode: StopMode) -> Result<(), StoreError> {
        self.runtime.block_on(self.store.request_stop(session, mode))
    }
    async fn requests(&self) -> Result<Vec<(SessionId, StopMode)>, StoreError> {
        self.runtime.block_on(self.store.requests())
    }
    async fn cancel(&self, session: &SessionId, task: &TaskId) -> Result<(), StoreError> {
        self.runtime.block_on(self.store.cancel(session, task))
    }
    async fn cancelled(&self) -> Result<Vec<(SessionId, TaskId)>, StoreError> {
        self.runtime.block_on(self.store.cancelled())
    }
}

/// Runs the scenario of a seed on both stores and says how many sessions it has. What the store in memory leads to, the
/// real one leads to.
fn agree(seed: u64, home: &Path, runtime: &Arc<Runtime>) -> usize {
    let scenario = generate::scenario(seed);
    let stores = SqliteStores {
        file: home.join(format!("{seed}.db")),
        runtime: Arc::clone(runtime),
        newest: Mutex::default(),
    };
    let observer = Arc::new(|_: SessionEvent| {});
    let ended = run_on(&scenario, Simulation::default(), &stores, observer);
    let ended = ended.unwrap_or_else(|deadlock| panic!("CYRUS_SEED={seed}: {deadlock}"));
    let violations: Vec<_> = ended.violations.iter().map(ToString::to_string).collect();
    assert!(violations.is_empty(), "CYRUS_SEED={seed}:\n{}", violations.join("\n"));
    assert_eq!(ended.reports.len(), scenario.arrivals.len(), "CYRUS_SEED={seed}");
    let model = cyrus_fleet::run(&scenario).unwrap();
    assert_eq!(ended.reports, model.reports, "CYRUS_SEED={seed}");
    assert_eq!((ended.elapsed, ended.points), (model.elapsed, model.points), "{seed}");
    ended.reports.len()
}

#[test]
fn drawn_sessions_end_on_sqlite_as_they_do_in_memory() {
    let home = TempDir::new().unwrap();
    let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = Arc::new(runtime.unwrap());
    let begun = Instant::now();
    let sessions = if whole::whole() { 500 } else { 100 };
    let (next, done) = (AtomicU64::new(1), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while done.load(Ordering::Relaxed) < sessions {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    done.fetch_add(agree(seed, home.path(), &runtime), Ordering::Relaxed);
                }
            });
        }
    });
    let (done, seeds) = (done.into_inner(), next.into_inner() - 1);
    let taken = begun.elapsed().as_secs_f64();
    println!("{done} sessions of seeds 1 to {seeds} on SQLite in {taken:.1} s");
}
