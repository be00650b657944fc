//! An executor that tries the same by what is in its result: scripts, commands, submodules, and where it says that
//! it pushed to.

mod common;

use common::{
    World, subject,
    trap::{Trap, everything, executable},
};
use cyrus_core::{
    Check, Collected, CommandOrigin, Integration, PreparedWorkspace, ValidationReport,
    ValidationVerdict, Validator, WorkspaceError, WorkspaceSpec, Workspaces,
};
use cyrus_executor::{BranchSource, GrantedRemote, RemoteBranch, WorkProduct};
use cyrus_workspace::{CheckSettings, CommandValidator};
use std::{fs, os::unix::fs::symlink, path::Path};

/// What an executor would like the checks to be, for each way that a check is detected.
#[tokio::test]
async fn the_checks_are_those_of_the_base_whatever_the_result_says() {
    const PACKAGE: &str =
        r#"{"scripts": {"pretest": "echo before", "test": "sh -c 'echo of the base'"}}"#;
    const MAKE: &str = "test: part\n\t@echo of the base\npart:\n\t@echo before\n";
    for (files, ours, theirs) in [
        (
            &[("package.json", PACKAGE)][..],
            &["before\nof the base"][..],
            &[("package.json", r#"{"scripts": {"test": "touch ../stolen"}}"#)][..],
        ),
        (
            &[("Makefile", MAKE)],
            &["before\nof the base"],
            &[("Makefile", "test:\n\ttouch ../stolen\n")],
        ),
        (
            &[("makefile", MAKE)],
            &["before\nof the base"],
            &[("GNUmakefile", "test:\n\ttouch ../stolen\n")],
        ),
        // What a rule has made in its turn, and what stands in the place of what it asks for.
        (
            &[("Makefile", "test:\n\t@$(MAKE) -s unit\nunit:\n\t@echo of the base\n")],
            &["of the base"],
            &[("Makefile", "test:\n\ttrue\nunit:\n\ttouch ../stolen\n")],
        ),
        (&[("Makefile", MAKE)], &["before\nof the base"], &[("part", "x\n")]),
        (&[("Makefile", MAKE)], &["before\nof the base"], &[("test/x", "x\n"), ("part/y", "y\n")]),
    ] {
        let world = World::new();
        world.commit("main", files);
        let prepared = world.prepare().await;
        world.write(&prepared.workspace.root, theirs);
        let collected = world.collect(&prepared).await;
        let checks = validator(&world, CheckSettings::default());
        let checks = checks.checks(&prepared.spec.base).await.unwrap();
        let report =
            validated(&world, &prepared, &collected, CheckSettings::default(), &checks[0]).await;
        assert_eq!(report.verdict, ValidationVerdict::Passed, "{report:?}");
        assert_eq!(report.checks[0].check, checks[0]);
        for part in ours.iter().chain(&["what is run is what the base commit says"]) {
            let output = &report.checks[0].output;
            assert!(output.contains(part), "{part} is not in {output}");
        }
        assert!(!prepared.workspace.root.with_file_name("stolen").exists());
    }
}

/// What a check's command starts in its turn, wherever that is said, for detected checks and for the operator's own.
#[tokio::test]
async fn what_a_command_goes_by_is_the_bases_wherever_it_is_said() {
    const TESTS: (&str, &str) = ("test.sh", "echo 1 passed; grep -q good app.txt");
    const LIES: &str = "echo 1 passed";
    const NAMED: &str = "RUN := out/run\n$(RUN): test.sh\n\t@mkdir -p out; cp test.sh $@\ntest: $(RUN)\n\t@sh $(RUN)\n";
    const PATTERN: &str =
        "out/%: %.sh\n\t@mkdir -p out; cp $< $@\ntest: out/test\n\t@sh out/test\n";
    let lies = |rule: &str| format!("{rule}:\n\t@{LIES}\n");
    let (make, unit) = (lies("test"), lies("unit"));
    for (command, base, result) in [
        ("make test", ("Makefile", "test:\n\t@sh test.sh\n"), ("Makefile", make.as_str())),
        ("make test", ("Makefile", "test:\n\t@sh test.sh\n"), ("Makefile.sh", &make)),
        ("make test", ("Makefile", "test:\n\t@sh test.sh\n"), ("RCS/Makefile,v", &make)),
        ("make -f ci.mk test", ("ci.mk", "test:\n\t@sh test.sh\n"), ("ci.mk", &make)),
        ("make test", ("Makefile", NAMED), ("out/run", LIES)),
        ("make test", ("Makefile", PATTERN), ("out/test", LIES)),
        ("make -C sub test", ("sub/Makefile", "test:\n\t@sh ../test.sh\n"), ("sub/test", "x")),
        ("./ci unit", ("Makefile", "unit:\n\t@sh test.sh\n"), ("Makefile", &unit)),
        ("./ci unit", ("Makefile", "unit:\n\t@sh test.sh\n"), ("ci", LIES)),
    ] {
        let world = World::new();
        world.write("main", &[("ci", "make -s \"$@\"\n")]);
        executable(&world.path("main/ci"), "#!/bin/sh\nmake -s \"$@\"\n");
        world.commit("main", &[TESTS, ("app.txt", "good\n"), base]);
        let prepared = world.prepare().await;
        let root = &prepared.workspace.root;
        world.write(root, &[("app.txt", "worse\n"), result]);
        if result.0 == "ci" {
            executable(&root.join("ci"), "#!/bin/sh\necho 1 passed\n");
        }
        let collected = world.collect(&prepared).await;
        let check = operators(command);
        let report =
            validated(&world, &prepared, &collected, CheckSettings::default(), &check).await;
        // What a command names may be what is tested, so a person has to say.
        let expected = match result.0 {
            "ci" => ValidationVerdict::Unchecked,
            _ => ValidationVerdict::Failed,
        };
        assert_eq!(report.verdict, expected, "{command} {result:?}: {report:?}");
        let open = CheckSettings { definitions_of_results: true, ..CheckSettings::default() };
        let report = validated(&world, &prepared, &collected, open, &check).await;
        if ["Makefile", "ci"].contains(&result.0) {
            assert_eq!(report.verdict, ValidationVerdict::Passed, "{command} {result:?}");
        }
    }
}

/// Names that stand for what counts: links for directories, names that are no text, what a package's script runs, and
/// modules in the directory where Python starts.
#[tokio::test]
async fn nothing_stands_in_the_place_of_what_a_command_goes_by() {
    const TESTS: (&str, &str) = ("test.sh", "echo 1 passed; grep -q good app.txt");
    const UNIT: &str = "import unittest\nclass T(unittest.TestCase):\n    def test(self):\n        \
                        self.assertEqual(open('../app.txt').read(), 'good\\n')\n";
    const FAKE: &str = "mkdir -p src/fake; echo 'import sys; sys.exit(0)' >src/fake/__main__.py; \
                        touch src/fake/__init__.py; ";
    const NPM: &str = "sh -c \"$(sed -n 's/.*: \"\\(.*\\)\".*/\\1/p' package.json)\"";
    const PACKAGE: &str = "{\"scripts\": {\n\"test\": \"ci/run\"\n}}\n";
    let fake = |then: &str| format!("{FAKE}{then}");
    for (command, base, script) in [
        (
            "make test",
            ("Makefile", "-include build/settings\ntest:\n\t@sh test.sh\n"),
            "mkdir x; echo 'SHELL := /bin/true' >x/settings; ln -s x build".to_owned(),
        ),
        (
            "make test",
            ("Makefile", "include $(wildcard mk/*.mk)\ntest:\n\t@sh test.sh\n"),
            "mkdir mk; echo 'SHELL := /bin/true' >\"mk/z$(printf '\\377').mk\"".to_owned(),
        ),
        (NPM, ("package.json", PACKAGE), "echo true >ci/run".to_owned()),
        ("timeout 60 ci/run", ("a", "x"), "echo true >ci/run".to_owned()),
        (
            "(cd py && true); if ci/run; then true; else false; fi",
            ("a", "x"),
            "echo true >ci/run".to_owned(),
        ),
        ("cd py && python3 -m unittest -q", ("a", "x"), fake("mv src/fake py/unittest")),
        ("cd py && python3 -m unittest -q", ("a", "x"), fake("ln -s ../src/fake py/unittest")),
    ] {
        let world = World::new();
        world.write("main", &[("ci/run", ""), ("py/test_a.py", UNIT)]);
        executable(&world.path("main/ci/run"), "#!/bin/sh\nexec sh test.sh\n");
        world.commit("main", &[TESTS, ("app.txt", "good\n"), base]);
        let prepared = world.prepare().await;
        let root = &prepared.workspace.root;
        world.write(root, &[("app.txt", "worse\n")]);
        carry_out(&script, root);
        passes_only_where_results_say(&world, &prepared, command).await;
    }
}

/// What a command reads, looks for or calls by a detour: each script of the result makes the check pass that fails.
#[tokio::test]
async fn what_a_command_goes_by_is_the_bases_by_whatever_way_it_is_named() {
    const CHECK: &str = "#!/bin/sh\ngrep -q good app.txt\n";
    const RULES: &str = "test:\n\t@grep -q good app.txt\n";
    const CALLS: &str = "#!/bin/sh\nset -e\n. lib/env\nlib/inner\nsh lib/deep.sh\n";
    const MODULE: &str = "import unittest\nclass T(unittest.TestCase):\n    def test(self):\n        \
                          self.assertEqual(open('app.txt').read(), 'good\\n')\n";
    let make = |text: &'static str| ("make -s test", text);
    for ((command, makefile), script) in [
        (
            make("OBJS := a.o\n-include $(OBJS:.o=.d)\ntest:\n\t@ci/run\n"),
            "echo 'test: SHELL := /bin/true' >a.d",
        ),
        (
            make("export PATH := $(CURDIR)/tools:$(PATH)\ntest:\n\t@grep -q good app.txt\n"),
            "cp ok tools/grep",
        ),
        (
            make("test:\n\t@$(MAKE) -C examples test\n"),
            "printf 'test:\\n\\ttrue\\n' >examples/Makefile",
        ),
        (make("RUN := $(shell cat ci/cmd)\ntest:\n\t@$(RUN)\n"), "echo true >ci/cmd"),
        (make("test:\n\t@cd tools && ./run\n"), "cp ok tools/run"),
        (make("test:\n\t@$(CURDIR)/ci/run\n"), "cp ok ci/run"),
        (make("D = ci\ntest:\n\t@$(D)/run\n"), "cp ok ci/run"),
        (make("test:\n\t@make -s -f ci/rules test\n"), "printf 'test:\\n\\ttrue\\n' >ci/rules"),
        (make("test:\n\t@. ./ci/env; $$CHECK app.txt\n"), "echo CHECK=true >ci/env"),
        (make("test:\n\t@./calls\n"), "echo exit >lib/env"),
        (make("test:\n\t@./calls\n"), "cp ok lib/inner"),
        (make("test:\n\t@./calls\n"), "echo true >lib/deep.sh"),
        (make("test:\n\t@./by\n"), "cp ok tools/interp"),
        (
            make("test:\n\t@PYTHONPATH=src python3 -m unittest -q test_a\n"),
            "echo 'import os; os._exit(0)' >src/sitecustomize.py",
        ),
        (
            make("-include config.mk\nconfig.mk: ci/env\n\t@cp $< $@\ntest:\n\t@ci/run\n"),
            "echo SHELL=/bin/true >ci/env",
        ),
        (("python3 -m unittest -q test_a", ""), "echo 'import os; os._exit(0)' >_heapq.py"),
        (("make -s --file=ci/rules test", ""), "printf 'test:\\n\\ttrue\\n' >ci/rules"),
        ((". ci/env && $CHECK app.txt", ""), "echo CHECK=true >ci/env"),
        (("PATH=$PWD/tools:$PATH; run", ""), "cp ok tools/run"),
        (("export PATH=\"tools:$PATH\" && run", ""), "cp ok tools/run"),
        (("sh -c \"$(cat ci/cmd)\"", ""), "echo true >ci/cmd"),
        (("sh < ci/cmd", ""), "echo true >ci/cmd"),
        (("R=ci/run; $R", ""), "cp ok ci/run"),
        (("eval \"$(sed s/x/x/ ci/cmd)\"", ""), "echo true >ci/cmd"),
        (("cat ci/cmd | sh", ""), "echo true >ci/cmd"),
        (("while read -r c; do $c app.txt; done < ci/check", ""), "echo true >ci/check"),
        (("d=tools; PATH=$PWD/$d:$PATH; run", ""), "cp ok tools/run"),
        (make("include $(abspath ci/rules)\n"), "printf 'test:\\n\\ttrue\\n' >ci/rules"),
        (
            make("TOP := $(shell pwd)\ninclude $(TOP)/ci/rules\n"),
            "printf 'test:\\n\\ttrue\\n' >ci/rules",
        ),
        (
            make("R = $(firstword $(wildcard new/run ci/run))\ntest:\n\t@$(R)\n"),
            "mkdir new; cp ok new/run",
        ),
        (
            make(
                "ifneq ($(wildcard new/run),)\nR=new/run\nelse\nR=ci/run\nendif\ntest:\n\t@$(R)\n",
            ),
            "mkdir new; cp ok new/run",
        ),
        (
            make("-include $(wildcard conf/*)\ntest:\n\t@ci/run\n"),
            "mkdir conf; echo 'test: SHELL := /bin/true' >conf/user",
        ),
        (make("test:\n\t@. $${ENVF:-./ci/env}; $$CHECK app.txt\n"), "echo CHECK=true >ci/env"),
        (("./ci/ru[n]", ""), "cp ok ci/run"),
        (("sh \"$(git rev-parse --show-toplevel || pwd)/ci/run\"", ""), "cp ok ci/run"),
    ] {
        let world = World::new();
        // Deep, so that all before it passes.
        let (pass, deep) = ("#!/bin/sh\n", "grep -q good app.txt\n");
        let (inner, deep) = if script.contains("inner") { (CHECK, "true\n") } else { (pass, deep) };
        let env = "CHECK='grep -q good'\n";
        for (name, text) in [
            ("ci/run", CHECK),
            ("tools/run", "#!/bin/sh\ncd \"$(dirname \"$0\")/..\"; grep -q good app.txt\n"),
            ("calls", CALLS),
            ("lib/inner", inner),
            ("ok", pass),
            ("by", "#!tools/interp\n"),
        ] {
            world.write("main", &[(name, "")]);
            executable(&world.path("main").join(name), text);
        }
        executable(&world.path("main/tools/interp"), CHECK);
        world.commit(
            "main",
            &[
                ("ci/rules", RULES),
                ("ci/env", env),
                ("ci/cmd", "grep -q good app.txt\n"),
                ("ci/check", "grep -q good\n"),
                ("lib/env", ""),
                ("lib/deep.sh", deep),
                ("examples/Makefile", "test:\n\t@grep -q good ../app.txt\n"),
                ("src/x.py", ""),
                ("test_a.py", MODULE),
                ("app.txt", "good\n"),
                ("Makefile", makefile),
            ],
        );
        let prepared = world.prepare().await;
        let root = &prepared.workspace.root;
        world.write(root, &[("app.txt", "worse\n")]);
        carry_out(script, root);
        passes_only_where_results_say(&world, &prepared, command).await;
    }
}

/// What may be taken for what a build makes, or for a target that a makefile works out, proves nothing.
#[tokio::test]
async fn what_may_stand_for_what_is_made_is_no_proof() {
    const COMPUTED: &str = "define rule\nunit-$(1):\n\tsh tests/$(1).sh\nendef\nS=add\n\
                            $(foreach s,$(S),$(eval $(call rule,$s)))\ntest: $(S:%=unit-%)\n";
    for (makefile, script, expected) in [
        (COMPUTED, "echo x >unit-add", Some("unit-add")),
        (COMPUTED, "mkdir unit-add; echo x >unit-add/x", Some("unit-add")),
        (COMPUTED, "echo x >new; mkdir docs; echo x >docs/a.md", None),
        ("unit-%: a\n\tsh tests/$*.sh\ntest: unit-add\n", "echo x >unit-add", Some("unit-add")),
        // The target of an included one is phony: it is done, and fails. So it is where it is looked for elsewhere.
        ("VPATH = o\ntest: fixed\nfixed:\n\t@test ! -e b\n", "mkdir o; echo x >o/fixed", Some("")),
        ("include more.mk\ntest: fixed\n", "echo x >fixed", Some("")),
        ("test:\n", "printf 'x\\0' >a.pyc; git add -f a.pyc; git commit -qm x", Some("a.pyc")),
        (
            "test:\n",
            "mkdir __pycache__; echo x >__pycache__/a; git add -f .; git commit -qm x",
            Some("__pycache__/a"),
        ),
        (
            "test:\n",
            ": >.gitignore; mkdir out; printf '\\0' >out/x; git add -f .; git commit -qm x",
            Some("out/x"),
        ),
        ("test:\n", "echo '!out/' >>.gitignore; mkdir out; ln -s a out/x", Some("out/x")),
        ("test:\n", ": >.gitignore; mkdir out; echo text >out/x", None),
        ("test:\n", "printf '\\0' >picture.png", None),
    ] {
        let world = World::new();
        world.commit(
            "main",
            &[
                ("Makefile", makefile),
                (".gitignore", "out/\n"),
                ("tests/add.sh", "exit 0\n"),
                ("more.mk", "fixed:\n\t@test ! -e b\n"),
                ("a", "x\n"),
            ],
        );
        let prepared = world.prepare().await;
        let root = &prepared.workspace.root;
        world.write(root, &[("b", "x\n")]);
        carry_out(script, root);
        let collected = world.collect(&prepared).await;
        let check = operators("make test && echo 1 passed");
        let settings = CheckSettings::default();
        let report = validated(&world, &prepared, &collected, settings, &check).await;
        let verdict = match expected {
            Some("") => ValidationVerdict::Failed,
            Some(_) => ValidationVerdict::Unchecked,
            None => ValidationVerdict::Passed,
        };
        assert_eq!(report.verdict, verdict, "{script}: {report:?}");
        let said = report.unverified.unwrap_or_default();
        let named = expected.filter(|name| !name.is_empty());
        assert!(named.is_none_or(|name| said.contains(&format!("`{name}`"))), "{said}");
    }
}

/// What builds and installers make, and what git takes nothing of.
#[tokio::test]
async fn no_result_brings_what_is_ignored_or_is_a_repository_inside_of_it() {
    for (script, expected) in [
        ("mkdir -p venv/bin; echo x >venv/bin/python; git add -f venv", &["ignored-file"][..]),
        ("printf 'x\\0' >lib.o; git add -f lib.o; git commit -qm lib", &["ignored-file"]),
        ("ln -s a x.o; git add -f x.o", &["ignored-file"]),
        ("echo x >x.o; chmod +x x.o; git add -f x.o", &["ignored-file"]),
        ("echo KEY= >example.o; git add -f example.o", &[]),
        ("echo x >src/lib/new; git add -f src/lib/new", &[]),
        ("echo >.gitignore; mkdir venv; echo x >venv/python", &[]),
        ("git init -q sub; echo x >sub/a; echo y >new", &["nested-repository"]),
        ("echo y >new", &[]),
    ] {
        let world = World::new();
        world.commit("main", &[("src/lib/a", "x\n")]);
        world.commit("main", &[(".gitignore", "venv/\n*.o\nlib/\n")]);
        let prepared = world.prepare().await;
        let root = &prepared.workspace.root;
        carry_out(script, root);
        let collected = world.collect(&prepared).await;
        let report =
            validated(&world, &prepared, &collected, CheckSettings::default(), &operators("true"))
                .await;
        let codes: Vec<_> = report.findings.iter().map(|finding| finding.code.as_str()).collect();
        assert_eq!(codes, expected, "{script}: {report:#?}");
    }
}

/// That a check passes on what was made in the workspace where results say what is run, and does not else, or needs a
/// person: what a command names may be what is tested.
async fn passes_only_where_results_say(world: &World, prepared: &PreparedWorkspace, command: &str) {
    let made = world.run(&prepared.workspace.root, &["status", "--short", "--ignored"]);
    let collected = world.collect(prepared).await;
    let check = operators(command);
    let report = validated(world, prepared, &collected, CheckSettings::default(), &check).await;
    let is_open = report.unverified.is_some();
    assert!(is_open || !report.checks[0].passed, "{command} {made}: {report:#?}");
    let open = CheckSettings { definitions_of_results: true, ..CheckSettings::default() };
    let report = validated(world, prepared, &collected, open, &check).await;
    assert!(report.checks[0].passed, "{command} {made}: {report:#?}");
}

/// What an executor does in its workspace.
fn carry_out(script: &str, root: &Path) {
    let done = std::process::Command::new("sh").args(["-ec", script]).current_dir(root).status();
    assert!(done.unwrap().success(), "{script}");
}

fn operators(command: &str) -> Check {
    Check { command: command.to_owned(), origin: CommandOrigin::Operator, timeout: common::TIMEOUT }
}

fn validator(world: &World, settings: CheckSettings) -> CommandValidator {
    let (roots, git) = (world.roots.clone(), world.git.clone());
    CommandValidator::new(roots, git, common::settings(), settings)
}

async fn validated(
    world: &World,
    prepared: &PreparedWorkspace,
    collected: &Collected,
    settings: CheckSettings,
    check: &Check,
) -> ValidationReport {
    let validator = validator(world, settings);
    let subject = subject(prepared, collected);
    validator.validate(&subject, std::slice::from_ref(check), &|_| {}).await.unwrap()
}

#[tokio::test]
async fn no_result_brings_the_users_own_files() {
    let world = World::new();
    world.commit("main", &[(".gitignore", ".env\n"), (".worktreeinclude", ".env\n")]);
    world.write("main", &[(".env", "KEY=secret\n")]);
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    world.write(root, &[("new", "x\n")]);
    world.run(root, &["add", "--force", ".env", "new"]);
    world.run(root, &["commit", "--quiet", "-m", "mine"]);
    // What one commit has is published, also where the next one takes it back.
    world.run(root, &["rm", "--quiet", "--cached", ".env"]);
    world.run(root, &["commit", "--quiet", "-m", "without"]);
    let collected = world.collect(&prepared).await;
    let check = operators("true");
    let report = validated(&world, &prepared, &collected, CheckSettings::default(), &check).await;
    let codes: Vec<_> = report.findings.iter().map(|finding| finding.code.as_str()).collect();
    assert_eq!(codes, ["users-file"], "{report:?}");
}

/// Under another name it is no less the user's.
#[tokio::test]
async fn no_result_brings_what_is_in_the_users_own_files() {
    let world = World::new();
    let list = ".env\n*.local\n";
    world.commit("main", &[(".gitignore", list), (".worktreeinclude", list)]);
    world.write("main", &[(".env", "KEY=secret\n"), ("empty.local", "")]);
    world.write("main", &[("crlf.local", "A=1\r\nB=2\r\n"), ("two\nlines.local", "C=3\n")]);
    world.write("main", &[("long.local", "TOKEN=abcdef0123456789\n")]);
    world.write("", &[("elsewhere", "D=4\n")]);
    symlink(world.path("elsewhere"), world.path("main/link.local")).unwrap();
    for (session, then, expected) in [
        ("s-moved", "mv .env settings.txt", &["users-file"][..]),
        (
            "s-taken-back",
            "cp .env b; git add b; git commit -qm b; git rm -q b; echo > new",
            &["users-file"],
        ),
        ("s-other", "echo KEY=other >new; : >nothing", &[]),
        ("s-message", "echo x >new; git add new; git commit -qF long.local", &["users-file"]),
        (
            "s-author",
            "echo x >new; git add new; GIT_AUTHOR_NAME=\"$(cat long.local)\" git commit -qm x",
            &[],
        ),
        ("s-crlf", "tr -d '\\r' <crlf.local >new", &["users-file"]),
        ("s-lines", "cp two*lines.local new", &["users-file"]),
        ("s-link", "cp link.local new", &["users-file"]),
        (
            "s-pointer",
            "printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:%s\\nsize %s\\n' \
             $(sha256sum .env | cut -c1-64) $(wc -c <.env) >new",
            &["users-file"],
        ),
    ] {
        let prepared = world.prepare_as(session).await;
        carry_out(then, &prepared.workspace.root);
        let collected = world.collect(&prepared).await;
        let report =
            validated(&world, &prepared, &collected, CheckSettings::default(), &operators("true"))
                .await;
        let codes: Vec<_> = report.findings.iter().map(|finding| finding.code.as_str()).collect();
        assert_eq!(codes, expected, "{session}: {report:?}");
    }
}

#[tokio::test]
async fn the_set_up_of_a_result_is_never_run() {
    let world = World::new();
    let trap = Trap::new(&world);
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    let script = format!("#!/bin/sh\n{}\n", trap.command());
    for name in ["cyrus-setup.sh", "cyrus-teardown.sh"] {
        executable(&root.join(name), &script);
    }
    world.run(root, &["add", "--all"]);
    world.run(root, &["commit", "--quiet", "-m", "mine"]);
    let start = everything(&world, &prepared).await;
    assert!(world.files(&start).contains(&"cyrus-setup.sh".to_owned()));
    // A task that starts from there.
    let spec = WorkspaceSpec { start, token: 2, ..prepared.spec.clone() };
    let next = world.workspaces.prepare(&spec).await.unwrap();
    assert!(next.workspace.root.join("cyrus-setup.sh").exists());
    world.workspaces.discard(&next).await.unwrap();
    assert!(!trap.sprung());
    // Once the user has taken it over, it is the base's.
    world.run("main", &["merge", "--quiet", "cyrus/s-one"]);
    world.prepare_as("s-two").await;
    trap.reset();
}

#[tokio::test]
async fn a_submodule_is_neither_fetched_nor_entered() {
    let world = World::new();
    let trap = Trap::new(&world);
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    world.write(root, &[("module/file", "x\n")]);
    world.run(root.join("module"), &["init", "--quiet"]);
    world.commit(root.join("module"), &[("file", "y\n")]);
    for key in ["core.fsmonitor", "core.sshCommand", "filter.x.clean", "filter.x.smudge"] {
        world.run(root.join("module"), &["config", key, &trap.command()]);
    }
    fs::create_dir_all(root.join("module/.git/hooks")).unwrap();
    fs::copy(&trap.program, root.join("module/.git/hooks/post-checkout")).unwrap();
    let url = format!("ext::touch {}", trap.marker.display());
    let modules = format!("[submodule \"m\"]\n\tpath = module\n\turl = {url}\n");
    world.commit(root, &[(".gitmodules", &modules)]);
    world.run(root, &["config", "submodule.m.url", &url]);
    world.run(root, &["config", "submodule.recurse", "true"]);
    world.run(root, &["config", "protocol.ext.allow", "always"]);
    let _ = fs::remove_file(&trap.marker);
    let start = everything(&world, &prepared).await;
    let spec = WorkspaceSpec { start: start.clone(), token: 2, ..prepared.spec.clone() };
    let next = world.workspaces.prepare(&spec).await.unwrap();
    world.write(&next.workspace.root, &[("more", "x\n")]);
    let theirs = world.collect(&next).await.commit;
    let ours = world.commit("main", &[("other", "x\n")]);
    let WorkspaceSpec { base, session, task, .. } = &spec;
    world.integration.merge(base, session, task, &ours, &theirs, "x").await.unwrap();
    assert!(!trap.sprung());
    // It would be run, where git may do what such a clone asks for.
    let args = ["-c", "protocol.ext.allow=always", "submodule", "update", "--init"];
    world.run(".", &["clone", "--quiet", "--branch=cyrus/s-one", "main", "victim"]);
    world.attempt_with("victim", &args, &[("GIT_ALLOW_PROTOCOL", "ext:file")]);
    assert!(trap.sprung(), "the attack does not work at all");
}

#[tokio::test]
async fn submodules_that_would_run_something_are_refused() {
    let world = World::new();
    let prepared = world.prepare().await;
    let url = "[submodule \"x\"]\n\tpath = x\n\turl = --upload-pack=touch marker;\n";
    world.write(&prepared.workspace.root, &[(".gitmodules", url)]);
    let error = world.try_collect(&prepared).await.unwrap_err();
    assert!(
        matches!(&error, WorkspaceError::Unacceptable(why) if why.contains("gitmodules")),
        "{error}"
    );
}

#[tokio::test]
async fn a_claimed_remote_cannot_run_or_read_anything_here() {
    let world = World::new();
    let trap = Trap::new(&world);
    world.run(".", &["init", "--quiet", "--initial-branch=main", "private"]);
    world.commit("private", &[("secret", "s\n")]);
    world.run("main", &["remote", "add", "origin", "https://example.invalid/a"]);
    world.run("main", &["config", "protocol.ext.allow", "always"]);
    let prepared = world.prepare().await;
    let private = world.path("private").display().to_string();
    // Even where policy were to grant it.
    let granted = |remote: String| BranchSource::Granted(GrantedRemote::judged(remote, true));
    for (source, name) in [
        (granted(format!("ext::{}", trap.command())), "main"),
        (granted(format!("--upload-pack={}", trap.command())), "main"),
        (granted(private.clone()), "main"),
        (granted(format!("file://{private}")), "main"),
        (granted("ssh://git@example.invalid/a".to_owned()), "main"),
        (granted("http://example.invalid/a".to_owned()), "main"),
        (granted("git://example.invalid/a".to_owned()), "main"),
        (BranchSource::Origin, "--upload-pack=x"),
        (BranchSource::Origin, "a:refs/heads/main"),
    ] {
        let branch = RemoteBranch { source, name: name.to_owned(), commit: None };
        let product = WorkProduct::Branch(branch.clone());
        let error = world.workspaces.collect(&prepared, &product, "x").await.unwrap_err();
        assert!(matches!(&error, WorkspaceError::Unacceptable(_)), "{branch:?}: {error}");
    }
    assert!(!trap.sprung());
}
