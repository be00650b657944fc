//! Results that are brought together.

use crate::support::{Stage, done, fails, local, planned};
use cyrus_core::{SessionOutcome, SessionReport};
use cyrus_executor::{ErrorKind, TaskKind};
use cyrus_fleet::{Attempt, Ending, Script};

fn at_once(stage: &mut Stage, tasks: usize) -> SessionReport {
    let tasks = (1..=tasks).map(|n| planned(&format!("t{n}"), &TaskKind::BUILDER, &[]));
    let session = stage.planned("aaaa", tasks.collect());
    stage.work(&session)
}

#[test]
fn conflict_becomes_a_task_and_its_result_is_merged() {
    let near = local("near");
    let mut stage = Stage::with_files(&[&near], 1);
    let report = at_once(&mut stage, 2);
    assert_eq!(report.outcome, SessionOutcome::Validated, "{:?}", report.reason);
    let added = stage.told.added();
    let [resolver] = &added[..] else { panic!("{added:?}") };
    assert!(["t1.merge", "t2.merge"].contains(&resolver.as_str()), "{resolver}");
    let asked = near.asked();
    let prompt = &asked[2].task.prompt;
    assert!(prompt.contains("<<<<<<<") && prompt.contains("Both are wanted"), "{prompt}");
    assert!(report.branch.is_some());
    assert_eq!(stage.violations(), []);
}

/// Right each by itself and wrong together; whoever mends does as this says.
fn clashing(mends: Script) -> impl cyrus_fleet::Behaviour {
    move |attempt: &Attempt| {
        if attempt.task.as_str().starts_with('t') {
            Script { clash: Some(1), ..done() }
        } else {
            mends.clone()
        }
    }
}

#[test]
fn merged_result_that_fails_is_mended() {
    let near = local("near").is(clashing(done()));
    let mut stage = Stage::new(&[&near]);
    let report = at_once(&mut stage, 2);
    assert_eq!(report.outcome, SessionOutcome::Validated, "{:?}", report.reason);
    assert_eq!(stage.told.added().len(), 1);
    let prompt = &near.asked()[2].task.prompt;
    assert!(prompt.contains("Each passed the checks by itself"), "{prompt}");
    assert!(prompt.contains("check-failed"), "{prompt}");
    assert!(report.branch.is_some());
    assert_eq!(stage.violations(), []);
}

#[test]
fn nothing_is_published_that_was_not_validated_merged() {
    let refuses = fails(ErrorKind::Refused);
    let talks = Script { ending: Ending::Answers, ..done() };
    for mends in [refuses, talks] {
        let mut stage = Stage::new(&[&local("near").is(clashing(mends))]);
        stage.delivery.push = true;
        stage.delivery.pull_request = true;
        let report = at_once(&mut stage, 2);
        assert_ne!(report.outcome, SessionOutcome::Validated);
        assert_eq!((report.branch, report.pull_request), (None, None));
        assert_eq!(stage.violations(), []);
    }
}

#[test]
fn validated_result_is_published_pushed_and_asked_for_once() {
    let mut stage = Stage::new(&[&local("near")]);
    stage.delivery.push = true;
    stage.delivery.pull_request = true;
    let report = at_once(&mut stage, 3);
    assert_eq!(report.outcome, SessionOutcome::Validated);
    assert!(report.pull_request.is_some() && report.branch.is_some());
    assert_eq!(stage.violations(), []);
}
