//! Sessions that cannot be continued.

use crate::fake::{argument, kind, plays, recorded, say, warnings};
use cyrus_plugin_claude::Claude;
use cyrus_sdk::{
    contract::ErrorKind,
    testing::{Program, TestHost},
};
use serde_json::json;

const OTHER: &str = "7fedcbdf-7188-471e-95de-1347b6ff33e6";

/// Fails each run that continues a session, and plays a recording in each that begins one.
fn refuses_to_continue(status: u16, said: &'static str) -> TestHost {
    TestHost::new().program("claude", move |args| {
        if !args.iter().any(|arg| arg.starts_with("--resume=")) {
            return plays("write");
        }
        Program::new().on_line(move |line, terminal| {
            if kind(line) != "user" {
                return;
            }
            let init = json!({"type": "system", "subtype": "init", "session_id": OTHER});
            let result = json!({"type": "result", "subtype": "success", "is_error": true, "api_error_status": status,
                "result": said, "num_turns": 1, "total_cost_usd": 0});
            say(terminal, &[init.to_string(), result.to_string()]);
            terminal.exit(1);
        })
    })
}

#[test]
fn the_work_goes_on_in_a_new_session_that_is_told_what_was_done() {
    for (status, said) in [
        (400, "Prompt is too long"),
        (413, "Request too large"),
        (400, "API Error: 400 messages.3: `tool_use` ids were found without `tool_result` blocks"),
    ] {
        let run = refuses_to_continue(status, said)
            .resume(format!("{OTHER}\nHalf of it is done."))
            .run::<Claude>("Write a greeting");
        run.completed();
        assert_eq!(argument(&run, 0, "--resume"), Some(OTHER), "{said}");
        let another = argument(&run, 1, "--session-id").expect("another session");
        assert_ne!(another, OTHER, "{said}");
        assert_eq!(run.record.checkpoints[0], another, "saved before it is begun");
        let told = &run.record.launches[1].lines[0];
        for part in ["Write a greeting", "Half of it is done.", "git diff"] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert_eq!(warnings(&run), ["session"]);
    }
}

#[test]
fn a_session_that_is_known_to_be_broken_is_not_tried_again() {
    let run = refuses_to_continue(400, "Prompt is too long")
        .resume(format!("{OTHER} broken\nHalf of it is done."))
        .run::<Claude>("Write a greeting");
    run.completed();
    assert_eq!(run.record.launches.len(), 1);
    assert_eq!(
        argument(&run, 0, "--session-id"),
        run.record.checkpoints.first().map(String::as_str)
    );
    assert!(run.record.launches[0].lines[0].contains("Half of it is done."));
}

#[test]
fn other_failures_do_not_end_a_session() {
    for (status, said, kind) in [
        (429, "You've hit your limit · resets in 5 hours", ErrorKind::RateLimited),
        (529, "Overloaded", ErrorKind::Unavailable),
        (400, "model: Field required", ErrorKind::Failed),
    ] {
        let run = refuses_to_continue(status, said).resume(OTHER).run::<Claude>("x");
        assert_eq!(run.error().kind, kind, "{said}");
        assert_eq!(run.record.launches.len(), 1, "{said}");
        assert_eq!(run.error().checkpoint.as_deref(), Some(OTHER), "{said}");
    }
}

#[test]
fn a_session_whose_writes_were_lost_is_not_continued() {
    let lines = recorded("write");
    let run = TestHost::new()
        .program("claude", move |_| {
            let lines = lines.clone();
            Program::new().on_line(move |line, terminal| {
                if kind(line) == "user" {
                    let (last, before) = lines.split_last().expect("a result");
                    say(terminal, before);
                    terminal.print(r#"{"type":"system","subtype":"session_writes_lost"}"#);
                    terminal.print(last);
                }
            })
        })
        .run::<Claude>("x");
    let checkpoint = run.completed().checkpoint.clone().unwrap_or_default();
    assert!(
        checkpoint.lines().next().is_some_and(|line| line.ends_with(" broken")),
        "{checkpoint}"
    );
    assert_eq!(warnings(&run), ["session"]);
}

#[test]
fn failures_can_be_named_by_the_operator() {
    let families = json!({"failures": [
        {"name": "our gateway", "kind": "session-broken", "statuses": ["400"], "says": ["thread * expired"]}]});
    let run = refuses_to_continue(400, "Thread 7 has expired")
        .settings(&families)
        .resume(OTHER)
        .run::<Claude>("x");
    run.completed();
    assert_eq!(run.record.launches.len(), 2);
}

#[test]
fn questions_that_nothing_answers_can_be_denied_by_claude_itself() {
    let settings = json!({"permissionPrompts": "none"});
    let run = TestHost::new()
        .program("claude", |_| plays("write"))
        .settings(&settings)
        .run::<Claude>("x");
    run.completed();
    assert_eq!(argument(&run, 0, "--permission-prompts"), Some("none"));
    assert_eq!(argument(&run, 0, "--permission-prompt-tool"), None);
}
