use crate::bench::{Bench, Claude, done, write};
use cyrus_simulate::{Conversation, Failure, Turn, Usage};
use cyrus_tests::{Report, Signal};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What it is worth to have done one turn before it goes wrong.
const FIRST_TURN: u64 = 1_200;

/// A run whose second turn fails in this way.
fn ending(claude: Claude, failure: Failure, outcome: &str) -> Report {
    let bench = claude.with([write("hello.txt", "hello\n"), Turn::failing(failure)]).config(once());
    let report = bench.work().code(1).report().outcome(outcome);
    used_so_far(&report, FIRST_TURN);
    assert!(report.execution()["checkpoint"].is_string(), "it can be gone on with: {report:?}");
    report
}

fn failing(claude: Claude, failure: Failure) -> Report {
    ending(claude, failure, "failed")
}

/// One attempt: what follows it is another matter.
fn once() -> Value {
    json!({ "attempts": { "most": 1, "retries": 0 } })
}

fn status(status: u16, message: Option<&str>, retry_after: Option<u64>) -> Failure {
    let message = message.map(str::to_owned);
    Failure::Status { status, message, body: None, retry_after, headers: BTreeMap::new() }
}

#[track_caller]
fn used_so_far(report: &Report, tokens: u64) {
    let usage = &report.execution()["usage"];
    assert_eq!(usage["inputTokens"], tokens, "{usage:#}");
    assert_eq!(usage["cost"]["source"], "gateway", "{usage:#}");
    assert!(usage["cost"]["amount"].as_u64() > Some(0), "{usage:#}");
}

pub(crate) fn a_key_that_is_not_taken(claude: Claude) {
    let report = failing(claude, Failure::status(401));
    assert_eq!(report.error()["kind"], "unauthorized");
}

pub(crate) fn too_many_requests(claude: Claude) {
    let limited = Turn::failing(status(429, None, Some(2)));
    let bench = claude.with([write("hello.txt", "hello\n"), limited]);
    let mut run = bench.start(["run", "--json", "Say hello"]);
    let ended = run.wait_for("end", |line| line["type"] == "execution-finished");
    assert_eq!(ended["error"]["kind"], "rate-limited");
    let wait = ended["error"]["retryAfterMs"].as_u64().expect("it says when");
    assert!((2_000..4_000).contains(&wait), "{wait} ms");
    run.wait_for("wait", |line| line["type"] == "task-waits");
    run.signal(Signal::SIGINT);
    let _ = run.end();
}

/// The service limits it twice, which is what the program tries by itself.
pub(crate) fn a_limit_that_passes_is_waited_for_and_the_work_goes_on_in_its_session(
    claude: Claude,
) {
    let limited = Turn { tries: Some(2), ..Turn::failing(status(429, None, Some(2))) };
    let limited = Turn { text: Some("Done.".to_owned()), ..limited };
    let turns = [write("hello.txt", "hello\n"), limited];
    let bench = claude.with(turns);
    let ended = bench.work().code(0);
    let report = ended.report().outcome("validated");
    let executions = report["executions"].as_array().expect("executions");
    assert_eq!(executions[0]["error"]["kind"], "rate-limited", "{report:?}");
    assert_eq!((executions.len(), &executions[1]["outcome"]), (2, &json!("completed")));
    assert!(ended.lines().iter().any(|line| line["type"] == "task-waits"), "{ended}");
    // What was said before the limit is there again.
    let asked = bench.questions();
    let last = asked.last().expect("a question").json().to_string();
    assert!(last.contains("hello.txt") && last.contains("tool_result"), "{last}");
}

/// What a service says of a conversation that it does not take any more, in Anthropic's words.
const REFUSED: &str = "messages.2: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_01";

pub(crate) fn a_history_that_is_refused_begins_a_new_session_that_knows_what_was_done(
    claude: Claude,
) {
    let refused = Turn::failing(status(400, Some(REFUSED), None));
    let first =
        Turn { text: Some("The greeting is next.".into()), ..write("hello.txt", "hello\n") };
    let broken = Conversation { when: None, turns: vec![first, refused] };
    let when = Some("An earlier session worked on this".to_owned());
    let again = Conversation { when, turns: vec![done()] };
    let bench = Bench::new(claude, vec![again, broken]);
    let report = bench.work().code(0).report().outcome("validated");
    let executions = report["executions"].as_array().expect("executions");
    assert_eq!(executions.len(), 2, "{report:?}");
    let asked = bench.questions();
    let last = asked.last().expect("a question").json()["messages"].to_string();
    assert!(!last.contains("tool_result"), "nothing of the old session: {last}");
    assert!(last.contains("The greeting is next."), "but what it said: {last}");
}

pub(crate) fn a_model_that_is_overloaded(claude: Claude) {
    // The session waits: no other executor can do the task, so it resumes later.
    let report = ending(claude, Failure::status(529), "paused");
    assert_eq!(report.error()["kind"], "unavailable");
}

pub(crate) fn an_account_without_credit(claude: Claude) {
    let message = "Your credit balance is too low to access the Anthropic API.";
    let report = failing(claude, status(400, Some(message), None));
    assert_eq!(report.error()["kind"], "quota-exhausted");
}

pub(crate) fn too_many_turns(claude: Claude) {
    let turns = [write("hello.txt", "hello\n"), write("more.txt", "more\n"), done()];
    let bench = claude.with(turns).config(once());
    let run = ["run", "--json", "--max-turns", "1", "Say hello"];
    let report = bench.run(run).code(1).report().outcome("failed");
    assert_eq!(report.error()["kind"], "turn-limit");
    used_so_far(&report, FIRST_TURN);
}

/// The first turn's prompt alone costs more than there is: it ends in the middle, and the service is not asked again.
pub(crate) fn too_much_money(claude: Claude) {
    let usage = Usage { input_tokens: 100_000, ..Usage::default() };
    let dear = Turn { usage, ..write("hello.txt", "hello\n") };
    let bench = claude.with([dear, done()]);
    let run = ["run", "--json", "--max-cost", "0.30", "Say hello"];
    let report = bench.run(run).code(1).report().outcome("paused");
    assert_eq!(report.error()["kind"], "budget-exceeded", "{report:?}");
    assert_eq!(report.error()["host"]["verdict"], "budget", "{report:?}");
    assert_eq!(bench.questions().len(), 1, "the service was asked once");
    let cost = report.execution()["cost"]["amount"].as_u64().expect("an amount");
    assert!((300_001..600_000).contains(&cost), "{cost}");
}
