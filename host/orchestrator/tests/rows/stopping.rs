//! Sessions that are stopped, taken over, or badly listened to.

use crate::support::{Stage, cloud, done, issue, local, minutes, planned, seconds, session_id};
use cyrus_core::{
    Clock as _, SessionEvent, SessionOutcome, SessionStore as _, StoreError, Strategy,
};
use cyrus_executor::{StopMode, TaskKind};
use cyrus_fleet::{Script, Violation};
use cyrus_orchestrator::stop_switch;
use futures::join;
use std::sync::{Arc, Mutex};

/// Stops a session of three tasks after this long.
fn stopped(stage: &mut Stage, mode: StopMode) {
    let tasks = vec![
        planned("one", &TaskKind::BUILDER, &[]),
        planned("two", &TaskKind::BUILDER, &[]),
        planned("three", &TaskKind::BUILDER, &["one"]),
    ];
    let session = stage.planned("aaaa", tasks);
    let crew = stage.crew();
    let (switch, signal) = stop_switch();
    let clock = stage.world.clock().clone();
    let (report, ()) = stage.run(async {
        join!(crew.start_until(&session, signal), async {
            clock.sleep(seconds(150)).await;
            switch.stop(mode);
        })
    });
    let report = report.unwrap();
    assert_eq!(report.outcome, SessionOutcome::Paused);
    assert_eq!(clock.elapsed(), seconds(150));
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
fn stop_that_detaches_leaves_cloud_runs_going_and_resume_takes_them_up() {
    let far = cloud("far").does([Script { turns: 30, ..done() }]);
    let mut stage = Stage::new(&[&far]);
    stage.selection.strategy = Strategy::CloudOnly;
    stopped(&mut stage, StopMode::Detach);
    assert_eq!(stage.resume("aaaa").outcome, SessionOutcome::Validated);
    let asked = far.asked();
    assert_eq!(asked[2].idempotency_key, asked[0].idempotency_key);
    // The two that went on, and then the third: nothing was begun again.
    assert_eq!(stage.world.clock().elapsed(), minutes(60));
    assert_eq!(stage.violations(), []);
}

#[test]
fn zombie_can_neither_write_nor_publish() {
    let near = local("near");
    let mut stage = Stage::new(&[&near]);
    stage.delivery.push = true;
    let session = stage.session("aaaa", issue("Fix the widget"));
    let (zombie, heir) = (stage.crew(), stage.crew());
    let (_switch, signal) = stop_switch();
    let clock = stage.world.clock().clone();
    let (late, report) = stage.run(async {
        join!(zombie.start_until(&session, signal), async {
            clock.sleep(seconds(90)).await;
            // Others take it for dead, and it goes on all the same.
            zombie.handle.kill();
            heir.resume("aaaa").await
        })
    });
    assert!(matches!(late, Err(StoreError::Fenced(_))), "{late:?}");
    assert_eq!(report.outcome, SessionOutcome::Validated);
    let snapshot = stage.run(heir.handle.snapshot(&session_id("aaaa"))).unwrap();
    assert_eq!(snapshot.report.unwrap().commit, report.commit);
    // That both were at work for a while nobody could prevent; all else would be a violation.
    let other = |violation: &Violation| !matches!(violation, Violation::DoubleExecution { .. });
    assert!(!stage.violations().iter().any(other), "{:?}", stage.violations());
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
