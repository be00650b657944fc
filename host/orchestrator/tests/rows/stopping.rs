//! Sessions that are stopped, taken over, or badly listened to.

use crate::support::{
    Hand, Stage, cloud, done, issue, local, minutes, planned, seconds, session_id, task_id, wrong,
};
use cyrus_core::{
    Clock as _, Complexity, PlannedTask, SessionEvent, SessionOutcome, SessionReport, SessionState,
    SessionStore as _, StoreError, Strategy,
};
use cyrus_executor::{ErrorKind, StopMode, TaskKind};
use cyrus_fleet::{Attempt, Ending, Pace, Script, Violation};
use cyrus_orchestrator::{StopSwitch, stop_switch};
use futures::join;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

/// Three tasks, the last of which comes after the first.
fn three() -> Vec<PlannedTask> {
    vec![
        planned("one", &TaskKind::BUILDER, &[]),
        planned("two", &TaskKind::BUILDER, &[]),
        planned("three", &TaskKind::BUILDER, &["one"]),
    ]
}

/// Works on these tasks, and does this with the session's switch after some time.
fn switched(
    stage: &mut Stage,
    tasks: Vec<PlannedTask>,
    after: Duration,
    act: impl FnOnce(&StopSwitch),
) -> SessionReport {
    let session = stage.planned("aaaa", tasks);
    let crew = stage.crew();
    let (switch, signal) = stop_switch();
    let clock = stage.world.clock().clone();
    let (report, ()) = stage.run(async {
        join!(crew.start_until(&session, signal), async {
            clock.sleep(after).await;
            act(&switch);
        })
    });
    report.unwrap()
}

/// Stops a session of three tasks after two and a half minutes.
fn stopped(stage: &mut Stage, mode: StopMode) {
    let report = switched(stage, three(), seconds(150), |switch| switch.stop(mode));
    assert_eq!(report.outcome, SessionOutcome::Paused);
    assert_eq!(stage.world.clock().elapsed(), seconds(150));
}

#[test]
fn stop_pauses_and_resume_finishes_from_the_checkpoints() {
    let near = local("near");
    let mut stage = Stage::new(&[&near]);
    stopped(&mut stage, StopMode::Cancel);
    assert_eq!(stage.resume("aaaa").outcome, SessionOutcome::Validated);
    let asked = near.asked();
    assert_eq!(asked.len(), 5);
    assert!(asked[2..4].iter().all(|asked| asked.resume.is_some()));
    assert_eq!(asked[4].task.id.as_str(), "three");
    assert_eq!(stage.violations(), []);
}

#[test]
fn resumed_session_is_running_again_until_it_is_left() {
    let mut stage = Stage::new(&[&local("near")]);
    stopped(&mut stage, StopMode::Cancel);
    let (crew, clock) = (stage.crew(), stage.world.clock().clone());
    let standing = async || crew.handle.snapshot(&session_id("aaaa")).await.unwrap().state;
    let (before, during) = stage.run(async {
        let before = standing().await;
        let (_, during) = join!(crew.resume("aaaa"), async {
            clock.sleep(seconds(1)).await;
            standing().await
        });
        (before, during)
    });
    assert_eq!((before, during), (SessionState::Paused, SessionState::Running));
}

#[test]
fn stop_that_detaches_leaves_cloud_runs_going_and_resume_takes_them_up() {
    let far = cloud("far").does([Script { turns: 30, ..done() }]);
    let mut stage = Stage::new(&[&far]);
    stage.selection.strategy = Strategy::CloudOnly;
    stage.delivery.share = true;
    stopped(&mut stage, StopMode::Detach);
    assert_eq!(stage.resume("aaaa").outcome, SessionOutcome::Validated);
    let asked = far.asked();
    assert_eq!(asked[2].idempotency_key, asked[0].idempotency_key);
    // The two that went on, and then the third: nothing was begun again.
    assert_eq!(stage.world.clock().elapsed(), minutes(60));
    assert_eq!(stage.violations(), []);
}

#[test]
fn switch_to_local_only_lets_cloud_runs_finish_and_sends_nothing_new_out() {
    let (far, near) = (cloud("far").does([Script { turns: 30, ..wrong() }]), local("near"));
    let mut stage = Stage::new(&[&far, &near]);
    stage.selection.strategy = Strategy::CloudOnly;
    stopped(&mut stage, StopMode::Detach);
    stage.selection.strategy = Strategy::LocalOnly;
    assert_eq!(stage.resume("aaaa").outcome, SessionOutcome::Validated);
    // The two runs are taken up to their end. What is wrong with them is mended here, and the third task is done here.
    assert_eq!(far.asked().len(), 4);
    let here = near.asked();
    assert_eq!(here.len(), 3);
    assert!(here[..2].iter().all(|asked| !asked.findings.is_empty() && asked.resume.is_none()));
    assert_eq!(stage.violations(), []);
}

#[test]
fn switch_to_local_only_that_cancels_does_the_work_here() {
    let (far, near) = (cloud("far").does([Script { turns: 30, ..done() }]), local("near"));
    let mut stage = Stage::new(&[&far, &near]);
    stage.selection.strategy = Strategy::CloudOnly;
    stopped(&mut stage, StopMode::Cancel);
    stage.selection.strategy = Strategy::LocalOnly;
    assert_eq!(stage.resume("aaaa").outcome, SessionOutcome::Validated);
    assert!(near.asked().len() >= 3);
    assert_eq!(stage.violations(), []);
}

#[test]
fn stop_that_cannot_call_a_run_back_gives_its_task_to_nobody_else() {
    let far = cloud("far").does([Script { turns: 30, ..done() }]).cannot_cancel();
    let near = local("near");
    let mut stage = Stage::new(&[&far, &near]);
    stage.selection.strategy = Strategy::CloudOnly;
    stopped(&mut stage, StopMode::Cancel);
    stage.selection.strategy = Strategy::LocalOnly;
    assert_eq!(stage.resume("aaaa").outcome, SessionOutcome::Validated);
    assert_eq!((far.asked().len(), near.asked().len()), (4, 1));
    assert_eq!(stage.violations(), []);
}

#[test]
fn stop_does_not_wait_for_who_waits() {
    let limited = Ending::Fails(ErrorKind::RateLimited, Some(minutes(4)));
    let near = local("near").does([Script { turns: 0, ending: limited, ..done() }, done()]);
    let mut stage = Stage::new(&[&near]);
    stage.scheduling.total = 1;
    // One waits until the limit is over, and the other for a slot.
    stopped(&mut stage, StopMode::Cancel);
    assert_eq!(stage.resume("aaaa").outcome, SessionOutcome::Validated);
    assert_eq!(stage.violations(), []);
}

/// Stops a session after this long, whatever it is about, and resumes it with another strategy. Answers whether that was
/// before its end.
fn stopped_at(after: Duration, mode: StopMode, then: Strategy) -> bool {
    let first_wrong = |name: fn(&str) -> Hand, word| {
        name(word).is(|attempt: &Attempt| Script {
            wrong: attempt.task.as_str() == "two",
            clash: (attempt.task.as_str() != "two").then_some(1),
            ..done()
        })
    };
    let (near, far) = (first_wrong(local, "near"), first_wrong(cloud, "far"));
    let mut stage = Stage::paced(&[&near, &far], Pace::default());
    stage.selection.strategy = Strategy::HybridSmart;
    (stage.delivery.push, stage.delivery.pull_request) = (true, true);
    let small = |name: &str, after: &[&str]| PlannedTask {
        complexity: Complexity::Low,
        ..planned(name, &TaskKind::BUILDER, after)
    };
    let tasks = vec![
        small("one", &[]),
        planned("two", &TaskKind::BUILDER, &[]),
        planned("three", &TaskKind::BUILDER, &["one"]),
    ];
    let report = switched(&mut stage, tasks, after, |switch| switch.stop(mode));
    let told = format!("{mode:?} after {after:?}, then {then}");
    let in_time = match report.outcome {
        SessionOutcome::Paused => {
            stage.selection.strategy = then;
            let before = far.asked().len();
            let report = stage.resume("aaaa");
            assert_eq!(report.outcome, SessionOutcome::Validated, "{told}: {:?}", report.reason);
            let sent = far.asked().split_off(before);
            let all_taken_up = sent.iter().all(|asked| asked.resume.is_some());
            assert!(then != Strategy::LocalOnly || all_taken_up, "{told}: something new went out");
            true
        }
        outcome => {
            assert_eq!(outcome, SessionOutcome::Validated, "{told}");
            false
        }
    };
    assert_eq!(stage.violations(), [], "{told}");
    in_time
}

#[test]
fn stop_at_any_moment_loses_nothing_and_does_nothing_twice() {
    use Strategy::{HybridSmart, LocalOnly};
    for mode in [StopMode::Cancel, StopMode::Detach] {
        for then in [HybridSmart, LocalOnly] {
            let times = (1..).map(|n| Duration::from_millis(4_700) * n);
            let stopped = times.take_while(|after| stopped_at(*after, mode, then)).count();
            assert!(stopped > 80, "{stopped}");
        }
    }
}

/// Has a session taken over after this long, while its first process goes on with it. Answers whether that was before
/// the session's end.
fn taken_over(after: Duration) -> bool {
    // What is under way to the forge when it is taken over nobody can call back.
    let pace = Pace { network: Duration::ZERO, ..Pace::default() };
    let mut stage = Stage::paced(&[&local("near")], pace);
    (stage.delivery.push, stage.delivery.pull_request) = (true, true);
    let session = stage.planned("aaaa", three());
    let (zombie, heir) = (stage.crew(), stage.crew());
    let (_switch, signal) = stop_switch();
    let clock = stage.world.clock().clone();
    let (late, report) = stage.run(async {
        join!(zombie.start_until(&session, signal), async {
            clock.sleep(after).await;
            // Others take it for dead, and it goes on all the same.
            zombie.handle.kill();
            match heir.handle.snapshot(&session.id).await.unwrap().state {
                SessionState::Running => Some(heir.resume("aaaa").await),
                _ => None,
            }
        })
    });
    let Some(report) = report else { return false };
    assert!(matches!(late, Err(StoreError::Fenced(_))), "after {after:?}: {late:?}");
    assert_eq!(report.outcome, SessionOutcome::Validated, "after {after:?}");
    let snapshot = stage.run(heir.handle.snapshot(&session.id)).unwrap();
    assert_eq!(snapshot.report.unwrap().commit, report.commit);
    // That both were at work for a while nobody could prevent; all else would be a violation.
    let other = |violation: &Violation| !matches!(violation, Violation::DoubleExecution { .. });
    assert!(!stage.violations().iter().any(other), "after {after:?}: {:?}", stage.violations());
    true
}

#[test]
fn zombie_can_neither_write_nor_publish_whenever_it_is_taken_over() {
    let times = (1..).map(|n| Duration::from_millis(2_900) * n);
    let taken = times.take_while(|after| taken_over(*after)).count();
    assert!(taken > 140, "{taken}");
}

#[test]
fn slow_observer_never_blocks_an_execution() {
    const KEPT: usize = 8;
    let chatty = Script { turns: 2_000, turn: seconds(1), ..done() };
    let mut stage = Stage::new(&[&local("near").does([chatty])]);
    let session = stage.session("aaaa", issue("Fix the widget"));
    let crew = stage.crew();
    let kept = Arc::new(Mutex::new(Vec::new()));
    let lost = Arc::new(Mutex::new(0_usize));
    let observer = {
        let (kept, lost) = (Arc::clone(&kept), Arc::clone(&lost));
        move |event: SessionEvent| {
            let mut kept = kept.lock().unwrap();
            if kept.len() < KEPT { kept.push(event) } else { *lost.lock().unwrap() += 1 }
        }
    };
    let (_switch, signal) = stop_switch();
    let worked = crew.start_watched(&session, Arc::new(observer), signal);
    assert_eq!(stage.run(worked).unwrap().outcome, SessionOutcome::Validated);
    assert_eq!(stage.world.clock().elapsed(), seconds(2_000));
    assert!(kept.lock().unwrap().len() == KEPT && *lost.lock().unwrap() > 2_000);
}

/// Works on three tasks and has one of them cancelled after some time.
fn cancelling(stage: &mut Stage, task: &str, after: Duration) -> SessionReport {
    switched(stage, three(), after, |switch| switch.cancel(&task_id(task)))
}

fn states(report: &SessionReport) -> Vec<&'static str> {
    report.tasks.iter().map(|task| task.state.as_str()).collect()
}

#[test]
fn cancel_of_a_task_ends_it_and_leaves_the_others_alone() {
    let near = local("near");
    let mut stage = Stage::new(&[&near]);
    let report = cancelling(&mut stage, "two", seconds(150));
    assert_eq!(states(&report), ["done", "cancelled", "done"]);
    assert_eq!(report.outcome, SessionOutcome::Failed);
    assert!(report.reason.unwrap().contains("task two: it was cancelled"));
    assert!(report.branch.is_some(), "what the others did is there");
    let of_two = near.asked().into_iter().filter(|asked| asked.task.id.as_str() == "two").count();
    assert_eq!(of_two, 1, "nobody is asked again");
    assert_eq!(stage.violations(), []);
}

#[test]
fn cancel_of_a_task_blocks_what_comes_after_it() {
    let mut stage = Stage::new(&[&local("near")]);
    let report = cancelling(&mut stage, "one", seconds(150));
    assert_eq!(states(&report), ["cancelled", "done", "blocked"]);
    assert_eq!(stage.violations(), []);
}

#[test]
fn cancel_of_a_task_that_has_not_begun_means_that_it_never_does() {
    for (task, parked) in [("three", false), ("two", true)] {
        let limited =
            Script { ending: Ending::Fails(ErrorKind::RateLimited, Some(minutes(5))), ..done() };
        let near = local("near").is(move |attempt: &Attempt| {
            let waits = parked && attempt.task.as_str() == "two";
            if waits { limited.clone() } else { done() }
        });
        let mut stage = Stage::new(&[&near]);
        let report = cancelling(&mut stage, task, seconds(1));
        let ended = report.tasks.iter().find(|one| one.id.as_str() == task).unwrap();
        assert_eq!(ended.state.as_str(), "cancelled");
        assert!(near.asked().iter().filter(|asked| asked.task.id.as_str() == task).count() <= 1);
        assert_eq!(stage.violations(), []);
    }
}
