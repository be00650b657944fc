//! Results that are brought together.

use crate::support::{Stage, done, fails, fails_at_work, local, planned};
use cyrus_core::{SessionEvent, SessionOutcome, SessionReport, SessionStore as _, TaskState};
use cyrus_executor::{ErrorKind, TaskKind};
use cyrus_fleet::{Attempt, Ending, Script};
use cyrus_orchestrator::stop_switch;
use futures::FutureExt as _;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

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

/// Fails like this once at tasks that are added to the plan, and does well else.
fn once(kind: ErrorKind, clash: Option<u32>) -> impl cyrus_fleet::Behaviour {
    let failed = AtomicBool::new(false);
    move |attempt: &Attempt| {
        let task = attempt.task.as_str();
        let added = task.contains(".merge") || task.starts_with("mend-");
        if added && !failed.swap(true, Ordering::Relaxed) {
            return fails_at_work(kind.clone());
        }
        Script { clash: clash.filter(|_| !added), ..done() }
    }
}

/// The session waits for somebody, and is finished once it is resumed.
fn held_and_resumed(stage: &mut Stage) {
    let paused = at_once(stage, 3);
    assert_eq!(paused.outcome, SessionOutcome::Paused, "{:?}", paused.reason);
    assert!(paused.branch.is_none() && paused.reason.is_some());
    let report = stage.resume("aaaa");
    assert_eq!(report.outcome, SessionOutcome::Validated, "{:?}", report.reason);
    assert_eq!(stage.violations(), []);
}

#[test]
fn conflict_that_is_held_is_resolved_when_the_session_is_resumed() {
    let near = local("near").is(once(ErrorKind::BudgetExceeded, None));
    held_and_resumed(&mut Stage::with_files(&[&near], 1));
}

#[test]
fn conflict_that_cannot_be_resolved_fails_its_task_and_blocks_what_comes_after() {
    let near = local("near").is(once(ErrorKind::Refused, None));
    let mut stage = Stage::with_files(&[&near], 1);
    let task = |name: &str, after: &[&str]| planned(name, &TaskKind::BUILDER, after);
    let tasks = vec![task("t1", &[]), task("t2", &[]), task("last", &["t1", "t2"])];
    let session = stage.planned("aaaa", tasks);
    let report = stage.work(&session);
    assert_eq!(report.outcome, SessionOutcome::Failed);
    let reason = report.reason.unwrap();
    assert!(reason.contains("conflict") && reason.contains("refused"), "{reason}");
    let last = report.tasks.iter().find(|task| task.id.as_str() == "last").unwrap();
    assert!(matches!(last.state, TaskState::Blocked { .. }), "{last:?}");
    assert_eq!(stage.violations(), []);
}

#[test]
fn merged_result_whose_mending_is_held_is_mended_when_the_session_is_resumed() {
    let near = local("near").is(once(ErrorKind::BudgetExceeded, Some(1)));
    held_and_resumed(&mut Stage::new(&[&near]));
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
fn what_is_told_of_a_task_is_in_the_store() {
    // Two that conflict, one that fails, and one that comes after that.
    let near = local("near").is(|attempt: &Attempt| match attempt.task.as_str() {
        "bad" => fails(ErrorKind::Refused),
        _ => done(),
    });
    let mut stage = Stage::with_files(&[&near], 1);
    let names: [(&str, &[&str]); 4] = [("t1", &[]), ("t2", &[]), ("bad", &[]), ("t4", &["bad"])];
    let tasks = names.map(|(name, after)| planned(name, &TaskKind::BUILDER, after));
    let session = stage.planned("aaaa", tasks.into());
    let crew = stage.crew();
    let told = Arc::new(Mutex::new(Vec::new()));
    let (store, id, hears) = (crew.handle.clone(), session.id.clone(), Arc::clone(&told));
    let observer = move |event: SessionEvent| {
        if let SessionEvent::TaskChanged { task, state } = event {
            let known = store.snapshot(&id).now_or_never().unwrap().unwrap();
            let known = known.tasks.into_iter().find(|known| *known.planned.id() == task).unwrap();
            assert_eq!(known.state, state, "task {task}");
            hears.lock().unwrap().push(state.as_str());
        }
    };
    let (_switch, signal) = stop_switch();
    let worked = crew.start_watched(&session, Arc::new(observer), signal);
    assert_eq!(stage.run(worked).unwrap().outcome, SessionOutcome::Failed);
    let told = told.lock().unwrap();
    for (state, times) in [("active", 3), ("done", 3), ("failed", 1), ("blocked", 1)] {
        assert_eq!(told.iter().filter(|told| **told == state).count(), times, "{state}: {told:?}");
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
