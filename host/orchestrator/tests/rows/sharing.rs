//! Tasks in the cloud that build on what others did: the cloud works on the origin, and what was merged is here.

use super::support::{Hand, Stage, cloud, local, planned};
use cyrus_core::{Excluded, SessionOutcome, SessionReport, Strategy};
use cyrus_executor::TaskKind;

fn stage(hands: &[&Hand], share: bool) -> Stage {
    let mut stage = Stage::new(hands);
    stage.selection.strategy = Strategy::CloudOnly;
    stage.delivery.share = share;
    stage
}

/// Two tasks, one after the other, and one beside them.
fn work(stage: &mut Stage) -> SessionReport {
    let tasks = vec![
        planned("first", &TaskKind::BUILDER, &[]),
        planned("second", &TaskKind::BUILDER, &["first"]),
        planned("alone", &TaskKind::BUILDER, &[]),
    ];
    let session = stage.planned("aaaa", tasks);
    stage.work(&session)
}

#[test]
fn cloud_task_that_builds_on_others_finds_them_on_a_shared_branch() {
    let far = cloud("far");
    let mut stage = stage(&[&far], true);
    assert_eq!(work(&mut stage).outcome, SessionOutcome::Validated);
    let asked = far.asked();
    let repository = |name: &str| {
        let request = asked.iter().find(|request| request.task.id.as_str() == name).unwrap();
        request.repository.clone().unwrap()
    };
    let (first, second, alone) = (repository("first"), repository("second"), repository("alone"));
    assert_eq!(first.base_branch.as_deref(), Some("main"));
    assert_eq!((&alone.base_branch, &alone.base_commit), (&first.base_branch, &first.base_commit));
    assert_ne!(second.base_commit, first.base_commit);
    let branch = second.base_branch.unwrap();
    assert_eq!(branch, format!("cyrus/aaaa-from-{}", &second.base_commit[..12]));
    // The world looks at whether the origin has what a run starts from, and at what is left there at the end.
    assert_eq!(stage.violations(), []);
    assert_eq!(stage.world.audit(&"aaaa".parse().unwrap(), false), []);
}

#[test]
fn cloud_task_that_builds_on_others_is_done_here_where_nothing_is_shared() {
    let (far, near) = (cloud("far"), local("near"));
    let mut stage = stage(&[&far, &near], false);
    assert_eq!(work(&mut stage).outcome, SessionOutcome::Validated);
    assert_eq!(stage.told.who_had("first"), ["far"]);
    assert_eq!(stage.told.who_had("alone"), ["far"]);
    assert_eq!(stage.told.who_had("second"), ["near"]);
    let receipts = stage.told.receipts();
    let here = receipts.iter().find(|receipt| receipt.chosen.as_deref() == Some("near")).unwrap();
    let line = here.considered.iter().find(|line| line.executor == "far").unwrap();
    assert_eq!(line.excluded, Some(Excluded::Unshared));
    assert_eq!(stage.violations(), []);
}

#[test]
fn cloud_task_that_builds_on_others_waits_when_nobody_is_here_and_goes_on_once_it_is_shared() {
    let far = cloud("far");
    let mut stage = stage(&[&far], false);
    let report = work(&mut stage);
    assert_eq!(report.outcome, SessionOutcome::Paused);
    let reason = report.reason.unwrap();
    assert!(reason.contains("`integration.share`"), "{reason}");
    assert_eq!(far.asked().len(), 2);
    stage.delivery.share = true;
    assert_eq!(stage.resume("aaaa").outcome, SessionOutcome::Validated);
    assert_eq!(far.asked().len(), 3);
    assert_eq!(stage.violations(), []);
}

#[test]
fn cloud_task_that_builds_on_others_is_done_here_when_the_origin_takes_nothing() {
    let (far, near) = (cloud("far"), local("near"));
    let mut stage = stage(&[&far, &near], true);
    stage.world.close_origins();
    assert_eq!(work(&mut stage).outcome, SessionOutcome::Validated);
    assert_eq!(stage.told.who_had("second"), ["near"]);
    let warnings = stage.told.warnings();
    assert!(warnings.iter().any(|text| text.contains("the origin takes nothing")), "{warnings:?}");
    assert_eq!(stage.violations(), []);
}
