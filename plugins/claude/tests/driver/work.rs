//! From a task to a result.

use crate::fake::{argument, host, plays, warnings};
use cyrus_plugin_claude::Claude;
use cyrus_sdk::{
    contract::{Attachment, AttachmentSource, Cost, ErrorKind, Limits},
    testing::TestHost,
};
use serde_json::{Value, json};
use std::{cell::Cell, rc::Rc};

#[test]
fn a_task_is_done_in_a_session_that_was_saved_first() {
    let launched = Rc::new(Cell::new(false));
    let flag = Rc::clone(&launched);
    let directory = std::env::temp_dir();
    let run = TestHost::new()
        .program("claude", move |_| {
            flag.set(true);
            plays("write")
        })
        .workspace(&directory)
        .model("sonnet")
        .run::<Claude>("Write a greeting");
    let result = run.completed();
    assert_eq!(result.summary, "Done: final answer 2.");
    assert_eq!(result.usage.cost, Cost::reported(0.0145));
    assert_eq!(run.record.spends.last(), Some(&result.usage));
    let launch = &run.record.launches[0];
    assert!(launched.get() && launch.input_closed && launch.signals.is_empty());
    let told: Value = serde_json::from_str(&launch.lines[0]).expect("JSON");
    assert_eq!(told["message"]["content"], "Do this task:\n\nWrite a greeting");
    assert_eq!(argument(&run, 0, "--model"), Some("sonnet"));
    // The recording names another session than the one that was asked for: that one is then saved too.
    let asked = argument(&run, 0, "--session-id").expect("a fresh session");
    assert_eq!(run.record.checkpoints[0], asked);
    assert_eq!(run.record.checkpoints[1], "0c0ffee0-0000-8000-8000-000000000001");
    let checkpoint = result.checkpoint.as_deref().unwrap_or_default();
    assert_eq!(checkpoint.lines().next(), run.record.checkpoints.last().map(String::as_str));
    assert!(checkpoint.contains("Done: final answer 2."), "{checkpoint}");
}

#[test]
fn nothing_is_launched_that_could_not_be_found_again() {
    let run = host("write").checkpoints_fail("the disk is full").run::<Claude>("x");
    assert_eq!(run.error().kind, ErrorKind::Unavailable);
    assert!(run.error().message.contains("the disk is full"));
    assert!(run.record.launches.is_empty());
}

#[test]
fn an_impossible_command_line_is_refused_before_anything_is_done() {
    let run = host("write").model("--settings").run::<Claude>("x");
    assert_eq!(run.error().kind, ErrorKind::InvalidRequest);
    assert!(run.record.launches.is_empty() && run.record.checkpoints.is_empty());
}

#[test]
fn a_program_that_is_not_granted_is_denied() {
    let run = TestHost::new().run::<Claude>("x");
    assert_eq!(run.error().kind, ErrorKind::Denied);
}

#[test]
fn a_schema_is_passed_on_and_an_answer_in_it_demanded() {
    let schema = json!({"type": "object"});
    let run = host("schema").output_schema(&schema).run::<Claude>("x");
    assert!(run.completed().structured.is_some());
    assert_eq!(argument(&run, 0, "--json-schema"), Some(r#"{"type":"object"}"#));
    let run = host("schema_missing").output_schema(&schema).run::<Claude>("x");
    assert_eq!(run.error().kind, ErrorKind::Failed);
}

#[test]
fn limits_and_tools_of_the_task_are_passed_on() {
    let limits = Limits { deadline: None, max_cost: Some(2_500_000), max_turns: Some(7) };
    let run = host("mcp")
        .limits(limits)
        .allowed_tools(["Read"])
        .disallowed_tools(["WebFetch"])
        .mcp_servers(&json!({"mcpServers": {"echo": {"command": "echo"}}}))
        .run::<Claude>("x");
    run.completed();
    for (flag, value) in [
        ("--max-budget-usd", "2.500000"),
        ("--max-turns", "7"),
        ("--allowedTools", "Read"),
        ("--disallowedTools", "WebFetch"),
        ("--mcp-config", r#"{"mcpServers":{"echo":{"command":"echo"}}}"#),
    ] {
        assert_eq!(argument(&run, 0, flag), Some(value));
    }
}

#[test]
fn a_file_that_claude_cannot_see_is_told() {
    let source = AttachmentSource::File("/attachments/a.png".to_owned());
    let attachment = Attachment { name: "a.png".to_owned(), media_type: None, source };
    let run = host("write").attachment(attachment).run::<Claude>("x");
    run.completed();
    assert_eq!(warnings(&run), ["attachment"]);
}

#[test]
fn settings_that_make_no_sense_are_named() {
    let described = |settings: Value| TestHost::new().settings(&settings).describe::<Claude>();
    assert_eq!(described(json!({})).expect("fine").name, "Claude Code");
    for (settings, place) in [
        (json!({"modle": "opus"}), "modle"),
        (json!({"permissionMode": "yolo"}), "settings.permissionMode"),
        (json!({"model": "--settings"}), "settings.model"),
        (json!({"allowedTools": ["Bash("]}), "settings.allowedTools"),
    ] {
        let error = described(settings).expect_err(place);
        assert_eq!(error.kind, ErrorKind::InvalidRequest);
        assert!(error.message.contains(place), "{error}");
    }
}
