//! It keeps what it is told.

use crate::{home::Home, values::*};
use cyrus_core::{
    Change, EffectState, Lease, Progress, SessionOutcome, SessionState, SessionStore as _,
    Snapshot, StoreError, TaskRecord, TaskState, TrackRecord, ValidationVerdict,
};
use cyrus_executor::{ErrorKind, MicroUsd, TaskKind};
use cyrus_store::Store;
use serde_json::json;
use std::sync::Arc;

fn fresh(name: &str, second: u64) -> Snapshot {
    Snapshot::fresh(session(name, second))
}

async fn opened(store: &Store, name: &str) -> Lease {
    store.open(&session(name, 1)).await.unwrap()
}

pub(crate) async fn keeps_everything_it_is_told(home: &Home) {
    let store = home.store().await;
    let lease = opened(&store, "aaaa").await;
    assert_eq!(store.snapshot(&lease.session).await.unwrap(), fresh("aaaa", 1));

    let plan = plan(vec![planned("t2", &[]), planned("t1", &["t2"])]);
    let mended = TaskRecord { planned: planned("t1", &[]), state: TaskState::Active };
    let added = TaskRecord { planned: planned("a", &["t1"]), state: TaskState::Waiting };
    let blocked = TaskState::Blocked { by: task_id("t1") };
    let progress = Progress { head: Some("f".repeat(40)), mend_rounds: 1, fruitless: 2 };
    let checkpoint =
        |token: &str| Change::Checkpoint { execution: "x1".into(), token: token.into() };
    let spent = |amount| Change::Spent { execution: "x1".into(), usage: usage(amount) };
    let failed = verdict(ValidationVerdict::Failed);
    let checked = ("m".repeat(40), verdict(ValidationVerdict::Passed));
    let over = SessionState::Finished(SessionOutcome::Validated);
    let over_report = session_report("aaaa", SessionOutcome::Validated);
    let commits = [
        vec![Change::Analysed(analysis()), Change::Planned(plan.clone())],
        vec![Change::Task(mended.clone()), Change::Task(added.clone())],
        vec![Change::TaskState(task_id("t2"), blocked.clone())],
        vec![Change::Begin(Box::new(execution("x1", "aaaa", 1)))],
        vec![Change::Begin(Box::new(execution("x0", "aaaa", 2)))],
        vec![checkpoint("a\0b"), checkpoint("token"), spent(3), spent(9), checkpoint("to\0ken")],
        vec![Change::Ended(Arc::new(report("x1"))), Change::Collected("x1".into(), collected())],
        vec![Change::Verdict("x1".into(), failed.clone())],
        vec![Change::Progress(progress.clone())],
        vec![Change::Merged(checked.0.clone(), checked.1.clone())],
        vec![Change::State(over, Some(over_report.clone()))],
    ];
    for changes in commits {
        store.commit(&lease, changes).await.unwrap();
    }

    let mut expected = fresh("aaaa", 1);
    expected.state = over;
    expected.analysis = Some(analysis());
    expected.plan = Some(plan);
    let waiting = TaskRecord { planned: planned("t2", &[]), state: blocked };
    expected.tasks = vec![waiting, mended, added];
    let mut first = execution("x1", "aaaa", 1);
    first.checkpoint = Some("to\0ken".into());
    first.usage = usage(9);
    first.report = Some(Arc::new(report("x1")));
    first.collected = Some(collected());
    first.verdict = Some(failed);
    expected.executions = vec![first, execution("x0", "aaaa", 2)];
    expected.progress = progress;
    expected.verdict = Some(checked);
    expected.report = Some(*over_report);
    assert_eq!(store.snapshot(&lease.session).await.unwrap(), expected);
    assert_eq!(home.store().await.snapshot(&lease.session).await.unwrap(), expected);

    // Without a report the one before is kept.
    store.commit(&lease, vec![Change::State(SessionState::Paused, None)]).await.unwrap();
    expected.state = SessionState::Paused;
    assert_eq!(store.take(&lease.session).await.unwrap().1, expected);
}

pub(crate) async fn goes_on_where_it_was_when_it_was_dropped(home: &Home) {
    let store = home.store().await;
    let lease = opened(&store, "aaaa").await;
    let begun = execution("x1", "aaaa", 1);
    store.commit(&lease, vec![Change::Begin(Box::new(begun.clone()))]).await.unwrap();
    drop(store);

    let store = home.store().await;
    let (taken, snapshot) = store.take(&lease.session).await.unwrap();
    assert!(taken.token > lease.token);
    let mut expected = fresh("aaaa", 1);
    expected.executions = vec![begun];
    assert_eq!(snapshot, expected);
}

pub(crate) async fn makes_all_changes_of_a_commit_or_none(home: &Home) {
    let store = home.store().await;
    let lease = opened(&store, "aaaa").await;
    let nothing_of_it = [
        Change::Ended(Arc::new(report("x9"))),
        Change::TaskState(task_id("t9"), TaskState::Active),
        Change::Effect("never intended".into(), done(())),
        Change::Begin(Box::new(execution("x9", "bbbb", 1))),
        Change::Reserve(reservation("bbbb", "x9", 1)),
    ];
    for wrong in nothing_of_it {
        let changes = vec![
            Change::Planned(plan(vec![planned("t1", &[])])),
            Change::Begin(Box::new(execution("x1", "aaaa", 1))),
            Change::Reserve(reservation("aaaa", "x1", 5)),
            Change::Intend(effect("aaaa", "push", EffectState::Intended)),
            Change::State(SessionState::Paused, None),
            wrong,
        ];
        store.commit(&lease, changes).await.unwrap_err();
    }
    assert_eq!(store.snapshot(&lease.session).await.unwrap(), fresh("aaaa", 1));
    let spent = store.spending(&headings("aaaa")).await.unwrap();
    assert_eq!(spent, [spending(0, 0, 0); 4]);
    assert!(store.sessions().await.unwrap()[0].held);
}

pub(crate) async fn names_what_is_not_there(home: &Home) {
    let store = home.store().await;
    let id = session_id("none");
    let lost = Lease { session: id.clone(), token: 1 };
    let unknown = |error: StoreError| {
        assert!(matches!(&error, StoreError::UnknownSession(found) if *found == id), "{error}");
    };
    unknown(store.take(&id).await.unwrap_err());
    unknown(store.snapshot(&id).await.unwrap_err());
    unknown(store.check(&lost).await.unwrap_err());
    unknown(store.commit(&lost, vec![]).await.unwrap_err());
    unknown(store.log(&id, vec![line(1)]).await.unwrap_err());
    unknown(store.log_lines(&id, 0, 9).await.unwrap_err());
    unknown(store.request_stop(&id, cyrus_executor::StopMode::Cancel).await.unwrap_err());
    assert_eq!(store.effect("none").await.unwrap(), None);

    let lease = opened(&store, "aaaa").await;
    let changes = [
        Change::Checkpoint { execution: "x1".into(), token: "token".into() },
        Change::Spent { execution: "x1".into(), usage: usage(1) },
        Change::Ended(Arc::new(report("x1"))),
        Change::Collected("x1".into(), collected()),
        Change::Verdict("x1".into(), verdict(ValidationVerdict::Passed)),
        Change::Settle("x1".into(), reported(1)),
    ];
    for change in changes {
        let error = store.commit(&lease, vec![change]).await.unwrap_err();
        assert!(matches!(&error, StoreError::UnknownExecution(id) if id == "x1"), "{error}");
    }
}

pub(crate) async fn begins_an_attempt_once(home: &Home) {
    let store = home.store().await;
    let lease = opened(&store, "aaaa").await;
    let twice = |error: StoreError| {
        assert!(matches!(error, StoreError::Storage { action: "written", .. }), "{error}");
    };
    twice(store.open(&session("aaaa", 1)).await.unwrap_err());
    let begin = async |id: &str, attempt| {
        let change = Change::Begin(Box::new(execution(id, "aaaa", attempt)));
        store.commit(&lease, vec![change]).await
    };
    begin("x1", 1).await.unwrap();
    twice(begin("x2", 1).await.unwrap_err());
    twice(begin("x1", 2).await.unwrap_err());
    begin("x2", 2).await.unwrap();
}

pub(crate) async fn remembers_what_became_of_an_effect(home: &Home) {
    let store = home.store().await;
    let lease = opened(&store, "aaaa").await;
    let intend = |key: &str| Change::Intend(effect("aaaa", key, EffectState::Intended));
    let done = done(json!({"url": "https://forge.example/1"}));
    let uncertain = EffectState::Uncertain("nobody knows".into());
    let changes = vec![intend("z"), intend("push"), intend("open")];
    store.commit(&lease, changes).await.unwrap();
    let became = vec![
        Change::Effect("push".into(), done.clone()),
        Change::Effect("open".into(), uncertain.clone()),
    ];
    store.commit(&lease, became).await.unwrap();
    // Harmless when it was intended before, whatever became of it.
    store.commit(&lease, vec![intend("push"), intend("z")]).await.unwrap();

    let found = store.effect("push").await.unwrap();
    assert_eq!(found, Some(effect("aaaa", "push", done)));
    let open = store.snapshot(&lease.session).await.unwrap().open_effects;
    let expected = [effect("aaaa", "z", EffectState::Intended), effect("aaaa", "open", uncertain)];
    assert_eq!(open, expected);
}

pub(crate) async fn lists_the_newest_first_and_hides_none_for_one_that_cannot_be_read(home: &Home) {
    let store = home.store().await;
    for (name, second) in [("bbbb", 2), ("dddd", 9), ("aaaa", 1), ("cccc", 3)] {
        store.open(&session(name, second)).await.unwrap();
    }
    home.spoil("UPDATE documents SET document = '{' WHERE session = 'cccc'").await;
    let lease = Lease { session: session_id("bbbb"), token: 1 };
    store.commit(&lease, vec![Change::State(SessionState::Paused, None)]).await.unwrap();
    for store in [&store, &home.store().await] {
        let listed = store.sessions().await.unwrap();
        let listed: Vec<_> =
            listed.iter().map(|s| (s.session.id.as_str(), s.state, s.held)).collect();
        let running = SessionState::Running;
        let expected = [
            ("dddd", running, true),
            ("bbbb", SessionState::Paused, false),
            ("aaaa", running, true),
        ];
        assert_eq!(listed, expected);
    }
    drop(store);
    assert!(home.store().await.sessions().await.unwrap().iter().all(|session| !session.held));
}

pub(crate) async fn leaves_what_cannot_be_read_to_nobody(home: &Home) {
    drop(home.store().await.open(&session("aaaa", 1)).await.unwrap());
    home.spoil("UPDATE documents SET analysis = '{' WHERE session = 'aaaa'").await;
    let store = home.store().await;
    for _ in 0..2 {
        let error = store.take(&session_id("aaaa")).await.unwrap_err().to_string();
        assert!(error.contains("the analysis of session aaaa"), "{error}");
    }
    home.spoil("UPDATE documents SET analysis = NULL").await;
    home.store().await.take(&session_id("aaaa")).await.unwrap();
}

pub(crate) async fn counts_what_executions_came_to(home: &Home) {
    let store = home.store().await;
    let lease = opened(&store, "aaaa").await;
    let planned = plan(vec![planned("t1", &[])]);
    store.commit(&lease, vec![Change::Planned(planned)]).await.unwrap();
    // (how it ended, the verdict): one that passed, one that did not, one that nothing could check, one that failed
    // by itself and had no price, and those that say nothing about the executor.
    let unpriced =
        cyrus_core::ExecutionReport { cost: None, ..failure("", ErrorKind::Other("odd".into())) };
    let ends = [
        (report(""), Some(ValidationVerdict::Passed)),
        (report(""), Some(ValidationVerdict::Failed)),
        (report(""), Some(ValidationVerdict::Unchecked)),
        (unpriced, None),
        (failure("", ErrorKind::Cancelled), None),
        (failure("", ErrorKind::RateLimited), None),
        (report(""), None),
    ];
    for (number, (ended, judged)) in (1..).zip(ends) {
        let id = format!("x{number}");
        let ended = cyrus_core::ExecutionReport { id: id.clone(), ..ended };
        let mut changes = vec![
            Change::Begin(Box::new(execution(&id, "aaaa", number))),
            Change::Ended(Arc::new(ended)),
        ];
        changes.extend(judged.map(|judged| Change::Verdict(id, verdict(judged))));
        store.commit(&lease, changes).await.unwrap();
    }
    let expected = TrackRecord {
        executor: "claude".into(),
        kind: TaskKind::BUILDER,
        tried: 3,
        validated: 1,
        cost: MicroUsd(18),
        priced: 2,
    };
    let of_repository = async || store.track_records("/srv/repo".as_ref()).await.unwrap();
    let validated = |validated| [TrackRecord { validated, ..expected.clone() }];
    assert_eq!(of_repository().await, validated(1));
    // What is written down again, or anew, counts once and as it is now.
    let again =
        ["x1", "x2"].map(|id| Change::Verdict(id.into(), verdict(ValidationVerdict::Passed)));
    for _ in 0..2 {
        store.commit(&lease, again.to_vec()).await.unwrap();
        assert_eq!(of_repository().await, validated(2));
    }
    // And nothing of what is not committed.
    let unknown = Change::Verdict("x99".into(), verdict(ValidationVerdict::Passed));
    let failed = Change::Verdict("x2".into(), verdict(ValidationVerdict::Failed));
    store.commit(&lease, vec![failed, unknown]).await.unwrap_err();
    assert_eq!(of_repository().await, validated(2));
    assert_eq!(store.track_records("/srv/other".as_ref()).await.unwrap(), []);
}
