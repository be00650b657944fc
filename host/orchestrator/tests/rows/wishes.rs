//! What people ask for: rules of the operator, names, tags in an issue.

use crate::support::{Hand, Stage, cloud, fails, issue, local, planned};
use cyrus_core::{Session, SessionOutcome, Strategy};
use cyrus_executor::{ErrorKind, TaskKind};
use cyrus_orchestrator::SelectionRule;

fn rule(kinds: &[&str], executors: &[&str]) -> SelectionRule {
    let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect();
    SelectionRule {
        number: 1,
        kinds: owned(kinds),
        executors: owned(executors),
        ..SelectionRule::default()
    }
}

fn three() -> [Hand; 3] {
    [local("near"), local("other"), cloud("far")]
}

fn stage(hands: &[Hand]) -> Stage {
    Stage::new(&hands.iter().collect::<Vec<_>>())
}

#[test]
fn rules_go_before_the_strategy() {
    let mut stage = stage(&three());
    stage.selection.strategy = Strategy::HybridSmart;
    stage.selection.rules = vec![rule(&["debugger"], &["other"])];
    stage.delivery.share = true;
    let session = stage.planned(
        "aaaa",
        vec![
            planned("mend", &TaskKind::DEBUGGER, &[]),
            planned("build", &TaskKind::BUILDER, &["mend"]),
        ],
    );
    assert_eq!(stage.work(&session).outcome, SessionOutcome::Validated);
    assert_eq!(stage.told.who_had("mend"), ["other"]);
    assert_eq!(stage.told.who_had("build"), ["far"]);
}

#[test]
fn rules_send_nothing_out_that_local_only_keeps() {
    let hands = three();
    let mut stage = stage(&hands);
    stage.selection.rules = vec![rule(&[], &["far"])];
    let report = stage.fix();
    assert_eq!(report.outcome, SessionOutcome::Failed);
    assert!(report.reason.unwrap().contains("far"));
    assert!(stage.who().is_empty());
}

#[test]
fn local_to_cloud_never_happens_unless_it_is_configured() {
    for (configured, expected) in [(false, vec!["near"]), (true, vec!["near", "far"])] {
        let near = local("near").does([fails(ErrorKind::Unsupported)]);
        let mut stage = stage(&[cloud("far"), near]);
        stage.selection.local_to_cloud = configured;
        stage.fix();
        assert_eq!(stage.who(), expected);
    }
}

#[test]
fn tags_in_an_issue_never_send_work_out_that_the_operator_keeps_here() {
    for text in ["[agent=far]", "[strategy=cloud-only]", "[strategy=hybrid-parallel] [agent=far]"] {
        let hands = three();
        let mut stage = stage(&hands);
        let session = stage.session("aaaa", issue(&format!("Fix the widget\n\n{text}")));
        assert_eq!(stage.work(&session).outcome, SessionOutcome::Validated, "{text}");
        assert_eq!(stage.who(), ["near"], "{text}");
        let warned = stage.told.warnings();
        assert!(warned.iter().any(|told| told.contains("cloud")), "{text}: {warned:?}");
    }
}

#[test]
fn tags_in_an_issue_choose_among_what_the_operator_lets_have_it() {
    let mut kept = stage(&three());
    let session = kept.session("aaaa", issue("Fix the widget\n\n[agent=other]"));
    kept.work(&session);
    assert_eq!(kept.who(), ["other"]);
    let mut open = stage(&three());
    open.selection.strategy = Strategy::HybridSmart;
    let session = open.session("aaaa", issue("Fix the widget\n\n[strategy=local-only]"));
    open.work(&session);
    assert_eq!(open.who(), ["near"]);
}

#[test]
fn who_is_asked_for_by_name_has_the_work_wherever_it_is_done() {
    let mut stage = stage(&three());
    let session = stage.session("aaaa", issue("Fix the widget"));
    let session = Session { executor: Some("far".into()), ..session };
    assert_eq!(stage.work(&session).outcome, SessionOutcome::Validated);
    assert_eq!(stage.who(), ["far"]);
}
