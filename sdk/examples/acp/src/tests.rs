use crate::{Acp, wire::Incoming};
use cyrus_sdk::{
    contract::{
        Answer, Cost, CostSource, ErrorKind, Event, Finding, Signal, StopMode, WorkProduct,
    },
    testing::{Program, Run, Terminal, TestHost},
};
use serde_json::{Value, json};
use std::time::Duration;

/// What an agent that does as it should answers, but to `session/prompt`.
fn usual(request: &Value, terminal: &mut Terminal) {
    let result = match request["method"].as_str() {
        Some("initialize") => json!({
            "protocolVersion": 1, "agentInfo": {"name": "testy", "version": "1.2.3"},
            "agentCapabilities": {"loadSession": true},
        }),
        Some("session/new") => json!({"sessionId": "s1"}),
        Some("session/load" | "authenticate") => json!({}),
        _ => return,
    };
    terminal.print(json!({"jsonrpc": "2.0", "id": request["id"], "result": result}).to_string());
}

fn update(terminal: &mut Terminal, update: &Value) {
    let params = json!({"sessionId": "s1", "update": update});
    let method = "session/update";
    terminal.print(json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string());
}

fn says(terminal: &mut Terminal, text: &str) {
    let content = json!({"type": "text", "text": text});
    update(terminal, &json!({"sessionUpdate": "agent_message_chunk", "content": content}));
}

fn cost(terminal: &mut Terminal, amount: f64) {
    let cost = json!({"amount": amount, "currency": "USD"});
    update(terminal, &json!({"sessionUpdate": "usage_update", "used": 1, "size": 2, "cost": cost}));
}

fn ends(terminal: &mut Terminal, id: &Value, reason: &str) {
    let usage = json!({"inputTokens": 2_400, "outputTokens": 100, "cachedReadTokens": 5});
    let result = json!({"stopReason": reason, "usage": usage});
    terminal.print(json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string());
}

/// A host with an agent that does what `act` says with each line it gets.
fn host(act: impl Fn(&Value, &mut Terminal) + Clone + 'static) -> TestHost {
    let launch = move |_: &[String]| {
        let act = act.clone();
        Program::new().on_line(move |line, terminal| {
            let message = serde_json::from_str(line).expect("JSON");
            usual(&message, terminal);
            act(&message, terminal);
        })
    };
    TestHost::new().workspace("/nowhere").program("agent", launch)
}

fn is(message: &Value, method: &str) -> bool {
    message["method"] == method
}

fn sent(run: &Run) -> Vec<Value> {
    run.record.launches[0].lines.iter().map(|l| serde_json::from_str(l).expect("JSON")).collect()
}

/// An agent that asks before it writes; its request has the id of one of ours.
fn asking(message: &Value, terminal: &mut Terminal) {
    if is(message, "session/prompt") {
        let options = json!([
            {"kind": "allow_always", "name": "Always", "optionId": "always"},
            {"kind": "allow_once", "name": "Allow", "optionId": "yes"},
            {"kind": "reject_once", "name": "Reject", "optionId": "no"},
        ]);
        let call = json!({"toolCallId": "t1", "kind": "edit", "rawInput": {"path": "a.txt"}});
        let params = json!({"sessionId": "s1", "options": options, "toolCall": call});
        let method = "session/request_permission";
        terminal.print(json!({"id": 1, "method": method, "params": params}).to_string());
    } else if message.get("result").is_some() {
        ends(terminal, &json!(3), "end_turn");
    }
}

#[test]
fn a_turn_is_told_as_it_goes() {
    let run = host(|message, terminal| {
        if is(message, "session/new") {
            update(terminal, &json!({"sessionUpdate": "available_commands_update"}));
        }
        if is(message, "session/prompt") {
            terminal.print("[log] not JSON at all");
            says(terminal, "Let me see.");
            says(terminal, "");
            let call = json!({"sessionUpdate": "tool_call", "toolCallId": "t1", "rawInput": {}});
            update(terminal, &call);
            update(
                terminal,
                &json!({
                    "sessionUpdate": "tool_call_update", "toolCallId": "t1", "kind": "edit",
                    "rawInput": {"path": "a.txt"},
                }),
            );
            update(
                terminal,
                &json!({
                    "sessionUpdate": "tool_call_update", "toolCallId": "t1", "status": "completed",
                    "rawOutput": "written",
                }),
            );
            let entries = json!([{"content": "write", "status": "completed"}]);
            update(terminal, &json!({"sessionUpdate": "plan", "entries": entries}));
            says(terminal, "All ");
            says(terminal, "done.");
            ends(terminal, &message["id"], "end_turn");
            cost(terminal, 0.014_499_999_999_999_999);
        }
    })
    .run::<Acp>("write it");
    let result = run.completed();
    assert_eq!(result.summary, "All done.");
    assert!(matches!(result.product, WorkProduct::Workspace));
    let reported = Cost { amount: 14_500, source: CostSource::Reported };
    assert_eq!(result.usage.cost, Some(reported), "the update came after the turn's end");
    assert_eq!((result.usage.input_tokens, result.usage.turns), (Some(2_400), Some(1)));
    let events = &run.record.events;
    assert!(events.contains(&Event::tool_use("t1", "edit", &json!({"path": "a.txt"}))));
    assert!(events.contains(&Event::tool_result("t1", false, "written")));
    assert!(!events.contains(&Event::message("")));
    assert!(matches!(events.last(), Some(Event::Warning(w)) if w.code == "unknown-line"));
    let opened = sent(&run).into_iter().find(|m| is(m, "session/new")).expect("opened");
    assert_eq!(opened["params"]["cwd"], "/workspace", "where the program finds the files");
    assert_eq!(run.record.checkpoints, [r#"{"session":"s1","spent":0}"#]);
    assert!(run.record.launches[0].input_closed && run.record.launches[0].signals.is_empty());
}

#[test]
fn permission_is_asked_for_and_answered_by_kind() {
    let cases = [
        (Answer::Allow, "yes", None),
        (Answer::Deny("hands off".to_owned()), "no", Some("hands off")),
        (Answer::AllowModified("{}".to_owned()), "no", Some("another input")),
        (Answer::Choice("always".to_owned()), "no", Some("not an answer")),
    ];
    for (answer, option, denial) in cases {
        let given = answer.clone();
        let run = host(asking).answers(move |_| given.clone()).run::<Acp>("write it");
        let reply = sent(&run).into_iter().find(|m| m.get("result").is_some()).expect("a reply");
        let outcome = json!({"outcome": "selected", "optionId": option});
        assert_eq!(
            (&reply["id"], &reply["result"]["outcome"]),
            (&json!(1), &outcome),
            "{answer:?}"
        );
        let reasons: Vec<_> = run.completed().denials.iter().map(|d| d.reason.as_str()).collect();
        assert_eq!(reasons.len(), usize::from(denial.is_some()), "{answer:?}");
        assert!(reasons.iter().zip(denial).all(|(r, wanted)| r.contains(wanted)), "{reasons:?}");
        assert_eq!(run.record.questions[0].subject, "edit");
    }
}

#[test]
fn a_stop_cancels_the_turn_and_takes_note_of_what_it_cost() {
    let run = host(|message, terminal| {
        if is(message, "session/prompt") {
            says(terminal, "tick");
        } else if is(message, "session/cancel") {
            ends(terminal, &json!(3), "cancelled");
            cost(terminal, 0.25);
        }
    })
    .stop_at(Duration::from_secs(3), StopMode::Cancel)
    .run::<Acp>("tick");
    assert_eq!(run.error().kind, ErrorKind::Cancelled);
    let spent = run.error().usage.and_then(|usage| usage.cost).map(|cost| cost.amount);
    assert_eq!(spent, Some(250_000));
    assert_eq!(run.error().checkpoint.as_deref(), Some(r#"{"session":"s1","spent":250000}"#));
    assert!(run.elapsed < Duration::from_secs(4), "{:?}", run.elapsed);
}

#[test]
fn an_agent_that_ignores_a_cancel_does_not_hold_the_stop_up() {
    let stop = Duration::from_secs(3);
    let run = host(|_, _| {}).stop_at(stop, StopMode::Cancel).run::<Acp>("wait");
    assert_eq!(run.error().kind, ErrorKind::Cancelled);
    assert_eq!(run.elapsed, stop + Duration::from_secs(2));
    assert!(run.record.launches[0].signals.iter().all(|signal| *signal == Signal::Kill));
}

#[test]
fn a_session_is_taken_up_and_only_what_is_new_is_counted() {
    let run = host(|message, terminal| {
        if is(message, "session/load") {
            assert_eq!(message["params"]["sessionId"], "s1");
        }
        if is(message, "session/prompt") {
            cost(terminal, 0.75);
            ends(terminal, &message["id"], "end_turn");
        }
    })
    .resume(r#"{"session": "s1", "spent": 500000}"#)
    .finding(Finding {
        code: "command-failed".to_owned(),
        message: "cargo test".to_owned(),
        path: None,
        line: None,
        command: None,
        output: Some("1 failed".to_owned()),
    })
    .run::<Acp>("write it");
    assert_eq!(run.completed().usage.cost.map(|cost| cost.amount), Some(250_000));
    let prompt = sent(&run).into_iter().find(|m| is(m, "session/prompt")).expect("a prompt");
    assert!(prompt["params"]["prompt"][1]["text"].to_string().contains("1 failed"));
}

#[test]
fn ends_that_are_no_success_are_of_a_kind() {
    let reasons = [
        ("max_tokens", ErrorKind::Failed),
        ("max_turn_requests", ErrorKind::TurnLimit),
        ("refusal", ErrorKind::Refused),
        ("cancelled", ErrorKind::Failed),
    ];
    for (reason, kind) in reasons {
        let run = host(move |message, terminal| {
            if is(message, "session/prompt") {
                ends(terminal, &message["id"], reason);
            }
        })
        .run::<Acp>("try");
        assert_eq!(run.error().kind, kind, "{reason}");
        assert_eq!(run.error().usage.and_then(|usage| usage.output_tokens), Some(100));
    }
    let errors = [
        (
            json!({"code": -32_603, "data": {"errorKind": "billing_error"}}),
            ErrorKind::QuotaExhausted,
        ),
        (json!({"code": -32_000, "message": "log in"}), ErrorKind::Unauthorized),
        (json!({"code": -32_603, "message": "odd"}), ErrorKind::Failed),
    ];
    for (error, kind) in errors {
        let shown = error.clone();
        let run = host(move |message, terminal| {
            if is(message, "session/prompt") {
                terminal.print(json!({"id": message["id"], "error": error}).to_string());
            }
        })
        .run::<Acp>("try");
        assert_eq!(run.error().kind, kind, "{shown}");
    }
}

#[test]
fn mcp_servers_are_written_as_the_protocol_has_them() {
    let servers =
        json!({"mcpServers": {"files": {"command": "mcp", "args": [], "env": {"A": "b"}}}});
    let run = host(|message, terminal| {
        if is(message, "session/prompt") {
            ends(terminal, &message["id"], "end_turn");
        }
    })
    .mcp_servers(&servers)
    .run::<Acp>("try");
    let opened = sent(&run).into_iter().find(|m| is(m, "session/new")).expect("opened");
    let expected = json!([{"name": "files", "command": "mcp", "args": [], "env": [{"name": "A", "value": "b"}]}]);
    assert_eq!(opened["params"]["mcpServers"], expected);
    for nonsense in [json!([]), json!({"mcpServers": {"files": "mcp"}})] {
        let run = host(|_, _| {}).mcp_servers(&nonsense).run::<Acp>("try");
        assert_eq!(run.error().kind, ErrorKind::InvalidRequest, "{nonsense}");
    }
}

#[test]
fn an_agent_that_crashes_is_quoted() {
    let run = host(|message, terminal| {
        if is(message, "session/prompt") {
            terminal.print_error("out of memory");
            terminal.exit(70);
        }
    })
    .run::<Acp>("try");
    assert_eq!(run.error().kind, ErrorKind::Failed);
    let message = &run.error().message;
    assert!(message.contains("code 70") && message.contains("out of memory"), "{message}");
}

#[test]
fn the_probe_says_which_agent_it_is() {
    assert_eq!(host(|_, _| {}).probe::<Acp>().expect("healthy").summary, "testy 1.2.3");
    let error = TestHost::new().probe::<Acp>().expect_err("nothing granted");
    assert_eq!(error.kind, ErrorKind::Denied);
}

#[test]
fn lines_are_told_apart() {
    assert_eq!(Incoming::parse("Loading…"), None);
    assert_eq!(Incoming::parse("[1, 2]"), None);
    assert_eq!(Incoming::parse("{}"), None);
    let request = Incoming::parse(r#"{"id": "a", "method": "m"}"#);
    assert_eq!(
        request,
        Some(Incoming::Request { id: json!("a"), method: "m".to_owned(), params: Value::Null })
    );
    let answer = Incoming::parse(r#"{"id": 4, "result": null}"#);
    assert_eq!(answer, Some(Incoming::Response { id: 4, answer: Ok(Value::Null) }));
}
