//! What goes on after a result.

use crate::fake::kind;
use cyrus_plugin_claude::Claude;
use cyrus_sdk::{
    contract::{ErrorKind, StopMode},
    testing::{Program, Run, Terminal, TestHost},
};
use serde_json::json;
use std::time::Duration;

const SESSION: &str = "0c0ffee0-0000-8000-8000-000000000001";

fn init(terminal: &mut Terminal) {
    let line = json!({"type": "system", "subtype": "init", "session_id": SESSION, "model": "opus"});
    terminal.print(line.to_string());
}

fn started(terminal: &mut Terminal, id: &str, kind: &str) {
    let line = json!({"type": "system", "subtype": "task_started", "task_id": id, "tool_use_id": id,
        "description": "the other half", "task_type": kind});
    terminal.print(line.to_string());
}

fn ended(terminal: &mut Terminal, id: &str) {
    let line = json!({"type": "system", "subtype": "task_notification", "task_id": id, "status": "completed"});
    terminal.print(line.to_string());
}

fn says(terminal: &mut Terminal, id: &str, text: &str) {
    let line = json!({"type": "assistant", "message": {"id": id, "model": "opus",
        "content": [{"type": "text", "text": text}], "usage": {"input_tokens": 10, "output_tokens": 1}}});
    terminal.print(line.to_string());
}

fn result(terminal: &mut Terminal, text: &str) {
    let line = json!({"type": "result", "subtype": "success", "is_error": false, "result": text, "num_turns": 1,
        "total_cost_usd": 0.01});
    terminal.print(line.to_string());
}

fn run(host: TestHost, act: impl Fn(&mut Terminal) + Clone + 'static) -> Run {
    host.program("claude", move |_| {
        let act = act.clone();
        Program::new().on_line(move |line, terminal| {
            if kind(line) == "user" {
                init(terminal);
                act(terminal);
            }
        })
    })
    .run::<Claude>("x")
}

#[test]
fn an_agent_that_works_on_after_the_result_is_waited_for() {
    let run = run(TestHost::new(), |terminal| {
        started(terminal, "a", "local_agent");
        result(terminal, "Begun.");
        terminal.pause(Duration::from_mins(40));
        ended(terminal, "a");
        // The model thinks before it speaks.
        terminal.pause(Duration::from_secs(30));
        says(terminal, "m2", "All of it is done.");
        terminal.pause(Duration::from_mins(3));
        result(terminal, "All of it is done.");
    });
    assert_eq!(run.completed().summary, "All of it is done.");
    assert!(run.record.launches[0].input_closed);
}

#[test]
fn a_command_that_never_ends_is_not_waited_for_without_end() {
    for (settings, minutes) in [(json!({}), 10), (json!({"backgroundMinutes": 2}), 2)] {
        let run = run(TestHost::new().settings(&settings), |terminal| {
            started(terminal, "server", "local_bash");
            result(terminal, "The server runs.");
        });
        assert_eq!(run.completed().summary, "The server runs.");
        let waited = Duration::from_mins(minutes);
        assert!(
            (waited..waited + Duration::from_secs(30)).contains(&run.elapsed),
            "{:?}",
            run.elapsed
        );
    }
}

#[test]
fn a_call_that_has_its_result_is_no_work_in_the_background() {
    let run = run(TestHost::new(), |terminal| {
        started(terminal, "t", "local_bash");
        let line = json!({"type": "user", "message": {"content": [
            {"type": "tool_result", "tool_use_id": "t", "content": "ok"}]}});
        terminal.print(line.to_string());
        result(terminal, "Done.");
    });
    run.completed();
    assert!(run.elapsed < Duration::from_secs(30), "{:?}", run.elapsed);
}

#[test]
fn an_agent_that_ends_without_another_turn_is_the_end() {
    let run = run(TestHost::new(), |terminal| {
        started(terminal, "a", "local_agent");
        result(terminal, "Done.");
        terminal.pause(Duration::from_secs(20));
        ended(terminal, "a");
    });
    assert_eq!(run.completed().summary, "Done.");
    assert!(run.elapsed < Duration::from_mins(2), "{:?}", run.elapsed);
}

#[test]
fn a_stop_while_an_agent_works_on_is_a_stop() {
    let host = TestHost::new().stop_at(Duration::from_mins(1), StopMode::Cancel);
    let run = run(host, |terminal| {
        started(terminal, "a", "local_agent");
        result(terminal, "Begun.");
    });
    assert_eq!(run.error().kind, ErrorKind::Cancelled);
    assert_eq!(run.error().checkpoint.as_deref(), Some(SESSION));
    assert!(run.elapsed < Duration::from_secs(62), "{:?}", run.elapsed);
}
