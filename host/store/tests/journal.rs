//! What the journal promises: it keeps what it is told, it survives being dropped, and a session has one holder.

mod support;

use cyrus_core::{Journal, JournalError, SessionOutcome, SessionState};
use cyrus_store::Store;
use sqlx::{SqlitePool, sqlite::SqliteConnectOptions};
use std::{path::PathBuf, process, sync::Arc};
use support::{execution, execution_report, session, session_id, session_report, usage};
use tempfile::TempDir;

struct Home {
    _directory: TempDir,
    file: PathBuf,
}

impl Home {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let file = directory.path().join("home").join("cyrus.db");
        Self { _directory: directory, file }
    }

    async fn store(&self) -> Store {
        Store::open(&self.file).await.unwrap()
    }
}

/// Everything that is written reads back the same.
async fn keeps_what_it_is_told(store: &Store) {
    let (first, second) = (session("aaaa", 1), session("bbbb", 2));
    Journal::open(store, &first).await.unwrap();
    Journal::open(store, &second).await.unwrap();

    let mut record = execution("x1", "aaaa", 1);
    store.begin_execution(&record).await.unwrap();
    store.begin_execution(&execution("x0", "aaaa", 2)).await.unwrap();
    for token in ["token-1", "token-2", "token-2"] {
        store.checkpoint("x1", token).await.unwrap();
    }
    store.spend("x1", &usage(7)).await.unwrap();
    store.spend("x1", &usage(9)).await.unwrap();
    store.finish_execution("x1", &execution_report("x1")).await.unwrap();
    record.checkpoint = Some("token-2".into());
    record.usage = usage(9);
    record.report = Some(execution_report("x1"));
    let executions = store.executions(&first.id).await.unwrap();
    assert_eq!(executions, [record, execution("x0", "aaaa", 2)]);
    assert_eq!(store.executions(&second.id).await.unwrap(), []);

    let state = SessionState::Finished(SessionOutcome::Validated);
    let report = session_report("aaaa", SessionOutcome::Validated);
    store.close(&first.id, state, &report).await.unwrap();
    let expected = [(second, SessionState::Running), (first, state)];
    assert_eq!(store.sessions().await.unwrap(), expected);
}

#[tokio::test]
async fn a_file_keeps_what_it_is_told() {
    keeps_what_it_is_told(&Home::new().store().await).await;
}

#[tokio::test]
async fn memory_keeps_what_it_is_told() {
    keeps_what_it_is_told(&Store::in_memory().await.unwrap()).await;
}

#[tokio::test]
async fn a_store_that_was_dropped_in_the_middle_goes_on_where_it_was() {
    let home = Home::new();
    let store = home.store().await;
    Journal::open(&store, &session("aaaa", 1)).await.unwrap();
    store.begin_execution(&execution("x1", "aaaa", 1)).await.unwrap();
    store.checkpoint("x1", "token").await.unwrap();
    drop(store);

    let store = home.store().await;
    let taken = store.take(&session_id("aaaa")).await.unwrap();
    assert_eq!(taken, (session("aaaa", 1), SessionState::Running));
    let executions = store.executions(&session_id("aaaa")).await.unwrap();
    assert_eq!(executions[0].checkpoint.as_deref(), Some("token"));
    assert_eq!(executions[0].report, None);
}

#[tokio::test]
async fn a_session_has_one_holder_until_it_is_closed() {
    let home = Home::new();
    let (one, other) = (home.store().await, home.store().await);
    let id = session_id("aaaa");
    Journal::open(&one, &session("aaaa", 1)).await.unwrap();
    let is_held = |result: Result<_, JournalError>| matches!(result, Err(JournalError::Held { pid, .. }) if pid == process::id());
    assert!(is_held(other.take(&id).await.map(drop)));
    assert!(is_held(one.take(&id).await.map(drop)), "not even the same process works on it twice");

    let report = session_report("aaaa", SessionOutcome::Paused);
    assert!(is_held(other.close(&id, SessionState::Paused, &report).await));
    one.close(&id, SessionState::Paused, &report).await.unwrap();
    one.close(&id, SessionState::Paused, &report).await.unwrap();
    assert_eq!(other.take(&id).await.unwrap().1, SessionState::Paused);
    assert!(is_held(one.close(&id, SessionState::Paused, &report).await));
}

#[tokio::test]
async fn of_many_who_want_a_session_of_the_dead_one_gets_it() {
    let home = Home::new();
    let id = session_id("aaaa");
    let dead = home.store().await;
    Journal::open(&dead, &session("aaaa", 1)).await.unwrap();
    drop(dead);

    let mut stores = Vec::new();
    for _ in 0..8 {
        stores.push(Arc::new(home.store().await));
    }
    let attempts = stores.iter().map(|store| {
        let (store, id) = (Arc::clone(store), id.clone());
        tokio::spawn(async move { store.take(&id).await })
    });
    let mut taken = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        match attempt.await.unwrap() {
            Ok(_) => taken += 1,
            Err(error) => assert!(matches!(error, JournalError::Held { .. }), "{error}"),
        }
    }
    assert_eq!(taken, 1);
}

#[tokio::test]
async fn a_killed_process_holds_nothing() {
    const ROLE: &str = "CYRUS_STORE_TEST_FILE";
    if let Some(file) = std::env::var_os(ROLE) {
        // The process that is killed: it holds the session, says so, and waits.
        let store = Store::open(file.as_ref()).await.unwrap();
        Journal::open(&store, &session("aaaa", 1)).await.unwrap();
        println!("\nholding");
        std::io::stdin().read_line(&mut String::new()).unwrap();
        panic!("it was to be killed");
    }
    let home = Home::new();
    let mut child = process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_killed_process_holds_nothing", "--nocapture"])
        .env(ROLE, &home.file)
        .stdin(process::Stdio::piped())
        .stdout(process::Stdio::piped())
        .spawn()
        .unwrap();
    let said = std::io::BufReader::new(child.stdout.take().unwrap());
    let ready = std::io::BufRead::lines(said).any(|line| line.unwrap() == "holding");
    assert!(ready, "the other process ended before it held the session");

    let store = home.store().await;
    let held = store.take(&session_id("aaaa")).await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(matches!(held, Err(JournalError::Held { pid, .. }) if pid == child.id()), "{held:?}");
    assert_eq!(store.take(&session_id("aaaa")).await.unwrap().1, SessionState::Running);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_stores_write_one_file_at_once_and_lose_nothing() {
    const EACH: u32 = 25;
    let home = Home::new();
    let stores = [Arc::new(home.store().await), Arc::new(home.store().await)];
    Journal::open(&*stores[0], &session("aaaa", 1)).await.unwrap();
    let writers = stores.iter().enumerate().map(|(number, store)| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            for attempt in 1..=EACH {
                let id = format!("x{number}-{attempt}");
                let attempt = attempt * 2 + u32::try_from(number).unwrap();
                store.begin_execution(&execution(&id, "aaaa", attempt)).await.unwrap();
                store.checkpoint(&id, &id).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let executions = stores[1].executions(&session_id("aaaa")).await.unwrap();
    assert_eq!(executions.len(), 2 * EACH as usize);
    assert!(
        executions.iter().all(|execution| execution.checkpoint.as_ref() == Some(&execution.id))
    );
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let store = Store::in_memory().await.unwrap();
    let id = session_id("none");
    let report = session_report("none", SessionOutcome::Failed);
    let unknown =
        |error: JournalError| matches!(error, JournalError::UnknownSession(found) if found == id);
    assert!(unknown(store.take(&id).await.unwrap_err()));
    assert!(unknown(store.close(&id, SessionState::Paused, &report).await.unwrap_err()));
    assert!(unknown(store.begin_execution(&execution("x1", "none", 1)).await.unwrap_err()));

    let unknown = |error| matches!(error, JournalError::UnknownExecution(found) if found == "x1");
    assert!(unknown(store.checkpoint("x1", "token").await.unwrap_err()));
    assert!(unknown(store.spend("x1", &usage(1)).await.unwrap_err()));
    assert!(unknown(store.finish_execution("x1", &execution_report("x1")).await.unwrap_err()));
}

#[tokio::test]
async fn the_same_attempt_is_not_begun_twice() {
    let store = Store::in_memory().await.unwrap();
    Journal::open(&store, &session("aaaa", 1)).await.unwrap();
    let again = Journal::open(&store, &session("aaaa", 1)).await.unwrap_err();
    assert!(matches!(again, JournalError::Storage { action: "written", .. }), "{again}");

    store.begin_execution(&execution("x1", "aaaa", 1)).await.unwrap();
    let again = store.begin_execution(&execution("x2", "aaaa", 1)).await.unwrap_err();
    assert!(matches!(again, JournalError::Storage { action: "written", .. }), "{again}");
    store.begin_execution(&execution("x2", "aaaa", 2)).await.unwrap();
}

#[tokio::test]
async fn a_session_that_cannot_be_read_does_not_hide_the_others() {
    let home = Home::new();
    let store = home.store().await;
    Journal::open(&store, &session("aaaa", 1)).await.unwrap();
    Journal::open(&store, &session("bbbb", 2)).await.unwrap();
    let options = SqliteConnectOptions::new().filename(&home.file);
    let other = SqlitePool::connect_with(options).await.unwrap();
    let spoil = "UPDATE sessions SET document = '{' WHERE id = 'bbbb'";
    sqlx::query(spoil).execute(&other).await.unwrap();

    assert_eq!(store.sessions().await.unwrap(), [(session("aaaa", 1), SessionState::Running)]);
    let error = home.store().await.take(&session_id("bbbb")).await.unwrap_err().to_string();
    assert!(error.contains("the document of session bbbb"), "{error}");
}
