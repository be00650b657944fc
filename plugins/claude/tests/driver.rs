//! The executor against a scripted `claude` that speaks what the real one was recorded to say.

use cyrus_plugin_claude::Claude;
use cyrus_sdk::{
    contract::{
        Answer, Attachment, AttachmentSource, Cost, ErrorKind, Event, Finding, Limits, Signal,
        StopMode, StopResult,
    },
    testing::{Program, Run, Terminal, TestHost},
};
use serde_json::{Value, json};
use std::{cell::Cell, rc::Rc, time::Duration};

/// The session of the scripted host's execution, which has the id `execution-1`.
const SESSION: &str = "0d1ba4b3-a0e6-8b3f-a4cd-d1a1d5b0d0de";

fn recorded(name: &str) -> Vec<String> {
    let path = format!("{}/tests/fixtures/{name}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    text.lines().map(str::to_owned).collect()
}

fn say(terminal: &mut Terminal, lines: &[String]) {
    for line in lines {
        terminal.print(line);
    }
}

/// Says a recording when it is given the task, and ends when its input does.
fn plays(name: &str) -> Program {
    let lines = recorded(name);
    Program::new().on_line(move |line, terminal| {
        if kind(line) == "user" {
            say(terminal, &lines);
        }
    })
}

fn kind(line: &str) -> String {
    let line: Value = serde_json::from_str(line).expect("what the plugin writes is JSON");
    line["type"].as_str().unwrap_or_default().to_owned()
}

fn host(name: &'static str) -> TestHost {
    TestHost::new().program("claude", move |_| plays(name))
}

fn warnings(run: &Run) -> Vec<String> {
    let code = |event: &'_ Event| match event {
        Event::Warning(warning) => Some(warning.code.clone()),
        _ => None,
    };
    run.record.events.iter().filter_map(code).collect()
}

fn argument<'a>(run: &'a Run, launch: usize, flag: &str) -> Option<&'a str> {
    let args = &run.record.launches[launch].args;
    args.iter().find_map(|arg| arg.strip_prefix(flag)?.strip_prefix('='))
}

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
    assert_eq!(told["message"]["content"], "Write a greeting");
    assert_eq!(argument(&run, 0, "--model"), Some("sonnet"));
    // The recording names another session than the one that was asked for: that one is then saved too.
    let asked = argument(&run, 0, "--session-id").expect("a fresh session");
    assert_eq!(run.record.checkpoints[0], asked);
    assert_eq!(run.record.checkpoints[1], "0c0ffee0-0000-8000-8000-000000000001");
    assert_eq!(result.checkpoint.as_ref(), run.record.checkpoints.last());
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

#[test]
fn a_stop_is_asked_of_claude_and_what_it_cost_is_kept() {
    let recording = recorded("interrupted_tool");
    let (before, after) = (recording[..3].to_vec(), recording[3..].to_vec());
    let run = TestHost::new()
        .program("claude", move |_| {
            let (before, after) = (before.clone(), after.clone());
            Program::new().on_line(move |line, terminal| match kind(line).as_str() {
                "user" => say(terminal, &before),
                "control_request" => {
                    assert!(line.contains("interrupt"));
                    terminal.pause(Duration::from_millis(100));
                    say(terminal, &after);
                }
                other => panic!("unexpected {other}"),
            })
        })
        .stop_at(Duration::from_secs(30), StopMode::Cancel)
        .run::<Claude>("x");
    let error = run.error();
    assert_eq!(error.kind, ErrorKind::Cancelled);
    assert_eq!(error.usage.expect("usage").cost, Cost::reported(0.00725));
    assert!(error.checkpoint.is_some());
    assert_eq!(run.stopped, Some(StopResult::Stopped));
    assert!(run.elapsed < Duration::from_secs(31), "{:?}", run.elapsed);
    let launch = &run.record.launches[0];
    assert!(launch.input_closed);
    assert_eq!(launch.signals.first(), Some(&Signal::Terminate));
}

#[test]
fn a_success_that_comes_after_the_stop_is_a_stop_all_the_same() {
    let recording = recorded("write");
    let (before, after) = (recording[..3].to_vec(), recording[3..].to_vec());
    let run = TestHost::new()
        .program("claude", move |_| {
            let (before, after) = (before.clone(), after.clone());
            Program::new().on_line(move |line, terminal| match kind(line).as_str() {
                "user" => say(terminal, &before),
                _ => say(terminal, &after),
            })
        })
        .stop_at(Duration::from_secs(1), StopMode::Cancel)
        .run::<Claude>("x");
    assert_eq!(run.error().kind, ErrorKind::Cancelled);
    assert_eq!(run.error().usage.expect("usage").cost, Cost::reported(0.0145));
}

#[test]
fn a_program_that_ignores_every_request_to_stop_does_not_hold_the_stop_up() {
    let run = TestHost::new()
        .program("claude", |_| Program::new().on_signal(|_, _| {}).on_end_of_input(|_| {}))
        .stop_at(Duration::from_secs(5), StopMode::Cancel)
        .run::<Claude>("x");
    assert_eq!(run.error().kind, ErrorKind::Cancelled);
    assert!(run.elapsed < Duration::from_secs(6), "{:?}", run.elapsed);
}

#[test]
fn a_stop_after_the_result_finds_it_finished() {
    let lines = recorded("write");
    let run = TestHost::new()
        .program("claude", move |_| {
            let lines = lines.clone();
            // A command in the background keeps it from ending.
            Program::new().on_line(move |_, terminal| say(terminal, &lines)).on_end_of_input(|_| {})
        })
        .stop_at(Duration::from_secs(2), StopMode::Cancel)
        .run::<Claude>("x");
    assert_eq!(run.completed().summary, "Done: final answer 2.");
    assert_eq!(run.stopped, Some(StopResult::AlreadyFinished));
}

#[test]
fn a_program_that_lingers_after_its_result_is_not_waited_for() {
    let lines = recorded("write");
    let run = TestHost::new()
        .program("claude", move |_| {
            let lines = lines.clone();
            Program::new().on_line(move |_, terminal| say(terminal, &lines)).on_end_of_input(|_| {})
        })
        .run::<Claude>("x");
    run.completed();
    assert!(run.elapsed < Duration::from_secs(15), "{:?}", run.elapsed);
}

#[test]
fn when_nothing_more_may_be_spent_claude_is_stopped() {
    let recording = recorded("interrupted_tool");
    let (before, after) = (recording[..3].to_vec(), recording[3..].to_vec());
    let run = TestHost::new()
        .program("claude", move |_| {
            let (before, after) = (before.clone(), after.clone());
            Program::new().on_line(move |line, terminal| match kind(line).as_str() {
                "user" => say(terminal, &before),
                _ => say(terminal, &after),
            })
        })
        .budget(|usage| usage.input_tokens.unwrap_or_default() < 1_000)
        .run::<Claude>("x");
    assert_eq!(run.error().kind, ErrorKind::BudgetExceeded);
    assert_eq!(run.error().usage.expect("usage").cost, Cost::reported(0.00725));
    assert_eq!(run.stopped, None);
}

#[test]
fn a_stop_while_a_question_is_open_ends_it() {
    let run = TestHost::new()
        .program("claude", |_| {
            let lines = recorded("permission_interrupted");
            let at = lines.iter().position(|line| kind(line) == "control_request").expect("asks");
            let (first, rest) = (lines[..=at].to_vec(), lines[at + 1..].to_vec());
            Program::new().on_line(move |line, terminal| match kind(line).as_str() {
                "user" => say(terminal, &first),
                "control_request" => say(terminal, &rest),
                other => panic!("unexpected {other}"),
            })
        })
        .answers(|_| Answer::Cancelled)
        .stop_when(StopMode::Cancel, |record| !record.questions.is_empty())
        .run::<Claude>("x");
    assert_eq!(run.error().kind, ErrorKind::Cancelled);
    assert!(run.error().usage.expect("usage").cost.is_some());
}

#[test]
fn findings_are_told_in_the_session_they_are_about() {
    let finding = Finding {
        code: "command-failed".to_owned(),
        message: "cargo test failed".to_owned(),
        path: None,
        line: None,
        command: None,
        output: None,
    };
    let run = host("write").resume(SESSION).finding(finding).run::<Claude>("Write a greeting");
    run.completed();
    assert_eq!(argument(&run, 0, "--resume"), Some(SESSION));
    assert_eq!(argument(&run, 0, "--session-id"), None);
    let told = &run.record.launches[0].lines[0];
    assert!(told.contains("cargo test failed") && told.contains("Write a greeting"), "{told}");
}

#[test]
fn a_session_that_never_began_is_begun() {
    let run = TestHost::new()
        .program("claude", |args| {
            if args.iter().any(|arg| arg.starts_with("--resume=")) {
                let lines = recorded("resume_unknown");
                Program::new().on_line(move |_, terminal| {
                    say(terminal, &lines);
                    terminal.exit(1);
                })
            } else {
                plays("write")
            }
        })
        .resume(SESSION)
        .run::<Claude>("x");
    run.completed();
    assert_eq!(argument(&run, 1, "--session-id"), Some(SESSION));
    assert_eq!(warnings(&run), ["session"]);
}

#[test]
fn a_session_that_is_there_already_is_resumed() {
    let run = TestHost::new()
        .program("claude", |args| {
            match args.iter().find_map(|arg| arg.strip_prefix("--session-id=")) {
                Some(id) => {
                    let complaint = format!("Error: Session ID {id} is already in use.");
                    Program::new().at_start(|terminal| {
                        terminal.print_error(complaint);
                        terminal.exit(1);
                    })
                }
                None => plays("write"),
            }
        })
        .run::<Claude>("x");
    run.completed();
    let first = argument(&run, 0, "--session-id");
    assert!(first.is_some());
    assert_eq!(argument(&run, 1, "--resume"), first);
}

#[test]
fn a_session_that_is_neither_there_nor_not_is_not_tried_for_ever() {
    let run = TestHost::new()
        .program("claude", |args| {
            let fresh = args.iter().any(|arg| arg.starts_with("--session-id="));
            Program::new().at_start(|terminal| {
                terminal.print_error(if fresh {
                    "Error: Session ID x is already in use."
                } else {
                    "No conversation found with session ID: x"
                });
                terminal.exit(1);
            })
        })
        .run::<Claude>("x");
    assert_eq!(run.error().kind, ErrorKind::Unavailable);
    assert_eq!(run.record.launches.len(), 2);
}

#[test]
fn another_executors_checkpoint_is_unsupported() {
    let run = host("write").resume("run-42 --settings evil").run::<Claude>("x");
    assert_eq!(run.error().kind, ErrorKind::Unsupported);
    assert!(run.record.launches.is_empty());
}

#[test]
fn failures_of_the_service_have_their_kinds_and_their_usage() {
    for (name, kind) in [
        ("api_401", ErrorKind::Unauthorized),
        ("api_429", ErrorKind::RateLimited),
        ("api_529", ErrorKind::Unavailable),
        ("api_400_credit", ErrorKind::QuotaExhausted),
        ("budget", ErrorKind::BudgetExceeded),
        ("max_turns", ErrorKind::TurnLimit),
    ] {
        let run = host(name).run::<Claude>("x");
        assert_eq!(run.error().kind, kind, "{name}");
        assert!(run.error().usage.is_some_and(|usage| usage.cost.is_some()), "{name}");
    }
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
fn noise_does_not_lose_the_result() {
    let lines = recorded("write");
    let run = TestHost::new()
        .program("claude", move |_| {
            let lines = lines.clone();
            Program::new().on_line(move |_, terminal| {
                terminal.print("npm warn something");
                terminal.print(r#"{"type":"hologram","x":1}"#);
                terminal.print_bytes([b'{', 0xff, 0xfe, b'\n', b'\r', b'\n']);
                terminal.print(format!(
                    "{{\"type\":\"user\",\"x\":\"{}\"}}",
                    "x".repeat(5 * 1024 * 1024)
                ));
                let (last, others) = lines.split_last().expect("a result");
                say(terminal, others);
                // The result comes in pieces and without a line end.
                for piece in last.as_bytes().chunks(7) {
                    terminal.print_bytes(piece);
                }
                terminal.exit(0);
            })
        })
        .run::<Claude>("x");
    assert_eq!(run.completed().summary, "Done: final answer 2.");
    assert!(warnings(&run).iter().all(|code| code == "unknown-line"));
    assert_eq!(warnings(&run).len(), 4, "three kinds, and the count of them");
}

#[test]
fn an_end_without_a_result_is_a_failure_that_tells_of_its_last_words() {
    let run = TestHost::new()
        .program("claude", |_| {
            let lines = recorded("no_result");
            Program::new().on_line(move |_, terminal| {
                say(terminal, &lines);
                terminal.print_error("out of memory");
                terminal.exit(137);
            })
        })
        .run::<Claude>("x");
    let error = run.error();
    assert_eq!(error.kind, ErrorKind::Failed);
    assert!(error.message.contains("137") && error.message.contains("out of memory"), "{error:?}");
    assert!(error.checkpoint.is_some(), "the session can be resumed");
    assert_eq!(error.usage.and_then(|usage| usage.cost), None, "not known is not zero");
}

#[test]
fn a_file_that_claude_cannot_see_is_told() {
    let source = AttachmentSource::File("/attachments/a.png".to_owned());
    let attachment = Attachment { name: "a.png".to_owned(), media_type: None, source };
    let run = host("write").attachment(attachment).run::<Claude>("x");
    run.completed();
    assert_eq!(warnings(&run), ["attachment"]);
}

/// A `claude` for `probe`: its version, and what `auth status` says.
fn probed(status: &'static str, code: i32) -> TestHost {
    TestHost::new().program("claude", move |args| {
        let version = args == ["--version"];
        Program::new().at_start(|terminal| {
            terminal.print(if version { "2.1.330 (Claude Code)" } else { status });
            terminal.exit(if version { 0 } else { code });
        })
    })
}

#[test]
fn a_probe_says_the_version_and_the_login() {
    let health = probed(r#"{"loggedIn": true, "authMethod": "api_key"}"#, 0).probe::<Claude>();
    let health = health.expect("it works");
    assert_eq!(health.summary, "claude 2.1.330, logged in (api_key)");
    assert_eq!(health.version.as_deref(), Some("2.1.330"));
    let unknown = probed("error: unknown command", 1).probe::<Claude>().expect("it works");
    assert_eq!(unknown.summary, "claude 2.1.330, login not known");
    let error = probed(r#"{"loggedIn": false}"#, 1).probe::<Claude>().expect_err("nobody");
    assert_eq!(error.kind, ErrorKind::Unauthorized);
    assert!(error.message.contains("ANTHROPIC_API_KEY"), "{error}");
}

#[test]
fn a_probe_does_not_wait_for_ever() {
    let silent = TestHost::new().program("claude", |_| Program::new().on_end_of_input(|_| {}));
    let error = silent.probe::<Claude>().expect_err("it hangs");
    assert_eq!(error.kind, ErrorKind::Unavailable);
    let error = TestHost::new().probe::<Claude>().expect_err("not granted");
    assert_eq!(error.kind, ErrorKind::Denied);
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
