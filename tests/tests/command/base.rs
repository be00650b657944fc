//! Checks that fail without the result too: what is said of them, what is paid for, and what the operator chose.

use crate::fixtures::{GREETER, MENDED, turns, write};
use cyrus_tests::{World, world};
use serde_json::{Value, json};
use std::fs;

/// A repository with this makefile, and a model that adds a file in every conversation.
fn made(files: &[(&str, &str)]) -> World {
    let adding = turns(json!([write("added.txt", "added\n"), { "text": "Done." }]));
    world!().repository(files).stand_in(adding)
}

fn run(world: &World, code: i32) -> (Value, usize) {
    let ended = world.run(["run", "--json", "Add a file"]).code(code);
    let lines = ended.lines();
    let paid = lines.iter().filter(|line| line["type"] == "execution-started").count();
    (lines.last().unwrap().clone(), paid)
}

/// A makefile whose test fails with these words.
fn failing(words: &str) -> String {
    format!("test:\n\t@printf '{words}\\n'; exit 1\n")
}

#[test]
fn what_fails_as_before_is_paid_for_once_and_is_no_proof() {
    let world = made(&[("Makefile", &failing("nothing works"))]);
    let (report, paid) = run(&world, 1);
    assert_eq!((report["outcome"].as_str(), paid), (Some("unverified"), 1), "{report:#}");
    let reason = report["reason"].as_str().unwrap();
    assert!(reason.contains("`make test` fails on the base commit too"), "{reason}");
    assert!(reason.contains("the same failures as before"), "{reason}");
    assert!(report["branch"].is_string(), "the work is not lost: {report:#}");
    let check = &report["validation"]["checks"][0];
    assert_eq!(check["onBase"]["outcome"], "same-failures", "{check:#}");
}

#[test]
fn the_operator_chooses_what_becomes_of_it() {
    for (choice, outcome, code) in
        [("unverified", "unverified", 1), ("accept", "validated", 0), ("stop", "rejected", 1)]
    {
        let world = made(&[("Makefile", &failing("nothing works"))])
            .config(json!({ "validation": { "failingBase": choice } }));
        let (report, paid) = run(&world, code);
        assert_eq!((report["outcome"].as_str(), paid), (Some(outcome), 1), "{choice}: {report:#}");
        let said = format!("{}{}", report["reason"], report["validation"]);
        assert!(choice == "accept" || said.contains("as before"), "{choice}: {report:#}");
    }
    let world = made(&[]).config(json!({ "validation": { "failingBase": "maybe" } }));
    let _ = world.run(["plan", "x"]).code(2).complains("unverified, accept, stop and retry");
}

/// A makefile whose test fails in its first run on what the model adds; runs are counted in a directory of the operator's.
#[test]
fn a_check_that_passes_when_it_is_run_again_is_paid_for_once() {
    for (choice, outcome, code) in
        [(json!({}), "unverified", 1), (json!({ "flaky": "accept" }), "validated", 0)]
    {
        let world = world!();
        let counted = world.path("counted");
        fs::create_dir(&counted).unwrap();
        let makefile = format!(
            "test:\n\t@test ! -e added.txt || {{ echo x >>{0}/runs; test $$(wc -l <{0}/runs) -gt 1; }}\n\t@echo 1 passed\n",
            counted.display()
        );
        let adding = turns(json!([write("added.txt", "added\n"), { "text": "Done." }]));
        let world = world.repository(&[("Makefile", &makefile)]).stand_in(adding);
        let world = world.shared(&[&counted]).config(json!({ "validation": choice }));
        let (report, paid) = run(&world, code);
        assert_eq!((report["outcome"].as_str(), paid), (Some(outcome), 1), "{choice}: {report:#}");
        let said = report.to_string();
        assert_eq!(said.contains("it is flaky"), outcome == "unverified", "{choice}: {report:#}");
    }
    let world = made(&[]).config(json!({ "validation": { "flaky": "maybe" } }));
    let _ = world.run(["plan", "x"]).code(2).complains("unverified, accept and retry");
}

/// The files of a repository, and what the reason has to say.
type Row = (&'static [(&'static str, &'static str)], &'static [&'static str]);

#[test]
fn what_is_missing_is_named_with_what_would_bring_it() {
    const PACKAGE: &str = r#"{"scripts":{"test":"jest"},"devDependencies":{"jest":"29"}}"#;
    let rows: &[Row] = &[
        (
            &[
                ("Makefile", "test:\n\t@no-such-runner --all\n"),
                ("package.json", PACKAGE),
                ("package-lock.json", "{}"),
            ],
            &["no-such-runner", "cyrus-setup.sh", "`npm ci`"],
        ),
        (
            &[("Makefile", "test:\n\t@python3 -c 'import no_such_module'\n")],
            &["the Python module `no_such_module` is missing", "cyrus-setup.sh"],
        ),
        (
            &[
                ("Makefile", "test:\n\t@.venv/bin/python -m pytest\n"),
                ("requirements.txt", "flask\n"),
            ],
            &[".venv/bin/python", "-m pip install -r requirements.txt"],
        ),
    ];
    for (files, wanted) in rows {
        // Nothing is fetched in a test.
        let config = json!({
            "validation": { "commands": ["make test"] }, "hooks": { "detectSetup": false }
        });
        let (report, paid) = run(&made(files).config(config), 1);
        let reason = report["reason"].as_str().unwrap_or_default();
        assert!(wanted.iter().all(|part| reason.contains(part)) && paid == 1, "{reason}");
    }
}

#[test]
fn only_what_the_result_made_worse_goes_back() {
    // One test fails on the base already; the result breaks another.
    let makefile = "test:\n\t@echo 'test old ... FAILED'; test ! -e added.txt || echo 'test new ... FAILED'; exit 1\n";
    let world =
        made(&[("Makefile", makefile)]).config(json!({ "attempts": { "most": 1, "retries": 0 } }));
    let (report, _) = run(&world, 1);
    assert_eq!(report["outcome"], "rejected", "{report:#}");
    let message = report["validation"]["findings"][0]["message"].as_str().unwrap();
    assert!(message.ends_with("that do not fail on the base commit: new"), "{message}");
}

#[test]
fn reports_are_compared_test_by_test() {
    let report = |names: &str| {
        format!("for n in {names}; do echo \"<testcase name='$$n'><failure/></testcase>\"; done")
    };
    let makefile = format!(
        "test:\n\t@{{ echo '<testsuite>'; {}; test ! -e added.txt || {{ {}; }}; echo '</testsuite>'; }} >out.xml; exit 1\n",
        report("a b"),
        report("c"),
    );
    let world = made(&[("Makefile", &makefile)]).config(json!({
        "validation": { "junit": ["out.xml"] }, "attempts": { "most": 1, "retries": 0 },
    }));
    let (report, _) = run(&world, 1);
    let on_base = &report["validation"]["checks"][0]["onBase"];
    assert_eq!(*on_base, json!({ "outcome": "new-failures", "tests": ["c"] }), "{report:#}");
}

#[test]
fn a_result_that_breaks_what_passes_is_sent_back_as_ever() {
    let files = [GREETER, &[("Makefile", "test:\n\ttest ! -e added.txt\n")]].concat();
    let world = made(&files).config(json!({ "attempts": { "most": 2, "retries": 0 } }));
    let (report, paid) = run(&world, 1);
    assert_eq!((report["outcome"].as_str(), paid), (Some("rejected"), 2), "{report:#}");
    assert_eq!(report["validation"]["checks"][0]["onBase"], json!({ "outcome": "passes" }));
}

#[test]
fn a_member_of_a_monorepo_is_checked_when_it_is_touched() {
    let files = [
        ("web/package.json", r#"{"scripts":{"test":"x"}}"#),
        ("backend/Makefile", "test:\n\ttest -e added\n"),
        ("web/Makefile", "test:\n\ttrue\n"),
    ];
    let files = [&files[1..], &[("tools/Makefile", "check:\n\tfalse\n")]].concat();
    let model = turns(json!([write("backend/added", "\n"), { "text": "Done." }]));
    let world = world!().repository(&files).stand_in(model);
    let plan = world.run(["plan", "Add"]).code(0);
    for command in ["cd backend && make test", "cd web && make test", "cd tools && make check"] {
        assert!(plan.stdout.contains(command), "{plan}");
    }
    let report = world.run(["run", "--json", "Add"]).code(0).report().outcome("validated");
    let checks = report["validation"]["checks"].as_array().unwrap();
    assert_eq!(checks.len(), 1, "{checks:#?}");
    assert_eq!(checks[0]["check"]["command"], "cd backend && make test");
}

#[test]
fn a_definition_that_the_result_changed_is_the_bases_in_every_runner() {
    for (file, base, changed, tool, script) in [
        (
            "web/package.json",
            r#"{"scripts":{"test":"false"}}"#,
            r#"{"scripts":{"test":"true"}}"#,
            "npm",
            "exit 0",
        ),
        (
            "justfile",
            "test:\n  false\n",
            "test:\n  true\n",
            "just",
            "grep -q false justfile && exit 1; exit 0",
        ),
        (
            "Taskfile.yml",
            "tasks:\n  test:\n    cmd: false\n",
            "tasks:\n  test:\n    cmd: true\n",
            "task",
            "grep -q false Taskfile.yml && exit 1; exit 0",
        ),
    ] {
        let model = turns(json!([
            { "tools": [{ "name": "Read", "input": { "file_path": format!("{{cwd}}/{file}") } }] },
            write(file, changed),
            { "text": "Done." },
        ]));
        let world = world!().repository(&[(file, base)]).stand_in(model);
        world.install(tool, script);
        let bin = world.path("bin");
        let world = world.seen(&[&bin]).config(json!({ "attempts": { "most": 1, "retries": 0 } }));
        let report = world.run(["run", "--json", "Change it"]).code(1).report();
        assert_ne!(report["outcome"], "validated", "{file}: {:#}", report["validation"]);
    }
}

#[test]
fn what_was_to_be_mended_goes_back_while_it_fails() {
    let world = made(&[("Makefile", &failing("nothing works"))])
        .config(json!({ "attempts": { "most": 2, "retries": 0 } }));
    let ended = world.run(["run", "--json", "Fix the test"]).code(1);
    let paid = ended.lines().iter().filter(|line| line["type"] == "execution-started").count();
    assert_eq!(paid, 2, "{ended}");
    let report = ended.report().outcome("rejected");
    let message = report["validation"]["findings"][0]["message"].as_str().unwrap();
    assert!(message.contains("still fails as it does without the change"), "{message}");
}

#[test]
fn what_a_limit_ends_says_nothing_of_what_was_to_be_mended() {
    for check in [
        json!({ "command": "exec sleep 600", "timeoutSeconds": 1 }),
        json!("kill -9 $$"),
        json!("(exec sh -c 'kill -9 $$')"),
    ] {
        let world = made(&[("a", "x\n")]).config(json!({ "validation": { "commands": [check] } }));
        let ended = world.run(["run", "--json", "Fix the test"]).code(1);
        let paid = ended.lines().iter().filter(|line| line["type"] == "execution-started").count();
        assert_eq!(paid, 1, "{check}: {ended}");
        let _ = ended.report().outcome("unverified");
    }
}

#[test]
fn a_mended_base_is_validated() {
    let files = [GREETER, &[("Makefile", "test:\n\tsh test.sh\n")]].concat();
    let model = turns(json!([
        { "tools": [{ "name": "Read", "input": { "file_path": "{cwd}/greet.sh" } }] },
        write("greet.sh", MENDED),
        { "text": "Done." },
    ]));
    let world = world!().repository(&files).stand_in(model);
    let _ = world.run(["run", "--json", "Mend it"]).code(0).report().outcome("validated");
}
