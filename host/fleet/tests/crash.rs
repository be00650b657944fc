//! A session of ten tasks, killed immediately before and immediately after every transaction of the store and every
//! external effect, and started again: nothing is lost, done twice, half done or left behind.

mod support;

use cyrus_core::{Issue, Needs, PlannedTask, SessionOutcome, Strategy};
use cyrus_executor::Placement;
use cyrus_fleet::{Arrival, Ended, MemberSpec, Scenario, Step, Temper, run};
use cyrus_orchestrator::Delivery;
use std::collections::BTreeSet;
use support::{id, plan, planned};

/// Ten tasks on local and cloud executors whose first results are often wrong, in few files, so that they conflict;
/// pushed, with a pull request.
fn ten_tasks(kills: Vec<u64>) -> Scenario {
    let after: [&[&str]; 10] = [
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
    let names: Vec<_> = (1..=10).map(|number| format!("t{number}")).collect();
    let task = |(number, (name, after)): (usize, (&String, &[&str]))| {
        // Every third stays here, the others go to the cloud.
        let needs = Needs { local_context: number % 3 == 0, ..Needs::default() };
        PlannedTask { needs, ..planned(name, after) }
    };
    let tasks = names.iter().zip(after).enumerate().map(task).collect();
    let issue = Issue::from_markdown("Ten parts").unwrap();
    let temper = Temper { wrong: 250, clashes: 150, ..Temper::default() };
    let member = |name: &str, placement| MemberSpec {
        temper: temper.clone(),
        ..MemberSpec::new(name, placement)
    };
    Scenario {
        arrivals: vec![Arrival::new(id("ten-tasks"), issue, Some(plan(tasks)))],
        members: vec![member("local", Placement::Local), member("cloud", Placement::Cloud)],
        files: 40,
        delivery: Delivery { push: true, pull_request: true, share: true },
        kills,
        ..Scenario::calm(6).with_strategy(Strategy::HybridSmart)
    }
}

fn ended(kills: Vec<u64>) -> Ended {
    let told = format!("killed at {kills:?}");
    let ended = run(&ten_tasks(kills)).unwrap_or_else(|deadlock| panic!("{told}: {deadlock}"));
    let violations: Vec<_> = ended.violations.iter().map(ToString::to_string).collect();
    assert!(violations.is_empty(), "{told} ({:?}):\n{}", ended.kills, violations.join("\n"));
    let report = &ended.reports[&id("ten-tasks")];
    assert_eq!(report.outcome, SessionOutcome::Validated, "{told}: {:?}", report.reason);
    assert!(report.pull_request.is_some(), "{told}");
    let done = report.tasks.iter().filter(|task| task.state.as_str() == "done").count();
    assert!(done >= 10, "{told}: {done} tasks done");
    ended
}

#[test]
fn killed_at_every_point_it_loses_nothing_and_does_nothing_twice() {
    let undisturbed = ended(vec![]);
    let (mut points, mut steps) = (0, BTreeSet::new());
    // The run grows with what is done again after a kill, so there are no more points than this.
    for point in 1..=undisturbed.points {
        let killed = ended(vec![point]);
        let [at] = killed.kills[..] else { panic!("nobody was killed at {point}") };
        points += 1;
        steps.insert((at.step, at.moment));
    }
    let met: BTreeSet<_> = steps.iter().map(|(step, _)| *step).collect();
    println!("{points} points, {} kinds of them, each killed once", steps.len());
    assert_eq!(met, BTreeSet::from(Step::ALL), "the session meets every kind of step");
}

#[test]
fn killed_again_while_it_recovers_it_loses_nothing_either() {
    let undisturbed = ended(vec![]);
    for point in (1..=undisturbed.points).step_by(7) {
        ended(vec![point, point + 3, point + 8]);
    }
}
