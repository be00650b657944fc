//! The session, and what holds however it goes.

use crate::{
    support::{id, plan, planned},
    whole::whole,
};
use cyrus_core::{Issue, Needs, PlannedTask, SessionId, SessionOutcome, SessionReport, Strategy};
use cyrus_executor::Placement;
use cyrus_fleet::{Arrival, Ended, MemberSpec, Scenario, Temper};
use cyrus_orchestrator::Delivery;
use std::{
    num::NonZero,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

/// The tasks that each of them comes after.
pub(crate) const AFTER: [&[&str]; 10] = [
    &[],
    &[],
    &[],
    &["t1"],
    &["t1", "t2"],
    &["t3"],
    &["t4", "t5"],
    &[],
    &["t8"],
    &["t6", "t7", "t9"],
];

pub(crate) fn name() -> SessionId {
    id("ten-tasks")
}

/// Ten tasks on local and cloud executors whose first results are often wrong, in few files, so that they conflict;
/// pushed, with a pull request.
pub(crate) fn ten_tasks() -> Scenario {
    let names: Vec<_> = (1..=10).map(|number| format!("t{number}")).collect();
    let task = |(number, (name, after)): (usize, (&String, &[&str]))| {
        // Every third stays here, the others go to the cloud.
        let needs = Needs { local_context: number % 3 == 0, ..Needs::default() };
        PlannedTask { needs, ..planned(name, after) }
    };
    let tasks = names.iter().zip(AFTER).enumerate().map(task).collect();
    let issue = Issue::from_markdown("Ten parts").unwrap();
    let temper = Temper { wrong: 250, clashes: 150, ..Temper::default() };
    let member = |name: &str, placement| MemberSpec {
        temper: temper.clone(),
        ..MemberSpec::new(name, placement)
    };
    Scenario {
        arrivals: vec![Arrival::new(name(), issue, Some(plan(tasks)))],
        members: vec![member("local", Placement::Local), member("cloud", Placement::Cloud)],
        files: 40,
        delivery: Delivery { push: true, pull_request: true, share: true },
        ..Scenario::calm(6).with_strategy(Strategy::HybridSmart)
    }
}

/// The report of a session in which nothing happened that must not.
pub(crate) fn report<'a>(ended: &'a Ended, told: &str) -> &'a SessionReport {
    let violations: Vec<_> = ended.violations.iter().map(ToString::to_string).collect();
    assert!(violations.is_empty(), "{told} ({:?}):\n{}", ended.kills, violations.join("\n"));
    &ended.reports[&name()]
}

/// All of its tasks are done, and their results are merged, validated, pushed and proposed.
pub(crate) fn is_whole(report: &SessionReport, told: &str) {
    assert_eq!(report.outcome, SessionOutcome::Validated, "{told}: {:?}", report.reason);
    assert!(report.pull_request.is_some(), "{told}");
    let done = report.tasks.iter().filter(|task| task.state.as_str() == "done").count();
    assert!(done >= 10, "{told}: {done} tasks done");
}

/// One point of so many is tried of what is a variation; fewer where nothing is optimised.
pub(crate) fn stride() -> u64 {
    if whole() { 1 } else { 3 }
}

/// Does this at each point up to this one, and answers what came of each.
pub(crate) fn at_each<T: Send>(points: u64, each: impl Fn(u64) -> T + Sync) -> Vec<T> {
    at_one_of(1, points, each)
}

/// Does this at one of so many points up to this one, the first is the first, and answers what came of each.
pub(crate) fn at_one_of<T: Send>(many: u64, points: u64, each: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let (next, found) = (AtomicU64::new(1), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(|| {
                loop {
                    let point = next.fetch_add(many, Ordering::Relaxed);
                    if point > points {
                        break;
                    }
                    let came = each(point);
                    found.lock().unwrap().push(came);
                }
            });
        }
    });
    found.into_inner().unwrap()
}
