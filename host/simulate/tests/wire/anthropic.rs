//! The Anthropic simulator over real sockets.

use crate::client::{Raw, Whole, client, send};
use cyrus_simulate::anthropic::{Endpoint, Script};
use cyrus_simulate::{Anthropic, Calls, Conversation, Failure, Injection, Server, Turn, any_port};
use serde_json::{Value, json};

async fn start(conversations: Vec<Conversation>) -> Server {
    Anthropic::start(Script { conversations, ..Script::default() }, any_port()).await.unwrap()
}

fn conversation(when: Option<&str>, turns: Vec<Turn>) -> Conversation {
    Conversation { when: when.map(str::to_owned), turns }
}

fn body(messages: &Value, stream: bool) -> Value {
    let system = json!([{"type": "text", "text": "# Environment\n - Primary working directory: /work/tree\n"}]);
    json!({"model": "claude-test", "max_tokens": 100, "stream": stream, "system": system, "messages": messages})
}

async fn ask(server: &Server, messages: Value) -> Whole {
    send(client().post(messages_url(server)).header("x-api-key", "k").json(&body(&messages, false)))
        .await
}

fn messages_url(server: &Server) -> String {
    server.base_url() + "/v1/messages?beta=true"
}

/// A conversation in which the model has answered so often.
fn after(prompt: &str, answers: usize) -> Value {
    let mut messages = vec![json!({"role": "user", "content": prompt})];
    for _ in 0..answers {
        messages.push(json!({"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "X", "input": {}}]}));
        messages.push(json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "ok"}]}));
    }
    messages.into()
}

#[tokio::test]
async fn sessions_at_once_each_get_their_own_turns() {
    let write = Turn::tool("Write", json!({"file_path": "{cwd}/a.txt", "content": "x"}));
    let first = conversation(Some("first"), vec![write, Turn::text("First done.")]);
    let other = conversation(None, vec![Turn::text("Other 0."), Turn::text("Other 1.")]);
    let server = start(vec![first, other]).await;
    let a0 = ask(&server, after("the first task", 0)).await.json();
    let b0 = ask(&server, after("another", 0)).await.json();
    let a1 = ask(&server, after("the first task", 1)).await.json();
    let b1 = ask(&server, after("another", 1)).await.json();
    assert_eq!(a0["content"][0]["input"], json!({"file_path": "/work/tree/a.txt", "content": "x"}));
    assert_eq!((&a0["stop_reason"], &a0["model"]), (&json!("tool_use"), &json!("claude-test")));
    assert_eq!(b0["content"][0]["text"], "Other 0.");
    assert_eq!(
        (&a1["content"][0]["text"], &a1["stop_reason"]),
        (&json!("First done."), &json!("end_turn"))
    );
    assert_eq!(b1["content"][0]["text"], "Other 1.");
}

#[tokio::test]
async fn a_stream_has_the_events_of_the_service_in_order() {
    let turn = Turn { text: Some("Now.".into()), ..Turn::tool("Bash", json!({"command": "true"})) };
    let server = start(vec![conversation(None, vec![turn])]).await;
    let request = client().post(messages_url(&server)).header("x-api-key", "k");
    let answer = send(request.json(&body(&after("x", 0), true))).await;
    assert!(answer.headers["content-type"].to_str().unwrap().starts_with("text/event-stream"));
    let mut kinds = Vec::new();
    for event in answer.body.split_terminator("\n\n") {
        let (name, data) = event.split_once('\n').unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
        kinds.push(data["type"].as_str().unwrap().to_owned());
    }
    kinds.dedup();
    let block = ["content_block_start", "content_block_delta", "content_block_stop"];
    let expected = [
        &["message_start", "content_block_start", "ping"],
        &block[1..],
        &block[..],
        &["message_delta", "message_stop"],
    ];
    assert_eq!(kinds, expected.concat());
}

#[tokio::test]
async fn errors_have_the_shape_and_headers_of_the_service() {
    let credit = "Your credit balance is too low to access the Anthropic API.";
    let status = |status, message: Option<&str>, retry_after| Failure::Status {
        status,
        message: message.map(str::to_owned),
        body: None,
        retry_after,
        headers: [].into(),
    };
    let table = [
        (status(401, None, None), "authentication_error"),
        (status(400, Some(credit), None), "invalid_request_error"),
        (status(429, None, Some(3)), "rate_limit_error"),
        (status(429, None, None), "rate_limit_error"),
        (status(500, None, None), "api_error"),
        (status(529, None, None), "overloaded_error"),
    ];
    for (failure, kind) in table {
        let server = start(vec![conversation(None, vec![Turn::failing(failure.clone())])]).await;
        let answer = ask(&server, after("x", 0)).await;
        let Failure::Status { status, message, retry_after, .. } = failure else { unreachable!() };
        assert_eq!(
            (answer.status, &answer.json()["type"], &answer.json()["error"]["type"]),
            (status, &json!("error"), &json!(kind))
        );
        assert!(message.is_none_or(|message| answer.json()["error"]["message"] == message));
        let told =
            answer.headers.get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(told, retry_after.map(|seconds: u64| seconds.to_string()));
    }
}

#[tokio::test]
async fn tries_are_counted_for_each_session_and_turn() {
    let turn = Turn { failure: Some(Failure::status(529)), tries: Some(1), ..Turn::text("ok") };
    let server = start(vec![conversation(None, vec![turn])]).await;
    for session in ["a", "b"] {
        for expected in [529, 200, 200] {
            let request = client().post(messages_url(&server)).header("x-api-key", "k");
            let request = request.header("x-claude-code-session-id", session);
            assert_eq!(send(request.json(&body(&after("x", 0), true))).await.status, expected);
        }
    }
}

#[tokio::test]
async fn credentials_and_requests_are_checked() {
    let script = Script { api_key: Some("right".into()), ..Script::default() };
    let server = Anthropic::start(script, any_port()).await.unwrap();
    let request = || client().post(messages_url(&server)).json(&body(&after("x", 0), false));
    assert_eq!(send(request()).await.status, 401);
    assert_eq!(send(request().header("x-api-key", "wrong")).await.status, 401);
    assert_eq!(send(request().header("x-api-key", "right")).await.status, 200);
    assert_eq!(send(request().bearer_auth("right")).await.status, 200);
    let broken =
        send(client().post(messages_url(&server)).header("x-api-key", "right").body("{")).await;
    assert_eq!(
        (broken.status, &broken.json()["error"]["type"]),
        (400, &json!("invalid_request_error"))
    );
    assert_eq!(send(client().head(server.base_url())).await.status, 200);
    let unknown = send(client().get(server.base_url() + "/v1/models")).await;
    assert_eq!(
        (unknown.status, &unknown.json()["error"]["type"]),
        (404, &json!("not_found_error"))
    );
    let count =
        client().post(server.base_url() + "/v1/messages/count_tokens").header("x-api-key", "right");
    assert_eq!(send(count.body("x".repeat(41))).await.json(), json!({"input_tokens": 11}));
}

#[tokio::test]
async fn a_directory_that_is_not_stated_is_an_error_that_says_so() {
    let server = start(vec![conversation(None, vec![Turn::text("in {cwd}")])]).await;
    let request = client().post(messages_url(&server)).header("x-api-key", "k");
    let answer = send(request.json(&json!({"model": "m", "messages": after("x", 0)}))).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("{cwd}"), "{}", answer.body);
}

async fn raw(failure: Failure) -> (Server, Raw) {
    let turn = Turn {
        failure: Some(failure),
        ..Turn::text("a text that is long enough to be cut in the middle")
    };
    let server = start(vec![conversation(None, vec![turn])]).await;
    let body = body(&after("x", 0), true).to_string();
    let raw =
        Raw::send(server.address(), "POST", "/v1/messages", &[("x-api-key", "k")], &body).await;
    (server, raw)
}

#[tokio::test]
async fn a_stream_can_be_cut_or_fall_silent_in_the_middle() {
    let (_server, cut) = raw(Failure::Cut { after_bytes: Some(400) }).await;
    let text = cut.until_end().await;
    assert!(text.contains("event: message_start") && !text.contains("message_stop"), "{text}");
    assert!(!text.ends_with("0\r\n\r\n"), "a cut stream must not end as a whole one does");

    let (server, mut hang) = raw(Failure::Hang { after_bytes: Some(400) }).await;
    hang.until("event: message_start").await;
    // What ends it is the shutdown, and nothing more has come by then.
    server.shutdown().await;
    let text = hang.until_end().await;
    assert!(!text.contains("message_stop") && !text.ends_with("0\r\n\r\n"), "{text}");
}

#[tokio::test]
async fn a_malformed_stream_ends_properly_with_a_broken_event() {
    let (_server, mut malformed) = raw(Failure::Malformed { text: None }).await;
    let text = malformed.until("\r\n0\r\n\r\n").await;
    assert!(text.contains("event: message_start") && !text.contains("message_stop"), "{text}");
    assert!(!text.trim_end_matches("\r\n0\r\n\r\n").ends_with("\n\n"), "{text}");
}

#[tokio::test]
async fn calls_of_every_session_can_fail_by_number() {
    let injection = Injection {
        endpoint: Endpoint::Messages,
        call: 2,
        calls: Calls::default(),
        after_effect: false,
        failure: Failure::status(500),
    };
    let script = Script { failures: vec![injection], ..Script::default() };
    let server = Anthropic::start(script, any_port()).await.unwrap();
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(ask(&server, after("x", 0)).await.status);
    }
    assert_eq!(statuses, [200, 500, 200]);
}
