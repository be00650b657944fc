//! Questions, and what the answers lead to.

use crate::fake::{kind, recorded, say, warnings};
use cyrus_plugin_claude::Claude;
use cyrus_sdk::{
    contract::Answer,
    testing::{Program, Run, TestHost},
};
use serde_json::{Value, json};
use std::time::Duration;

/// Asks as the recording does, and goes on with it when it is answered.
fn asks(name: &'static str) -> Program {
    let lines = recorded(name);
    let at = lines.iter().position(|line| kind(line) == "control_request").expect("it asks");
    let rest = lines[at + 1..].to_vec();
    let first = lines[..=at].to_vec();
    Program::new().on_line(move |line, terminal| match kind(line).as_str() {
        "user" => say(terminal, &first),
        "control_response" => say(terminal, &rest),
        other => panic!("unexpected {other}"),
    })
}

fn decision(run: &Run) -> Value {
    let line = run.record.launches[0].lines.last().expect("an answer");
    let line: Value = serde_json::from_str(line).expect("JSON");
    line["response"]["response"].clone()
}

#[test]
fn a_permission_is_asked_for_and_given() {
    let run = TestHost::new()
        .program("claude", |_| asks("permission_allow"))
        .answers(|question| {
            assert_eq!(question.subject, "Write");
            Answer::Allow
        })
        .run::<Claude>("x");
    assert!(run.completed().denials.is_empty());
    assert_eq!(run.record.questions.len(), 1);
    let decision = decision(&run);
    assert_eq!(decision["behavior"], "allow");
    assert_eq!(decision["updatedInput"]["file_path"], "/workspace/hello.txt");
}

#[test]
fn a_denial_reaches_claude_and_the_result() {
    let run = TestHost::new()
        .program("claude", |_| asks("permission_deny"))
        .answers(|_| Answer::Deny("host policy says no".to_owned()))
        .run::<Claude>("x");
    assert_eq!(decision(&run), json!({"behavior": "deny", "message": "host policy says no"}));
    let denials = &run.completed().denials;
    assert_eq!(
        (denials[0].tool.as_str(), denials[0].reason.as_str()),
        ("Write", "host policy says no")
    );
    assert_eq!(warnings(&run), ["permission-denied"]);
}

#[test]
fn an_answer_that_is_not_wanted_any_more_is_not_given() {
    let run = TestHost::new()
        .program("claude", |_| {
            let mut lines = recorded("permission_allow");
            let at = lines.iter().position(|line| kind(line) == "control_request").expect("asks");
            let asked: Value = serde_json::from_str(&lines[at]).expect("JSON");
            let withdrawn =
                json!({"type": "control_cancel_request", "request_id": asked["request_id"]});
            lines.insert(at + 1, withdrawn.to_string());
            let rest = lines.split_off(at + 2);
            Program::new().on_line(move |line, terminal| {
                assert_eq!(kind(line), "user", "it was withdrawn: {line}");
                // In one piece, so that it is withdrawn before it can be answered.
                terminal.print(lines.join("\n"));
                terminal.pause(Duration::from_secs(1));
                say(terminal, &rest);
            })
        })
        .answers(|_| Answer::Allow)
        .run::<Claude>("x");
    run.completed();
    assert_eq!(run.record.launches[0].lines.len(), 1, "the task, and no answer");
}

#[test]
fn a_request_nobody_serves_is_answered_so_that_claude_does_not_wait() {
    let rest = recorded("write");
    let run = TestHost::new()
        .program("claude", move |_| {
            let rest = rest.clone();
            Program::new().on_line(move |line, terminal| match kind(line).as_str() {
                "user" => terminal.print(
                    r#"{"type":"control_request","request_id":"h1","request":{"subtype":"hook_callback"}}"#,
                ),
                _ => say(terminal, &rest),
            })
        })
        .run::<Claude>("x");
    run.completed();
    let answer: Value = serde_json::from_str(&run.record.launches[0].lines[1]).expect("JSON");
    assert_eq!(answer["response"]["subtype"], "error");
    assert_eq!(answer["response"]["request_id"], "h1");
}
