//! The `claude` stand-in as a process: what the real program printed, it prints.

mod process;
mod recorded;

use std::path::PathBuf;

use cyrus_simulate::claude::{SCRIPT, Script, Version};
use cyrus_simulate::{Conversation, Failure, ToolUse, Turn, Usage};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use serde_json::{Value, json};

use process::{Ended, STREAM, World};
use recorded::recorded;

fn script(version: Version, turns: Vec<Turn>) -> Script {
    let conversations = vec![Conversation { when: None, turns }];
    Script { version, conversations, retry_delay_ms: 1, task_after_ms: 60_000 }
}

fn last(number: u32) -> Turn {
    Turn::text(&format!("Done: final answer {number}. "))
}

fn write() -> Turn {
    let input = json!({"file_path": "{cwd}/hello.txt", "content": "hello from fake model\n"});
    Turn { text: Some("I will write the file. ".into()), ..Turn::tool("Write", input) }
}

fn echo_to_file() -> Turn {
    Turn::tool(
        "Bash",
        json!({"command": "echo hi > bash.txt && cat bash.txt", "description": "write file"}),
    )
}

fn echo_turns() -> Vec<Turn> {
    (1..4)
        .map(|turn| {
            Turn::tool(
                "Bash",
                json!({"command": format!("echo turn {turn}"), "description": "loop"}),
            )
        })
        .collect()
}

fn status(status: u16, message: &str) -> Turn {
    let Failure::Status { body, retry_after, headers, .. } = Failure::status(status) else {
        unreachable!()
    };
    Turn::failing(Failure::Status {
        status,
        message: Some(message.into()),
        body,
        retry_after,
        headers,
    })
}

/// A scenario, its version and turns, further arguments, and the exit code.
type Case = (&'static str, Version, Vec<Turn>, &'static [&'static str], i32);

#[tokio::test]
async fn whole_runs_print_what_was_recorded() {
    const SCHEMA: &[&str] = &["--json-schema", r#"{"type": "object"}"#];
    let output = || Turn::tool("StructuredOutput", json!({"status": "ok", "count": 3}));
    let costly =
        |turn: Turn| Turn { usage: Usage { input_tokens: 1_000_000, ..Usage::default() }, ..turn };
    let credit = "Your credit balance is too low to access the Anthropic API.";
    let (old, new) = (Version::V197, Version::V330);
    let table: Vec<Case> = vec![
        ("w1", old, vec![write(), last(2)], &["--permission-mode", "acceptEdits"], 0),
        ("denied", old, vec![write(), last(2)], &[], 0),
        ("maxturns", old, echo_turns(), &["--max-turns", "2"], 1),
        (
            "budget",
            old,
            echo_turns().into_iter().map(costly).collect(),
            &["--max-budget-usd", "8"],
            1,
        ),
        ("e401r1", old, vec![status(401, "invalid x-api-key")], &[], 1),
        ("e429r2", old, vec![status(429, "rate limited")], &[], 1),
        ("e529r2", old, vec![status(529, "Overloaded")], &[], 1),
        ("e400credit", old, vec![status(400, credit)], &[], 1),
        ("schema", old, vec![output()], SCHEMA, 0),
        ("schema_notool", old, vec![last(1), last(2)], SCHEMA, 0),
        (
            "permission_ro330",
            new,
            echo_turns(),
            &["--max-turns", "2", "--permission-prompt-tool", "stdio"],
            1,
        ),
    ];
    for (scenario, version, turns, arguments, code) in table {
        let world = World::new();
        let retries = if scenario.ends_with("r2") { "2" } else { "1" };
        let ended = world
            .once(&script(version, turns), arguments, &[("CLAUDE_CODE_MAX_RETRIES", retries)])
            .await;
        assert_eq!(world.summary(&ended.lines), recorded(scenario), "{scenario}");
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(code), ""), "{scenario}");
        let leads = ended.raw.last().unwrap().starts_with(r#"{"type":"result""#);
        assert_eq!(leads, version == old, "{scenario}: the order of a result's keys");
        assert_eq!(world.work().join("hello.txt").exists(), scenario == "w1", "{scenario}");
    }
}

#[tokio::test]
async fn permission_questions_go_as_recorded() {
    type Reply = fn(&Value) -> Value;
    let allow: Reply =
        |question| json!({"behavior": "allow", "updatedInput": question["request"]["input"]});
    let deny: Reply = |_| json!({"behavior": "deny", "message": "host policy says no"});
    let stop: Reply =
        |_| json!({"behavior": "deny", "message": "host policy says no", "interrupt": true});
    let table = [
        ("permission_a330", write(), Some(allow), 0),
        ("permission_d330", write(), Some(deny), 0),
        ("permission_di330", echo_to_file(), Some(stop), 1),
        ("permission_int330", echo_to_file(), None, 1),
    ];
    for (scenario, turn, reply, code) in table {
        let world = World::new();
        let arguments = [&STREAM[..], &["--permission-prompt-tool", "stdio"]].concat();
        let mut run = world.start(&script(Version::V330, vec![turn, last(2)]), &arguments, &[]);
        run.say("please do it").await;
        let question = run.until("control_request").await;
        match reply {
            Some(reply) => run.answer(&question, reply(&question)).await,
            None => run.interrupt().await,
        }
        run.until("result").await;
        let ended = run.end().await;
        assert_eq!(world.summary(&ended.lines), recorded(scenario), "{scenario}");
        assert_eq!(ended.code, Some(code), "{scenario}");
        assert_eq!(world.work().join("hello.txt").exists(), scenario == "permission_a330");
        assert!(!world.work().join("bash.txt").exists());
    }
}

#[tokio::test]
async fn a_changed_command_is_the_one_that_runs_and_a_closed_input_denies() {
    let world = World::new();
    let arguments = [&STREAM[..], &["--permission-prompt-tool", "stdio"]].concat();
    let mut run =
        world.start(&script(Version::V330, vec![echo_to_file(), last(2)]), &arguments, &[]);
    run.say("please do it").await;
    let question = run.until("control_request").await;
    run.answer(
        &question,
        json!({"behavior": "allow", "updatedInput": {"command": "echo other > b.txt"}}),
    )
    .await;
    assert_eq!(run.until("result").await["permission_denials"], json!([]));
    assert_eq!(std::fs::read_to_string(world.work().join("b.txt")).unwrap(), "other\n");
    run.end().await;

    let mut run =
        world.start(&script(Version::V330, vec![echo_to_file(), last(2)]), &arguments, &[]);
    run.say("please do it").await;
    run.until("control_request").await;
    let ended = run.end().await;
    assert_eq!(ended.result()["permission_denials"].as_array().unwrap().len(), 1);
    let denied = ended.lines.iter().find(|line| line["type"] == "user").unwrap();
    assert!(denied["tool_use_result"].as_str().unwrap().contains("stream closed"), "{denied}");
}

#[tokio::test]
async fn two_messages_share_a_session_and_its_cost() {
    let world = World::new();
    let arguments = [&STREAM[..], &["--replay-user-messages"]].concat();
    let mut run = world.start(&script(Version::V197, vec![last(1), last(2)]), &arguments, &[]);
    run.say(json!([{"type": "text", "text": "first"}])).await;
    run.until("result").await;
    run.say("second").await;
    run.until("result").await;
    let ended = run.end().await;
    assert_eq!(world.summary(&ended.lines), recorded("stdinjson"));
    let sessions: Vec<&Value> = ended.lines.iter().map(|line| &line["session_id"]).collect();
    assert!(sessions.iter().all(|id| *id == sessions[0]) && ended.code == Some(0));
}

#[tokio::test]
async fn an_interrupt_while_the_model_speaks_ends_as_recorded() {
    let said = "tick 0 tick 1 tick 2 tick 3 tick 4 tick 5 ";
    let silent = Turn {
        failure: Some(Failure::Hang { after_bytes: Some(said.len()) }),
        ..Turn::text(&format!("{said}and more"))
    };
    let world = World::new();
    let mut run = world.start(&script(Version::V197, vec![silent]), &STREAM, &[]);
    run.say("count").await;
    run.until("init").await;
    run.interrupt().await;
    run.until("result").await;
    let ended = run.end().await;
    assert_eq!((world.summary(&ended.lines), ended.code), (recorded("stdin_interrupt"), Some(1)));
}

/// A command that says its process and session once somebody listens, and then waits.
fn sleeper(world: &World) -> (Turn, PathBuf) {
    let pipe = world.work().join("started");
    mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    let command = "cut -d ' ' -f 1,6 /proc/$$/stat > started; exec sleep 60";
    (Turn::tool("Bash", json!({"command": command, "description": "sleep"})), pipe)
}

/// Waits for the sleeper, and gives its process and session.
async fn started(pipe: PathBuf) -> (Pid, Pid) {
    let text =
        tokio::task::spawn_blocking(move || std::fs::read_to_string(pipe).unwrap()).await.unwrap();
    let (process, session) = text.trim().split_once(' ').unwrap();
    (Pid::from_raw(process.parse().unwrap()), Pid::from_raw(session.parse().unwrap()))
}

fn lives(process: Pid) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    !state.is_empty() && !state.contains(") Z ")
}

#[tokio::test]
async fn sigint_in_a_tool_ends_the_tool_and_gives_a_result() {
    for (version, code) in [(Version::V197, 1), (Version::V330, 0)] {
        let world = World::new();
        let (turn, pipe) = sleeper(&world);
        let script = Script { task_after_ms: 0, ..script(version, vec![turn]) };
        let mut run =
            world.start(&script, &[&STREAM[..], &["--allowedTools", "Bash"]].concat(), &[]);
        run.say("sleep").await;
        run.until("task_started").await;
        let (process, session) = started(pipe).await;
        assert_eq!(process, session, "a tool leads a session of its own");
        run.signal(Signal::SIGINT);
        run.until("result").await;
        let ended = run.end().await;
        assert_eq!(ended.code, Some(code));
        assert!(!lives(process), "the tool outlived an interrupt");
        if version == Version::V197 {
            let tail = |lines: Vec<Value>| lines[2..].to_vec();
            assert_eq!(tail(world.summary(&ended.lines)), tail(recorded("sigint_tool")));
        }
    }
}

#[tokio::test]
async fn sigterm_ends_without_a_result_and_takes_the_tool_along() {
    let world = World::new();
    let (turn, pipe) = sleeper(&world);
    let arguments = [&STREAM[..], &["--allowedTools", "Bash"]].concat();
    let mut run = world.start(&script(Version::V330, vec![turn]), &arguments, &[]);
    run.say("sleep").await;
    let (process, _) = started(pipe).await;
    run.signal(Signal::SIGTERM);
    let ended = run.end().await;
    assert_eq!(ended.code, Some(143));
    assert!(ended.lines.iter().all(|line| line["type"] != "result"));
    assert!(!lives(process));
}

#[tokio::test]
async fn sigkill_leaves_the_tool_behind_as_the_real_program_does() {
    let world = World::new();
    let (turn, pipe) = sleeper(&world);
    let arguments = [&STREAM[..], &["--allowedTools", "Bash"]].concat();
    let mut run = world.start(&script(Version::V330, vec![turn]), &arguments, &[]);
    run.say("sleep").await;
    let (process, _) = started(pipe).await;
    run.child.start_kill().unwrap();
    run.child.wait().await.unwrap();
    assert!(lives(process), "the stand-in must not clean up better than the real program");
    kill(process, Signal::SIGKILL).unwrap();
}

#[tokio::test]
async fn a_session_is_resumed_forked_and_not_found() {
    let world = World::new();
    let talk = script(Version::V330, vec![last(1), last(2), last(3)]);
    let id = "11111111-1111-4111-8111-111111111111";
    let first = world.once(&talk, &["--session-id", id], &[]).await;
    assert_eq!(
        (&first.result()["session_id"], &first.result()["result"]),
        (&json!(id), &json!("Done: final answer 1. "))
    );
    let again = world.once(&talk, &["--resume", id], &[]).await;
    assert_eq!(
        (&again.result()["session_id"], &again.result()["result"]),
        (&json!(id), &json!("Done: final answer 2. "))
    );
    let cost = |ended: &Ended| ended.result()["total_cost_usd"].clone();
    assert_eq!(cost(&first), cost(&again), "a resume counts from nothing");
    let forked = world.once(&talk, &["--resume", id, "--fork-session"], &[]).await;
    assert_ne!(forked.result()["session_id"], json!(id));
    assert_eq!(forked.result()["result"], "Done: final answer 3. ");

    let used = world.start(&talk, &[&STREAM[..], &["--session-id", id]].concat(), &[]).end().await;
    assert!(
        used.code == Some(1) && used.lines.is_empty() && used.stderr.contains("already in use"),
        "{}",
        used.stderr
    );
    let unknown = "00000000-0000-4000-8000-000000000000";
    let old = Script { version: Version::V197, ..talk };
    let lost = world.start(&old, &[&STREAM[..], &["--resume", unknown]].concat(), &[]).end().await;
    assert_eq!((world.summary(&lost.lines), lost.code), (recorded("resumebad"), Some(1)));
    assert!(lost.stderr.contains("No conversation found"));
}

#[tokio::test]
async fn what_the_real_program_refuses_is_refused_on_standard_error_only() {
    let world = World::new();
    let script = Script::default();
    for arguments in [&["-p", "--no-such-flag"][..], &["-p", "x", "--output-format", "stream-json"]]
    {
        let ended = world.start(&script, arguments, &[]).end().await;
        assert!(
            ended.code == Some(1) && ended.lines.is_empty() && !ended.stderr.is_empty(),
            "{arguments:?}"
        );
    }
    let version = world.start(&script, &["--version"], &[]).end().await;
    assert_eq!((version.raw, version.code), (vec!["2.1.330 (Claude Code)".to_owned()], Some(0)));
    let text = world.start(&script, &["-p", "say it"], &[]).end().await;
    assert_eq!((text.raw, text.code), (vec!["Done.".to_owned()], Some(0)));
    let broken = world.start(&script, &STREAM, &[(SCRIPT, "/no/such/file")]).end().await;
    assert!(broken.code == Some(1) && broken.stderr.contains("/no/such/file"), "{}", broken.stderr);
}

#[tokio::test]
async fn partial_messages_are_the_stream_of_the_service() {
    let world = World::new();
    let ended = world
        .once(&script(Version::V197, vec![last(1)]), &["--include-partial-messages"], &[])
        .await;
    let mut kinds: Vec<String> = Vec::new();
    for line in &ended.lines {
        let kind =
            if line["type"] == "stream_event" { &line["event"]["type"] } else { &line["type"] };
        kinds.push(kind.as_str().unwrap().to_owned());
    }
    kinds.dedup();
    let expected = [
        "system",
        "message_start",
        "content_block_start",
        "content_block_delta",
        "assistant",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "result",
    ];
    assert_eq!(kinds, expected);
}

#[tokio::test]
async fn tools_that_are_not_offered_are_not_there() {
    let world = World::new();
    let turns = vec![
        Turn { tools: vec![ToolUse { name: "Nothing".into(), input: json!({}) }], ..write() },
        last(2),
    ];
    let ended =
        world.once(&script(Version::V330, turns), &["--disallowedTools", "Write,Bash"], &[]).await;
    let init = &ended.lines[0];
    assert!(init["tools"].as_array().unwrap().iter().all(|tool| tool != "Write" && tool != "Bash"));
    let unknown = ended.lines.iter().find(|line| line["type"] == "user").unwrap();
    assert!(
        unknown["message"]["content"][0]["content"]
            .as_str()
            .unwrap()
            .contains("No such tool available")
    );
    assert_eq!(ended.result()["permission_denials"], json!([]));
}
