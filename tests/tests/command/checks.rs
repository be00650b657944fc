//! What decides whether a result is validated: commands by their origin, on the commit that is published, by tests that
//! ran.

use crate::fixtures::{GREETER, MENDED, bash, greeter, mending, turns, write};
use cyrus_tests::{World, world};
use serde_json::{Value, json};
use std::fs;

/// An issue that wants a command run, once for each place where an issue can name one.
fn issues(command: &str) -> [String; 3] {
    [
        format!(
            "# Greet by name\n\nIn greet.sh.\n\n## Acceptance criteria\n\n- `{command}` passes\n"
        ),
        format!(
            "# Two things\n\n- [ ] Greet by name\n  Done when `{command}` passes\n- [ ] And again\n"
        ),
        format!(
            "# Two things\n\n- [ ] Greet by name\n- [ ] And again\n\nDone when `{command}` passes\n"
        ),
    ]
}

fn write_issue(world: &World, text: &str) -> String {
    let file = world.path("issue.md");
    fs::write(&file, text).unwrap();
    file.display().to_string()
}

fn commands(plan: &Value) -> Vec<(String, Value, bool)> {
    let all = plan["commands"].as_array().unwrap();
    let each = all.iter().map(|one| {
        let command = one["command"].as_str().unwrap().to_owned();
        (command, one["source"].clone(), one["refused"].is_null())
    });
    each.collect()
}

#[test]
fn the_author_of_an_issue_has_no_command_run() {
    for issue in issues("touch ../../../../../../pwned; touch pwned; exit 1") {
        let world = greeter(world!(), mending());
        let file = write_issue(&world, &issue);
        let plan = world.run(["plan", "--json", "--issue", &file]).code(0).json();
        let named = commands(&plan);
        let of_issue: Vec<_> = named.iter().filter(|one| one.1 == json!("issue")).collect();
        assert!(!of_issue.is_empty() && of_issue.iter().all(|one| !one.2), "{named:?}");
        let text = world.run(["plan", "--issue", &file]).code(0);
        let text = text.prints("the issue; not run: it comes from the issue").stdout;
        assert!(text.contains("validation.acceptance"), "{text}");

        let report = world.run(["run", "--json", "--issue", &file]).code(0).report();
        let report = report.outcome("validated");
        let refused = report["validation"]["refused"].as_array().unwrap();
        assert_eq!(refused.len(), 1, "{:#}", report["validation"]);
        assert!(
            !fs::read_dir(world.user())
                .unwrap()
                .any(|entry| { entry.unwrap().file_name().to_string_lossy().contains("pwned") })
        );
        let checks = report["validation"]["checks"].as_array().unwrap();
        assert!(
            checks.iter().all(|one| one["check"]["source"] == json!("configured")),
            "{checks:?}"
        );
    }
}

#[test]
fn a_command_of_an_issue_lowers_an_outcome_and_never_raises_it() {
    for (checks, command, outcome, code) in [
        (json!([]), "true", "unverified", 1),
        (json!(["sh test.sh"]), "true", "validated", 0),
        (json!(["sh test.sh"]), "exit 1", "rejected", 1),
    ] {
        let config = json!({ "validation": { "acceptance": true, "commands": checks } });
        let world = greeter(world!(), mending()).config(config);
        let file = write_issue(&world, &issues(command)[0]);
        let ended = world.run(["run", "--json", "--issue", &file]).code(code);
        let report = ended.report().outcome(outcome);
        assert!(report["validation"]["refused"].is_null(), "{:#}", report["validation"]);
    }
}

#[test]
fn a_plan_shows_every_command_with_its_origin() {
    let files =
        [GREETER, &[("cyrus-setup.sh", "true\n"), ("cyrus-teardown.sh", "true\n")]].concat();
    let world = world!().repository(&files).config(json!({
        "validation": { "commands": ["sh test.sh"] },
        "hooks": { "setup": "/opt/up.sh", "teardown": "/opt/down.sh" },
    }));
    let world = world.stand_in(mending());
    let plan = world.path("plan.yaml");
    let text =
        "tasks:\n- id: a\n  prompt: Greet\n  acceptance: [make a]\n- id: b\n  prompt: Greet\n";
    fs::write(&plan, text).unwrap();
    let file = write_issue(&world, &issues("make c")[0]);
    let args = ["plan", "--json", "--issue", &file, "--plan", plan.to_str().unwrap()];
    let shown = commands(&world.run(args).code(0).json());
    let detected = |file: &str| json!({ "detected": file });
    let expected = [
        ("/opt/up.sh", json!("configured"), true),
        ("cyrus-setup.sh", detected("cyrus-setup.sh"), true),
        ("sh test.sh", json!("configured"), true),
        ("make a", json!("plan-file"), true),
        ("make c", json!("issue"), false),
        ("cyrus-teardown.sh", detected("cyrus-teardown.sh"), true),
        ("/opt/down.sh", json!("configured"), true),
    ];
    assert_eq!(shown, expected.map(|(command, origin, runs)| (command.to_owned(), origin, runs)));
}

/// A Python module with a test that holds it, as `python3 -m unittest` finds it.
const ADDER: &[(&str, &str)] = &[
    ("calc.py", "def add(a, b):\n    return a + b\n"),
    (
        "tests/test_calc.py",
        "import os, sys, unittest\nsys.path.insert(0, os.getcwd())\nimport calc\n\n\
         class T(unittest.TestCase):\n    def test_add(self):\n        self.assertEqual(calc.add(2, 2), 4)\n",
    ),
];

const BROKEN: &str = "def add(a, b):\n    return 5\n";

fn adder(script: Value) -> World {
    let config = json!({
        "validation": {
            "commands": ["python3 -m unittest discover -s tests"],
            "protectedPaths": ["tests/**"],
        },
        "attempts": { "most": 1, "retries": 0 },
    });
    world!().repository(ADDER).config(config).stand_in(script)
}

#[test]
fn a_file_that_is_not_in_the_result_passes_no_check() {
    let world = adder(turns(json!([
        bash(&format!("printf '{}' >calc.py", BROKEN.replace('\n', "\\n"))),
        write(".gitignore", "unittest.py\n.gitignore\n"),
        write("unittest.py", "print(\"Ran 1 test in 0.1s\")\n"),
        { "text": "All tests pass." },
    ])));
    let world = world.config(json!({ "validation": { "failingBase": "retry" } }));
    let report = world.run(["run", "--json", "Add"]).code(1).report().outcome("rejected");
    let files =
        world.repo().git(["ls-tree", "-r", "--name-only", report["commit"].as_str().unwrap()]);
    assert_eq!(files, "calc.py\ntests/test_calc.py", "what was ignored was not published");
    assert_eq!(report["validation"]["findings"][0]["code"], "check-failed");
}

#[test]
fn what_an_earlier_attempt_left_passes_no_check() {
    // The first attempt plants what makes the check pass wherever it looks; the second does nothing but add a file.
    let plant = "mkdir -p \"$HOME/.local/lib\"; echo 'raise SystemExit(0)' >\"$HOME/sitecustomize.py\"; \
        echo 'raise SystemExit(0)' >sitecustomize.py; echo sitecustomize.py >>.git/info/exclude; \
        echo 'return' >\"$TMPDIR/left\"";
    let script = json!({ "conversations": [
        { "turns": [
            bash(&format!("{plant}; printf '{}' >calc.py", BROKEN.replace('\n', "\\n"))),
            { "text": "Done." },
        ] },
        { "turns": [write("more.py", "\n"), { "text": "Done." }] },
    ] });
    let world = adder(script).config(json!({
        "attempts": { "most": 2 }, "validation": { "failingBase": "retry" },
    }));
    let report = world.run(["run", "--json", "Add"]).code(1).report().outcome("rejected");
    for check in report["validation"]["checks"].as_array().unwrap() {
        assert_eq!(check["tests"], json!({ "executed": 1 }), "the real test ran: {check:#}");
    }
}

#[test]
fn no_check_prepares_the_next_one_also_of_a_merge() {
    // The result's own test, which is its to say, writes what would make the operator's second check pass.
    let planting = "printf 'exit 0\\n' >verify.sh; for place in \"$HOME\" \"$TMPDIR\" ..; do touch \"$place/left\"; done";
    let files =
        [GREETER, &[("verify.sh", "sh test.sh && ! ls \"$HOME/left\" \"$TMPDIR/left\" ../left\n")]]
            .concat();
    let world = world!().repository(&files).config(json!({
        "validation": { "commands": ["sh own.sh || true", "sh verify.sh"], "failingBase": "retry" },
        "attempts": { "most": 1, "retries": 0, "rounds": 0 },
    }));
    let world = world.stand_in(turns(json!([
        bash(&format!("cat >own.sh <<'X'\n{planting}\nX\necho $$ >unique-$$")),
        { "text": "Done." },
    ])));
    let _ = world.run(["run", "--json", "Greet"]).code(1).report().outcome("rejected");

    let world = world.stand_in(turns(json!([
        bash(&format!(
            "cat >own.sh <<'X'\n{planting}\nX\nprintf '{}' >greet.sh; echo $$ >unique-$$-$RANDOM",
            MENDED.replace('\n', "\\n").replace('$', "\\044").replace('"', "\\042")
        )),
        { "text": "Done." },
    ])));
    let file = write_issue(&world, "Two\n\n- [ ] Greet\n- [ ] Greet as well\n");
    let report =
        world.run(["run", "--json", "--issue", &file]).code(0).report().outcome("validated");
    assert_eq!(report["validation"]["checks"].as_array().unwrap().len(), 2);
}

#[test]
fn an_exit_status_proves_no_test() {
    const PACKAGE: &str = r#"{"scripts": {"test": "sh run.sh"}}"#;
    let runner = "for t in tests/*; do sh \"$t\" || exit 1; done; echo \"Ran $(ls tests | wc -l) tests in 0.1s\"\n";
    let files = [
        ("package.json", PACKAGE),
        ("run.sh", runner),
        ("tests/a", "true\n"),
        ("Makefile", "test:\n\tsh run.sh\n"),
    ];
    for (commands, change) in [
        // What decides how tests are run is replaced, filtered, or gone.
        (json!(["sh run.sh"]), "echo true >run.sh"),
        (json!(["sh run.sh"]), "echo 'echo Ran 0 tests in 0.1s' >run.sh"),
        (json!(["make test"]), "printf 'test:\\n\\ttrue\\n' >Makefile"),
    ] {
        let config = json!({
            "validation": { "commands": commands, "definitions": "result" },
            "attempts": { "most": 1, "retries": 0 },
        });
        let world = world!().repository(&files).config(config);
        let world = world.stand_in(turns(json!([bash(change), { "text": "All tests pass." }])));
        let report = world.run(["run", "--json", "Do it"]).code(1).report().outcome("rejected");
        let finding = &report["validation"]["findings"][0];
        assert_eq!(finding["code"], "no-tests-executed", "{change}: {finding:#}");
        assert!(finding["message"].as_str().unwrap().contains("on the base commit it runs 1"));
    }
}

#[test]
fn a_runner_in_a_cargo_configuration_does_not_run_the_tests() {
    // The toolchain itself, and not rustup's stand-in for it, which looks for its own home.
    let sysroot = std::process::Command::new("rustc").args(["--print", "sysroot"]).output();
    let sysroot = sysroot.expect("rustc is on the PATH");
    let bin = format!("{}/bin", String::from_utf8(sysroot.stdout).unwrap().trim());
    let path = std::env::var("PATH").unwrap();
    let good = "pub fn add(a: i32, b: i32) -> i32 {\n    a + b\n}\n#[test]\nfn t() {\n    assert_eq!(add(2, 2), 4)\n}\n";
    let files = [
        ("Cargo.toml", "[package]\nname = \"c\"\nversion = \"0.1.0\"\nedition = \"2021\"\n"),
        (".gitignore", "target\nCargo.lock\n"),
        ("src/lib.rs", good),
    ];
    for ignored in [true, false] {
        let ignore = if ignored { "echo '*' >.cargo/.gitignore;" } else { "" };
        let attack = format!(
            "mkdir .cargo; {ignore} printf '[target.\"cfg(all())\"]\\nrunner = \"true\"\\n' >.cargo/config.toml; \
             sed -i 's/a + b/5/' src/lib.rs"
        );
        let world =
            world!().repository(&files).config(json!({ "attempts": { "most": 1, "retries": 0 } }));
        let script = turns(json!([bash(&attack), { "text": "All tests pass." }]));
        let own = world.path("bin");
        let path = format!("{}:{bin}:{path}", own.display());
        let world = world.stand_in(script).variable("PATH", path);
        let report = world.run(["run", "--json", "Add"]).code(1).report().outcome("rejected");
        let finding = &report["validation"]["findings"][0];
        assert_eq!(finding["code"], "check-failed", "{:#}", report["validation"]);
    }
}

#[test]
fn nothing_that_the_host_trusts_is_where_a_program_can_reach_it() {
    // What programs reach by a relative path from where they work, in whatever sandbox they are.
    let plant = "for up in .. ../.. ../../.. ../../../.. ../../../../..; do \
        case \"$(cd $up && pwd)\" in */cyrus-work*) ;; *) continue;; esac; \
        for kind in sha1 sha256; do g=$up/.git-$kind; git init -q --bare $g; mkdir -p $g/info; \
        echo '* merge=evil' >$g/info/attributes; \
        git config -f $g/config merge.evil.driver \"touch '$RAN'; exit 0\"; done; done; ";
    let outside = world!().repository(&[("f", "a\nb\nc\n")]);
    let shared = outside.path("shared");
    fs::create_dir(&shared).unwrap();
    let world = outside.shared(&[&shared]);
    let ran = shared.join("ran").display().to_string();
    let side = |edit: &str| {
        let command = format!("RAN='{ran}'; {plant} {edit}; pwd >>'{ran}.where'");
        json!({ "turns": [bash(&command), { "text": "Done." }] })
    };
    // Which of the two is asked first is not known: each changes the line that the other has not.
    let edit =
        "if mkdir '$ran.first' 2>/dev/null; then sed -i 1s/a/one/ f; else sed -i 3s/c/two/ f; fi"
            .replace("$ran", &ran);
    let world = world
        .stand_in(json!({ "conversations": [side(&edit), side(&edit)] }))
        .config(json!({ "validation": { "commands": ["true"] } }));
    let file = write_issue(&world, "Two\n\n- [ ] One\n- [ ] Two\n");
    let report =
        world.run(["run", "--json", "--issue", &file]).code(0).report().outcome("validated");
    assert_eq!(world.repo().file(report.branch(), "f"), "one\nb\ntwo");
    assert!(!shared.join("ran").exists(), "the host's git ran what a program planted");
    let places = fs::read_to_string(format!("{ran}.where")).unwrap();
    let work = world.work().canonicalize().unwrap();
    for place in places.lines() {
        assert!(std::path::Path::new(place).starts_with(&work), "{place}");
        assert!(!place.contains("/."), "no part of it is hidden: {place}");
    }
    assert!(world.home().join("state/.git-sha1").is_dir(), "where merges are worked out");
}

#[test]
fn a_result_that_nobody_reviewed_is_not_validated() {
    for (answer, outcome) in [
        (json!([{ "text": "It looks fine to me." }]), "unverified"),
        (json!([bash("exit 1"), { "text": "I cannot say." }]), "unverified"),
    ] {
        let script = json!({ "conversations": [
            { "turns": [write("greet.sh.new", "x"), bash("printf 'echo \"Hello, $1!\"\\n' >greet.sh; rm greet.sh.new"), { "text": "Done." }] },
            { "turns": answer },
            { "turns": answer },
            { "turns": answer },
        ] });
        let config = json!({ "validation": { "review": { "executor": "claude" } } });
        let world = greeter(world!(), script).config(config);
        let report = world.run(["run", "--json", "Greet"]).code(1).report().outcome(outcome);
        let reason = report["reason"].as_str().unwrap();
        assert!(reason.contains("gave no verdict"), "{reason}");
        assert_eq!(report["validation"]["verdict"], "unchecked");
        assert!(report["validation"]["unverified"].as_str().unwrap().contains("no verdict"));
        assert_eq!(report["validation"]["checks"][0]["passed"], true, "although its checks pass");
    }
}
