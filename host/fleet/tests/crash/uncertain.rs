//! Its process is killed, and what was ordered in the cloud cannot be looked for afterwards: nobody can know whether an
//! order that was cut off was carried out.

use crate::{
    session::{AFTER, at_each, at_one_of, is_whole, report, stride, ten_tasks},
    support::task_id,
};
use cyrus_core::{Caps, ExecutionReport, SessionOutcome, SessionReport};
use cyrus_executor::{MicroUsd, TaskId};
use cyrus_fleet::{Ended, Lookup, MemberSpec, Moment, Point, Scenario, Step, run};
use cyrus_orchestrator::BudgetPolicy;
use std::{collections::BTreeSet, sync::Arc};

/// What one task may cost. All that is left of it is set aside for each execution.
const PER_TASK: MicroUsd = MicroUsd(2_000_000);

fn scenario(lookup: Lookup, resumes: u32, kills: Vec<u64>) -> Scenario {
    let calm = ten_tasks();
    let priced = |spec: MemberSpec| MemberSpec { price: Some(MicroUsd(200_000)), ..spec };
    Scenario {
        members: calm.members.into_iter().map(priced).collect(),
        budget: BudgetPolicy {
            caps: Caps { task: Some(PER_TASK), ..Caps::default() },
            ..BudgetPolicy::default()
        },
        lookup,
        resumes,
        kills,
        ..calm
    }
}

fn ended(lookup: Lookup, resumes: u32, kills: Vec<u64>) -> Ended {
    let told = format!("killed at {kills:?}");
    let ended = run(&scenario(lookup, resumes, kills));
    let ended = ended.unwrap_or_else(|deadlock| panic!("{told}: {deadlock}"));
    let twice = ended.orders.iter().find(|(_, runs)| **runs > 1);
    assert_eq!(twice, None, "{told}: ordered more than once");
    ended
}

fn held(report: &SessionReport) -> Vec<&TaskId> {
    let held = |state: &str| state == "held";
    report.tasks.iter().filter(|task| held(task.state.as_str())).map(|task| &task.id).collect()
}

/// The tasks that cannot begin before these are done.
fn after(tasks: &[&TaskId]) -> BTreeSet<TaskId> {
    let mut found: BTreeSet<TaskId> = tasks.iter().map(|task| (*task).clone()).collect();
    for (number, before) in AFTER.iter().enumerate() {
        if before.iter().any(|name| found.contains(&task_id(name))) {
            found.insert(task_id(&format!("t{}", number + 1)));
        }
    }
    found
}

/// The session waits for a person: what nobody can know is held with its reservation, and all else is done. Answers how
/// many tasks are held.
fn is_held(report: &SessionReport, told: &str) -> usize {
    assert_eq!(report.outcome, SessionOutcome::Paused, "{told}: {:?}", report.reason);
    let held = held(report);
    let reason = report.reason.as_ref().unwrap();
    assert!(reason.contains("nobody can know whether cloud began"), "{told}: {reason}");
    let waiting = after(&held);
    for task in report.tasks.iter().filter(|task| !waiting.contains(&task.id)) {
        assert_eq!(task.state.as_str(), "done", "{told}: {}", task.id);
    }
    for task in &held {
        let last = report.executions.iter().rfind(|execution| execution.task == **task).unwrap();
        let kind = last.error.as_ref().map(|error| error.kind.as_str().into_owned());
        assert_eq!(kind.as_deref(), Some("uncertain"), "{told}: {task}");
    }
    // One for each, whatever was tried since, and more than what one is expected to cost: it is not the estimate.
    let each = MicroUsd(report.cost.reserved.0 / u64::try_from(held.len()).unwrap());
    assert!(each.0 > PER_TASK.0 / 2 && each <= PER_TASK, "{told}: {:?}", report.cost);
    held.len()
}

fn kinds(points: &[Point]) -> BTreeSet<Point> {
    points.iter().copied().collect()
}

#[test]
fn order_that_cannot_be_looked_for_is_held_with_its_reservation_and_never_sent_again() {
    let undisturbed = ended(Lookup::Never, 0, vec![]);
    is_whole(report(&undisturbed, "undisturbed"), "undisturbed");
    let found = at_each(undisturbed.points, |point| {
        let told = format!("killed at {point}");
        let killed = ended(Lookup::Never, 0, vec![point]);
        let report = report(&killed, &told);
        let known = report.outcome == SessionOutcome::Validated;
        let held = if known { 0 } else { is_held(report, &told) };
        assert!(!known || killed.kills[0].step != Step::CloudCreate, "{told}");
        if known {
            is_whole(report, &told);
        }
        (killed.kills[0], held)
    });
    let uncertain: Vec<_> = found.iter().filter(|(_, held)| *held > 0).map(|(at, _)| *at).collect();
    let orders = found.iter().filter(|(at, _)| at.step == Step::CloudCreate).count();
    println!(
        "{} points, {orders} of them at an order; at {} an order could not be known of afterwards",
        found.len(),
        uncertain.len()
    );
    let step = Step::CloudCreate;
    let both = [Moment::Before, Moment::After].map(|moment| Point { moment, step });
    assert!(kinds(&uncertain).is_superset(&BTreeSet::from(both)));
    assert_eq!(orders / 2, undisturbed.orders.len());
}

#[test]
fn order_that_could_not_be_looked_for_is_taken_up_once_somebody_has_mended_that() {
    let points = ended(Lookup::OnceMended, 1, vec![]).points;
    at_one_of(stride(), points, |point| {
        let told = format!("killed at {point}, mended and resumed");
        let killed = ended(Lookup::OnceMended, 1, vec![point]);
        let report = report(&killed, &told);
        is_whole(report, &told);
        // Nothing is set aside any more, also not for what was held.
        assert_eq!(report.cost.reserved, MicroUsd::ZERO, "{told}");
    });
}

#[test]
fn order_that_can_still_not_be_looked_for_is_held_again_with_one_reservation() {
    let points = ended(Lookup::Never, 0, vec![]).points;
    at_one_of(stride(), points, |point| {
        let told = format!("killed at {point}, resumed three times");
        let killed = ended(Lookup::Never, 3, vec![point]);
        let report = report(&killed, &told);
        if report.outcome != SessionOutcome::Validated {
            is_held(report, &told);
        }
    });
}

#[test]
fn restart_does_not_count_as_somebody_who_has_looked() {
    let points = ended(Lookup::Never, 0, vec![]).points;
    // Without a cap money would not be in the way of another try.
    let uncapped =
        |kills| Scenario { budget: BudgetPolicy::default(), ..scenario(Lookup::Never, 0, kills) };
    let restarts = at_one_of(stride() * 4, points, |point| {
        let told = format!("killed at {point} and again and again");
        let killed = run(&uncapped((point..points).step_by(23).collect())).unwrap();
        let report = report(&killed, &told);
        let uncertain = |execution: &&Arc<ExecutionReport>| {
            execution.error.as_ref().is_some_and(|error| error.kind.as_str() == "uncertain")
        };
        let asked: Vec<_> = report.executions.iter().filter(uncertain).map(|e| &e.task).collect();
        let once: BTreeSet<_> = asked.iter().collect();
        assert_eq!(asked.len(), once.len(), "{told}: asked again: {asked:?}");
        killed.kills.len()
    });
    println!("{} restarts", restarts.iter().sum::<usize>());
}
