//! Checks, and what a diff must not contain.

mod common;

use common::{TIMEOUT, World};
use cyrus_core::{
    Check, CheckSource, Collected, PreparedWorkspace, SessionEvent, Subject, ValidationReport,
    ValidationVerdict, Validator, Workspaces,
};
use cyrus_executor::WorkProduct;
use cyrus_sandbox::Launcher;
use cyrus_workspace::{CommandValidator, DiffRules};
use std::{os::unix::fs::symlink, sync::Mutex, time::Duration};

fn validator(world: &World, configured: Vec<Check>) -> CommandValidator {
    ruled(world, configured, DiffRules::default())
}

fn ruled(world: &World, configured: Vec<Check>, rules: DiffRules) -> CommandValidator {
    CommandValidator::new(
        Launcher::unsupervised(),
        world.git.clone(),
        configured,
        common::checks(),
        rules,
    )
}

/// What the task's executor came to, as a builder's result.
fn subject<'a>(workspace: &'a PreparedWorkspace, collected: &'a Collected) -> Subject<'a> {
    Subject { workspace, commit: &collected.commit, must_change: true, had_conflict: false }
}

fn check(command: &str) -> Check {
    Check { command: command.into(), source: CheckSource::Configured, timeout: TIMEOUT }
}

async fn validate(
    world: &World,
    prepared: &PreparedWorkspace,
    collected: &Collected,
    checks: &[Check],
) -> ValidationReport {
    let subject = subject(prepared, collected);
    validator(world, vec![]).validate(&subject, checks, &|_| {}).await.unwrap()
}

fn codes(report: &ValidationReport) -> Vec<&str> {
    report.findings.iter().map(|finding| finding.code.as_str()).collect()
}

#[tokio::test]
async fn commands_come_from_the_operator_or_from_the_base() {
    let world = World::new();
    world.commit("main", &[("Makefile", "test:\n\ttrue\n"), ("makefile.d/test", "")]);
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    world.write(root, &[("Makefile", "check:\n\ttrue\n"), ("Cargo.toml", "")]);
    world.collect(&prepared).await;
    let detected = validator(&world, vec![]).checks(&prepared.spec.base).await.unwrap();
    let source = CheckSource::Detected("Makefile".into());
    assert_eq!(detected, [Check { command: "make test".into(), source, timeout: TIMEOUT }]);

    let configured = vec![check("one"), check("two")];
    let validator = validator(&world, configured.clone());
    assert_eq!(validator.checks(&prepared.spec.base).await.unwrap(), configured);
}

#[tokio::test]
async fn a_repository_without_tests_has_no_checks() {
    let world = World::new();
    let prepared = world.prepare().await;
    world.write(&prepared.workspace.root, &[("Makefile", "test:\n\ttrue\n")]);
    let collected = world.collect(&prepared).await;
    let checks = validator(&world, vec![]).checks(&prepared.spec.base).await.unwrap();
    assert_eq!(checks, []);
    let report = validate(&world, &prepared, &collected, &checks).await;
    assert_eq!(report.verdict, ValidationVerdict::Unchecked);
}

#[tokio::test]
async fn every_check_is_run_and_told_of() {
    let world = World::new();
    let prepared = world.prepare().await;
    world.write(&prepared.workspace.root, &[("result", "right\n")]);
    let collected = world.collect(&prepared).await;
    let checks = [
        check("grep -q right result"),
        check("echo out; echo err >&2; exit 3"),
        check("kill -9 $$"),
    ];
    let events = Mutex::new(Vec::new());
    let observer = |event| events.lock().unwrap().push(event);
    let result = subject(&prepared, &collected);
    let report = validator(&world, vec![]).validate(&result, &checks, &observer).await.unwrap();

    assert_eq!(report.verdict, ValidationVerdict::Failed);
    let seen: Vec<_> = report.checks.iter().map(|check| (check.passed, check.exit_code)).collect();
    assert_eq!(seen, [(true, Some(0)), (false, Some(3)), (false, None)]);
    assert_eq!(report.checks[1].output, "out\nerr");
    assert_eq!(codes(&report), ["check-failed", "check-failed"]);
    assert_eq!(report.findings[0].command.as_deref(), Some(checks[1].command.as_str()));
    assert_eq!(report.findings[0].output.as_deref(), Some("out\nerr"));

    let expected = checks.iter().cloned().zip(report.checks.clone()).flat_map(|(check, ended)| {
        [SessionEvent::CheckStarted { check }, SessionEvent::CheckFinished(ended)]
    });
    assert_eq!(events.into_inner().unwrap(), expected.collect::<Vec<_>>());

    let report = validate(&world, &prepared, &collected, &checks[..1]).await;
    assert_eq!((report.verdict, report.findings), (ValidationVerdict::Passed, vec![]));
}

#[tokio::test]
async fn a_check_sees_its_own_environment_and_nothing_else() {
    let world = World::new();
    let prepared = world.prepare().await;
    world.write(&prepared.workspace.root, &[("new", "x\n")]);
    world.write(&prepared.workspace.home, &[(".profile", "exit 9\n"), (".gitconfig", "[alias]\n")]);
    let collected = world.collect(&prepared).await;
    let report =
        validate(&world, &prepared, &collected, &[check("env; pwd; ls -A \"$HOME\"")]).await;
    let output = &report.checks[0].output;
    let task = prepared.workspace.root.parent().unwrap();
    for line in [
        "CI=true",
        "LANG=C.UTF-8",
        "TOOL=t",
        &format!("HOME={}", task.join("check-home").display()),
        &prepared.workspace.root.display().to_string(),
    ] {
        assert!(output.lines().any(|l| l == line), "{line} is not in {output}");
    }
    assert!(!output.contains("CARGO") && !output.contains(".profile"), "{output}");
}

#[tokio::test]
async fn a_check_that_does_not_end_is_ended() {
    let world = World::new();
    let prepared = world.prepare().await;
    world.write(&prepared.workspace.root, &[("new", "x\n")]);
    let collected = world.collect(&prepared).await;
    let endless = Check {
        timeout: Duration::from_millis(300),
        ..check("echo begun; while :; do sleep 1; done")
    };
    let report = validate(&world, &prepared, &collected, &[endless]).await;
    let ended = &report.checks[0];
    assert_eq!((ended.passed, ended.timed_out, ended.exit_code), (false, true, None));
    assert!(ended.output.contains("begun"), "{}", ended.output);
    assert!(report.findings[0].message.contains("took longer"), "{:?}", report.findings);
}

#[tokio::test]
async fn of_long_output_the_end_is_kept() {
    let world = World::new();
    let prepared = world.prepare().await;
    world.write(&prepared.workspace.root, &[("new", "x\n")]);
    let collected = world.collect(&prepared).await;
    let report =
        validate(&world, &prepared, &collected, &[check("seq 1 100000; echo the end")]).await;
    let output = &report.checks[0].output;
    assert!(output.ends_with("\n99999\n100000\nthe end"), "{}", &output[output.len() - 40..]);
    assert!(output.len() < 40_000 && output.contains("bytes left out"), "{}", output.len());
}

#[tokio::test]
async fn no_change_is_no_success() {
    let world = World::new();
    let prepared = world.prepare().await;
    let nothing = WorkProduct::Nothing;
    let collected = world.workspaces.collect(&prepared, &nothing, "").await.unwrap();
    let report = validate(&world, &prepared, &collected, &[check("true")]).await;
    assert_eq!((report.verdict, codes(&report)), (ValidationVerdict::Failed, vec!["empty-diff"]));
}

#[tokio::test]
async fn conflict_markers_and_links_that_lead_out_are_found() {
    const CONFLICT: &str = "<<<<<<< ours\na\n=======\nb\n>>>>>>> theirs\n";
    let world = World::new();
    let about = format!("How to merge:\n{CONFLICT}");
    world.commit("main", &[("docs/merging.md", &about), ("untouched.md", &about)]);
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    world.write(root, &[("docs/merging.md", &format!("{about}More.\n"))]);
    world.write(root, &[("src/a b.rs", &format!("one\n\n{CONFLICT}"))]);
    symlink("/etc/passwd", root.join("absolute")).unwrap();
    symlink("../../x", root.join("src/up")).unwrap();
    symlink("../README.md", root.join("src/fine")).unwrap();
    let collected = world.collect(&prepared).await;

    let report = validate(&world, &prepared, &collected, &[check("true")]).await;
    assert_eq!(report.verdict, ValidationVerdict::Failed);
    let found: Vec<_> = report
        .findings
        .iter()
        .map(|finding| (finding.code.as_str(), finding.path.as_deref().unwrap(), finding.line))
        .collect();
    let expected = [
        ("outside-workspace", "absolute", None),
        ("outside-workspace", "src/up", None),
        ("conflict-marker", "src/a b.rs", Some(3)),
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn there_must_be_a_result() {
    let world = World::new();
    let prepared = world.prepare().await;
    let collected = Collected { commit: "0".repeat(40), ..world.collect(&prepared).await };
    let (validator, subject) = (validator(&world, vec![]), subject(&prepared, &collected));
    let error = validator.validate(&subject, &[], &|_| {}).await.unwrap_err();
    assert!(error.to_string().contains("there is no commit 000"), "{error}");
}
