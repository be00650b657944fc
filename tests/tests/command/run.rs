//! `cyrus run` with results: what a person and a machine are told, and what is left in the repository.

use crate::fixtures::{GREETER, MENDED, bash, greeter, mending, turns, write};
use cyrus_tests::world;
use serde_json::json;
use std::{ffi::OsStr, fs};

#[test]
fn a_validated_result_is_a_commit_on_a_branch_of_its_own() {
    let world = greeter(world!(), mending());
    let repository = world.repo();
    repository.write(&[("notes.txt", "not committed\n")]);
    let (head, before) =
        (repository.git(["rev-parse", "HEAD"]), repository.state_without_sessions());
    let ended = world.run(["run", "--json", "Greet whoever is named"]).code(0);
    let report = ended.report().outcome("validated");

    let branch = format!("cyrus/{}", report.session());
    assert_eq!((report.branch(), repository.session_branches()), (&*branch, vec![branch.clone()]));
    assert_eq!(report["commit"], repository.git(["rev-parse", &branch]));
    assert_eq!(repository.file(&branch, "greet.sh"), MENDED.trim());
    assert_eq!(repository.git(["rev-parse", &format!("{branch}~1")]), head, "one commit");
    assert_eq!(
        repository.git(["show", "--format=%s", "--no-patch", &branch]),
        "Greet whoever is named"
    );
    assert_eq!(report["diff"], json!({"files": 1, "insertions": 1, "deletions": 1}));
    assert_eq!(repository.state_without_sessions(), before, "nothing else has changed");
}

#[test]
fn the_lines_for_machines_have_the_documented_shape() {
    let ended =
        greeter(world!(), mending()).run(["run", "--json", "Greet whoever is named"]).code(0);
    let lines = ended.lines();
    let types: Vec<_> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    let passing = |kind: &str| kind == "execution-event" || kind.starts_with("phase-");
    let course: Vec<_> = types.iter().filter(|kind| !passing(kind)).copied().collect();
    assert_eq!(
        course,
        [
            "session-started",
            "analysed",
            "checks-planned",
            "planned",
            "task-changed",
            "executor-chosen",
            "execution-started",
            "execution-finished",
            "check-started",
            "check-repeated",
            "check-finished",
            "task-validated",
            "task-changed",
            "task-merged",
            "session-finished"
        ]
    );
    let report = ended.report();
    let execution = report.execution();
    for (key, value) in [
        ("task", json!("t1")),
        ("executor", json!("claude")),
        ("placement", json!("local")),
        ("outcome", json!("completed")),
        ("summary", json!("It greets by name now.")),
        // Three turns of 1200 tokens read and 50 written, as the stand-in's version is charged.
        ("cost", json!({"amount": 17_400, "source": "reported"})),
    ] {
        assert_eq!(execution[key], value, "{key} of {execution:#}");
    }
    assert_eq!(execution["usage"]["inputTokens"], 3600);
    assert!(execution["durationMs"].is_u64() && report["durationMs"].is_u64());
    assert!(execution["checkpoint"].as_str().is_some_and(|token| !token.is_empty()));
    let validation = &report["validation"];
    assert_eq!((&validation["verdict"], &validation["findings"]), (&json!("passed"), &json!([])));
    let check = &validation["checks"][0];
    assert_eq!(check["check"]["command"], "sh test.sh");
    assert_eq!((&check["passed"], &check["exitCode"]), (&json!(true), &json!(0)));
}

#[test]
fn a_person_is_told_the_same_in_words() {
    let ended = greeter(world!(), mending()).run(["run", "Greet whoever is named"]).code(0);
    let ended = ended
        .prints("Validated")
        .prints("branch    cyrus/")
        .prints("(1 file, +1 -1)")
        .prints("$0.0174 reported")
        .prints("`sh test.sh` passed");
    assert!(!ended.stdout.contains("Session"), "progress is for standard error: {ended}");
}

#[test]
fn an_issue_comes_from_a_file_and_the_changes_that_were_not_committed_are_warned_of() {
    let world = greeter(world!(), mending());
    let repository = world.repo();
    repository.write(&[("greet.sh", "echo \"Half done\"\n")]);
    let issue = world.path("issue.md");
    fs::write(&issue, "# Greet by name\n\nAda is not greeted.\n").unwrap();
    let issue = issue.to_str().unwrap();
    let ended = world.run(["run", "--json", "--issue", issue]).code(0).complains("not committed");
    assert_eq!(ended.lines()[0]["title"], "Greet by name");
    assert_eq!(repository.file("HEAD", "greet.sh"), GREETER[0].1.trim());
    let kept = fs::read_to_string(repository.path().join("greet.sh")).unwrap();
    assert_eq!(kept, "echo \"Half done\"\n");
}

#[test]
fn a_result_that_nothing_checks_is_unverified() {
    let world = world!().repository(GREETER).stand_in(mending());
    let ended = world.run(["run", "--json", "Greet whoever is named"]).code(1);
    let report = ended.report().outcome("unverified");
    assert_eq!(report["validation"]["verdict"], "unchecked");
    assert_eq!(world.repo().file(report.branch(), "greet.sh"), MENDED.trim());
    assert!(report["reason"].as_str().unwrap().contains("validation.commands"), "{report:?}");
}

#[test]
fn checks_that_run_no_test_prove_nothing() {
    for (commands, outcome) in [
        (json!(["echo 'Ran 0 tests in 0.000s'"]), "unverified"),
        (json!(["echo \"make: 'test' is up to date.\""]), "unverified"),
        (json!(["echo 'Ran 0 tests in 0.000s'", "echo 'Ran 2 tests in 0.100s'"]), "validated"),
    ] {
        let world = world!().repository(GREETER).stand_in(mending());
        let world = world.config(json!({ "validation": { "commands": commands } }));
        let ended = world.run(["run", "--json", "Greet whoever is named"]);
        let report = ended.report().outcome(outcome);
        if outcome == "unverified" {
            let reason = report["reason"].as_str().unwrap();
            assert!(reason.contains("without running a test"), "{reason}");
        }
    }
}

/// The files of a repository can be those of another one: git takes it for one as soon as it is in there.
#[test]
fn a_repository_that_content_brings_is_not_worked_on() {
    let world = greeter(world!(), mending());
    let ran = world.path("ran");
    let repository = world.repo();
    let config = format!(
        "[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tworktree = .\n\tfsmonitor = touch {}\n",
        ran.display()
    );
    repository.commit(&[
        ("tools/HEAD", "ref: refs/heads/main\n"),
        ("tools/config", &config),
        ("tools/objects/x", ""),
        ("tools/refs/x", ""),
    ]);
    let inner = repository.path().join("tools");
    for args in [&["plan", "Greet", "--repo"][..], &["run", "Greet", "--repo"]] {
        let all = args.iter().map(AsRef::<OsStr>::as_ref).chain([inner.as_os_str()]);
        let _ = world.run(all).code(2).complains("that the content of");
    }
    assert!(!ran.exists());
}

#[test]
fn a_result_that_fails_its_checks_is_rejected_and_kept() {
    let script = turns(json!([write("extra.txt", "beside the point\n"), { "text": "All done!" }]));
    let world = greeter(world!(), script);
    let report = world.run(["run", "--json", "Greet"]).code(1).report().outcome("rejected");
    assert_eq!(report["validation"]["verdict"], "failed");
    assert_eq!(report["validation"]["checks"][0]["exitCode"], 1);
    assert_eq!(report.execution()["outcome"], "completed", "it says so; that is all");
    assert_eq!((&report["branch"], world.repo().session_branches()), (&json!(null), vec![]));
    let kept = report["commit"].as_str().unwrap();
    assert_eq!(world.repo().file(kept, "extra.txt"), "beside the point");
}

#[test]
fn work_that_changes_nothing_is_no_result() {
    let world = greeter(world!(), turns(json!([{ "text": "It is fine as it is." }])))
        .config(json!({ "attempts": { "most": 6, "retries": 0 } }));
    let report = world.run(["run", "--json", "Greet"]).code(1).report().outcome("rejected");
    assert_eq!(report["validation"]["findings"][0]["code"], "empty-diff");
    // It was asked once more, what it says is told, and what nobody changed is neither checked nor kept.
    assert_eq!(report["executions"].as_array().unwrap().len(), 2, "{report:#?}");
    let reason = report["reason"].as_str().unwrap();
    assert!(
        reason.contains("nothing was changed") && reason.contains("; claude says: "),
        "{reason}"
    );
    assert_eq!((&report["validation"]["checks"], &report["commit"]), (&json!([]), &json!(null)));
    assert_eq!((&report["branch"], world.repo().session_branches()), (&json!(null), vec![]));
}

#[test]
fn a_denied_tool_is_reported_and_not_hidden() {
    let script = turns(json!([bash("sh mischief.sh"), write("a.txt", "a\n"), { "text": "Done." }]));
    let world = greeter(world!(), script).config(json!({
        "executors": { "claude": { "settings": { "allowedTools": ["Write"] } } },
        "validation": { "commands": ["test -f a.txt"] },
    }));
    let report = world.run(["run", "--json", "Try it"]).code(0).report().outcome("validated");
    let denials = report.execution()["denials"].as_array().unwrap();
    assert_eq!(denials.len(), 1, "{denials:?}");
    assert_eq!(denials[0]["tool"], "Bash");
    assert_eq!(denials[0]["input"]["command"], "sh mischief.sh");
    assert!(!denials[0]["reason"].as_str().unwrap().is_empty());
}

#[test]
fn upstreams_mcp_servers_reach_claude_in_a_file_and_nobody_else() {
    let mut world = greeter(world!(), mending());
    let servers = world.path("mcp.json");
    let definition =
        r#"{"notes":{"command":"notes-server","env":{"NOTES_TOKEN":"mcp-SECRET-12345"}}}"#;
    fs::write(&servers, format!(r#"{{"mcpServers": {definition}}}"#)).unwrap();
    let repository = world.repo().path().display().to_string();
    let said = world.path("arguments");
    fs::write(&said, "").unwrap();
    world = world.shared(&[&said]);
    let program = fs::read_to_string(world.path("bin/claude")).unwrap();
    let line = format!(
        "for a in \"$@\"; do printf '%s\\n' \"$a\"; case \"$a\" in --mcp-config=*) cat \"${{a#--mcp-config=}}\"; echo;; esac; done >>'{}'",
        said.display()
    );
    world.install("claude", &program.replacen("#!/bin/sh\n", &format!("{line}\n"), 1));
    world.configure(json!({ "repositories": [{
        "id": "greeter", "name": "greeter", "repositoryPath": repository, "baseBranch": "main",
        "mcpConfigPath": servers,
    }] }));
    let report = world.run(["run", "--json", "Greet whoever is named"]).code(0).report();
    assert_eq!(report["outcome"], "validated");
    let arguments = fs::read_to_string(&said).unwrap();
    assert!(arguments.contains("/mcp-servers.json"), "{arguments}");
    assert!(arguments.contains(&format!("{{\"mcpServers\":{definition}}}\n")), "{arguments}");
    let shown = world.run(["logs", report.session(), "--json"]).code(0);
    assert!(!format!("{shown:?} {report:?}").contains("mcp-SECRET"), "{shown:?}");

    // Without the grant the plugin learns of no server, and the program is given none.
    fs::write(&said, "").unwrap();
    world.configure(json!({ "executors": { "claude": { "grants": { "mcp": [] } } } }));
    let _ = world.run(["run", "--json", "Greet whoever is named"]).code(0);
    let arguments = fs::read_to_string(&said).unwrap();
    assert!(!arguments.contains("--mcp-config"), "{arguments}");
}

/// What git said once is not asked again, by whichever part of a session.
#[test]
fn git_is_started_no_more_than_a_session_needs() {
    let world = greeter(world!(), mending());
    let calls = world.path("calls");
    let own = std::env::var_os("PATH").unwrap();
    let git = std::env::split_paths(&own).map(|at| at.join("git")).find(|git| git.is_file());
    let (git, list) = (git.expect("git is installed"), calls.display());
    world.install("git", &format!("echo . >>{list}\nexec {} \"$@\"", git.display()));
    let _ = world.run(["run", "--json", "Greet"]).code(0).report().outcome("validated");
    let started = fs::read_to_string(&calls).unwrap().lines().count();
    assert!((10..=MOST_GITS).contains(&started), "{started}");
}

/// How often git is started in a session of one task with one check, without what runs in a sandbox.
const MOST_GITS: usize = 60;
