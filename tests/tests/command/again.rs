//! Sessions that ended without a result that holds, gone on with: after an outage, tried again, checked again.

use crate::fixtures::{MENDED, bash, cut, greeter, mending, turns, write};
use cyrus_tests::{World, world};
use serde_json::{Value, json};
use std::fs;

/// Has the stand-in do something else from now on.
fn now_does(world: &World, script: &Value) {
    fs::write(world.path("claude.json"), script.to_string()).expect("a file");
}

#[test]
fn an_outage_is_no_failure_and_the_session_goes_on_when_it_is_over() {
    let world = greeter(world!(), cut());
    let report = world.run(["run", "--json", "Greet"]).code(1).report().outcome("paused");
    let reason = report["reason"].as_str().expect("a reason");
    assert!(
        reason.contains("claude is not there") && reason.contains("session resume"),
        "{reason}"
    );
    now_does(&world, &mending());
    let resumed = world.run(["session", "resume", report.session(), "--json"]).code(0);
    assert_eq!(resumed.report().outcome("validated").session(), report.session());
}

#[test]
fn an_outage_that_passes_is_waited_for() {
    let world = greeter(world!(), cut())
        .config(json!({ "attempts": { "retries": 2, "backoffSeconds": 1 } }));
    let mut run = world.start(["run", "--json", "Greet"]);
    run.wait_for("outage", |line| line["type"] == "task-waits");
    now_does(&world, &mending());
    let report = run.end().code(0).report().outcome("validated");
    assert!(report["executions"].as_array().is_some_and(|all| all.len() >= 2), "{report:?}");
}

#[test]
fn a_reason_names_the_cause() {
    let world = greeter(world!(), turns(json!([write("a.txt", "a\n"), { "text": "Done." }])));
    let world = world.config(json!({ "attempts": { "most": 6, "retries": 0, "rounds": 0 } }));
    let report = world.run(["run", "--json", "Greet"]).code(1).report().outcome("rejected");
    let reason = report["reason"].as_str().expect("a reason");
    assert!(reason.contains("sh test.sh") && !reason.contains("no executor"), "{reason}");
}

#[test]
fn a_result_that_is_left_as_it_was_is_not_paid_for_a_third_time() {
    let left =
        json!([write("a.txt", "a\n"), { "text": "Done." }, { "text": "The test is wrong." }]);
    let world = greeter(world!(), turns(left)).config(json!({ "attempts": { "most": 6 } }));
    let report = world.run(["run", "--json", "Greet"]).code(1).report().outcome("rejected");
    let reason = report["reason"].as_str().expect("a reason");
    assert!(reason.contains("sh test.sh") && reason.contains("The test is wrong."), "{reason}");
    assert_eq!(report["executions"].as_array().map(Vec::len), Some(2), "{report:?}");
}

#[test]
fn a_rejected_session_is_tried_again_with_more_words() {
    let world = greeter(world!(), turns(json!([write("a.txt", "a\n"), { "text": "Done." }])));
    let report = world.run(["run", "--json", "Greet"]).code(1).report().outcome("rejected");
    now_does(
        &world,
        &json!({ "conversations": [{ "when": "Use the first argument", "turns": [
        { "tools": [{ "name": "Bash", "input": { "command": format!("printf '%s' '{MENDED}' >greet.sh") } }] },
        { "text": "Done." } ] }] }),
    );
    let retry = ["session", "retry", report.session(), "-m", "Use the first argument.", "--json"];
    let again = world.run(retry).code(0).report().outcome("validated");
    assert_eq!(again.session(), report.session());
    assert_eq!(again["executions"].as_array().map(Vec::len), Some(2), "both attempts are told");
    assert_eq!(again["tasks"][0]["attempts"], 2);
    let _ = world.run(["session", "retry", report.session()]).code(2).complains("no task");
}

#[test]
fn a_retry_names_what_it_is_about() {
    let world = greeter(world!(), turns(json!([{ "text": "Nothing." }])));
    let report = world.run(["run", "--json", "Greet"]).code(1).report().outcome("rejected");
    let session = report.session();
    let _ = world.run(["session", "retry", session, "t9"]).code(2).complains("no task t9");
    let _ = world
        .run(["session", "retry", session, "--executor", "nobody"])
        .code(2)
        .complains("nobody");
    let _ = world.run(["session", "retry", "no-such"]).code(2).complains("no-such");
}

#[test]
fn a_result_is_checked_again_without_another_execution() {
    let world = greeter(
        world!(),
        turns(json!([bash("echo 'echo \"Good day!\"' >greet.sh"), { "text": "Done." }])),
    );
    let report = world.run(["run", "--json", "Greet"]).code(1).report().outcome("rejected");
    let mut world = world;
    let _ = world
        .run(["session", "recheck", report.session(), "--json"])
        .code(1)
        .report()
        .outcome("rejected");
    world.configure(json!({ "validation": { "commands": ["sh greet.sh"] } }));
    let again = world.run(["session", "recheck", report.session(), "--json"]).code(0);
    let again = again.report().outcome("validated");
    assert_eq!(again["executions"].as_array().map(Vec::len), Some(1), "nothing was paid for again");
    assert!(world.repo().file(again.branch(), "greet.sh").contains("Good day"));
    let _ = world
        .run(["session", "recheck", report.session()])
        .code(2)
        .complains("nothing to check again");
}

/// What a check needs beside the result may come between two attempts that end with the same commit.
#[test]
fn the_newest_verdict_of_a_commit_counts() {
    let world = world!();
    let shared = world.path("shared");
    fs::create_dir(&shared).expect("a directory");
    let flag = shared.join("flag");
    let flag = flag.display();
    let made = json!([
        bash(&format!("printf '%s' '{MENDED}' >greet.sh")),
        { "text": "Done." },
        bash(&format!("touch '{flag}'")),
        { "text": "It is there now." },
    ]);
    let world = greeter(world, turns(made)).shared(&[&shared]).config(json!({
        "validation": { "commands": [format!("sh test.sh && test -e '{flag}'")] },
        "attempts": { "most": 2 },
    }));
    let report = world.run(["run", "--json", "Greet"]).code(0).report().outcome("validated");
    assert_eq!(report["executions"].as_array().map(Vec::len), Some(2), "{report:?}");
}

/// What a set-up left is kept for the trees of the checks: not what one left that failed, and not what another left.
#[test]
fn a_session_goes_on_after_the_set_up_that_there_is_now() {
    const GOOD: &str = "mkdir deps && touch deps/done\n";
    for (before, verb, after) in [
        ("exit 1\n", "resume", GOOD),
        ("true\n", "recheck", GOOD),
        ("test -e flag && mkdir deps && touch deps/done\n", "resume", ""),
    ] {
        let world = world!();
        let set_up = world.path("set-up.sh");
        let flag = world.path("flag");
        let written = |text: &str| {
            let text = text.replace("flag", &flag.display().to_string());
            fs::write(&set_up, text).expect("a file");
        };
        written(before);
        let world = world
            .repository(&[("a", "x\n"), (".gitignore", "deps/\n")])
            .seen(&[&set_up, &flag])
            .config(json!({
                "hooks": { "setup": set_up },
                "validation": { "commands": ["test -e deps/done"], "failingBase": "retry" },
                "attempts": { "most": 1, "retries": 0 },
            }))
            .stand_in(turns(json!([write("b", "y\n"), { "text": "Done." }])));
        let ended = world.run(["run", "Add b"]).code(1);
        let session = world.sessions()[0]["id"].as_str().expect("a session").to_owned();
        let _ = ended.prints(&format!("cyrus session {verb} {session}"));
        if after.is_empty() {
            fs::write(&flag, "").expect("a file");
        } else {
            written(after);
        }
        let again = world.run(["session", verb, &session, "--json"]).code(0);
        let _ = again.report().outcome("validated");
    }
}

#[test]
fn a_result_that_nothing_could_be_checked_with_is_checked_later() {
    let mut world = world!().repository(&[("greet.sh", "echo \"Hello!\"\n")]).stand_in(mending());
    let report = world.run(["run", "--json", "Greet"]).code(1).report().outcome("unverified");
    world.configure(json!({ "validation": { "commands": ["sh greet.sh Ada | grep -q Ada"] } }));
    let again = world.run(["session", "recheck", report.session(), "--json"]).code(0);
    assert_eq!(again.report().outcome("validated").branch(), report.branch());
}

#[test]
fn a_duration_is_that_of_the_whole_session() {
    let world = greeter(world!(), cut());
    let before = world.run(["run", "--json", "Greet"]).code(1).report().outcome("paused");
    now_does(&world, &mending());
    let after = world.run(["session", "resume", before.session(), "--json"]).code(0).report();
    let taken = |report: &Value| report["durationMs"].as_u64().expect("a duration");
    let own: u64 = after["executions"][1]["durationMs"].as_u64().expect("a duration");
    assert!(taken(&after) >= taken(&before) + own, "{after:?}");
}

#[test]
fn a_session_that_is_removed_leaves_its_branch_and_nothing_else() {
    let world = greeter(world!(), turns(json!([write("a.txt", "a\n"), { "text": "Done." }])));
    let rejected = world.run(["run", "--json", "Greet"]).code(1).report().outcome("rejected");
    let id = rejected.session();
    let shown = world.run(["session", "show", id, "--json"]).code(0).json();
    assert!(shown["diskBytes"].as_u64().is_some_and(|bytes| bytes > 0), "{shown}");
    let refs =
        || world.repo().git(["for-each-ref", "--format=%(refname)", &format!("refs/cyrus/{id}")]);
    assert!(!refs().is_empty());
    let removed = world.run(["session", "rm", id]).code(0);
    let _ = removed.prints("is removed").prints("update-ref -d");
    assert!(world.sessions().is_empty() && !world.work().join(id).exists());
    assert!(!refs().is_empty(), "what was paid for stays until it is removed by name");
    let _ = world.run(["session", "show", id]).code(2).complains("there is no session");

    now_does(&world, &mending());
    let validated = world.run(["run", "--json", "Greet"]).code(0).report().outcome("validated");
    let removed = world.run(["session", "rm", validated.session(), "--results"]).code(0);
    let _ = removed.prints(validated.branch());
    assert_eq!(world.repo().session_branches().len(), 1);
}

#[test]
fn a_session_that_can_be_resumed_is_not_removed_by_mistake() {
    let world = greeter(world!(), cut());
    let paused = world.run(["run", "--json", "Greet"]).code(1).report().outcome("paused");
    let _ = world.run(["session", "rm", paused.session()]).code(2).complains("--force");
    let _ = world.run(["session", "rm", paused.session(), "--force"]).code(0);
    assert!(world.sessions().is_empty());
}
