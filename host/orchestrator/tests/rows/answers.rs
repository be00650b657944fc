//! Executors that are asked for an answer: a plan, or a judgement.

use crate::support::{Hand, Stage, done, fails, issue, local, seconds};
use cyrus_core::{Clock as _, Session, SessionOutcome, SessionReport};
use cyrus_executor::{ErrorKind, StopMode, TaskKind};
use cyrus_orchestrator::stop_switch;
use futures::join;
use serde_json::{Value, json};

fn plan() -> Value {
    let task = |id: &str, after: &[&str]| {
        json!({ "id": id, "title": id, "prompt": format!("Do {id}"), "kind": "builder",
            "after": after, "complexity": "low" })
    };
    json!({ "tasks": [task("one", &[]), task("two", &[]), task("three", &["one", "two"])] })
}

fn to_be_planned(stage: &Stage) -> Session {
    let session = stage.session("aaaa", issue("Lead all of it"));
    Session { kind: Some(TaskKind::ORCHESTRATOR), ..session }
}

fn ids(report: &SessionReport) -> Vec<&str> {
    report.tasks.iter().map(|task| task.id.as_str()).collect()
}

#[test]
fn planning_task_makes_the_plan() {
    let mut stage = Stage::new(&[&local("near").answers([plan()])]);
    let session = to_be_planned(&stage);
    let report = stage.work(&session);
    assert_eq!(report.outcome, SessionOutcome::Validated, "{:?}", report.reason);
    assert_eq!(ids(&report), ["plan", "one", "two", "three"]);
    assert_eq!(stage.told.most(|_| true), 2);
    assert_eq!(stage.violations(), []);
}

#[test]
fn planning_task_without_a_plan_leaves_the_issue_one_task() {
    for near in [
        local("near").answers([json!({ "tasks": "none" })]),
        local("near").does([fails(ErrorKind::Refused), done()]),
    ] {
        let mut stage = Stage::new(&[&near]);
        let session = to_be_planned(&stage);
        let report = stage.work(&session);
        assert_eq!(ids(&report), ["plan", "t1"]);
        assert_eq!(report.outcome, SessionOutcome::Validated, "{:?}", report.reason);
        assert_eq!(stage.violations(), []);
    }
}

#[test]
fn planning_task_that_is_stopped_goes_on_when_the_session_is_resumed() {
    let near = local("near").answers([plan(), plan()]);
    let mut stage = Stage::new(&[&near]);
    let (session, crew) = (to_be_planned(&stage), stage.crew());
    let (switch, signal) = stop_switch();
    let clock = stage.world.clock().clone();
    let (report, ()) = stage.run(async {
        join!(crew.start_until(&session, signal), async {
            clock.sleep(seconds(70)).await;
            switch.stop(StopMode::Cancel);
        })
    });
    assert_eq!(report.unwrap().outcome, SessionOutcome::Paused);
    let report = stage.resume("aaaa");
    assert_eq!(report.outcome, SessionOutcome::Validated, "{:?}", report.reason);
    assert_eq!(ids(&report), ["plan", "one", "two", "three"]);
    assert!(near.asked()[1].resume.is_some());
    assert_eq!(stage.violations(), []);
}

/// Somebody else looks at every result.
fn reviewed(reviewer: &Hand) -> (Stage, Hand, SessionReport) {
    let near = local("near");
    let mut stage = Stage::new(&[&near, reviewer]);
    stage.scrutiny.review = Some("judge".to_owned());
    let report = stage.fix();
    assert_eq!(stage.violations(), []);
    (stage, near, report)
}

#[test]
fn review_findings_go_back_to_who_did_the_work() {
    let finding = json!({ "message": "the widget is upside down", "path": "src/1.rs", "line": 3 });
    let answers = [
        json!({ "approved": false, "findings": [finding] }),
        json!({ "approved": true, "findings": [] }),
    ];
    let (stage, near, report) = reviewed(&local("judge").answers(answers));
    assert_eq!(report.outcome, SessionOutcome::Validated, "{:?}", report.reason);
    assert_eq!(stage.who(), ["near", "judge", "near", "judge"]);
    let [found] = &near.asked()[1].findings[..] else { panic!("{:?}", near.asked()[1]) };
    assert_eq!((&*found.code, found.line), ("review", Some(3)));
    assert!(found.message.contains("upside down"));
}

#[test]
fn a_result_without_the_review_that_is_wanted_is_not_validated() {
    let in_words = local("judge").answers([json!("it is fine")]);
    let of_other_shape = local("judge").answers([json!({ "findings": [] })]);
    for judge in [local("judge").does([fails(ErrorKind::Refused)]), in_words, of_other_shape] {
        let (stage, _, report) = reviewed(&judge);
        assert_eq!(report.outcome, SessionOutcome::Unverified, "{:?}", report.reason);
        let reason = report.reason.unwrap();
        assert!(reason.contains("judge gave no verdict"), "{reason}");
        let warned = stage.told.warnings();
        assert!(warned.iter().any(|told| told.contains("judge gave no verdict")), "{warned:?}");
    }
}
