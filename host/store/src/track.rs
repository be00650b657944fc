//! How executors did on repositories: sums of what their executions came to.
//!
//! They are added up in the transaction that changes an execution, after everything else in it, and in one order: no two
//! transactions wait for each other.

use crate::{Store, error::Fault, row, snapshot};
use cyrus_core::{Change, SessionId, TrackRecord};
use sqlx::{AnyConnection, Row as _, any::AnyRow};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// The sums of one executor on a repository for a kind of task.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    repository: String,
    executor: String,
    kind: String,
}

/// What executions add to the sums of their places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    tried: i64,
    validated: i64,
    cost: i64,
    priced: i64,
}

/// What the executions that a transaction changes added before it.
pub(crate) struct Before {
    executions: BTreeSet<String>,
    sums: BTreeMap<Place, Sums>,
}

impl Sums {
    fn add(&mut self, other: Self, sign: i64) {
        self.tried += sign * other.tried;
        self.validated += sign * other.validated;
        self.cost += sign * other.cost;
        self.priced += sign * other.priced;
    }
}

/// To be called before the changes are made.
pub(crate) async fn before(
    connection: &mut AnyConnection,
    session: &SessionId,
    changes: &[Change],
) -> Result<Before, Fault> {
    let touched = changes.iter().filter_map(|change| match change {
        Change::Ended(report) => Some(&report.id),
        Change::Verdict(execution, _) => Some(execution),
        Change::Begin(record) => {
            (record.report.is_some() || record.verdict.is_some()).then_some(&record.id)
        }
        _ => None,
    });
    let executions: BTreeSet<String> = touched.cloned().collect();
    let sums = sums(connection, session, &executions).await?;
    Ok(Before { executions, sums })
}

/// To be called when they are made: adds what has changed.
pub(crate) async fn add(
    connection: &mut AnyConnection,
    session: &SessionId,
    before: Before,
) -> Result<(), Fault> {
    let mut differences = sums(connection, session, &before.executions).await?;
    for (place, sums) in before.sums {
        differences.entry(place).or_default().add(sums, -1);
    }
    for (place, sums) in differences.into_iter().filter(|(_, sums)| *sums != Sums::default()) {
        sqlx::query(
            "INSERT INTO tracks (repository, executor, kind, tried, validated, cost, priced) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (repository, executor, kind) DO UPDATE SET \
             tried = tracks.tried + excluded.tried, validated = tracks.validated + excluded.validated, \
             cost = tracks.cost + excluded.cost, priced = tracks.priced + excluded.priced",
        )
        .bind(place.repository)
        .bind(place.executor)
        .bind(place.kind)
        .bind(sums.tried)
        .bind(sums.validated)
        .bind(sums.cost)
        .bind(sums.priced)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// What these executions add as they are. One that says nothing of its executor adds nothing.
async fn sums(
    connection: &mut AnyConnection,
    session: &SessionId,
    executions: &BTreeSet<String>,
) -> Result<BTreeMap<Place, Sums>, Fault> {
    let mut all: BTreeMap<Place, Sums> = BTreeMap::new();
    for execution in executions {
        let found = sqlx::query(
            "SELECT repository, executor, kind, validated, cost FROM executions WHERE id = $1 AND session = $2 \
             AND tried = 1 AND repository IS NOT NULL AND kind IS NOT NULL",
        )
        .bind(execution)
        .bind(session.as_str())
        .fetch_optional(&mut *connection)
        .await?;
        let Some(row) = found else { continue };
        let place = Place {
            repository: row.try_get("repository")?,
            executor: row.try_get("executor")?,
            kind: row.try_get("kind")?,
        };
        let cost: Option<i64> = row.try_get("cost")?;
        let sums = Sums {
            tried: 1,
            validated: row.try_get("validated")?,
            cost: cost.unwrap_or_default(),
            priced: i64::from(cost.is_some()),
        };
        all.entry(place).or_default().add(sums, 1);
    }
    Ok(all)
}

pub(crate) async fn records(store: &Store, repository: &Path) -> Result<Vec<TrackRecord>, Fault> {
    let rows = sqlx::query(
        "SELECT executor, kind, tried, validated, cost, priced FROM tracks \
         WHERE repository = $1 AND tried > 0 ORDER BY executor, kind",
    )
    .bind(snapshot::repository(repository))
    .fetch_all(&store.reader)
    .await?;
    let record = |row: &AnyRow| {
        let executor: String = row.try_get("executor")?;
        let kind = row::parsed(row, &format!("record of {executor}"), "kind")?;
        Ok(TrackRecord {
            kind,
            tried: row::count(row.try_get("tried")?),
            validated: row::count(row.try_get("validated")?),
            cost: row::money(row.try_get("cost")?),
            priced: row::count(row.try_get("priced")?),
            executor,
        })
    };
    rows.iter().map(record).collect()
}
