//! A process that is killed.

use crate::{
    home::{Home, Kind, open},
    values::*,
};
use cyrus_core::{Change, SessionState, SessionStore as _, StoreError};
use std::{
    env,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

/// What says to a process that it is the one to be killed: where its store is, and its holders.
const ROLE: &str = "CYRUS_STORE_TEST_ROLE";

pub(crate) async fn a_killed_process_loses_nothing_and_holds_nothing(home: &Home) {
    const ANSWERED: u64 = 20;
    let (kind, place) = match &home.kind {
        Kind::Sqlite(file) => ("sqlite", file.display().to_string()),
        Kind::Postgres(url) => ("postgres", url.clone()),
    };
    let holders = home.directory.path().join("holders");
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "processes::writes_until_it_is_killed", "--nocapture"])
        .env(ROLE, format!("{kind}\n{place}\n{}", holders.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Kept until the end: one that nobody listens to would end by itself.
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut answered = 0;
    while let Some(Ok(said)) = said.next() {
        if let Some(number) = said.strip_prefix("answered ") {
            answered = number.parse().unwrap();
            if answered == ANSWERED {
                break;
            }
        }
    }
    let store = home.store().await;
    let held = store.take(&session_id("aaaa")).await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(answered, ANSWERED, "it ended by itself");
    assert!(
        matches!(held, Err(StoreError::Held { pid, .. }) if pid == child.id()),
        "{:?}",
        held.err()
    );

    let (_, snapshot) = store.take(&session_id("aaaa")).await.unwrap();
    assert_eq!(snapshot.state, SessionState::Running);
    let last: u64 = snapshot.executions[0].checkpoint.as_ref().unwrap().parse().unwrap();
    assert!(last >= answered);
    // The same transaction, or nothing of it.
    let spent = store.spending(&headings("aaaa")).await.unwrap();
    assert_eq!(spent, [spending(last, 0, 0); 4]);
}

/// Does nothing, but in the process that is to be killed.
#[tokio::test]
async fn writes_until_it_is_killed() {
    let Ok(role) = env::var(ROLE) else { return };
    let [kind, place, holders] = role.lines().collect::<Vec<_>>()[..] else { panic!("{role}") };
    let kind = match kind {
        "sqlite" => Kind::Sqlite(place.into()),
        _ => Kind::Postgres(place.into()),
    };
    let store = open(&kind, holders.into(), None).await;
    let lease = store.open(&session("aaaa", 1)).await.unwrap();
    let begin = Change::Begin(Box::new(execution("x1", "aaaa", 1)));
    store.commit(&lease, vec![begin]).await.unwrap();
    println!();
    for number in 1.. {
        let token = number.to_string();
        let changes = vec![
            Change::Checkpoint { execution: "x1".into(), token },
            Change::Reserve(reservation("aaaa", "x1", number)),
        ];
        store.commit(&lease, changes).await.unwrap();
        println!("answered {number}");
    }
}
