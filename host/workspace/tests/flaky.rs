//! A check that does not say the same twice: it is run again on the same commit before it is held against a result.

mod common;

use common::{TIMEOUT, World, settings, subject};
use cyrus_core::{
    Check, CommandOrigin, FailingBase, FlakyCheck, SessionEvent, ValidationReport,
    ValidationVerdict, Validator,
};
use cyrus_executor::Finding;
use cyrus_workspace::{CheckSettings, CommandValidator};
use std::{
    fmt::Write as _,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::Mutex,
    time::Duration,
};

/// Validates a result that adds a file, by one check. `runs` is what the check does in each of its runs on the result;
/// the last is what it does in each further run. On the base commit it prints that a test ran.
async fn validate(
    runs: &[&str],
    origin: CommandOrigin,
    checks: CheckSettings,
) -> (ValidationReport, usize, Vec<String>) {
    validate_by(runs, (origin, TIMEOUT), checks).await
}

/// The same by a check of the operator's that may take so long.
async fn validate_within(
    time: Duration,
    runs: &[&str],
    checks: CheckSettings,
) -> (ValidationReport, usize, Vec<String>) {
    validate_by(runs, (CommandOrigin::Operator, time), checks).await
}

async fn validate_by(
    runs: &[&str],
    (origin, timeout): (CommandOrigin, Duration),
    checks: CheckSettings,
) -> (ValidationReport, usize, Vec<String>) {
    let world = World::new();
    let (counted, script) = (world.path("runs"), world.path("script"));
    let mut text = format!(
        "test -e result || {{ echo 1 passed; exit 0; }}\necho x >>'{0}'\ncase $(wc -l <'{0}') in\n",
        counted.display()
    );
    for (number, run) in (1..).zip(runs) {
        let case = if number == runs.len() { "*".to_owned() } else { number.to_string() };
        let _ = writeln!(text, "{case}) {run} ;;");
    }
    fs::write(&script, text + "esac\n").unwrap();
    let prepared = world.prepare().await;
    world.write(&prepared.workspace.root, &[("result", "x\n")]);
    let collected = world.collect(&prepared).await;
    let subject = subject(&prepared, &collected);
    let command = format!("sh '{}'", script.display());
    let check = Check { command, origin, timeout };
    let warnings = Mutex::new(Vec::new());
    let observer = |event| {
        if let SessionEvent::Warning { message } = event {
            warnings.lock().unwrap().push(message);
        }
    };
    let validator =
        CommandValidator::new(world.roots.clone(), world.git.clone(), settings(), checks);
    let report = validator.validate(&subject, &[check], &observer).await.unwrap();
    let ran = fs::read_to_string(&counted).unwrap_or_default().lines().count();
    (report, ran, warnings.into_inner().unwrap())
}

fn flaky(flaky: FlakyCheck) -> CheckSettings {
    CheckSettings { flaky, ..CheckSettings::default() }
}

const FAILS: &str = "echo 'test net::connects ... FAILED'; exit 1";
const PASSES: &str = "echo 2 passed";

#[tokio::test]
async fn what_passes_when_it_is_run_again_is_no_failure_and_no_proof() {
    use FlakyCheck::{Accept, Retry, Unverified};
    use ValidationVerdict::{Failed, Passed, Unchecked};
    for (runs, choice, verdict, ran) in [
        (&[FAILS, PASSES][..], Unverified, Unchecked, 2),
        (&[FAILS, PASSES], Accept, Passed, 2),
        (&[FAILS, PASSES], Retry, Failed, 1),
        (&[FAILS], Unverified, Failed, 2),
        (&[FAILS], Accept, Failed, 2),
        (&[PASSES, FAILS], Unverified, Passed, 1),
        (&["kill -9 $$", PASSES], Unverified, Unchecked, 2),
    ] {
        let (report, counted, warnings) =
            validate(runs, CommandOrigin::Operator, flaky(choice)).await;
        assert_eq!((report.verdict, counted), (verdict, ran), "{runs:?} {choice:?}: {report:?}");
        // What goes back names the tests that failed.
        let names = |finding: &Finding| finding.message.ends_with(": net::connects");
        assert_eq!(report.findings.iter().any(names), verdict == Failed, "{report:?}");
        let said = report.unverified.clone().into_iter().chain(warnings).collect::<Vec<_>>();
        let is_said = said.iter().any(|said| said.contains("it is flaky"));
        assert_eq!(is_said, ran == 2 && runs.len() == 2, "{runs:?} {choice:?}: {said:?}");
        if runs[0] == FAILS && is_said {
            assert!(said[0].contains("net::connects"), "{said:?}");
            let output = &report.checks[0].output;
            assert!(output.contains("FAILED") && output.contains("it passed"), "{output}");
        }
    }
}

#[tokio::test]
async fn the_second_run_is_looked_at_as_a_first_would_be() {
    // It passes, and says that it ran no test, or that one failed.
    for (again, code) in [
        ("echo 0 passed", "no-tests-executed"),
        ("echo 1 failed, 1 passed in 0.01s", "tests-failed"),
    ] {
        let (report, ran, _) =
            validate(&[FAILS, again], CommandOrigin::Operator, flaky(FlakyCheck::Accept)).await;
        let codes: Vec<_> = report.findings.iter().map(|found| found.code.as_str()).collect();
        assert_eq!((codes, ran), (vec![code], 2), "{report:?}");
    }
}

#[tokio::test]
async fn only_a_check_of_the_repository_or_the_operator_is_run_again() {
    for (origin, ran) in [
        (CommandOrigin::Operator, 2),
        (CommandOrigin::Base("Makefile".into()), 2),
        // What a task asks for is not so before the work.
        (CommandOrigin::PlanFile, 1),
    ] {
        let shown = format!("{origin:?}");
        let (_, counted, _) = validate(&[FAILS], origin, CheckSettings::default()).await;
        assert_eq!(counted, ran, "{shown}");
    }
    // Nor one whose time was over: it would be over again.
    let (report, counted, _) =
        validate_within(Duration::from_millis(300), &["exec sleep 60"], CheckSettings::default())
            .await;
    assert_eq!((report.checks[0].timed_out, counted), (true, 1), "{report:?}");
    let retrying = CheckSettings { failing_base: FailingBase::Retry, ..CheckSettings::default() };
    let (report, ran, _) = validate(&[FAILS, PASSES], CommandOrigin::Operator, retrying).await;
    assert_eq!(
        (report.verdict, ran),
        (ValidationVerdict::Unchecked, 2),
        "the two choices are apart"
    );
}

/// A result that changes what is run has to pass with what the base commit has too, in whichever run.
#[tokio::test]
async fn a_script_of_the_results_that_fails_once_takes_nothing_from_the_bases() {
    let world = World::new();
    let counted = world.path("runs");
    let put = |root: &Path, text: &str| {
        fs::write(root.join("ci.sh"), format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(root.join("ci.sh"), Permissions::from_mode(0o755)).unwrap();
    };
    put(&world.path("main"), "test ! -e result && echo 1 passed");
    world.commit("main", &[]);
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    let runs = counted.display();
    put(root, &format!("echo x >>'{runs}'; test $(wc -l <'{runs}') -gt 1 && echo 1 passed"));
    world.write(root, &[("result", "x\n")]);
    let collected = world.collect(&prepared).await;
    let subject = subject(&prepared, &collected);
    let check =
        Check { command: "./ci.sh".into(), origin: CommandOrigin::Operator, timeout: TIMEOUT };
    let (roots, git) = (world.roots.clone(), world.git.clone());
    let validator = CommandValidator::new(roots, git, settings(), flaky(FlakyCheck::Accept));
    let report = validator.validate(&subject, &[check], &|_| {}).await.unwrap();
    assert_eq!(report.verdict, ValidationVerdict::Failed, "{report:?}");
    let ran = fs::read_to_string(&counted).unwrap().lines().count();
    assert_eq!(ran, 1, "what the base commit has fails again, so nothing else is run");
}
