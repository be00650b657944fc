//! `cyrus run` without a result: what went wrong is told by kind, with what it cost all the same.

use crate::fixtures::{bash, greeter, turns, write};
use cyrus_tests::{Held, Report, Signal, world};
use serde_json::{Value, json};

/// What a turn of the stand-in's version costs, in millionths of a dollar: 1200 tokens read and 50 written.
const TURN: u64 = 5_800;

fn status(status: u16) -> Value {
    json!({ "failure": { "kind": "status", "status": status } })
}

/// A run whose model works for one turn and then does this, and how that ends.
fn after_a_turn(then: Value, more: &[&str], outcome: &str) -> Report {
    let script = turns(json!([write("a.txt", "begun\n"), then, write("b.txt", "more\n")]));
    let world = greeter(world!(), script);
    let ended = world.run(["run", "--json", "Try it"].iter().chain(more)).code(1);
    let report = ended.report().outcome(outcome);
    assert!(world.repo().session_branches().is_empty(), "half a result is none");
    assert_eq!((&report["branch"], &report["validation"]), (&Value::Null, &Value::Null));
    assert_eq!(report.execution()["outcome"], "failed");
    let reason = report["reason"].as_str().expect("a reason");
    assert!(reason.contains(report.error()["message"].as_str().expect("a message")), "{reason}");
    if outcome == "failed" {
        // What was done is paid for, and stays when the session is removed.
        let kept = report["commit"].as_str().expect("a commit");
        assert!(reason.contains(&format!("what it had done is kept as {kept}")), "{reason}");
        let _ = world.run(["session", "rm", report.session()]).code(0);
        assert_eq!(world.repo().file(kept, "a.txt"), "begun");
        assert!(world.repo().git(["for-each-ref", "refs/cyrus"]).contains(kept));
    }
    report
}

#[test]
fn what_the_service_refuses_has_its_kind_and_costs_what_was_used() {
    let credit = "Your credit balance is too low to access the Anthropic API.";
    let poor = json!({ "failure": { "kind": "status", "status": 400, "message": credit } });
    for (failure, kind, advice, outcome) in [
        (status(401), "unauthorized", "Log in", "failed"),
        // What is not there for now is no failure.
        (status(529), "unavailable", "", "paused"),
        (poor, "quota-exhausted", "Add credit", "failed"),
    ] {
        let report = after_a_turn(failure, &[], outcome);
        assert_eq!(report.error()["kind"], kind);
        assert!(report.error()["message"].as_str().unwrap().contains(advice), "{report:?}");
        let cost = json!({"amount": TURN, "source": "reported"});
        assert_eq!(report.execution()["cost"], cost, "{kind}");
        assert!(report.execution()["checkpoint"].is_string(), "{kind}");
    }
}

#[test]
fn a_rate_limit_says_when_to_come_back() {
    let limited = json!({ "failure": { "kind": "status", "status": 429, "retry_after": 1 } });
    let world = greeter(world!(), turns(json!([write("a.txt", "begun\n"), limited])));
    let mut run = world.start(["run", "--json", "Greet by name"]);
    let waits = run.wait_for("limit", |line| line["type"] == "task-waits");
    assert!(waits["forMs"].as_u64().is_some_and(|wait| wait >= 1000), "{waits}");
    run.signal(Signal::SIGINT);
    let report = run.end().code(130).report().outcome("paused");
    let error = &report["executions"][0]["error"];
    assert_eq!((&error["kind"], &error["retryAfterMs"]), (&json!("rate-limited"), &json!(1000)));
}

#[test]
fn limits_end_the_work() {
    let more = write("b.txt", "more\n");
    let limited = after_a_turn(more.clone(), &["--max-turns", "1"], "failed");
    assert_eq!(limited.error()["kind"], "turn-limit");
    assert_eq!(limited.execution()["cost"]["amount"], TURN);

    let script = turns(json!([write("a.txt", "begun\n"), more.clone(), more]));
    let world = greeter(world!(), script);
    let ended = world.run(["run", "--json", "Try it", "--max-cost", "0.01"]).code(1);
    let money = ended.report().outcome("paused");
    assert!(money["reason"].as_str().unwrap().contains("cyrus session resume"), "{money:?}");
    assert!(world.repo().session_branches().is_empty(), "half a result is none");
    assert_eq!(money.error()["kind"], "budget-exceeded");
    assert_eq!(
        money.execution()["cost"]["amount"],
        2 * TURN,
        "the turn that went over is paid too"
    );
    let more = ["session", "resume", "--json", "--max-cost", "5", money.session()];
    let raised = world.run(more).report();
    let reason = raised["reason"].as_str().unwrap_or_default();
    assert!(!reason.contains("budget"), "{reason}");
    let ended = ["validated", "unverified", "rejected"].map(Value::from);
    assert!(ended.contains(&raised["outcome"]), "{raised:?}");
}

#[test]
fn a_deadline_ends_the_work_and_what_it_started() {
    let world = greeter(world!(), json!({}));
    let held = Held::make(&world.path(""));
    let world = world.shared(&[held.path()]);
    let world = world.stand_in(turns(json!([bash(&held.command())])));
    let world = world.config(json!({ "limits": { "deadlineSeconds": 1 } }));
    let report = world.run(["run", "--json", "Try it"]).code(1).report().outcome("failed");
    assert_eq!(report.error()["kind"], "timed-out");
    assert_eq!(report.error()["host"]["verdict"], "deadline");
    held.wait();
    held.wait_released();
}

#[test]
fn a_program_that_breaks_off_or_talks_nonsense_is_no_result() {
    for (program, kind, says) in [
        ("echo 'no such option' >&2; exit 3", "unavailable", "no such option"),
        ("echo '{{{{'; exit 0", "unavailable", "before it began"),
        ("kill -9 $$", "unavailable", "signal 9"),
    ] {
        let world = greeter(world!(), json!({}));
        let version = "case $1 in --version) echo '2.1.330 (Claude Code)'; exit;; esac";
        world.install("claude", &format!("{version}\n{program}"));
        let report = world.run(["run", "--json", "Try it"]).code(1).report().outcome("paused");
        assert_eq!(report.error()["kind"], kind, "{program}: {report:?}");
        assert!(report.error()["message"].as_str().unwrap().contains(says), "{report:?}");
    }
}

#[test]
fn a_failed_command_of_the_agent_is_not_the_end() {
    let script = turns(json!([bash("exit 3"), write("a.txt", "a\n"), { "text": "Done." }]));
    let world = greeter(world!(), script);
    let report = world.run(["run", "--json", "Try it"]).code(1).report().outcome("rejected");
    assert_eq!(report.execution()["outcome"], "completed");
}

/// A program that is ended for what it used says which limit that was, and where it is set.
#[test]
fn a_limit_of_the_sandbox_is_named_in_the_error() {
    let takes = "x=$(head -c 400000000 /dev/zero | tr '\\0' a); sleep 1000";
    let world = greeter(world!(), turns(json!([bash(takes), { "text": "Done." }]))).config(
        json!({ "sandbox": { "limits": { "memoryMib": 250 } }, "attempts": { "most": 1 } }),
    );
    let report = world.run(["run", "--json", "Greet"]).code(1).report();
    let said = report.error()["message"].as_str().expect("a message").to_owned();
    assert!(said.contains("250 MiB") && said.contains("sandbox.limits.memoryMib"), "{said}");
}
