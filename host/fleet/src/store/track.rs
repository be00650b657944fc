use cyrus_core::{ExecutionRecord, ExecutionReport, SessionId, TrackRecord};
use cyrus_executor::{MicroUsd, TaskKind};
use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

/// What one execution adds to how its executor did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Share {
    tried: u64,
    validated: u64,
    cost: u64,
    priced: u64,
}

impl Share {
    fn of(record: &ExecutionRecord) -> Self {
        let report = record.report.as_deref();
        let passed = record.verdict.as_ref().and_then(|report| report.verdict.passed());
        if passed.is_none() && !report.is_some_and(ExecutionReport::failed_at_its_work) {
            return Self::default();
        }
        let cost = report.and_then(|report| report.cost).map(|cost| cost.amount.0);
        Self {
            tried: 1,
            validated: u64::from(passed == Some(true)),
            cost: cost.unwrap_or(0),
            priced: u64::from(cost.is_some()),
        }
    }
}

/// How executions went, kept in step with their records.
#[derive(Debug, Default)]
pub(crate) struct Tracks {
    shares: HashMap<String, Share>,
    by_repository: HashMap<PathBuf, BTreeMap<(String, String), TrackRecord>>,
}

impl Tracks {
    /// Takes note of what an execution's record says now.
    pub(crate) fn note(&mut self, repository: &Path, kind: &TaskKind, record: &ExecutionRecord) {
        let share = Share::of(record);
        let before = self.shares.get(&record.id).copied().unwrap_or_default();
        if share == before {
            return;
        }
        self.shares.insert(record.id.clone(), share);
        if !self.by_repository.contains_key(repository) {
            self.by_repository.insert(repository.to_owned(), BTreeMap::new());
        }
        let Some(tracks) = self.by_repository.get_mut(repository) else { return };
        let key = (record.executor.clone(), kind.as_str().to_owned());
        let track = tracks.entry(key).or_insert_with(|| TrackRecord {
            executor: record.executor.clone(),
            kind: kind.clone(),
            tried: 0,
            validated: 0,
            cost: MicroUsd::ZERO,
            priced: 0,
        });
        track.tried = track.tried - before.tried + share.tried;
        track.validated = track.validated - before.validated + share.validated;
        track.cost = MicroUsd(track.cost.0 - before.cost + share.cost);
        track.priced = track.priced - before.priced + share.priced;
    }

    pub(crate) fn of(&self, repository: &Path) -> Vec<TrackRecord> {
        let tracks = self.by_repository.get(repository).into_iter().flat_map(BTreeMap::values);
        tracks.filter(|track| track.tried > 0).cloned().collect()
    }
}

/// Which session an execution belongs to.
#[derive(Debug, Default)]
pub(crate) struct Owners(HashMap<String, SessionId>);

impl Owners {
    pub(crate) fn insert(&mut self, key: &str, session: &SessionId) {
        self.0.insert(key.to_owned(), session.clone());
    }

    pub(crate) fn get(&self, key: &str) -> Option<&SessionId> {
        self.0.get(key)
    }
}
