//! Checks, and what a diff must not contain.

mod common;

use common::{TIMEOUT, World, subject};
use cyrus_core::{
    Check, Collected, CommandOrigin, FailingBase, PreparedWorkspace, Repeated, SessionEvent,
    Subject, ValidationReport, ValidationVerdict, Validator, WorkspaceSpec, Workspaces,
};
use cyrus_executor::WorkProduct;
use cyrus_workspace::{CheckSettings, CommandValidator, DiffRules};
use std::{os::unix::fs::symlink, sync::Mutex, time::Duration};

fn validator(world: &World, configured: Vec<Check>) -> CommandValidator {
    ruled(world, configured, DiffRules::default())
}

fn ruled(world: &World, configured: Vec<Check>, rules: DiffRules) -> CommandValidator {
    let failing_base = FailingBase::Retry;
    checked(world, CheckSettings { configured, rules, failing_base, ..CheckSettings::default() })
}

fn checked(world: &World, checks: CheckSettings) -> CommandValidator {
    CommandValidator::new(world.roots.clone(), world.git.clone(), common::settings(), checks)
}

/// What the task's executor came to, as a builder's result.
fn check(command: &str) -> Check {
    Check { command: command.into(), origin: CommandOrigin::Operator, timeout: TIMEOUT }
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
    let origin = CommandOrigin::Base("Makefile".into());
    assert_eq!(detected, [Check { command: "make test".into(), origin, timeout: TIMEOUT }]);

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
        // One that runs no test is compared with the base, and one that fails may be flaky.
        let on = if ended.passed { Repeated::OnBase } else { Repeated::OnResult };
        let started = SessionEvent::CheckStarted { check: check.clone() };
        [started, SessionEvent::CheckRepeated { check, on }, SessionEvent::CheckFinished(ended)]
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
    let check = prepared.workspace.root.with_file_name("check");
    for line in [
        "CI=true",
        "TURBO_FORCE=true",
        "NX_SKIP_NX_CACHE=true",
        "LANG=C.UTF-8",
        "TOOL=t",
        &format!("HOME={}", check.join("home").display()),
        &check.join("tree").display().to_string(),
    ] {
        assert!(output.lines().any(|l| l == line), "{line} is not in {output}");
    }
    // It is shown at a shorter path where the sandbox has a view.
    let own = format!("TMPDIR={}", check.join("tmp").display());
    assert!(output.lines().any(|line| line == own || line == "TMPDIR=/tmp"), "{output}");
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
    assert_eq!(report.checks, []);
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

/// What is about conflicts may have an example of one, which only a person knows: it is not rejected, and no proof.
#[tokio::test]
async fn what_may_be_an_example_of_a_conflict_is_no_proof() {
    const CONFLICT: &str = "<<<<<<< ours\na\n=======\nb\n>>>>>>> theirs\n";
    for (path, verdict) in [
        ("docs/new.md", ValidationVerdict::Unchecked),
        ("requirements.txt", ValidationVerdict::Unchecked),
        ("tests/parser.rs", ValidationVerdict::Unchecked),
        ("src/parser.rs", ValidationVerdict::Failed),
    ] {
        let world = World::new();
        let prepared = world.prepare().await;
        world.write(&prepared.workspace.root, &[(path, CONFLICT)]);
        let collected = world.collect(&prepared).await;
        let report = validate(&world, &prepared, &collected, &[check("true")]).await;
        assert_eq!(report.verdict, verdict, "{path}: {report:?}");
        let says = |said: &str| said.contains(path) && said.contains("an example");
        assert_eq!(report.unverified.as_deref().is_some_and(says), path != "src/parser.rs");
        let validator = validator(&world, vec![]);
        let subject = Subject { had_conflict: true, ..subject(&prepared, &collected) };
        let report = validator.validate(&subject, &[], &|_| {}).await.unwrap();
        assert_eq!(report.verdict, ValidationVerdict::Failed, "{path}: {report:?}");
    }
}

/// Links of which none leads out by its own words: all of them together do.
#[tokio::test]
async fn links_that_lead_out_through_others_are_found() {
    let world = World::new();
    symlink("/opt/vendor", world.path("main/vendor")).unwrap();
    symlink("lib/../../x", world.path("main/src/up")).unwrap();
    std::fs::create_dir(world.path("main/src/lib")).unwrap();
    world.commit("main", &[("src/lib/a", "x\n"), ("deep/er/b", "x\n")]);
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    let down = "d/".repeat(20);
    std::fs::create_dir_all(root.join(&down)).unwrap();
    symlink("../".repeat(20).trim_end_matches('/'), root.join(format!("{down}top"))).unwrap();
    symlink(format!("{down}top/{}etc/passwd", "../".repeat(20)), root.join("notes")).unwrap();
    symlink("README.md", root.join("fine")).unwrap();
    symlink("vendor/lib", root.join("by-the-base")).unwrap();
    symlink("src/.GIT/config", root.join("hidden")).unwrap();
    // What the base's own link goes through is another directory now.
    std::fs::remove_dir_all(root.join("src/lib")).unwrap();
    symlink("..", root.join("src/lib")).unwrap();
    let collected = world.collect(&prepared).await;

    let report = validate(&world, &prepared, &collected, &[]).await;
    let found: Vec<_> = report.findings.iter().map(|f| (&*f.code, f.path.as_deref())).collect();
    let expected = ["by-the-base", "hidden", "notes", "src/up"];
    assert_eq!(found, expected.map(|path| ("outside-workspace", Some(path))));
    let notes = &report.findings[2].message;
    assert!(notes.contains("notes leads out of the repository"), "{notes}");
}

#[tokio::test]
async fn there_must_be_a_result() {
    let world = World::new();
    let prepared = world.prepare().await;
    let collected = Collected { commit: "0".repeat(40), ..world.collect(&prepared).await };
    let (validator, subject) = (validator(&world, vec![]), subject(&prepared, &collected));
    let error = validator.validate(&subject, &[], &|_| {}).await.unwrap_err();
    assert!(error.to_string().contains("does not hold 000"), "{error}");
}

#[tokio::test]
async fn nothing_has_to_change_where_nothing_is_asked_for() {
    let world = World::new();
    let prepared = world.prepare().await;
    let nothing = WorkProduct::Nothing;
    let collected = world.workspaces.collect(&prepared, &nothing, "").await.unwrap();
    let subject = Subject { must_change: false, ..subject(&prepared, &collected) };
    let report = validator(&world, vec![]).validate(&subject, &[check("true")], &|_| {}).await;
    assert_eq!(report.unwrap().verdict, ValidationVerdict::Passed);
}

#[tokio::test]
async fn bounds_and_protected_paths_are_the_operators() {
    let world = World::new();
    world.commit("main", &[("ci/deploy.sh", "x\n"), ("keep[1].txt", "x\n")]);
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    world.write(root, &[("ci/deploy.sh", "y\n"), ("a/b/yarn.lock", "z\n"), ("plain", "z\n")]);
    world.write(root, &[("keep[1].txt", "y\n"), ("keep1.txt", "y\n")]);
    let collected = world.collect(&prepared).await;
    let subject = subject(&prepared, &collected);
    let found = async |rules: DiffRules| {
        let report = ruled(&world, vec![], rules).validate(&subject, &[], &|_| {}).await.unwrap();
        let each = report.findings.into_iter().map(|found| (found.code, found.path));
        each.collect::<Vec<_>>()
    };
    assert_eq!(found(DiffRules::default()).await, []);
    let bounds = DiffRules { max_files: Some(4), max_lines: Some(6), protected_paths: vec![] };
    let too_large = ("too-large".to_owned(), None);
    assert_eq!(found(bounds).await, [too_large.clone(), too_large]);
    let bounds = DiffRules { max_files: Some(5), max_lines: Some(7), protected_paths: vec![] };
    assert_eq!(found(bounds).await, []);
    // A zero byte, or the attributes of the result, make no lines go away.
    world.write(
        root,
        &[(".gitattributes", "*.js -diff\n"), ("a.js", "1\n2\n"), ("b.c", "/*\0*/\n1\n")],
    );
    let collected = world.collect(&prepared).await;
    let subject = Subject { commit: &collected.commit, ..subject };
    let counted = async |most: u64| {
        let rules = DiffRules { max_files: None, max_lines: Some(most), protected_paths: vec![] };
        ruled(&world, vec![], rules).validate(&subject, &[], &|_| {}).await.unwrap().findings.len()
    };
    assert_eq!([counted(11).await, counted(12).await], [1, 0]);
    let protected_paths =
        ["ci", "**/yarn.lock", "keep[1].txt", "PLAIN", "absent"].map(Into::into).into();
    let protected = found(DiffRules { protected_paths, ..DiffRules::default() }).await;
    let expected = ["a/b/yarn.lock", "ci/deploy.sh", "keep[1].txt"];
    let expected = expected.map(|path| ("protected-path".to_owned(), Some(path.to_owned())));
    assert_eq!(protected, expected);
}

#[tokio::test]
async fn what_tools_may_take_in_place_of_a_protected_file_is_no_proof() {
    for (kept, new, expected) in [
        ("spec/a.spec.js", "spec/a.spec", true),
        ("spec/a.spec.js", "spec/b.spec", false),
        ("spec/b.js", "spec/b", false),
    ] {
        let world = World::new();
        world.commit("main", &[(kept, "x\n")]);
        let prepared = world.prepare().await;
        world.write(&prepared.workspace.root, &[(new, "y\n")]);
        let collected = world.collect(&prepared).await;
        let protected_paths = vec!["**/*.spec.js".into()];
        let rules = DiffRules { protected_paths, ..DiffRules::default() };
        let validator = ruled(&world, vec![], rules);
        let subject = subject(&prepared, &collected);
        let report = validator.validate(&subject, &[check("true")], &|_| {}).await.unwrap();
        let said = report.unverified.unwrap_or_default();
        assert_eq!(said.contains("in place of"), expected, "{new}: {said}");
        assert_eq!(report.findings, [], "{new}");
    }
}

#[tokio::test]
async fn a_link_in_the_place_of_a_protected_directory_is_all_of_it() {
    let world = World::new();
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    world.write(root, &[("x/workflows/evil.yml", "x\n"), ("other", "x\n")]);
    symlink("x", root.join(".github")).unwrap();
    let collected = world.collect(&prepared).await;
    for pattern in [".github/**", "/.github/**", ".github"] {
        let rules = DiffRules { protected_paths: vec![pattern.into()], ..DiffRules::default() };
        let validator = ruled(&world, vec![], rules);
        let subject = subject(&prepared, &collected);
        let report = validator.validate(&subject, &[], &|_| {}).await.unwrap();
        assert_eq!(report.findings[0].path.as_deref(), Some(".github"), "{pattern}");
    }
}

#[tokio::test]
async fn a_conflict_that_a_task_began_with_excuses_nothing() {
    const CONFLICT: &str = "<<<<<<< ours\na\n=======\nb\n>>>>>>> theirs\n";
    let world = World::new();
    world.commit("main", &[("about.md", CONFLICT)]);
    let base = world.base().await;
    let start = world.commit("main", &[("one", CONFLICT), ("two", CONFLICT)]);
    let spec = WorkspaceSpec { start, ..common::spec("s-one", base) };
    let prepared = world.workspaces.prepare(&spec).await.unwrap();
    world.write(&prepared.workspace.root, &[("one", "a\nb\n")]);
    let collected = world.collect(&prepared).await;
    let validator = validator(&world, vec![]);
    let found = async |had_conflict: bool| {
        let subject = Subject { had_conflict, ..subject(&prepared, &collected) };
        let report = validator.validate(&subject, &[], &|_| {}).await.unwrap();
        let paths = report.findings.into_iter().map(|found| found.path.unwrap());
        paths.collect::<Vec<_>>()
    };
    assert_eq!(found(true).await, ["two"]);
    assert_eq!(found(false).await, [] as [&str; 0]);
}

#[tokio::test]
async fn what_was_merged_is_looked_at_as_a_whole() {
    let world = World::new();
    let base = world.base().await;
    world.commit("main", &[("one", "1\n")]);
    symlink("/etc/passwd", world.path("main/link")).unwrap();
    let start = world.commit("main", &[("two", "2\n")]);
    let spec = WorkspaceSpec { start: start.clone(), ..common::spec("s-one", base) };
    let prepared = world.workspaces.prepare(&spec).await.unwrap();
    let subject = Subject {
        spec: &prepared.spec,
        commit: &start,
        must_change: false,
        had_conflict: false,
        notes: &[],
    };
    let rules = DiffRules { max_files: Some(1), ..DiffRules::default() };
    let validator = ruled(&world, vec![], rules);
    let report = validator.validate(&subject, &[check("cat two")], &|_| {}).await.unwrap();
    assert_eq!(codes(&report), ["outside-workspace"], "its parts were not too large");
    assert!(report.checks.is_empty(), "nothing is run where a link leads out");
}

#[tokio::test]
async fn files_in_a_repository_inside_are_not_in_the_result() {
    let world = World::new();
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    for inner in ["stray", "module"] {
        world.write(root, &[(&format!("{inner}/file"), "x\n")]);
        world.run(root.join(inner), &["init", "--quiet"]);
        world.commit(root.join(inner), &[("file", "y\n")]);
    }
    let modules = "[submodule \"m\"]\n\tpath = module\n\turl = https://h/m\n";
    world.commit(root, &[(".gitmodules", modules)]);
    let collected = world.collect(&prepared).await;
    let report = validate(&world, &prepared, &collected, &[check("true")]).await;
    let found: Vec<_> = report.findings.iter().map(|f| (&*f.code, f.path.as_deref())).collect();
    assert_eq!(found, [("outside-workspace", Some("stray"))]);
}

/// A directory that git takes for a repository has the configuration that its author wrote.
#[tokio::test]
async fn a_bare_repository_is_found_unless_the_base_has_it() {
    let parts = |directory: &str| {
        ["HEAD", "objects/aa/k", "refs/heads/k", "config"].map(|part| format!("{directory}/{part}"))
    };
    let world = World::new();
    for known in [parts("fixture"), parts("other")] {
        world.commit("main", &known.each_ref().map(|path| (path.as_str(), "x\n")));
    }
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    world.write(root, &[("fixture/refs/heads/other", "y\n")]);
    world.write(root, &parts("docs").each_ref().map(|path| (path.as_str(), "x\n")));
    // One of the base that is to do something else now.
    world.write(root, &[("other/config", "z\n")]);
    let collected = world.collect(&prepared).await;
    let report = validate(&world, &prepared, &collected, &[check("true")]).await;
    let found = report.findings.iter().map(|found| (found.code.as_str(), found.path.as_deref()));
    assert_eq!(
        found.collect::<Vec<_>>(),
        ["docs", "other"].map(|path| ("outside-workspace", Some(path))),
        "{report:?}"
    );
    assert_eq!(report.checks, [], "nothing is run in it");
}
