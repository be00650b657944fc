//! A session has one holder, and whoever lost it can write nothing more.

use crate::{home::Home, values::*};
use cyrus_core::{
    Change, EffectState, Lease, SessionOutcome, SessionState, SessionStore as _, StoreError,
    ValidationVerdict,
};
use cyrus_executor::StopMode;
use std::{process, sync::Arc, time::Duration};

fn is_held<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Held { pid, host, .. }) if *pid == process::id() && !host.is_empty())
}

pub(crate) async fn has_one_holder_until_it_is_let_go_of(home: &Home) {
    let (one, other) = (home.store().await, home.store().await);
    let id = session_id("aaaa");
    let lease = one.open(&session("aaaa", 1)).await.unwrap();
    assert!(is_held(&other.take(&id).await));
    assert!(is_held(&one.take(&id).await), "not even the same process works on it twice");

    let report = session_report("aaaa", SessionOutcome::Paused);
    let going_on = vec![Change::State(SessionState::Running, None)];
    one.commit(&lease, going_on).await.unwrap();
    assert!(is_held(&other.take(&id).await));
    let paused = vec![Change::State(SessionState::Paused, Some(report))];
    one.commit(&lease, paused.clone()).await.unwrap();
    one.commit(&lease, paused).await.unwrap();

    let (taken, snapshot) = other.take(&id).await.unwrap();
    assert_eq!(snapshot.state, SessionState::Paused);
    assert!(taken.token > lease.token);
    assert!(is_held(&one.take(&id).await));
}

pub(crate) async fn refuses_whatever_a_zombie_writes(home: &Home) {
    let (zombie, heir) = (home.store().await, home.store().await);
    let lease = zombie.open(&session("aaaa", 1)).await.unwrap();
    let begin = vec![
        Change::Planned(plan(vec![planned("t1", &[])])),
        Change::Begin(Box::new(execution("x1", "aaaa", 1))),
        Change::Reserve(reservation("aaaa", "x1", 5)),
        Change::Intend(effect("aaaa", "push", EffectState::Intended)),
    ];
    zombie.commit(&lease, begin).await.unwrap();
    zombie.check(&lease).await.unwrap();

    // It is taken for dead while it only sleeps.
    home.spoil("UPDATE sessions SET holder = 'somebody-dead'").await;
    let (newer, before) = heir.take(&lease.session).await.unwrap();
    let late = [
        Change::Ended(Arc::new(report("x1"))),
        Change::Collected("x1".into(), collected()),
        Change::Verdict("x1".into(), verdict(ValidationVerdict::Passed)),
        Change::Settle("x1".into(), reported(3)),
        Change::Reserve(reservation("aaaa", "x1", 1)),
        Change::Effect("push".into(), done(())),
        Change::Intend(effect("aaaa", "late", EffectState::Intended)),
        Change::Begin(Box::new(execution("x2", "aaaa", 2))),
        Change::State(SessionState::Paused, None),
    ];
    let fenced = |error: StoreError| {
        assert!(matches!(&error, StoreError::Fenced(id) if *id == lease.session), "{error}");
    };
    for change in late {
        fenced(zombie.commit(&lease, vec![change]).await.unwrap_err());
    }
    fenced(zombie.commit(&lease, vec![]).await.unwrap_err());
    fenced(zombie.check(&lease).await.unwrap_err());

    assert_eq!(heir.snapshot(&lease.session).await.unwrap(), before);
    assert_eq!(heir.effect("late").await.unwrap(), None);
    assert_eq!(heir.spending(&headings("aaaa")).await.unwrap(), [spending(5, 0, 0); 4]);
    heir.check(&newer).await.unwrap();
    heir.commit(&newer, vec![Change::Settle("x1".into(), reported(3))]).await.unwrap();
}

pub(crate) async fn gives_a_session_of_the_dead_to_one_of_many(home: &Home) {
    let dead = home.store().await;
    let id = dead.open(&session("aaaa", 1)).await.unwrap().session;
    drop(dead);
    let mut stores = Vec::new();
    for _ in 0..8 {
        stores.push(home.shared().await);
    }
    let attempts = stores.iter().cloned().map(|store| {
        let id = id.clone();
        tokio::spawn(async move { store.take(&id).await })
    });
    let mut taken = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        match attempt.await.unwrap() {
            Ok(_) => taken += 1,
            Err(error) => assert!(matches!(error, StoreError::Held { .. }), "{error}"),
        }
    }
    assert_eq!(taken, 1);
}

pub(crate) async fn tells_which_sessions_were_lost(home: &Home) {
    let one = home.store().await;
    let mut leases = Vec::new();
    for name in ["aaaa", "bbbb", "cccc"] {
        leases.push(one.open(&session(name, 1)).await.unwrap());
    }
    assert_eq!(one.renew().await.unwrap(), []);
    one.commit(&leases[2], vec![Change::State(SessionState::Paused, None)]).await.unwrap();
    home.spoil("UPDATE sessions SET holder = 'somebody-dead' WHERE id = 'aaaa'").await;
    let other = home.store().await;
    other.take(&leases[0].session).await.unwrap();
    other.take(&leases[2].session).await.unwrap();
    assert_eq!(one.renew().await.unwrap(), [session_id("aaaa")]);
    assert_eq!(one.renew().await.unwrap(), [], "it is told once");
    assert_eq!(other.renew().await.unwrap(), []);

    // Another machine sees no locks. It believes what it hears.
    let (Some(patient), Some(hasty)) = (
        home.elsewhere("patient", Duration::from_hours(1)).await,
        home.elsewhere("hasty", Duration::ZERO).await,
    ) else {
        return;
    };
    let kept = leases.remove(1);
    assert!(is_held(&patient.take(&kept.session).await));
    home.spoil("UPDATE holders SET renewed = renewed - 1000").await;
    assert!(is_held(&patient.take(&kept.session).await));
    let (taken, _) = hasty.take(&kept.session).await.unwrap();
    assert_eq!(taken, Lease { session: kept.session.clone(), token: kept.token + 1 });
    assert_eq!(one.renew().await.unwrap(), [kept.session]);
}

pub(crate) async fn brings_a_stop_to_whoever_works_on_the_session(home: &Home) {
    let (worker, user) = (home.store().await, home.store().await);
    let lease = worker.open(&session("aaaa", 1)).await.unwrap();
    worker.open(&session("bbbb", 2)).await.unwrap();
    user.open(&session("cccc", 3)).await.unwrap();
    assert_eq!(worker.requests().await.unwrap(), []);
    for mode in [StopMode::Detach, StopMode::Cancel] {
        user.request_stop(&lease.session, mode).await.unwrap();
        assert_eq!(worker.requests().await.unwrap(), [(lease.session.clone(), mode)]);
    }
    assert_eq!(user.requests().await.unwrap(), []);

    // Once it stopped nothing is left of it for whoever goes on.
    worker.commit(&lease, vec![Change::State(SessionState::Paused, None)]).await.unwrap();
    user.request_stop(&lease.session, StopMode::Cancel).await.unwrap();
    user.take(&lease.session).await.unwrap();
    assert_eq!(user.requests().await.unwrap(), []);
    assert_eq!(worker.requests().await.unwrap(), []);
}

pub(crate) async fn brings_a_cancelled_task_to_whoever_works_on_the_session_now_or_later(
    home: &Home,
) {
    let (worker, user) = (home.store().await, home.store().await);
    let lease = worker.open(&session("aaaa", 1)).await.unwrap();
    let (one, two) = (task_id("one"), task_id("two"));
    let planned = plan(vec![planned("one", &[]), planned("two", &["one"])]);
    worker.commit(&lease, vec![Change::Planned(planned)]).await.unwrap();
    assert_eq!(worker.cancelled().await.unwrap(), []);
    for _ in 0..2 {
        user.cancel(&lease.session, &two).await.unwrap();
    }
    let asked = [(lease.session.clone(), two)];
    assert_eq!(worker.cancelled().await.unwrap(), asked);
    assert_eq!(user.cancelled().await.unwrap(), []);
    let unknown = user.cancel(&lease.session, &task_id("three")).await.unwrap_err();
    assert!(matches!(unknown, StoreError::UnknownTask { .. }), "{unknown}");

    worker.commit(&lease, vec![Change::State(SessionState::Paused, None)]).await.unwrap();
    user.take(&lease.session).await.unwrap();
    assert_eq!(
        (user.cancelled().await.unwrap(), worker.cancelled().await.unwrap()),
        (asked.to_vec(), vec![])
    );
    user.cancel(&lease.session, &one).await.unwrap();
    assert_eq!(user.cancelled().await.unwrap().len(), 2);
}
