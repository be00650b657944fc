//! What is checked is the commit that was collected, in a tree that neither the executor nor an earlier check has
//! written to.

mod common;

use common::{TIMEOUT, World, settings, subject};
use cyrus_core::{
    Check, CommandOrigin, CommandPolicy, FailingBase, PreparedWorkspace, Subject, ValidationReport,
    ValidationVerdict, Validator, WorkspaceSpec, Workspaces,
};
use cyrus_workspace::{CheckSettings, CommandValidator, DiffRules, WorkspaceSettings};
use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
};

fn check(command: &str) -> Check {
    check_of(CommandOrigin::Operator, command)
}

fn check_of(origin: CommandOrigin, command: &str) -> Check {
    Check { command: command.into(), origin, timeout: TIMEOUT }
}

fn validator(world: &World, checks: CheckSettings) -> CommandValidator {
    CommandValidator::new(world.roots.clone(), world.git.clone(), settings(), checks)
}

/// Collects what is in the clone, and validates it.
async fn validate_with(
    world: &World,
    prepared: &PreparedWorkspace,
    validator: &CommandValidator,
    checks: &[Check],
) -> ValidationReport {
    let collected = world.collect(prepared).await;
    let subject = subject(prepared, &collected);
    validator.validate(&subject, checks, &|_| {}).await.unwrap()
}

async fn validate(
    world: &World,
    prepared: &PreparedWorkspace,
    checks: &[Check],
) -> ValidationReport {
    let validator = validator(world, CheckSettings::default());
    validate_with(world, prepared, &validator, checks).await
}

fn outputs(report: &ValidationReport) -> Vec<&str> {
    report.checks.iter().map(|check| check.output.as_str()).collect()
}

fn codes(report: &ValidationReport) -> Vec<&str> {
    report.findings.iter().map(|finding| finding.code.as_str()).collect()
}

#[tokio::test]
async fn what_an_executor_leaves_beside_its_commit_is_not_there() {
    let world = World::new();
    world.commit("main", &[(".gitignore", "ignored\n"), ("test.sh", "grep -q right result\n")]);
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    world.write(root, &[("result", "right\n"), ("kept", "x\n")]);
    // Ignored by the repository, by a list that is ignored itself, and by the clone's own list.
    world.write(root, &[("ignored", "x"), ("sub/.gitignore", "*\n"), ("sub/planted", "x")]);
    world.write(root, &[(".git/info/exclude", "excluded\n"), ("excluded", "x")]);
    // A change that the clone's index hides.
    world.write(root, &[("src/lib.rs", "changed\n")]);
    world.run(root, &["update-index", "--assume-unchanged", "src/lib.rs"]);
    world.write(&prepared.workspace.home, &[(".profile", "exit 9\n")]);
    world.write(prepared.workspace.home.join("tmp"), &[("left", "x\n")]);
    let list = check(
        "sh test.sh; find . -path ./.git -prune -o -type f -print | sort; \
         find $HOME $TMPDIR -type f ! -name .gitconfig",
    );
    let report = validate(&world, &prepared, &[list]).await;
    // The clone's own list of what is ignored does not count: that file is in the commit.
    let expected = [
        "./.gitignore",
        "./README.md",
        "./excluded",
        "./kept",
        "./result",
        "./src/lib.rs",
        "./test.sh",
    ];
    let seen: Vec<_> = report.checks[0].output.lines().collect();
    assert_eq!(seen, expected, "what is in the commit");
    let commit = world.run("main", &["rev-parse", "refs/cyrus/s-one/t1"]);
    assert_eq!(world.files(&commit).len(), expected.len());
}

#[tokio::test]
async fn no_check_changes_what_the_next_one_runs() {
    let world = World::new();
    world.commit("main", &[("test.sh", "grep -q right result\n")]);
    let prepared = world.prepare().await;
    world.write(&prepared.workspace.root, &[("result", "wrong\n")]);
    let spoil = check(
        "echo true >test.sh; echo right >result; touch untracked; git config core.hooksPath x; \
         for place in \"$HOME\" \"$TMPDIR\" ..; do touch \"$place/left\"; done; echo spoilt",
    );
    let clean = check(
        "sh test.sh || echo still wrong; ls; git config core.hooksPath; \
         find \"$HOME\" \"$TMPDIR\" ../left -type f ! -name .gitconfig 2>/dev/null; true",
    );
    let report = validate(&world, &prepared, &[spoil, clean]).await;
    let expected = ["spoilt", "still wrong\nREADME.md\nresult\nsrc\ntest.sh"];
    assert_eq!(outputs(&report), expected);
    assert!(!prepared.workspace.root.join("untracked").exists(), "nor the executor's clone");
}

#[tokio::test]
async fn git_in_a_check_knows_who_the_user_is() {
    let world = World::new();
    let prepared = world.prepare().await;
    world.write(&prepared.workspace.root, &[("new", "x\n")]);
    let tests = "git init -q \"$TMPDIR/r\" && cd \"$TMPDIR/r\" && git commit -q --allow-empty -m x && git log -1 --format=%an";
    let report = validate(&world, &prepared, &[check(tests)]).await;
    assert_eq!(outputs(&report), ["Ada"]);
}

#[tokio::test]
async fn a_check_that_passes_and_says_that_tests_failed_is_a_finding() {
    let base = "echo '1 failed, 1 passed in 0.01s'; exit 0\n";
    for (before, after, expected) in [
        ("echo '2 passed in 0.01s'\n", base, &["tests-failed"][..]),
        (base, base, &[]),
        (base, "echo '2 failed, 1 passed in 0.01s'\n", &["tests-failed"]),
        (base, "echo '2 passed in 0.01s'\n", &[]),
    ] {
        let world = World::new();
        world.commit("main", &[("tests", before)]);
        let prepared = world.prepare().await;
        world.write(&prepared.workspace.root, &[("tests", after), ("new", "x\n")]);
        let report = validate(&world, &prepared, &[check("sh tests | cat")]).await;
        assert_eq!(codes(&report), expected, "{before} {after}");
    }
}

#[tokio::test]
async fn protected_paths_are_the_bases() {
    let world = World::new();
    world.commit("main", &[("tests/a", "base\n"), ("tests/gone", "base\n"), ("other", "base\n")]);
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    world
        .write(root, &[("tests/a", "theirs\n"), ("tests/more", "theirs\n"), ("other", "theirs\n")]);
    fs::remove_file(root.join("tests/gone")).unwrap();
    let rules = DiffRules { protected_paths: vec!["tests/**".into()], ..DiffRules::default() };
    let validator = validator(&world, CheckSettings { rules, ..CheckSettings::default() });
    let show = check("cat tests/a tests/gone other; ls tests");
    let report = validate_with(&world, &prepared, &validator, &[show]).await;
    assert_eq!(outputs(&report), ["base\nbase\ntheirs\na\ngone"]);
    assert_eq!(codes(&report), ["protected-path"; 3]);
}

/// A set-up that installs something which knows where it is, leads a tracked directory elsewhere, and leaves a cache at home.
const SET_UP: &str = "mkdir vendor; pwd >vendor/where; date +%s%N >vendor/when; \
    ln -s where vendor/link; echo cached >\"$HOME/cache\"; \
    git config core.fsmonitor 'touch stolen; false'; echo made >new; \
    mkdir \"$HOME/src\"; rm -r src; ln -s \"$HOME/src\" src\n";

#[tokio::test]
async fn files_are_written_by_the_attributes_of_the_base() {
    let world = World::new();
    world.commit("main", &[("tests/sum.txt", "7 + 5\n"), ("notes.txt", "plain\n")]);
    let prepared = world.prepare().await;
    let attributes = "*.txt working-tree-encoding=UTF-16LE\n";
    world.write(&prepared.workspace.root, &[(".gitattributes", attributes), ("new", "x\n")]);
    let rules = DiffRules { protected_paths: vec!["tests/**".into()], ..DiffRules::default() };
    let settings = CheckSettings { rules, ..CheckSettings::default() };
    let validator = validator(&world, settings);
    let checks = [check("cat tests/sum.txt notes.txt")];
    let report = validate_with(&world, &prepared, &validator, &checks).await;
    assert_eq!(outputs(&report), ["7 + 5\nplain"], "{:?}", report.findings);
}

#[tokio::test]
async fn a_file_of_the_targets_name_does_not_make_a_check_pass() {
    let world = World::new();
    world.commit("main", &[("Makefile", "test:\n\t@echo tested; grep -q right result\n")]);
    let prepared = world.prepare().await;
    world.write(&prepared.workspace.root, &[("test", ""), ("result", "wrong\n")]);
    let made = check_of(CommandOrigin::Base("Makefile".into()), "make test");
    let retrying = CheckSettings { failing_base: FailingBase::Retry, ..CheckSettings::default() };
    let report = validate_with(&world, &prepared, &validator(&world, retrying), &[made]).await;
    assert_eq!(report.verdict, ValidationVerdict::Failed, "{:?}", outputs(&report));
    assert!(outputs(&report)[0].contains("tested"), "{:?}", outputs(&report));
}

#[tokio::test]
async fn a_shell_of_the_results_choice_does_not_run_the_scripts() {
    let world = World::new();
    let package = r#"{"name": "x", "scripts": {"test": "grep -q right result"}}"#;
    world.commit("main", &[("package.json", package)]);
    for (file, content) in
        [(".npmrc", "script-shell=/bin/true\n"), (".yarnrc.yml", "yarnPath: x.js\n")]
    {
        let prepared = world.prepare().await;
        world.write(&prepared.workspace.root, &[(file, content), ("result", "wrong\n")]);
        let test = check_of(CommandOrigin::Base("package.json".into()), "npm test");
        let retrying =
            CheckSettings { failing_base: FailingBase::Retry, ..CheckSettings::default() };
        let report = validate_with(&world, &prepared, &validator(&world, retrying), &[test]).await;
        assert_eq!(report.verdict, ValidationVerdict::Failed, "{file}: {:?}", outputs(&report));
        assert!(
            outputs(&report)[0].contains("what is run is what the base commit says"),
            "{:?}",
            outputs(&report)
        );
    }
}

/// A definition of the base is laid over as it is there: a program, or a link.
#[tokio::test]
async fn what_is_laid_over_keeps_its_kind() {
    let world = World::new();
    world.write(
        "main",
        &[("ci", "#!/bin/sh\nmake -s test\n"), ("rules", "test:\n\t@echo tested\n")],
    );
    let program = |root: &std::path::Path| {
        fs::set_permissions(root.join("ci"), fs::Permissions::from_mode(0o755)).unwrap();
    };
    program(&world.path("main"));
    symlink("rules", world.path("main/Makefile")).unwrap();
    world.commit("main", &[]);
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    world.write(root, &[("ci", "#!/bin/sh\n# Other words.\nmake -s test\n")]);
    program(root);
    fs::remove_file(root.join("Makefile")).unwrap();
    world.write(root, &[("Makefile", "test:\n\t@echo not tested\n")]);
    let report = validate(&world, &prepared, &[check("./ci && readlink Makefile || true")]).await;
    assert!(outputs(&report)[0].ends_with("tested\nrules"), "{:?}", outputs(&report));
    assert!(!outputs(&report)[0].contains("not tested\n"), "{:?}", outputs(&report));
}

/// A script that a command names may be what is tested: what it does in the result counts, too.
#[tokio::test]
async fn a_result_that_changes_what_is_run_passes_by_both() {
    const CHECK: &str = "#!/bin/sh\n. ./greet.sh\ntest \"$(greet Ada)\" = \"Hello, Ada!\"\n";
    const MAKE: &str = "test:\n\t@sh test.sh && echo 1 passed\n";
    let says = |text: &str| format!("greet() {{ echo \"{text}\"; }}\n");
    let (good, other) = (says("Hello, $1!"), says("Hallo, $1!"));
    let more = good.clone() + "bye() { :; }\n";
    for (before, after, expected) in [
        (&good, &more, ValidationVerdict::Passed),
        // Broken by the result, although what the base has passes.
        (&good, &other, ValidationVerdict::Failed),
        // What was wrong before is mended.
        (&other, &good, ValidationVerdict::Passed),
    ] {
        let world = World::new();
        world.commit("main", &[("Makefile", MAKE), ("test.sh", CHECK), ("greet.sh", before)]);
        let prepared = world.prepare().await;
        world.write(&prepared.workspace.root, &[("greet.sh", after)]);
        let report = validate(&world, &prepared, &[check("make test")]).await;
        assert_eq!(report.verdict, expected, "{before} {after}: {report:#?}");
        let is_said = report.checks[0].output.contains("passes with what the result makes of");
        assert_eq!(is_said, before == &other, "{report:#?}");
    }
    // Bent, or changed together with what it reads.
    let world = World::new();
    let both = [
        ("Makefile", MAKE),
        ("test.sh", "sh run.sh\n"),
        ("run.sh", "grep -q good a\n"),
        ("a", "good\n"),
    ];
    world.commit("main", &both);
    let prepared = world.prepare().await;
    world.write(&prepared.workspace.root, &[("run.sh", "true\n"), ("a", "bad\n")]);
    let report = validate(&world, &prepared, &[check("make test")]).await;
    assert_eq!(report.verdict, ValidationVerdict::Unchecked, "{report:#?}");
    // A makefile is nothing that is tested.
    let world = World::new();
    world.commit("main", &[("Makefile", "test:\n\t@exit 1\n")]);
    let prepared = world.prepare().await;
    world.write(
        &prepared.workspace.root,
        &[("Makefile", "test:\n\t@echo 1 passed\n"), ("new", "x\n")],
    );
    let report = validate(&world, &prepared, &[check("make test")]).await;
    assert!(!report.checks[0].passed, "{report:#?}");
}

#[tokio::test]
async fn a_check_of_a_directory_is_run_on_what_all_may_share() {
    let world = World::new();
    world.commit("main", &[("api/Makefile", ""), ("web/Makefile", ""), ("common/x", "1\n")]);
    let of = |directory: &str| {
        let origin = CommandOrigin::Base(format!("{directory}/Makefile"));
        check_of(origin, &format!("echo {directory}"))
    };
    let checks = [of("api"), of("web")];
    for (file, expected) in
        [("web/a", &["web"][..]), ("common/x", &["api", "web"]), ("web/README.md", &["web"])]
    {
        let session = format!("s-{}", file.to_lowercase().replace(['/', '.'], "-"));
        let prepared = world.prepare_as(&session).await;
        world.write(&prepared.workspace.root, &[(file, "2\n")]);
        let report = validate(&world, &prepared, &checks).await;
        assert_eq!(outputs(&report), expected, "{file}");
    }
}

/// Scripts that ask npm for something find it, unless the result changes what npm goes by.
#[tokio::test]
async fn a_script_is_npms_to_run_while_nothing_of_its_own_is_changed() {
    let world = World::new();
    let package = r#"{"name": "x", "scripts": {"test": "echo of the script"}}"#;
    world.commit("main", &[("package.json", package), ("tools/Makefile", "all:\n\ttrue\n")]);
    world.write("programs", &[("npm", "#!/bin/sh\necho of npm \"$@\"\n")]);
    fs::set_permissions(world.path("programs/npm"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut settings = settings();
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", world.path("programs").display());
    settings.environment.variables[0].1 = path.into();
    let (roots, git) = (world.roots.clone(), world.git.clone());
    let validator = CommandValidator::new(roots, git, settings, CheckSettings::default());
    let test = [check_of(CommandOrigin::Base("package.json".into()), "npm test")];
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    world.write(root, &[("tools/Makefile", "all:\n\tfalse\n")]);
    let report = validate_with(&world, &prepared, &validator, &test).await;
    assert!(outputs(&report)[0].ends_with("of npm test"), "{:?}", outputs(&report));
    world.write(root, &[("package.json", r#"{"name": "x", "scripts": {"test": "true"}}"#)]);
    let report = validate_with(&world, &prepared, &validator, &test).await;
    assert!(outputs(&report)[0].ends_with("of the script"), "{:?}", outputs(&report));
}

#[tokio::test]
async fn what_the_set_up_leaves_on_the_base_is_laid_under_each_check() {
    let world = World::new();
    let ignored = "vendor\n";
    world.commit("main", &[(".gitignore", ignored), ("cyrus-setup.sh", SET_UP), ("gone", "x\n")]);
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    fs::remove_file(root.join("new")).unwrap();
    fs::remove_file(root.join("src")).unwrap();
    world.write(
        root,
        &[("src/lib.rs", "mine\n"), ("new/file", "mine\n"), ("cyrus-setup.sh", "touch own\n")],
    );
    fs::remove_file(root.join("gone")).unwrap();
    fs::remove_file(root.join("vendor/when")).unwrap();
    let show = "cat vendor/when; cat src/lib.rs new/file \"$HOME/cache\" vendor/link; pwd; \
        ls; ls \"$HOME/src\"; git config core.fsmonitor; rm -rf vendor \"$HOME\"/*";
    let checks = [check(show), check(&format!("true; {show}"))];
    let report = validate(&world, &prepared, &checks).await;
    let tree = prepared.workspace.root.with_file_name("check").join("tree");
    let (when, rest) = report.checks[0].output.split_once('\n').unwrap();
    let tree = tree.display();
    let files = "README.md\ncyrus-setup.sh\nnew\nsrc\nvendor";
    let expected = format!("mine\nmine\ncached\n{tree}\n{tree}\n{files}");
    assert_eq!(rest, expected, "{}", report.checks[0].output);
    assert_eq!(report.checks[1].output, report.checks[0].output, "it ran once: {when}");

    world.write(root, &[("more", "mine\n")]);
    let again = validate(&world, &prepared, &checks[..1]).await;
    assert!(again.checks[0].output.starts_with(when), "nor again for the next attempt");
}

#[tokio::test]
async fn a_set_up_that_fails_is_named_by_the_check() {
    let world = World::new();
    world.commit("main", &[("cyrus-setup.sh", "echo no compiler; exit 3\n")]);
    let prepared = world.prepare().await;
    world.write(&prepared.workspace.root, &[("new", "x\n")]);
    for _ in 0..2 {
        let report = validate(&world, &prepared, &[check("echo ran; exit 1")]).await;
        let output = &report.checks[0].output;
        for part in ["the set-up failed", "cyrus-setup.sh", "no compiler", "ran"] {
            assert!(output.contains(part), "{part} is not in {output}");
        }
    }
    let must = WorkspaceSettings { setup_must_succeed: true, ..settings() };
    let checks = CheckSettings::default();
    let validator = CommandValidator::new(world.roots.clone(), world.git.clone(), must, checks);
    let spec = WorkspaceSpec { token: 9, ..prepared.spec.clone() };
    let commit = world.collect(&prepared).await.commit;
    let subject = Subject {
        spec: &spec,
        commit: &commit,
        must_change: true,
        had_conflict: false,
        notes: &[],
    };
    let error = validator.validate(&subject, &[check("true")], &|_| {}).await.unwrap_err();
    assert!(error.to_string().contains("cyrus-setup.sh failed"), "{error}");
    assert!(!world.path("work/s-one/t1/9").exists(), "nothing stays of what has no clone");
}

#[tokio::test]
async fn only_what_the_operator_names_is_carried_over_and_no_link_is_followed() {
    let world = World::new();
    world.commit("main", &[(".gitignore", "target\ndeps\nlink\n"), ("tracked/file", "base\n")]);
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    world.write(root, &[("new", "x\n"), ("target/deep/built", "b\n"), ("deps/other", "o\n")]);
    world.write(root, &[("tracked/file", "theirs\n")]);
    world.write(".", &[("secret/key", "k\n")]);
    symlink(world.path("secret"), root.join("link")).unwrap();
    symlink(world.path("secret"), root.join("target/out")).unwrap();
    let carry = ["target", "link", "tracked", "absent", "link/deeper"].map(str::to_owned).into();
    let validator = validator(&world, CheckSettings { carry, ..CheckSettings::default() });
    let show = check("cat target/deep/built tracked/file; ls; test -L target/out && echo a link");
    let report = validate_with(&world, &prepared, &validator, &[show]).await;
    let expected = "b\ntheirs\nREADME.md\nnew\nsrc\ntarget\ntracked\na link";
    assert_eq!(outputs(&report), [expected]);
    assert_eq!(report.carried, ["target"]);
}

#[tokio::test]
async fn a_check_that_runs_no_test_where_the_base_runs_some_is_a_finding() {
    let world = World::new();
    let runs = "echo x >>\"$(dirname \"$0\")/../runs\"\n";
    let base = "echo 'Ran 3 tests in 0.001s'\n";
    world.commit("main", &[("test.sh", base), ("other.sh", "echo no runner\n"), ("n.sh", runs)]);
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    let validator = validator(&world, CheckSettings::default());
    for (script, expected) in [
        ("true\n", &["no-tests-executed"][..]),
        ("echo 'Ran 0 tests in 0.000s'\n", &["no-tests-executed"]),
        ("echo 'Ran 1 test in 0.000s'\n", &[]),
        ("echo 'Ran 2 tests in 0.000s'; exit 1\n", &["check-failed"]),
    ] {
        world.write(root, &[("test.sh", script)]);
        let checks = [check("sh test.sh"), check("sh other.sh")];
        let report = validate_with(&world, &prepared, &validator, &checks).await;
        assert_eq!(codes(&report), expected, "{script}");
    }
    let report = validate(&world, &prepared, &[check("sh other.sh")]).await;
    assert_eq!(report.verdict, ValidationVerdict::Passed, "the base runs none either");
    assert_eq!(report.checks[0].tests, None);
}

#[tokio::test]
async fn a_junit_report_that_the_result_brings_counts_for_nothing() {
    const REPORT: &str = "<testsuite><testcase name='a'/><testcase name='b'/></testsuite>";
    let world = World::new();
    let runner = format!("mkdir -p out; echo \"{REPORT}\" >out/r.xml\n");
    world.commit("main", &[("test.sh", &runner), (".gitignore", "out\n")]);
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    let junit = vec!["**/*.xml".to_owned()];
    let validator = validator(&world, CheckSettings { junit, ..CheckSettings::default() });
    world.write(root, &[("new", "x\n")]);
    let report = validate_with(&world, &prepared, &validator, &[check("sh test.sh")]).await;
    assert_eq!(report.checks[0].tests.unwrap().executed, 2);
    world.write(root, &[("test.sh", "true\n"), ("forged.xml", REPORT)]);
    let report = validate_with(&world, &prepared, &validator, &[check("sh test.sh")]).await;
    assert_eq!(codes(&report), ["no-tests-executed"]);
}

#[tokio::test]
async fn a_command_is_run_or_refused_by_its_origin() {
    use CommandOrigin::{Agent, Issue, Operator, PlanFile};
    let world = World::new();
    let prepared = world.prepare().await;
    world.write(&prepared.workspace.root, &[("new", "x\n")]);
    let all = [
        check_of(Operator, "echo operator"),
        check_of(PlanFile, "echo plan"),
        check_of(Issue, "echo issue"),
        check_of(Agent, "echo agent"),
    ];
    for (issue, run, refused) in [
        (false, &["operator", "plan"][..], &["echo issue", "echo agent"][..]),
        (true, &["operator", "plan", "issue"], &["echo agent"]),
    ] {
        let policy = CommandPolicy { issue };
        let validator = validator(&world, CheckSettings { policy, ..CheckSettings::default() });
        let report = validate_with(&world, &prepared, &validator, &all).await;
        assert_eq!(outputs(&report), run);
        let seen: Vec<_> = report.refused.iter().map(|one| one.check.command.as_str()).collect();
        assert_eq!(seen, refused);
        assert_eq!(report.verdict, ValidationVerdict::Passed);
        let alone = validate_with(&world, &prepared, &validator, &all[2..]).await;
        assert_eq!(alone.verdict, ValidationVerdict::Unchecked, "an issue proves nothing");
    }
    let policy = CommandPolicy { issue: true };
    let validator = validator(&world, CheckSettings { policy, ..CheckSettings::default() });
    let checks = [check("true"), check_of(Issue, "exit 1")];
    let report = validate_with(&world, &prepared, &validator, &checks).await;
    assert_eq!(report.verdict, ValidationVerdict::Failed, "and may lower");
}

#[tokio::test]
async fn a_merge_is_checked_without_a_clone_and_leaves_nothing() {
    let world = World::new();
    world.commit("main", &[("cyrus-setup.sh", "mkdir vendor; echo i >vendor/f\n")]);
    let base = world.base().await;
    let start = world.commit("main", &[("two", "2\n")]);
    let spec = WorkspaceSpec { start: start.clone(), ..common::spec("s-one", base) };
    let subject = Subject {
        spec: &spec,
        commit: &start,
        must_change: false,
        had_conflict: false,
        notes: &[],
    };
    let validator = validator(&world, CheckSettings::default());
    let report = validator.validate(&subject, &[check("cat two vendor/f")], &|_| {}).await;
    assert_eq!(outputs(&report.unwrap()), ["2\ni"]);
    assert_eq!(world.workspaces.present().await.unwrap(), []);
}

/// A pointer of Git LFS to `abc`, and where that is stored.
const POINTER: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\nsize 3\n";
const STORED: &str = "lfs/objects/ba/78";
const NAME: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[tokio::test]
async fn a_check_finds_the_content_of_git_lfs_wherever_its_attributes_stand() {
    for attributes in [".gitattributes", "assets/.gitattributes"] {
        let world = World::new();
        let rule = "*.bin filter=lfs diff=lfs merge=lfs -text\n";
        world.commit("main", &[(attributes, rule), ("assets/x.bin", POINTER)]);
        let store = world.path("main/.git").join(STORED);
        fs::create_dir_all(&store).unwrap();
        fs::write(store.join(NAME), "abc").unwrap();
        let prepared = world.prepare().await;
        world.write(&prepared.workspace.root, &[("added", "x\n")]);
        let report = validate(&world, &prepared, &[check("cat assets/x.bin")]).await;
        assert_eq!(outputs(&report), ["abc"], "{attributes}");
    }
}

/// What a set-up installs: a program in a virtual environment, and one that a script finds.
const INSTALLS: &str = "for at in .venv/bin node_modules/.bin; do mkdir -p $at; \
     printf '#!/bin/sh\necho of the set-up\n' >$at/tool; chmod +x $at/tool; done\n";

#[tokio::test]
async fn a_check_finds_the_programs_that_the_set_up_installed() {
    let world = World::new();
    world.commit("main", &[("cyrus-setup.sh", INSTALLS), (".gitignore", ".venv\nnode_modules\n")]);
    let prepared = world.prepare().await;
    world.write(&prepared.workspace.root, &[("added", "x\n")]);
    let report = validate(&world, &prepared, &[check("tool; echo \"${VIRTUAL_ENV##*/}\"")]).await;
    assert_eq!(outputs(&report), ["of the set-up\n.venv"]);
    assert_eq!(codes(&report), [""; 0]);
}

#[tokio::test]
async fn no_result_brings_the_programs_that_it_is_checked_with() {
    for (set_up, path) in [
        (Some(INSTALLS), ".venv/bin/tool"),
        (Some(INSTALLS), ".venv/bin/other"),
        (Some(INSTALLS), "node_modules/.bin/tool"),
        (None, ".venv/bin/tool"),
    ] {
        let world = World::new();
        let ignored = (".gitignore", ".venv\nnode_modules\n");
        world.commit("main", &[ignored]);
        if let Some(script) = set_up {
            world.commit("main", &[("cyrus-setup.sh", script)]);
        }
        let prepared = world.prepare().await;
        let root = &prepared.workspace.root;
        world.write(root, &[(path, "#!/bin/sh\necho of the result\n")]);
        fs::set_permissions(root.join(path), fs::Permissions::from_mode(0o755)).unwrap();
        world.run(root, &["add", "--force", path]);
        world.run(root, &["commit", "--quiet", "-m", "mine"]);
        let report = validate(&world, &prepared, &[check("tool || true")]).await;
        assert!(report.checks.is_empty(), "{path}: {report:?}");
        assert_eq!(codes(&report), ["in-set-up"], "{path}");
    }
}

/// Another commit of a submodule that the set-up brings is a change like any other; a submodule in the place of what the
/// set-up installs is not.
#[tokio::test]
async fn only_a_submodule_of_the_base_is_moved() {
    let world = World::new();
    let brings = "mkdir -p lib node_modules/tool; echo brought >lib/file\n";
    let modules = "[submodule \"lib\"]\n\tpath = lib\n\turl = https://example.com/lib\n";
    world.commit("main", &[("cyrus-setup.sh", brings), (".gitmodules", modules)]);
    let old = world.run("main", &["rev-parse", "HEAD^"]);
    let cached = |commit: &str, path: &str| format!("160000,{commit},{path}");
    world.run("main", &["update-index", "--add", "--cacheinfo", &cached(&old, "lib")]);
    world.run("main", &["commit", "--quiet", "-m", "a submodule"]);
    let new = world.run("main", &["rev-parse", "HEAD"]);
    for (session, path, found) in [
        ("s-moved", "lib", &[][..]),
        ("s-new", "node_modules/tool", &["outside-workspace", "in-set-up"]),
    ] {
        let prepared = world.prepare_as(session).await;
        let root = &prepared.workspace.root;
        world.run(root, &["update-index", "--add", "--cacheinfo", &cached(&new, path)]);
        world.run(root, &["commit", "--quiet", "-m", "mine"]);
        let report = validate(&world, &prepared, &[check("cat lib/file")]).await;
        assert_eq!(codes(&report), found, "{path}");
        assert_eq!(outputs(&report).len(), usize::from(found.is_empty()), "{path}");
    }
}

/// A makefile reads and runs other files: they are the base's as it is, but for data.
#[tokio::test]
async fn what_a_makefile_reads_and_runs_is_the_bases() {
    let world = World::new();
    let makefile = "include rules/*.inc\ninclude linked\n";
    let rules = "test:\n\t@./ci/run ci/data/wanted\n\t@sh ci/after.sh\n";
    world.write("main", &[("ci/run", "#!/bin/sh\necho base; cat $1\n")]);
    fs::set_permissions(world.path("main/ci/run"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(world.path("main/rules")).unwrap();
    symlink("rules/linked", world.path("main/linked")).unwrap();
    world.commit(
        "main",
        &[
            ("Makefile", makefile),
            ("rules/a.inc", rules),
            ("rules/linked", "X = base\n"),
            ("ci/after.sh", "echo after\n"),
            ("ci/data/wanted", "old\n"),
        ],
    );
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    let ours = "test:\n\t@echo ours\n";
    world.write(
        root,
        &[
            ("rules/a.inc", ours),
            ("rules/b.inc", ours),
            ("rules/linked", ours),
            ("ci/run", "#!/bin/sh\necho ours\n"),
            ("ci/after.sh", "echo ours\n"),
            ("ci/data/wanted", "new\n"),
        ],
    );
    fs::set_permissions(root.join("ci/run"), fs::Permissions::from_mode(0o755)).unwrap();
    let report = validate(&world, &prepared, &[check("make test")]).await;
    assert!(outputs(&report)[0].ends_with("base\nnew\nafter"), "{:?}", outputs(&report));
    assert!(!outputs(&report)[0].contains("ours"), "{:?}", outputs(&report));
}

#[tokio::test]
async fn a_program_of_the_base_is_the_results_to_change() {
    let world = World::new();
    world.write("main", &[("deploy.sh", "echo one\n")]);
    let program = world.path("main/deploy.sh");
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    world.commit("main", &[("cyrus-setup.sh", INSTALLS), (".gitignore", ".venv\nnode_modules\n")]);
    let prepared = world.prepare().await;
    world.write(&prepared.workspace.root, &[("deploy.sh", "echo two\n")]);
    let report = validate(&world, &prepared, &[check("sh deploy.sh")]).await;
    assert_eq!((codes(&report), outputs(&report)), (vec![], vec!["two"]));
}

#[tokio::test]
async fn no_link_stands_for_what_the_set_up_made() {
    let world = World::new();
    world.commit("main", &[("cyrus-setup.sh", INSTALLS)]);
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    world.write(root, &[("my/.bin/tool", "")]);
    fs::remove_dir_all(root.join("node_modules")).unwrap();
    symlink("my", root.join("node_modules")).unwrap();
    world.run(root, &["add", "--force", "--all"]);
    world.run(root, &["commit", "--quiet", "-m", "mine"]);
    let report = validate(&world, &prepared, &[check("true")]).await;
    assert_eq!(codes(&report), ["in-set-up"]);
}

/// The result makes a link of a directory for which the base has attributes.
#[tokio::test]
async fn what_is_checked_is_the_commit_where_the_bases_attributes_have_no_place() {
    let world = World::new();
    world.commit(
        "main",
        &[("lib/.gitattributes", "*.x text\n"), ("lib/a", "1\n"), ("other/b", "2\n")],
    );
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    fs::remove_dir_all(root.join("lib")).unwrap();
    symlink("other", root.join("lib")).unwrap();
    let report =
        validate(&world, &prepared, &[check("readlink lib; git status --porcelain")]).await;
    assert_eq!(outputs(&report), ["other"]);
}

/// A link to what never ends, in the place of a file that the host reads.
#[tokio::test]
async fn attributes_that_never_end_are_not_read() {
    let world = World::new();
    world.commit("main", &[("a", "1\n")]);
    let prepared = world.prepare().await;
    symlink("/dev/zero", prepared.workspace.root.join(".gitattributes")).unwrap();
    let report = validate(&world, &prepared, &[check("echo read")]).await;
    assert_eq!(codes(&report), ["outside-workspace"]);
}

/// What a check's shell reads is the base's, also where the base has nothing there or says the place by a program.
#[tokio::test]
async fn what_a_shell_reads_is_the_bases() {
    const ENDS: &str = "exit 0\n";
    for (reads, of_base, of_result, verdict) in [
        ("[ -f ci/local.sh ] && . ci/local.sh", None, "ci/local.sh", ValidationVerdict::Failed),
        ("[ ! -f ./.env ] || . ./.env", None, ".env", ValidationVerdict::Failed),
        (
            "for f in ci/d/*.sh; do . \"./$f\"; done",
            Some("ci/d/1.sh"),
            "ci/d/0.sh",
            ValidationVerdict::Failed,
        ),
        (
            "for f in ci/d/*.sh; do . \"./$f\"; done",
            Some("ci/d/1.sh"),
            "ci/d/1.sh",
            ValidationVerdict::Failed,
        ),
        // A script may be what is tested: a person looks at it.
        (
            ". \"$(dirname \"$0\")/lib.sh\"",
            Some("ci/lib.sh"),
            "ci/lib.sh",
            ValidationVerdict::Unchecked,
        ),
    ] {
        let world = World::new();
        let run = format!("{reads}\ngrep -q right result\n");
        world.commit("main", &[("ci/run.sh", &run), ("result", "right\n")]);
        if let Some(file) = of_base {
            world.commit("main", &[(file, "X=1\n")]);
        }
        let prepared = world.prepare().await;
        world.write(&prepared.workspace.root, &[("result", "wrong\n"), (of_result, ENDS)]);
        let report = validate(&world, &prepared, &[check("sh ci/run.sh")]).await;
        assert_eq!(report.verdict, verdict, "{reads} {of_result}: {report:#?}");
    }
}

/// Checks see files by the base's attributes, and a checkout of the result has them by its own.
#[tokio::test]
async fn attributes_that_write_files_otherwise_are_for_a_person_to_look_at() {
    for (attributes, is_proof) in [
        ("*.txt text eol=crlf\n", false),
        ("src/** working-tree-encoding=UTF-16\n", false),
        ("*.lock linguist-generated\n", true),
    ] {
        let world = World::new();
        let prepared = world.prepare().await;
        world.write(&prepared.workspace.root, &[(".gitattributes", attributes), ("new", "x\n")]);
        let report = validate(&world, &prepared, &[check("true")]).await;
        assert_eq!(report.unverified.is_none(), is_proof, "{attributes}: {report:?}");
        let said = report.unverified.unwrap_or_default();
        assert!(is_proof || said.contains("in another way than the checks saw them"), "{said}");
    }
}

/// What a script reads is the base's, and what it tests the result's, also where only a loop says what is read.
#[tokio::test]
async fn what_is_tested_is_the_results_where_any_file_may_be_read() {
    for recipe in [
        "set -e; for f in $(find ci.d -type f); do . ./$f; done; grep -qx good app.txt",
        "set -e; for f in ci.d/*; do . ./$f; done; grep -qx good app.txt",
        "find ci.d -type f | while read -r f; do . ./$f; done; grep -qx good app.txt",
        "f=app; g=.txt; . ./$X 2>/dev/null || true; grep -qx good $f$g",
    ] {
        let world = World::new();
        let makefile = format!("test:\n\t{}\n", recipe.replace('$', "$$"));
        let base = [("Makefile", makefile.as_str()), ("app.txt", "good\n"), ("ci.d/1", "A=1\n")];
        world.commit("main", &base);
        let prepared = world.prepare().await;
        let skips = [("ci.d/1", "exit 0\n"), ("ci.d/2", "exit 0\n"), ("app.txt", "bad\n")];
        world.write(&prepared.workspace.root, &skips);
        let report = validate(&world, &prepared, &[check("make test")]).await;
        assert_ne!(report.verdict, ValidationVerdict::Passed, "{recipe}: {report:?}");
    }
}
