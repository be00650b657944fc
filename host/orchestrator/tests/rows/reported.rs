//! Rows of the failure table after which nobody else is asked.

use crate::support::{Stage, cloud, done, fails, fails_at_work, local};
use cyrus_core::{SessionOutcome, SessionReport, Spending, Strategy};
use cyrus_executor::{ErrorKind, MicroUsd};

/// Only the first is asked, once, and the session fails with what it said.
fn is_reported(kind: ErrorKind, message: &'static str) -> SessionReport {
    let near = local("near").does([fails(kind)]).says(move |error| error.message = message.into());
    let mut stage = Stage::new(&[&near, &local("next")]);
    let report = stage.fix();
    assert_eq!(report.outcome, SessionOutcome::Failed);
    assert_eq!(stage.who(), ["near"]);
    assert!(report.reason.as_ref().unwrap().contains(message), "{:?}", report.reason);
    assert_eq!(report.branch, None);
    report
}

#[test]
fn failure_invalid_request_is_reported_and_nobody_else_is_asked() {
    is_reported(ErrorKind::InvalidRequest, "the model sonnet-99 is unknown");
}

#[test]
fn failure_refused_is_reported_and_nobody_else_is_asked() {
    is_reported(ErrorKind::Refused, "I would rather not");
}

#[test]
fn failure_denied_is_reported_with_the_line_to_add_and_not_tried_again() {
    let line = "add \"https://api.example:443\" to `executors.near.grants.http` in config.json";
    is_reported(ErrorKind::Denied, line);
}

#[test]
fn failure_uncertain_is_held_with_its_reservation_and_never_created_again() {
    let code = ErrorKind::Other("uncertain".to_owned());
    let far = local("far").does([fails_at_work(code), done()]);
    let mut stage = Stage::new(&[&far, &local("other")]);
    let report = stage.fix();
    assert_eq!(report.outcome, SessionOutcome::Paused);
    let reason = report.reason.unwrap();
    assert!(reason.contains("far") && reason.contains("nobody can know"), "{reason}");
    assert_eq!(stage.who(), ["far"]);
    assert_eq!(stage.spent_on("aaaa").reserved, MicroUsd(30_000));
    // Somebody looked. The same effect is taken up: its key is the same, and it goes on from its checkpoint.
    assert_eq!(stage.resume("aaaa").outcome, SessionOutcome::Validated);
    assert_eq!(stage.who(), ["far", "far"]);
    // What was held came to its estimate, and what took it up to what it cost.
    let Spending { reserved, estimated, reported } = stage.spent_on("aaaa");
    assert_eq!((reserved, estimated, reported), (MicroUsd(0), MicroUsd(30_000), MicroUsd(20_000)));
    let asked = far.asked();
    assert_eq!(asked[0].idempotency_key, asked[1].idempotency_key);
    assert!(asked[1].resume.is_some());
}

#[test]
fn failure_uncertain_goes_to_nobody_else_while_its_executor_cannot_take_it_up() {
    let code = ErrorKind::Other("uncertain".to_owned());
    let mut far = cloud("far").does([fails_at_work(code), done()]);
    // Once what was held counts as spent there is no room for another.
    far.candidate.max_per_day = Some(MicroUsd(35_000));
    let mut stage = Stage::new(&[&far, &local("other")]);
    stage.selection.strategy = Strategy::CloudOnly;
    assert_eq!(stage.fix().outcome, SessionOutcome::Paused);
    let report = stage.resume("aaaa");
    assert_eq!(report.outcome, SessionOutcome::Paused);
    let reason = report.reason.unwrap();
    assert!(reason.contains("may be going on in the cloud") && reason.contains("far"), "{reason}");
    assert_eq!(stage.who(), ["far"]);
    // Who does not want to wait until tomorrow says that it is not to be done there any more.
    stage.selection.strategy = Strategy::LocalOnly;
    assert_eq!(stage.resume("aaaa").outcome, SessionOutcome::Validated);
    assert_eq!(stage.who(), ["far", "other"]);
}
