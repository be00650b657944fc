//! What the store in memory promises: the rules of the port.

mod support;

use cyrus_core::{
    CapKind, Caps, Change, Day, EffectAnswer, EffectState, ExecutionOutcome, Heading, SessionEvent,
    SessionOutcome, SessionState, SessionStore, Spending, StoreError, TaskState,
};
use cyrus_executor::{CostSource, MicroUsd, StopMode, Usage};
use cyrus_fleet::{MemoryStore, SimClock};
use futures::executor::block_on;
use serde_json::json;
use std::{path::Path, sync::Arc};
use support::{
    begin, ended, execution, id, intend, passed, plan, planned, report, reserve, session, settle,
    task_id,
};

fn store() -> MemoryStore {
    MemoryStore::new(Arc::new(SimClock::default()))
}

#[test]
fn keeps_what_it_is_told() {
    block_on(async {
        let process = store().process();
        let lease = process.open(&session("aaaa", 1)).await.unwrap();
        process.open(&session("bbbb", 2)).await.unwrap();
        assert!(process.open(&session("aaaa", 1)).await.is_err());
        let record = execution("x1", &lease, "t1");
        let spent = Usage { turns: Some(3), ..Usage::default() };
        process
            .commit(
                &lease,
                vec![
                    Change::Planned(plan(vec![planned("t1", &[]), planned("t2", &["t1"])])),
                    Change::TaskState(task_id("t1"), TaskState::Active),
                    begin(record.clone()),
                    Change::Checkpoint { execution: "x1".into(), token: "c".into() },
                    Change::Spent { execution: "x1".into(), usage: spent.clone() },
                    ended(report("x1", "t1", ExecutionOutcome::Completed, None)),
                    Change::Verdict("x1".into(), passed()),
                ],
            )
            .await
            .unwrap();
        let snapshot = process.snapshot(&lease.session).await.unwrap();
        let states: Vec<_> = snapshot.tasks.iter().map(|task| task.state.as_str()).collect();
        assert_eq!(states, ["active", "waiting"]);
        let kept = &snapshot.executions[0];
        assert_eq!((kept.checkpoint.as_deref(), &kept.usage), (Some("c"), &spent));
        assert!(kept.report.is_some() && kept.verdict.is_some());
        let sessions = process.sessions().await.unwrap();
        let listed: Vec<_> = sessions.iter().map(|s| (s.session.id.as_str(), s.held)).collect();
        assert_eq!(listed, [("bbbb", true), ("aaaa", true)]);
    });
}

#[test]
fn makes_all_changes_of_a_commit_or_none() {
    block_on(async {
        let process = store().process();
        let lease = process.open(&session("aaaa", 1)).await.unwrap();
        let before = process.snapshot(&lease.session).await.unwrap();
        let begun = || begin(execution("x1", &lease, "t1"));
        let small = Caps { day: Some(MicroUsd(5)), ..Caps::default() };
        for bad in [
            vec![begun(), Change::TaskState(task_id("t9"), TaskState::Active)],
            vec![begun(), Change::Checkpoint { execution: "x9".into(), token: "c".into() }],
            vec![
                begun(),
                Change::Effect("k9".into(), EffectState::Done(EffectAnswer::of(&1).unwrap())),
            ],
            vec![
                reserve("x1", &lease, "t1", 4, Caps::default()),
                begun(),
                reserve("x2", &lease, "t1", 2, small),
            ],
            vec![begun(), settle("x9", 1, CostSource::Reported)],
        ] {
            let named = format!("{bad:?}");
            assert!(process.commit(&lease, bad).await.is_err(), "{named}");
            assert_eq!(process.snapshot(&lease.session).await.unwrap(), before, "{named}");
            let spent = process.spending(&[Heading::Day(Day(1))]).await.unwrap();
            assert_eq!(spent, [Spending::default()], "{named}");
        }
        process.commit(&lease, vec![begun()]).await.unwrap();
        assert!(process.commit(&lease, vec![begun()]).await.is_err(), "unique for ever");
    });
}

#[test]
fn who_lost_the_lease_writes_no_more() {
    block_on(async {
        let store = store();
        let (first, second) = (store.process(), store.process());
        let old = first.open(&session("aaaa", 1)).await.unwrap();
        let held = second.take(&old.session).await.unwrap_err();
        assert!(matches!(held, StoreError::Held { pid: 1, .. }), "{held}");
        assert!(first.take(&old.session).await.is_err(), "not even the same process twice");
        first.kill();
        let (new, _) = second.take(&old.session).await.unwrap();
        assert!(new.token > old.token);
        let fenced = |result| matches!(result, Err(StoreError::Fenced(_)));
        assert!(fenced(first.commit(&old, vec![]).await) && fenced(first.check(&old).await));
        second.check(&new).await.unwrap();
        assert_eq!(first.renew().await.unwrap(), [id("aaaa")]);
        assert_eq!(first.renew().await.unwrap(), []);
        assert_eq!(second.renew().await.unwrap(), []);
    });
}

#[test]
fn a_holder_elsewhere_is_alive_for_as_long_as_it_is_heard_of() {
    use cyrus_core::Clock;
    let clock = SimClock::default();
    let store = MemoryStore::new(Arc::new(clock.clone()));
    let (there, here) = (store.process_on("there"), store.process_on("here"));
    let pass = |time| {
        let mut sleep = clock.sleep(time);
        assert!(futures::FutureExt::now_or_never(&mut sleep).is_none());
        assert!(clock.advance());
    };
    block_on(async {
        let lease = there.open(&session("aaaa", 1)).await.unwrap();
        there.kill();
        assert!(here.take(&lease.session).await.is_err(), "nobody here can know that it is dead");
        pass(here.lease_time() / 2);
        there.renew().await.unwrap();
        pass(here.lease_time() / 2);
        assert!(here.take(&lease.session).await.is_err());
        pass(here.lease_time() / 2);
        assert!(here.take(&lease.session).await.is_ok());
    });
}

#[test]
fn money_is_set_aside_once_and_settled_once() {
    block_on(async {
        let process = store().process();
        let lease = process.open(&session("aaaa", 1)).await.unwrap();
        let caps = Caps { session: Some(MicroUsd(100)), ..Caps::default() };
        let commit = |change| process.commit(&lease, vec![change]);
        let total = async || {
            let headings =
                [Heading::Session(id("aaaa")), Heading::Executor("local".into(), Day(1))];
            let spending = process.spending(&headings).await.unwrap();
            assert_eq!(spending[0], spending[1]);
            (spending[0].reserved.0, spending[0].reported.0, spending[0].estimated.0)
        };
        commit(reserve("x1", &lease, "t1", 60, caps)).await.unwrap();
        let over = commit(reserve("x2", &lease, "t1", 41, caps)).await.unwrap_err();
        assert!(matches!(
            over,
            StoreError::OverCap { cap: CapKind::Session, amount: MicroUsd(41) }
        ));
        commit(reserve("x1", &lease, "t1", 70, caps)).await.unwrap();
        commit(reserve("x2", &lease, "t1", 30, caps)).await.unwrap();
        assert_eq!(total().await, (100, 0, 0));
        commit(settle("x1", 20, CostSource::Reported)).await.unwrap();
        commit(settle("x1", 99, CostSource::Reported)).await.unwrap();
        commit(settle("x2", 31, CostSource::Estimated)).await.unwrap();
        assert_eq!(total().await, (0, 20, 31));
    });
}

#[test]
fn an_effect_is_known_by_its_key_whoever_asks() {
    block_on(async {
        let process = store().process();
        let lease = process.open(&session("aaaa", 1)).await.unwrap();
        process.commit(&lease, vec![intend("k1", &lease), intend("k2", &lease)]).await.unwrap();
        let done = EffectState::Done(EffectAnswer::of(&json!({"address": 1})).unwrap());
        process.commit(&lease, vec![Change::Effect("k1".into(), done.clone())]).await.unwrap();
        process.commit(&lease, vec![intend("k1", &lease)]).await.unwrap();
        assert_eq!(process.effect("k1").await.unwrap().unwrap().state, done);
        assert_eq!(process.effect("k9").await.unwrap(), None);
        let open = process.snapshot(&lease.session).await.unwrap().open_effects;
        assert_eq!(open.iter().map(|effect| effect.key.as_str()).collect::<Vec<_>>(), ["k2"]);
    });
}

#[test]
fn remembers_how_executors_did_on_a_repository() {
    block_on(async {
        let process = store().process();
        let lease = process.open(&session("aaaa", 1)).await.unwrap();
        let begun = |name: &str| begin(execution(name, &lease, "t1"));
        let failed = report("x2", "t1", ExecutionOutcome::Failed, Some(7));
        process
            .commit(
                &lease,
                vec![
                    Change::Planned(plan(vec![planned("t1", &[])])),
                    begun("x1"),
                    begun("x2"),
                    begun("x3"),
                    ended(report("x1", "t1", ExecutionOutcome::Completed, None)),
                    Change::Verdict("x1".into(), passed()),
                    ended(failed),
                    ended(report("x3", "t1", ExecutionOutcome::Suspended, None)),
                ],
            )
            .await
            .unwrap();
        let tracks = process.track_records(Path::new("/repository")).await.unwrap();
        let [track] = &tracks[..] else { panic!("{tracks:?}") };
        let numbers = (track.tried, track.validated, track.cost.0, track.priced);
        assert_eq!((track.kind.as_str(), numbers), ("builder", (2, 1, 7, 1)));
        assert_eq!(process.track_records(Path::new("/other")).await.unwrap(), []);
    });
}

#[test]
fn a_stop_reaches_who_holds_the_session_and_nobody_after() {
    block_on(async {
        let store = store();
        let (first, second) = (store.process(), store.process());
        let lease = first.open(&session("aaaa", 1)).await.unwrap();
        second.request_stop(&lease.session, StopMode::Detach).await.unwrap();
        assert_eq!(second.requests().await.unwrap(), []);
        assert_eq!(first.requests().await.unwrap(), [(id("aaaa"), StopMode::Detach)]);
        let paused = Change::State(SessionState::Paused, None);
        first.commit(&lease, vec![paused]).await.unwrap();
        let (lease, snapshot) = second.take(&lease.session).await.unwrap();
        assert_eq!(
            (snapshot.state, second.requests().await.unwrap()),
            (SessionState::Paused, vec![])
        );
        let over = Change::State(SessionState::Finished(SessionOutcome::Validated), None);
        second.commit(&lease, vec![over]).await.unwrap();
        assert!(!first.sessions().await.unwrap()[0].held);
    });
}

#[test]
fn a_log_is_read_in_parts_and_forgets_its_oldest_lines() {
    block_on(async {
        let process = store().process();
        let lease = process.open(&session("aaaa", 1)).await.unwrap();
        let line = |n: u64| SessionEvent::Warning { message: n.to_string() };
        process.log(&lease.session, (1..=10).map(line).collect()).await.unwrap();
        let lines = process.log_lines(&lease.session, 3, 2).await.unwrap();
        let numbers =
            |lines: Vec<cyrus_core::LogLine>| lines.iter().map(|l| l.number).collect::<Vec<_>>();
        assert_eq!(numbers(lines), [4, 5]);
        process.log(&lease.session, (11..=5000).map(line).collect()).await.unwrap();
        let first = process.log_lines(&lease.session, 0, 1).await.unwrap();
        assert_eq!(numbers(first), [3001]);
        assert!(process.log(&id("none"), vec![]).await.is_err());
    });
}
