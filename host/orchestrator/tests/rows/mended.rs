//! Results that fail their checks.

use crate::support::{Hand, Stage, done, issue, local, session_id, wrong};
use cyrus_core::{SessionOutcome, SessionStore as _, ValidationVerdict};
use cyrus_fleet::Script;

/// Changes nothing, whatever is found.
fn idle() -> Hand {
    local("near").does([Script { changes: 0, ..done() }])
}

#[test]
fn failure_validation_failed_goes_back_to_the_same_executor_with_the_findings() {
    let near = local("near").does([wrong()]);
    let mut stage = Stage::new(&[&near, &local("next")]);
    let report = stage.fix();
    assert_eq!(report.outcome, SessionOutcome::Validated);
    let asked = near.asked();
    assert_eq!(asked.len(), 2);
    assert!(asked[0].findings.is_empty() && !asked[1].findings.is_empty());
    assert!(asked[1].resume.is_some());
    assert_eq!(asked[1].workspace, asked[0].workspace);
    // Both verdicts are kept, with their evidence.
    let crew = stage.crew();
    let snapshot = stage.run(crew.handle.snapshot(&session_id("aaaa"))).unwrap();
    let verdicts = snapshot.executions.iter().map(|record| record.verdict.clone().unwrap());
    let verdicts: Vec<_> = verdicts.collect();
    assert_eq!(verdicts[0].verdict, ValidationVerdict::Failed);
    assert!(!verdicts[0].checks[0].passed && !verdicts[0].checks[0].output.is_empty());
    assert_eq!(verdicts[1].verdict, ValidationVerdict::Passed);
}

#[test]
fn failure_validation_failed_goes_to_the_next_with_the_findings_after_bounded_rounds() {
    let near = idle();
    let mut stage = Stage::new(&[&near, &local("next")]);
    assert_eq!(stage.fix().outcome, SessionOutcome::Validated);
    // Who changes nothing has one round.
    assert_eq!(stage.who(), ["near", "near", "next"]);
    let next = stage.hands[1].asked();
    assert_eq!(next[0].findings, near.asked()[1].findings);
    assert!(!next[0].findings.is_empty() && next[0].resume.is_none());
    assert_eq!(stage.violations(), []);
}

#[test]
fn failure_validation_failed_by_everybody_is_rejected_and_nothing_is_published() {
    let mut stage = Stage::new(&[&idle()]);
    stage.delivery.push = true;
    let session = stage.session("aaaa", issue("Fix the widget"));
    let report = stage.work(&session);
    assert_eq!(report.outcome, SessionOutcome::Rejected, "{:?}", report.reason);
    assert_eq!(report.branch, None);
    assert_eq!(stage.who(), ["near", "near"]);
}
