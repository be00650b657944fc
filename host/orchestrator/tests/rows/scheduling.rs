//! How much at once, and who first.

use crate::support::{Stage, cloud, done, issue, local, minutes, planned, seconds};
use cyrus_core::{Clock as _, Session, SessionOutcome, Strategy, Urgency};
use cyrus_executor::TaskKind;
use cyrus_fleet::Script;
use futures::{FutureExt as _, future::join_all, join};

fn parts(stage: &Stage, name: &str, count: usize) -> Session {
    let tasks = (1..=count).map(|n| planned(&format!("{name}-{n}"), &TaskKind::BUILDER, &[]));
    stage.planned(name, tasks.collect())
}

/// The most that are under way at once, of eight tasks, and how long all take in turns of one task's time.
fn at_once(limit: impl FnOnce(&mut Stage)) -> (usize, u64) {
    let mut stage = Stage::new(&[&local("near")]);
    limit(&mut stage);
    let session = parts(&stage, "aaaa", 8);
    assert_eq!(stage.work(&session).outcome, SessionOutcome::Validated);
    assert_eq!(stage.violations(), []);
    (stage.told.most(|_| true), stage.world.clock().elapsed().as_secs() / 180)
}

#[test]
fn scheduling_keeps_every_cap() {
    assert_eq!(at_once(|_| {}), (8, 1));
    assert_eq!(at_once(|stage| stage.scheduling.total = 4), (4, 2));
    assert_eq!(at_once(|stage| stage.scheduling.per_session = 2), (2, 4));
    assert_eq!(at_once(|stage| stage.scheduling.per_repository = 4), (4, 2));
    assert_eq!(at_once(|stage| stage.scheduling.local = 1), (1, 8));
    let named = |stage: &mut Stage| {
        stage.scheduling.per_executor.insert("near".to_owned(), 2);
    };
    assert_eq!(at_once(named), (2, 4));
}

#[test]
fn scheduling_keeps_the_caps_of_each_placement() {
    let mut stage = Stage::new(&[&local("near"), &cloud("far")]);
    stage.selection.strategy = Strategy::HybridSmart;
    (stage.scheduling.local, stage.scheduling.cloud) = (1, 3);
    let here = (1..=4).map(|n| planned(&format!("here-{n}"), &TaskKind::SCOPER, &[]));
    let there = (1..=6).map(|n| planned(&format!("there-{n}"), &TaskKind::BUILDER, &[]));
    let session = stage.planned("aaaa", here.chain(there).collect());
    assert_eq!(stage.work(&session).outcome, SessionOutcome::Validated);
    assert_eq!(stage.told.most(|name| name == "near"), 1);
    assert_eq!(stage.told.most(|name| name == "far"), 3);
}

#[test]
fn scheduling_serves_urgent_issues_first_and_is_fair_between_sessions() {
    let mut stage = Stage::new(&[&local("near").does([Script { turns: 1, ..done() }])]);
    stage.scheduling.total = 1;
    let (long, other) = (parts(&stage, "long", 3), parts(&stage, "other", 2));
    let mut urgent = stage.session("urgent", issue("Fix the widget"));
    urgent.issue.urgency = Some(Urgency::Urgent);
    let (crew, clock) = (stage.crew(), stage.world.clock().clone());
    stage.run(async {
        let both = join_all([&long, &other].map(|session| crew.start(session).boxed_local()));
        let later = async {
            clock.sleep(seconds(30)).await;
            crew.start(&urgent).await
        };
        join!(both, later)
    });
    let order: Vec<_> =
        stage.told.order().into_iter().map(|id| id.split('-').next().unwrap().to_owned()).collect();
    assert_eq!(order, ["long", "urgent", "long", "other", "long", "other"]);
    assert_eq!(stage.world.clock().elapsed(), minutes(6));
}
