//! Its process is frozen and taken for dead: another one takes the session over, and then the first goes on where it
//! was.

use crate::session::{at_one_of, is_whole, stride, ten_tasks};
use cyrus_core::{SessionEvent, StoreError, TaskState};
use cyrus_executor::Placement;
use cyrus_fleet::{MemberSpec, Overtaken, Scenario, Step, Thaw, run, run_frozen};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Whether somebody is told that something went wrong, or that the session is over.
fn is_loud(event: &SessionEvent) -> bool {
    use TaskState::{Blocked, Cancelled, Failed, Held};
    match event {
        SessionEvent::TaskChanged { state, .. } => {
            matches!(state, Failed { .. } | Held { .. } | Blocked { .. } | Cancelled)
        }
        SessionEvent::SessionFinished(_) | SessionEvent::Warning { .. } => true,
        _ => false,
    }
}

/// The same session with runs in the cloud that outlive the silence that a process allows, which one that was frozen
/// has not heard broken.
fn slow() -> Scenario {
    let mut scenario = ten_tasks();
    let in_cloud = |member: &&mut MemberSpec| member.placement == Placement::Cloud;
    for member in scenario.members.iter_mut().filter(in_cloud) {
        member.temper.turns = (8, 16);
    }
    scenario.deadlines.silence = Some(Duration::from_mins(4));
    scenario
}

fn frozen(scenario: &Scenario, point: u64, thaw: Thaw) -> Overtaken {
    let told = format!("frozen at {point}, thawed {thaw:?}");
    let came = run_frozen(scenario, point, thaw);
    let came = came.unwrap_or_else(|deadlock| panic!("{told}: {deadlock}"));
    let came = came.unwrap_or_else(|| panic!("{told}: it ended before"));
    let told = format!("{told} ({})", came.at);
    let violations: Vec<_> = came.violations.iter().map(ToString::to_string).collect();
    assert!(violations.is_empty(), "{told}:\n{}", violations.join("\n"));
    match &came.taken {
        Some(report) => {
            is_whole(report, &told);
            assert!(matches!(came.late, Err(StoreError::Fenced(_))), "{told}: {:?}", came.late);
            let loud: Vec<_> = came.told.iter().filter(|event| is_loud(event)).collect();
            assert!(loud.is_empty(), "{told}: {loud:?}");
        }
        // Before it was written down, or once its end was.
        None => is_whole(came.late.as_ref().unwrap(), &told),
    }
    came
}

/// Freezes it at one of so many points, and thaws it like this.
fn at_points(many: u64, scenario: &Scenario, thaw: impl Fn(u64) -> Thaw + Sync) {
    let points = run(scenario).unwrap().points;
    let came = at_one_of(many, points, |point| frozen(scenario, point, thaw(point)));
    let kinds: BTreeSet<_> = came.iter().map(|came| came.at).collect();
    let met: BTreeSet<_> = came.iter().map(|came| came.at.step).collect();
    let all = BTreeSet::from(Step::ALL);
    assert!(many > 1 || met == all, "the session meets every kind of step, not only {met:?}");
    let taken = came.iter().filter(|came| came.taken.is_some()).count();
    let mut under_way = BTreeMap::<_, usize>::new();
    for step in came.iter().flat_map(|came| &came.under_way) {
        *under_way.entry(*step).or_default() += 1;
    }
    println!(
        "{} of {points} points, {} kinds of them, each frozen once, and taken over at {taken}; what was under way by then \
         and nobody could call back: {under_way:?}",
        came.len(),
        kinds.len()
    );
    assert!(taken + 8 > came.len(), "taken over at {taken} of {}", came.len());
}

#[test]
fn frozen_at_every_point_and_thawed_when_others_are_done_it_changes_nothing() {
    at_points(1, &ten_tasks(), |_| Thaw::AtTheEnd);
}

#[test]
fn frozen_at_a_point_and_thawed_while_others_are_at_work_it_changes_nothing() {
    at_points(stride(), &slow(), |point| {
        Thaw::After(Duration::from_millis(point * 7_919 % 900_000))
    });
}
