//! A result that asks for other dependencies is checked with those.

mod common;

use common::{TIMEOUT, World, settings, subject};
use cyrus_core::{
    Check, CommandOrigin, SessionEvent, ValidationReport, ValidationVerdict, Validator,
};
use cyrus_workspace::{CheckSettings, CommandValidator};
use std::sync::Mutex;

/// Installs what `requirements.txt` says: nothing that is called bad, and what is after `once` only while the file of
/// that name is not there.
const SET_UP: &str = "mkdir -p vendor; ! grep bad requirements.txt || exit 3
file=$(sed -n 's/^once //p' requirements.txt)
[ -z \"$file\" ] || { test ! -e \"$file\" && : >\"$file\"; } || exit 4
cp requirements.txt vendor/all
";

/// Validates a result that writes these files, by a check that prints what is installed.
async fn validate(files: &[(&str, &str)], wanted: &str) -> (ValidationReport, Vec<String>) {
    let command = format!("cat vendor/all; grep -q {wanted} vendor/all");
    validate_by(&World::new(), files, &[&command]).await
}

/// The same by these checks.
async fn validate_by(
    world: &World,
    files: &[(&str, &str)],
    commands: &[&str],
) -> (ValidationReport, Vec<String>) {
    let base = [
        (".gitignore", "vendor/\n"),
        ("requirements.txt", "old\n"),
        ("package.json", "{\"scripts\": {\"x\": \"y\"}, \"dependencies\": {\"a\": \"1\"}}\n"),
        ("cyrus-setup.sh", SET_UP),
    ];
    world.commit("main", &base);
    let prepared = world.prepare().await;
    world.write(&prepared.workspace.root, files);
    let collected = world.collect(&prepared).await;
    let subject = subject(&prepared, &collected);
    let check = |command: &&str| {
        let command = (*command).to_owned();
        Check { command, origin: CommandOrigin::Operator, timeout: TIMEOUT }
    };
    let checks: Vec<_> = commands.iter().map(check).collect();
    let warnings = Mutex::new(Vec::new());
    let observer = |event| {
        if let SessionEvent::Warning { message } = event {
            warnings.lock().unwrap().push(message);
        }
    };
    let (roots, git) = (world.roots.clone(), world.git.clone());
    let validator = CommandValidator::new(roots, git, settings(), CheckSettings::default());
    let report = validator.validate(&subject, &checks, &observer).await.unwrap();
    (report, warnings.into_inner().unwrap())
}

#[tokio::test]
async fn what_the_result_asks_for_is_installed_for_its_checks() {
    use ValidationVerdict::{Failed, Passed};
    for (files, wanted, verdict) in [
        // One more that the work needs, and one less that it still needs.
        (&[("requirements.txt", "old\nnew\n")][..], "new", Passed),
        (&[("requirements.txt", "new\n")], "old", Failed),
        (&[("requirements.txt", "new\n")], "new", Passed),
    ] {
        let (report, warnings) = validate(files, wanted).await;
        assert_eq!(report.verdict, verdict, "{files:?} {wanted}: {report:?}");
        assert_eq!(report.unverified, None, "{report:?}");
        let said = warnings.concat();
        assert!(said.contains("the result changes requirements.txt"), "{said}");
    }
}

#[tokio::test]
async fn nothing_is_installed_again_for_what_changes_no_dependency() {
    let scripts = "{\"scripts\": {\"x\": \"z\"}, \"dependencies\": {\"a\": \"1\"}}\n";
    let (report, warnings) = validate(&[("package.json", scripts), ("new", "x\n")], "old").await;
    assert_eq!(report.verdict, ValidationVerdict::Passed, "{report:?}");
    assert_eq!(warnings, Vec::<String>::new());
    let more = "{\"scripts\": {\"x\": \"y\"}, \"dependencies\": {\"a\": \"2\"}}\n";
    let (_, warnings) = validate(&[("package.json", more)], "old").await;
    assert!(warnings.concat().contains("the result changes package.json"), "{warnings:?}");
}

/// With what the base needs it may pass.
#[tokio::test]
async fn what_cannot_be_installed_is_no_proof() {
    let (report, _) = validate(&[("requirements.txt", "old\nbad\n")], "old").await;
    assert_eq!(report.verdict, ValidationVerdict::Unchecked, "{report:?}");
    let reason = report.unverified.unwrap();
    assert!(reason.contains("could not be installed for its checks"), "{reason}");
}

/// For all of the checks, and not for each.
#[tokio::test]
async fn what_is_asked_for_is_installed_once() {
    let world = World::new();
    let once = format!("once {}\n", world.path("once").display());
    let files = [("requirements.txt", once.as_str())];
    let (report, _) = validate_by(&world, &files, &["grep once vendor/all", "true"]).await;
    assert_eq!(report.verdict, ValidationVerdict::Passed, "{report:?}");
    assert_eq!(report.unverified, None, "{report:?}");
}

/// The script is the base commit's, whatever the result makes of it.
#[tokio::test]
async fn a_script_of_the_results_installs_nothing() {
    let files = [("requirements.txt", "new\n"), ("cyrus-setup.sh", "echo forged >vendor/all\n")];
    let (report, _) = validate(&files, "forged").await;
    assert_ne!(report.verdict, ValidationVerdict::Passed, "{report:?}");
    assert_eq!(report.checks[0].output, "new", "{report:?}");
}

/// Whatever is run while something is installed: checks see the commit, the protected paths of the base, and what was
/// installed.
#[tokio::test]
async fn what_is_installed_changes_nothing_else_that_checks_see() {
    let hostile = "old\nrun echo forged >tracked\nrun echo forged >untracked\nrun rm -r sub\n\
        run echo forged >\"$HOME/.npmrc\"\nrun mkdir -p .git/hooks tests\nrun echo x >tests/forged\n";
    let base = [
        (".gitignore", "vendor/\n"),
        ("requirements.txt", "old\n"),
        ("tracked", "the base's\n"),
        ("sub/file", "there\n"),
        (
            "cyrus-setup.sh",
            "mkdir -p vendor; cp requirements.txt vendor/all\n\
            sed -n 's/^run //p' requirements.txt >\"$TMPDIR/x\"; sh \"$TMPDIR/x\"\n",
        ),
    ];
    let world = World::new();
    world.commit("main", &base);
    let prepared = world.prepare().await;
    world.write(&prepared.workspace.root, &[("requirements.txt", hostile), ("tracked", "own\n")]);
    let collected = world.collect(&prepared).await;
    let subject = subject(&prepared, &collected);
    let command = "cat tracked sub/file; ls; ls tests; cat ~/.npmrc; grep -c run vendor/all";
    let check = |command: &str| Check {
        command: command.to_owned(),
        origin: CommandOrigin::Operator,
        timeout: TIMEOUT,
    };
    let (roots, git) = (world.roots.clone(), world.git.clone());
    let validator = CommandValidator::new(roots, git, settings(), CheckSettings::default());
    let checks = [check(command), check(command)];
    let warnings = Mutex::new(Vec::new());
    let observer = |event| {
        if let SessionEvent::Warning { message } = event {
            warnings.lock().unwrap().push(message);
        }
    };
    let report = validator.validate(&subject, &checks, &observer).await.unwrap();
    for check in &report.checks {
        let said = &check.output;
        assert!(said.starts_with("own\nthere\n"), "{said}");
        assert!(!said.contains("forged") && !said.contains("untracked"), "{said}");
        assert!(said.trim_end().ends_with('6'), "{said}");
    }
    let warnings = warnings.into_inner().unwrap().concat();
    assert!(
        warnings.contains("outside of the directories of packages: tests, untracked"),
        "{warnings}"
    );
}

/// A doubt, and not a failure: where what a result asks for comes from itself, what is installed is the result's.
#[tokio::test]
async fn what_a_result_asks_for_of_itself_is_for_a_person_to_look_at() {
    let world = World::new();
    let files = [("requirements.txt", "old\n-e ./evil\n")];
    let (report, _) = validate_by(&world, &files, &["true"]).await;
    assert_eq!(report.verdict, ValidationVerdict::Unchecked, "{report:?}");
    let reason = report.unverified.unwrap();
    assert!(reason.contains("in no registry (`-e ./evil`)"), "{reason}");
}

/// As the user has them, whatever was run meanwhile.
#[tokio::test]
async fn files_that_are_included_are_there_beside_what_is_installed() {
    let world = World::new();
    world.commit("main", &[(".gitignore", ".env\nvendor/\n"), (".worktreeinclude", ".env\n")]);
    world.write("main", &[(".env", "the user's\n")]);
    let set_up = world.path("set-up");
    std::fs::write(&set_up, "test -e requirements.txt || exit 0\nmkdir -p vendor; cp requirements.txt vendor/all; echo forged >.env\n").unwrap();
    let prepared = world.prepare().await;
    world.write(&prepared.workspace.root, &[("requirements.txt", "new\n")]);
    let collected = world.collect(&prepared).await;
    let subject = subject(&prepared, &collected);
    let settings = cyrus_workspace::WorkspaceSettings {
        global_setup: Some(cyrus_sandbox::AbsolutePath::parse(&set_up).unwrap()),
        ..settings()
    };
    let check = Check {
        command: "cat .env vendor/all".to_owned(),
        origin: CommandOrigin::Operator,
        timeout: TIMEOUT,
    };
    let (roots, git) = (world.roots.clone(), world.git.clone());
    let validator = CommandValidator::new(roots, git, settings, CheckSettings::default());
    let report = validator.validate(&subject, &[check], &|_| ()).await.unwrap();
    assert_eq!(report.checks[0].output.trim(), "the user's\nnew", "{report:?}");
}
