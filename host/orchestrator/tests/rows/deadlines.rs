//! Executions that are ended from outside: silence, and time.

use crate::support::{Hand, Stage, done, local, minutes};
use cyrus_core::SessionOutcome;
use cyrus_executor::ErrorKind;
use cyrus_fleet::{Ending, Script};

fn reported(stage: &mut Stage, message: &str) {
    let report = stage.fix();
    assert_eq!(report.outcome, SessionOutcome::Validated);
    let error = report.executions[0].error.clone().unwrap();
    assert_eq!(error.kind, ErrorKind::TimedOut);
    assert!(error.message.contains(message), "{}", error.message);
    assert_eq!(stage.violations(), []);
}

/// Works for a turn, and is not heard of again.
fn hangs() -> Hand {
    local("near").does([Script { turns: 1, ending: Ending::Hangs, ..done() }])
}

#[test]
fn silence_deadline_stops_an_execution_and_the_failure_table_follows() {
    let near = hangs();
    let mut stage = Stage::new(&[&near, &local("next")]);
    stage.deadlines.silence = Some(minutes(5));
    reported(&mut stage, "nothing was heard of it for 300 s");
    // Resumed once from its checkpoint, which is heard of no more; then the next.
    let starts = stage.told.started();
    let expected = [(0, "near"), (6, "near"), (12, "next")];
    assert_eq!(starts, expected.map(|(at, who)| (minutes(at), who.to_owned())));
    assert!(near.asked()[1].resume.is_some());
}

#[test]
fn silence_deadline_leaves_who_says_something_alone() {
    let slow = local("near").does([Script { turns: 20, turn: minutes(4), ..done() }]);
    let mut stage = Stage::new(&[&slow, &local("next")]);
    stage.deadlines.silence = Some(minutes(5));
    assert_eq!(stage.fix().outcome, SessionOutcome::Validated);
    assert_eq!(stage.who(), ["near"]);
}

#[test]
fn total_deadline_stops_an_execution_and_the_failure_table_follows() {
    let slow = local("near").does([Script { turns: 20, ..done() }]);
    let mut stage = Stage::new(&[&slow, &local("next")]);
    stage.deadlines.total = Some(minutes(9));
    reported(&mut stage, "it took longer than 540 s");
    assert_eq!(stage.who(), ["near", "near", "next"]);
    assert_eq!(stage.told.started()[1].0, minutes(9));
}

#[test]
fn total_deadline_lets_who_goes_on_from_a_checkpoint_finish() {
    let slow = local("near").does([Script { turns: 12, ..done() }]);
    let mut stage = Stage::new(&[&slow, &local("next")]);
    stage.deadlines.total = Some(minutes(9));
    reported(&mut stage, "it took longer");
    assert_eq!(stage.who(), ["near", "near"]);
}
