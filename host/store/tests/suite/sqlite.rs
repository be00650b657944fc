//! The cases on `SQLite`, and what there is only there: memory, and files that are older.

use crate::{
    cases,
    home::{Home, Kind},
    values::*,
};
use cyrus_core::{
    Change, ExecutionRecord, Session, SessionOutcome, SessionState, SessionStore as _, Snapshot,
    StoreError, TrackRecord, ValidationVerdict,
};
use cyrus_executor::{MicroUsd, TaskKind};
use cyrus_store::Store;
use sqlx::{Executor as _, SqlitePool, sqlite::SqliteConnectOptions};
use std::sync::Arc;

macro_rules! as_tests {
    ($($module:ident::$case:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                crate::$module::$case(&Home::sqlite()).await;
            }
        )*
    };
}

cases!(as_tests);

#[tokio::test]
async fn memory_keeps_what_it_is_told_too() {
    let (one, other) = (Store::in_memory().await.unwrap(), Store::in_memory().await.unwrap());
    let lease = one.open(&session("aaaa", 1)).await.unwrap();
    let begin = Change::Begin(Box::new(execution("x1", "aaaa", 1)));
    one.commit(&lease, vec![begin]).await.unwrap();
    assert_eq!(one.snapshot(&lease.session).await.unwrap().executions.len(), 1);
    assert!(matches!(one.take(&lease.session).await, Err(StoreError::Held { .. })));
    one.commit(&lease, vec![Change::State(SessionState::Paused, None)]).await.unwrap();
    assert_eq!(one.take(&lease.session).await.unwrap().0.token, 2);
    assert_eq!(other.sessions().await.unwrap(), []);
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

/// The file of a store that is not there yet.
async fn file_of(home: &Home) -> SqlitePool {
    let Kind::Sqlite(file) = &home.kind else { unreachable!() };
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
    SqlitePool::connect_with(options.foreign_keys(false)).await.unwrap()
}

/// The file of a store that a Cyrus has made which knew no later migration than this.
async fn file_of_version(home: &Home, version: i64) -> SqlitePool {
    let pool = file_of(home).await;
    let mut known = sqlx::migrate!("./migrations");
    known.migrations.to_mut().retain(|migration| migration.version <= version);
    known.run(&pool).await.unwrap();
    pool
}

#[tokio::test]
async fn a_store_of_before_there_were_plans_goes_on() {
    let home = Home::sqlite();
    let pool = file_of(&home).await;
    pool.execute(include_str!("fixtures/store-0001.sql")).await.unwrap();
    pool.close().await;

    let store = home.store().await;
    let listed = store.sessions().await.unwrap();
    let listed: Vec<_> = listed.iter().map(|s| (s.session.id.as_str(), s.state, s.held)).collect();
    let over = SessionState::Finished(SessionOutcome::Validated);
    assert_eq!(listed, [("bbbb", SessionState::Running, false), ("aaaa", over, false)]);

    let finished = store.snapshot(&session_id("aaaa")).await.unwrap();
    let executor = Some("claude".to_owned());
    assert_eq!(finished.session, Session { executor, strategy: None, ..session("aaaa", 1) });
    let reported = finished.report.unwrap();
    assert_eq!(reported.executions, [Arc::new(report("x1"))]);
    assert_eq!(finished.executions[0].report, Some(Arc::new(report("x1"))));
    assert_eq!(finished.executions[0].checkpoint.as_deref(), Some("token-2"));

    let (lease, cut_off) = store.take(&session_id("bbbb")).await.unwrap();
    assert_eq!((&cut_off.plan, &cut_off.tasks), (&None, &vec![]));
    let expected = ExecutionRecord {
        checkpoint: Some("token".into()),
        receipt: None,
        token: 0,
        start: String::new(),
        ..execution("x2", "bbbb", 1)
    };
    assert_eq!(cut_off.executions, [expected]);
    let again = ExecutionRecord { idempotency_key: "bbbb/t1".into(), ..execution("x3", "bbbb", 2) };
    let changes = vec![
        Change::Planned(plan(vec![planned("t1", &[])])),
        Change::Settle("x2".into(), estimated(5)),
        Change::Reserve(reservation("bbbb", "x3", 1)),
        Change::Begin(Box::new(again)),
    ];
    store.commit(&lease, changes).await.unwrap();
    store.log(&lease.session, vec![line(1)]).await.unwrap();
    let spent = store.spending(&headings("bbbb")).await.unwrap();
    assert_eq!(spent[1], spending(1, 0, 5));
}

#[tokio::test]
async fn what_executors_came_to_before_there_were_sums_is_added_up() {
    let home = Home::sqlite();
    let pool = file_of_version(&home, 4).await;
    let columns = "id, session, position, task, attempt, idempotency_key, executor, started, usage, \
                   repository, kind, tried, validated, cost";
    for (id, repository, tried, validated, cost) in [
        ("x1", "'/srv/repo'", 1, 1, "7"),
        ("x2", "'/srv/repo'", 1, 0, "NULL"),
        ("x3", "'/srv/repo'", 0, 0, "9"),
        ("x4", "NULL", 1, 1, "9"),
    ] {
        let sql = format!(
            "INSERT INTO executions ({columns}) VALUES ('{id}', 'aaaa', 1, '{id}', 1, '{id}', 'claude', 0, '{{}}', \
             {repository}, '\"builder\"', {tried}, {validated}, {cost})"
        );
        pool.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
    }
    pool.close().await;
    let store = home.store().await;
    let expected = TrackRecord {
        executor: "claude".into(),
        kind: TaskKind::BUILDER,
        tried: 2,
        validated: 1,
        cost: MicroUsd(7),
        priced: 1,
    };
    assert_eq!(store.track_records("/srv/repo".as_ref()).await.unwrap(), [expected]);
}

#[tokio::test]
async fn what_was_said_of_sessions_before_it_had_a_table_is_kept() {
    let home = Home::sqlite();
    let pool = file_of_version(&home, 5).await;
    let mut expected = Snapshot::fresh(session("aaaa", 1));
    expected.state = SessionState::Paused;
    expected.analysis = Some(analysis());
    expected.plan = Some(plan(vec![]));
    expected.verdict = Some(("c".repeat(40), verdict(ValidationVerdict::Failed)));
    expected.report = Some(*session_report("aaaa", SessionOutcome::Paused));
    sqlx::query(
        "INSERT INTO sessions (id, state, created, fence, document, analysis, plan, merged, report) \
         VALUES ('aaaa', 'paused', 0, 1, $1, $2, $3, $4, $5)",
    )
    .bind(json(&expected.session))
    .bind(json(&expected.analysis))
    .bind(json(&expected.plan))
    .bind(json(&expected.verdict))
    .bind(json(&expected.report))
    .execute(&pool)
    .await
    .unwrap();
    pool.close().await;
    let store = home.store().await;
    assert_eq!(store.snapshot(&session_id("aaaa")).await.unwrap(), expected);
}
