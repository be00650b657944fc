//! The gateway as an agent sees it: what passes, what does not, and what is counted.

#[path = "support/away.rs"]
mod away;
mod support;

use bytes::Bytes;
use cyrus_executor::{CostSource, MicroUsd};
use cyrus_gateway::{Account, Format, Limits, UpstreamError};
use serde_json::{Value, json};
use std::time::Duration;
use support::{
    JSON, KEY, MODEL, Play, STREAM, Setup, answer, delta, event, message, post, read, read_until,
    start, stream_of, talk, whole_of,
};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

fn quick() -> Limits {
    let time = Duration::from_millis(100);
    Limits {
        connections: 4,
        head_bytes: 16 * 1024,
        headers: 32,
        head_time: time,
        body_bytes: 64 * 1024,
        bodies_bytes: 128 * 1024,
        body_time: time,
        silence: time,
    }
}

fn error_of(body: &str) -> Value {
    let body: Value = serde_json::from_str(body).expect("the format's own error");
    body["error"].clone()
}

#[tokio::test]
async fn bytes_pass_as_they_are_and_only_the_credential_changes() {
    let setup = Setup::new(None).await;
    let pieces = message(10, 50, 200);
    setup.answer(200, &[STREAM, ("request-id", "req_7")], pieces.clone());
    let body = format!("{}   ", stream_of(MODEL));
    let token = setup.lease().token();
    let request = format!(
        "POST /v1/messages?beta=true HTTP/1.1\r\nhost: localhost:1\r\nauthorization: Bearer {token}\r\nx-api-key: {token}\r\n\
         connection: close\r\nanthropic-version: 2023-06-01\r\naccept-encoding: gzip\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let received = talk(setup.address(), request.as_bytes()).await;
    assert!(String::from_utf8_lossy(&received).contains("request-id: req_7"));
    assert_eq!(answer(&received), (200, String::from_utf8(pieces.concat()).unwrap()));

    let seen = setup.service.seen.lock().unwrap();
    let [request] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!(request.uri(), "https://model.example/v1/messages?beta=true");
    assert_eq!(request.body(), body.as_bytes());
    assert_eq!(request.headers()["x-api-key"], KEY);
    assert_eq!(request.headers()["accept-encoding"], "identity");
    assert_eq!(request.headers()["anthropic-version"], "2023-06-01");
    assert!(!request.headers().contains_key("authorization"));
    assert!(!format!("{:?}", request.headers()).contains(token));
    let tally = setup.account.tally();
    assert_eq!((tally.tokens.input, tally.tokens.output), (10, 50));
    assert_eq!(tally.cost, MicroUsd(10 * 5 + 50 * 25));
    assert_eq!(tally.usage().unwrap().cost.unwrap().source, CostSource::Gateway);
}

#[tokio::test]
async fn the_first_bytes_pass_while_the_service_still_writes() {
    let setup = Setup::new(None).await;
    let service = setup.by_hand();
    let mut agent = TcpStream::connect(setup.address()).await.unwrap();
    agent.write_all(setup.request(&stream_of(MODEL)).as_bytes()).await.unwrap();
    for text in ["one", "two", "three"] {
        service.send(Ok(event(&delta(text)))).unwrap();
        read_until(&mut agent, text).await;
    }
    // Half an event passes, too.
    service.send(Ok(Bytes::from_static(b"data: {\"half"))).unwrap();
    read_until(&mut agent, "half").await;
}

#[tokio::test]
async fn another_executions_token_opens_nothing() {
    let setup = Setup::new(None).await;
    let other = setup.another(Account::new(None)).await;
    let body = stream_of(MODEL).to_string();
    let own = setup.lease().token();
    for token in [other.token(), "", "x", &own[..own.len() - 1], KEY] {
        let (status, body) =
            answer(&talk(setup.address(), post("/v1/messages", token, &body).as_bytes()).await);
        assert_eq!(
            (status, error_of(&body)["type"].as_str()),
            (401, Some("authentication_error")),
            "{token}"
        );
    }
    let none = "GET /v1/models HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    assert_eq!(answer(&talk(setup.address(), none.as_bytes()).await).0, 401);
    // One right credential does not cover a wrong one beside it.
    let two = post("/v1/messages", own, &body).replacen(
        "connection",
        "authorization: Bearer other\r\nconnection",
        1,
    );
    assert_eq!(answer(&talk(setup.address(), two.as_bytes()).await).0, 401);
    assert_eq!(setup.seen(), 0);
}

#[tokio::test]
async fn with_the_lease_the_token_dies_and_streams_are_cut() {
    let mut setup = Setup::new(None).await;
    let service = setup.by_hand();
    let address = setup.address();
    let mut agent = TcpStream::connect(address).await.unwrap();
    agent.write_all(setup.request(&stream_of(MODEL)).as_bytes()).await.unwrap();
    service.send(Ok(event(&start(10)))).unwrap();
    read_until(&mut agent, "message_start").await;
    setup.end_lease();
    let rest = read(&mut agent).await;
    assert!(
        !String::from_utf8_lossy(&rest).contains("0\r\n\r\n"),
        "the response did not end by itself"
    );
    assert!(TcpStream::connect(address).await.is_err(), "nothing listens any more");
    service.closed().await;
    assert!(setup.account.tally().cost >= MicroUsd(50), "{:?}", setup.account.tally());
}

#[tokio::test]
async fn nothing_else_is_reached() {
    let setup = Setup::new(None).await;
    let token = setup.lease().token();
    let head = format!(
        "host: localhost\r\nx-api-key: {token}\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{{}}"
    );
    for (line, expected) in [
        ("POST /v1/files HTTP/1.1", 404),
        ("POST /v1/messages/../files HTTP/1.1", 404),
        ("POST /v1/messages/..%2ffiles HTTP/1.1", 404),
        ("POST /v1/messages%2f..%2ffiles HTTP/1.1", 404),
        ("POST //v1/messages HTTP/1.1", 404),
        ("POST /v1/messages/batches HTTP/1.1", 404),
        ("POST /v1/organizations HTTP/1.1", 404),
        ("POST http://evil.example/v1/messages HTTP/1.1", 404),
        ("POST https://model.example/v1/messages HTTP/1.1", 404),
        ("CONNECT evil.example:443 HTTP/1.1", 404),
        ("DELETE /v1/messages HTTP/1.1", 405),
        ("POST /v1/messages?beta=true&url=x HTTP/1.1", 400),
        ("POST /v1/messages HTTP/9.9", 400),
    ] {
        let request = format!("{line}\r\n{head}");
        let (status, body) = answer(&talk(setup.address(), request.as_bytes()).await);
        assert_eq!(status, expected, "{line}: {body}");
    }
    assert_eq!(setup.seen(), 0);
}

#[tokio::test]
async fn a_request_names_this_server_and_no_other() {
    let setup = Setup::new(None).await;
    let good = setup.request(&stream_of(MODEL));
    for host in [
        "",
        "host: evil.example\r\n",
        "host: localhost.evil.example\r\n",
        "host: 127.0.0.1@evil.example\r\n",
        "host: localhost\r\nhost: evil.example\r\n",
    ] {
        let bad = good.replacen("host: 127.0.0.1\r\n", host, 1);
        let (status, _) = answer(&talk(setup.address(), bad.as_bytes()).await);
        assert!(status == 403 || status == 400, "{host}: {status}");
    }
    assert_eq!(setup.seen(), 0);
}

#[tokio::test]
async fn a_request_is_framed_in_one_way_only() {
    let setup = Setup::new(None).await;
    let token = setup.lease().token();
    let body = whole_of(MODEL, 5).to_string();
    let smuggled = "POST /v1/files HTTP/1.1\r\nhost: localhost\r\n\r\n";
    for framing in [
        format!("content-length: {}\r\ntransfer-encoding: chunked\r\n", body.len()),
        format!("transfer-encoding: chunked\r\ncontent-length: {}\r\n", body.len()),
        "content-length: 4\r\ncontent-length: 5\r\n".to_owned(),
        "transfer-encoding: chunked, identity\r\n".to_owned(),
        "transfer-encoding: xchunked\r\n".to_owned(),
        "content-length: +4\r\n".to_owned(),
        "content-length: -1\r\n".to_owned(),
    ] {
        setup.answer(200, &[JSON], vec![Bytes::from_static(b"{}")]);
        let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n{smuggled}", body.len());
        let request = format!(
            "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nx-api-key: {token}\r\n{framing}\r\n{chunked}"
        );
        let mut agent = TcpStream::connect(setup.address()).await.unwrap();
        agent.write_all(request.as_bytes()).await.unwrap();
        agent.shutdown().await.unwrap();
        read(&mut agent).await;
    }
    for request in setup.service.seen.lock().unwrap().iter() {
        assert_eq!(request.uri().path(), "/v1/messages");
        assert_eq!(request.body(), body.as_bytes(), "the service gets a body whole, or not at all");
        for framing in ["content-length", "transfer-encoding"] {
            assert!(!request.headers().contains_key(framing));
        }
    }
}

#[tokio::test]
async fn what_is_too_large_or_too_slow_is_refused() {
    let setup = Setup::with(Format::Anthropic, None, quick(), None).await;
    let token = setup.lease().token();
    let large = post("/v1/messages", token, &"x".repeat(64 * 1024 + 1));
    assert_eq!(answer(&talk(setup.address(), large.as_bytes()).await).0, 413);
    let head = format!("POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nx-api-key: {token}\r\n");
    let chunk = format!("8000\r\n{}\r\n", "x".repeat(0x8000));
    let chunks = format!("{head}transfer-encoding: chunked\r\n\r\n{}", chunk.repeat(3));
    assert_eq!(answer(&talk(setup.address(), chunks.as_bytes()).await).0, 413);
    let long_head = format!("{head}x-long: {}\r\n\r\n", "x".repeat(32 * 1024));
    assert!(matches!(answer(&talk(setup.address(), long_head.as_bytes()).await).0, 431 | 0));
    let many = format!("{head}{}\r\n", "x-a: b\r\n".repeat(40));
    assert!(matches!(answer(&talk(setup.address(), many.as_bytes()).await).0, 431 | 400 | 0));
    // Slow: the connection ends, though the agent never says more.
    talk(setup.address(), b"POST /v1/messages HT").await;
    let slow = format!("{head}content-length: 10\r\n\r\n{{");
    let (status, _) = answer(&talk(setup.address(), slow.as_bytes()).await);
    assert_eq!(status, 408);
    let compressed = post("/v1/messages", token, "{}").replacen(
        "connection",
        "content-encoding: gzip\r\nconnection",
        1,
    );
    assert_eq!(answer(&talk(setup.address(), compressed.as_bytes()).await).0, 400);
    let with_body = format!(
        "GET /v1/models HTTP/1.1\r\nhost: localhost\r\nx-api-key: {token}\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{{}}"
    );
    assert_eq!(answer(&talk(setup.address(), with_body.as_bytes()).await).0, 400);
    assert_eq!(setup.seen(), 0);
}

#[tokio::test]
async fn slow_connections_take_the_place_of_no_other_lease() {
    let setup = Setup::with(Format::Anthropic, None, quick(), None).await;
    let other = setup.another(Account::new(None)).await;
    let mut slow = Vec::new();
    for _ in 0..20 {
        let mut connection = TcpStream::connect(setup.address()).await.unwrap();
        connection.write_all(b"POST /").await.unwrap();
        slow.push(connection);
    }
    let alive = "HEAD / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    assert_eq!(answer(&talk(other.address(), alive.as_bytes()).await).0, 200);
    // And when they have had their time, this lease answers again.
    assert_eq!(answer(&talk(setup.address(), alive.as_bytes()).await).0, 200);
}

#[tokio::test]
async fn only_models_that_are_allowed_are_used() {
    let allowed = Some(["claude-opus-5", "claude-haiku-*"].as_slice());
    let setup = Setup::with(Format::Anthropic, None, Limits::default(), allowed).await;
    for model in [
        "claude-opus-5-5",
        "Claude-Opus-5",
        "claude-opus-5[1m]",
        " claude-opus-5",
        "opus",
        "claude-opus-5\u{0}",
        "",
    ] {
        let (status, body) = setup.ask(&stream_of(model)).await;
        let expected = if model.is_empty() {
            (400, "invalid_request_error")
        } else {
            (403, "permission_error")
        };
        assert_eq!(
            (status, error_of(&body)["type"].as_str().unwrap()),
            expected,
            "{model}: {body}"
        );
    }
    let twice = r#"{"model": "claude-opus-5", "model": "claude-opus-5-5", "max_tokens": 5}"#;
    let request = post("/v1/messages", setup.lease().token(), twice);
    assert_eq!(answer(&talk(setup.address(), request.as_bytes()).await).0, 400);
    let count = post(
        "/v1/messages/count_tokens",
        setup.lease().token(),
        &stream_of("claude-opus-5-5").to_string(),
    );
    assert_eq!(answer(&talk(setup.address(), count.as_bytes()).await).0, 403);
    assert_eq!(setup.seen(), 0);
    setup.answer(200, &[STREAM], message(1, 1, 0));
    assert_eq!(setup.ask(&stream_of("claude-haiku-4-5")).await.0, 200);
}

#[tokio::test]
async fn the_services_own_tools_reach_nothing() {
    let setup = Setup::new(None).await;
    let mut body = stream_of(MODEL);
    body["tools"] = json!([{"type": "web_fetch_20250910", "name": "web_fetch"}]);
    let (status, text) = setup.ask(&body).await;
    assert_eq!((status, error_of(&text)["type"].as_str()), (403, Some("permission_error")));
    assert_eq!(setup.seen(), 0);
}

#[tokio::test]
async fn a_stream_ends_in_the_middle_when_the_money_does() {
    // 10 in are 50; each token out is 25, and three bytes are taken for one.
    let setup = Setup::new(Some(1000)).await;
    setup.answer(200, &[STREAM], message(10, 1000, 3000));
    let (status, body) = setup.ask(&stream_of(MODEL)).await;
    assert_eq!(status, 200);
    let (passed, last) =
        body.rsplit_once("\n\nevent: error\ndata: ").expect("it ends with an error");
    assert!(passed.starts_with("event: message_start\n"));
    for whole in passed.split("\n\n") {
        let data = whole.split_once("data: ").expect("an event").1;
        serde_json::from_str::<Value>(data).expect("no event is cut in two");
    }
    let last: Value = serde_json::from_str(last.trim_end()).unwrap();
    assert_eq!(
        (&last["type"], &last["error"]["type"]),
        (&json!("error"), &json!("invalid_request_error"))
    );
    assert!(last["error"]["message"].as_str().unwrap().contains("budget"));
    let cost = setup.account.tally().cost;
    assert!((MicroUsd(1001)..MicroUsd(1200)).contains(&cost), "{cost}");
    assert!(setup.account.why_spent().is_some(), "the host hears of it");

    let (status, body) = setup.ask(&stream_of(MODEL)).await;
    assert_eq!((status, error_of(&body)["type"].as_str()), (400, Some("invalid_request_error")));
    assert_eq!(setup.seen(), 1, "the service is not asked again");
}

#[tokio::test]
async fn a_stream_of_responses_ends_in_its_own_way() {
    let setup = Setup::with(Format::OpenAi, Some(2000), Limits::default(), None).await;
    let text = |n: usize| json!({"type": "response.output_text.delta", "delta": "x".repeat(n)});
    setup.answer(200, &[STREAM], vec![event(&text(30)), event(&text(3000)), event(&text(30))]);
    let body =
        json!({"model": "gpt-5.1", "stream": true, "max_output_tokens": 10_000, "input": "hi"});
    let (_, passed) = setup.ask(&body).await;
    let last = passed.trim_end().rsplit_once("data: ").unwrap().1;
    let last: Value = serde_json::from_str(last).unwrap();
    assert_eq!(last["type"], "response.failed");
    assert_eq!(last["response"]["error"]["code"], "insufficient_quota");
    assert_eq!(setup.ask(&body).await.0, 400);
}

#[tokio::test]
async fn a_prompt_that_turns_out_too_dear_ends_it_at_once() {
    let setup = Setup::new(Some(1000)).await;
    setup.answer(200, &[STREAM], message(1_000_000, 5, 100));
    let (_, body) = setup.ask(&stream_of(MODEL)).await;
    assert_eq!(body.matches("event: ").count(), 2, "{body}");
    assert!(body.contains("event: error"));
}

#[tokio::test]
async fn money_that_ends_in_one_stream_ends_the_others() {
    let setup = Setup::new(Some(100_000)).await;
    let (one, other) = (setup.by_hand(), setup.by_hand());
    let mut agents = Vec::new();
    for _ in 0..2 {
        let mut agent = TcpStream::connect(setup.address()).await.unwrap();
        agent.write_all(setup.request(&stream_of(MODEL)).as_bytes()).await.unwrap();
        let service = if agents.is_empty() { &one } else { &other };
        service.send(Ok(event(&start(10)))).unwrap();
        read_until(&mut agent, "message_start").await;
        agents.push(agent);
    }
    // Half an event: the other stream may end only after it.
    other.send(Ok(Bytes::from_static(b"data: {\"type\": \"ping\", "))).unwrap();
    read_until(&mut agents[1], "ping").await;
    one.send(Ok(event(&delta(&"x".repeat(13_000))))).unwrap();
    let first = read_until(&mut agents[0], "event: error").await;
    assert!(first.contains("xxx"));
    other.send(Ok(Bytes::from_static(b"\"x\": 1}\n\ndata: {\"type\": \"late\"}\n\n"))).unwrap();
    let second = read_until(&mut agents[1], "event: error").await;
    assert!(
        second.contains("\"x\": 1}\n\nevent: error") || second.contains("\"x\": 1}\n\n\r\n"),
        "{second}"
    );
    assert!(!second.contains("late"));
    one.closed().await;
    other.closed().await;
}

#[tokio::test]
async fn requests_at_once_cannot_all_pass_on_the_last_dollar() {
    // Each may come to 250,050 and more; there is money for one of them.
    let setup = Setup::new(Some(260_000)).await;
    let setup = &setup;
    for _ in 0..8 {
        let body = json!({"content": [], "usage": {"input_tokens": 10, "output_tokens": 10_000}});
        setup.answer(200, &[JSON], vec![body.to_string().into()]);
    }
    let body = &whole_of(MODEL, 10_000);
    let asked = futures::future::join_all((0..8).map(|_| setup.ask(body))).await;
    let mut statuses: Vec<_> = asked.iter().map(|(status, _)| *status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400, 400, 400, 400, 400, 400, 400]);
    assert_eq!(setup.seen(), 1);
    assert_eq!(setup.account.tally().cost, MicroUsd(250_050));
}

#[tokio::test]
async fn what_the_service_does_not_say_is_estimated_and_never_nothing() {
    for (pieces, most) in [
        // No usage at all, and usage that cannot be.
        (vec![event(&json!({"type": "message_stop"}))], 1000),
        (vec![event(&json!({"type": "message_start", "message": {"usage": {"input_tokens": -5}}})), event(&json!({"type": "message_delta", "usage": {"output_tokens": -1}}))], 1000),
        (vec![Bytes::from_static(b"data: {\"type\": \"message_delta\", \"usage\": {\"output_tokens\": 18446744073709551616}}\n\n")], 1000),
        (vec![event(&json!({"type": "message_delta", "usage": {"output_tokens": u64::MAX}}))], 1000),
    ] {
        let setup = Setup::new(None).await;
        setup.answer(200, &[STREAM], pieces.clone());
        assert_eq!(setup.ask(&stream_of(MODEL)).await.0, 200);
        let tally = setup.account.tally();
        assert!(tally.is_estimate, "{pieces:?}");
        assert!(tally.cost > MicroUsd(100) && tally.cost < MicroUsd(most), "{tally:?} {pieces:?}");
        assert_eq!(tally.usage().unwrap().cost.unwrap().source, CostSource::Estimated);
    }
}

#[tokio::test]
async fn a_model_without_a_price_is_charged_as_the_dearest() {
    let setup = Setup::new(None).await;
    setup.answer(200, &[STREAM], message(0, 1000, 0));
    setup.ask(&stream_of("claude-tomorrow")).await;
    let tally = setup.account.tally();
    assert_eq!(tally.cost, MicroUsd(75_000));
    assert_eq!(tally.unpriced.iter().collect::<Vec<_>>(), ["claude-tomorrow"]);
    assert_eq!(tally.usage().unwrap().cost.unwrap().source, CostSource::Estimated);
}

#[tokio::test]
async fn a_gigantic_line_passes_and_what_follows_is_counted() {
    let setup = Setup::new(None).await;
    let line = Bytes::from(vec![b'y'; 1 << 20]);
    let mut pieces = vec![Bytes::from_static(b"data: {\"type\": \"ping\", \"x\": \"")];
    pieces.extend(std::iter::repeat_n(line, 12));
    pieces.push(Bytes::from_static(b"\"}\n\n"));
    pieces.extend(message(10, 50, 0));
    setup.answer(200, &[STREAM], pieces.clone());
    let received = talk(setup.address(), setup.request(&stream_of(MODEL)).as_bytes()).await;
    assert_eq!(answer(&received).1.len(), pieces.concat().len());
    assert_eq!(setup.account.tally().cost, MicroUsd(50 + 1250));
}

#[tokio::test]
async fn a_service_that_fails_is_told_from_one_that_used_something() {
    let setup = Setup::with(Format::Anthropic, None, quick(), None).await;
    setup.play(Play::Fail(UpstreamError::Unreachable("refused".to_owned())));
    let (status, body) = setup.ask(&stream_of(MODEL)).await;
    assert_eq!((status, error_of(&body)["type"].as_str()), (502, Some("api_error")));
    assert_eq!(setup.account.tally().usage(), None, "nothing was used");
    let overloaded =
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
            .to_string();
    setup.answer(529, &[JSON, ("retry-after", "7")], vec![overloaded.clone().into()]);
    let received = talk(setup.address(), setup.request(&stream_of(MODEL)).as_bytes()).await;
    assert!(String::from_utf8_lossy(&received).contains("retry-after: 7"));
    assert_eq!(answer(&received), (529, overloaded), "its errors pass as they are");
    assert_eq!(setup.account.tally().usage(), None);

    setup.play(Play::Hang);
    assert_eq!(setup.ask(&stream_of(MODEL)).await.0, 502);
    let after_silence = setup.account.tally();
    assert!(after_silence.cost > MicroUsd::ZERO && after_silence.is_estimate);
    setup.play(Play::Fail(UpstreamError::Interrupted("reset".to_owned())));
    assert_eq!(setup.ask(&stream_of(MODEL)).await.0, 502);
    assert!(setup.account.tally().cost > after_silence.cost);
}

#[tokio::test]
async fn a_stream_that_breaks_off_or_stalls_is_charged_for_what_passed() {
    let setup = Setup::with(Format::Anthropic, None, quick(), None).await;
    for how in ["breaks", "stalls"] {
        let before = setup.account.tally().cost;
        let service = setup.by_hand();
        service.send(Ok(event(&start(1000)))).unwrap();
        service.send(Ok(event(&delta(&"x".repeat(300))))).unwrap();
        if how == "breaks" {
            service.send(Err(UpstreamError::Interrupted("reset".to_owned()))).unwrap();
        }
        let (_, body) = setup.ask(&stream_of(MODEL)).await;
        assert!(body.contains("xxx"), "{how}");
        let cost = setup.account.tally().cost.saturating_sub(before);
        assert!((MicroUsd(5000 + 2500)..MicroUsd(5000 + 2700)).contains(&cost), "{how}: {cost}");
    }
}

#[tokio::test]
async fn an_agent_that_leaves_pays_all_the_same() {
    let setup = Setup::new(None).await;
    let service = setup.by_hand();
    let mut agent = TcpStream::connect(setup.address()).await.unwrap();
    agent.write_all(setup.request(&stream_of(MODEL)).as_bytes()).await.unwrap();
    service.send(Ok(event(&start(1000)))).unwrap();
    read_until(&mut agent, "message_start").await;
    drop(agent);
    service.closed().await;
    let mut changes = setup.account.watch();
    let settled = changes.wait_for(|tally| tally.tokens.input == 1000);
    assert!(settled.await.unwrap().cost >= MicroUsd(5000));

    // Also one that leaves before there is a response.
    setup.play(Play::Hang);
    let before = setup.account.tally().cost;
    let mut agent = TcpStream::connect(setup.address()).await.unwrap();
    agent.write_all(setup.request(&stream_of(MODEL)).as_bytes()).await.unwrap();
    let mut changes = setup.account.watch();
    changes.wait_for(|tally| tally.requests == 2).await.unwrap();
    drop(agent);
    changes.wait_for(|tally| tally.cost > before).await.unwrap();
}

#[tokio::test]
async fn the_key_does_not_come_back() {
    let setup = Setup::new(None).await;
    let echo = format!(r#"{{"error": "the key {KEY} is not valid"}}"#);
    setup.answer(401, &[JSON], vec![echo.into()]);
    let (status, body) = setup.ask(&stream_of(MODEL)).await;
    assert_eq!(status, 502);
    assert!(!body.contains(KEY));
    let header = format!("key={KEY}");
    setup.answer(200, &[STREAM, ("x-debug", &header), ("set-cookie", "s=1")], message(1, 1, 0));
    let received = talk(setup.address(), setup.request(&stream_of(MODEL)).as_bytes()).await;
    let received = String::from_utf8_lossy(&received);
    assert!(!received.contains(KEY) && !received.contains("set-cookie"), "{received}");
}

#[tokio::test]
async fn what_cannot_be_counted_does_not_pass() {
    let setup = Setup::new(None).await;
    setup.answer(
        200,
        &[STREAM, ("content-encoding", "gzip")],
        vec![Bytes::from_static(b"\x1f\x8b")],
    );
    assert_eq!(setup.ask(&stream_of(MODEL)).await.0, 502);
    setup.answer(307, &[("location", "https://evil.example/")], vec![]);
    let received = talk(setup.address(), setup.request(&stream_of(MODEL)).as_bytes()).await;
    assert_eq!(answer(&received).0, 502);
    assert!(!String::from_utf8_lossy(&received).contains("evil"));
}

#[tokio::test]
async fn what_is_free_is_free() {
    let setup = Setup::new(Some(0)).await;
    let token = setup.lease().token();
    setup.answer(200, &[JSON], vec![Bytes::from_static(br#"{"input_tokens": 7}"#)]);
    let count = post("/v1/messages/count_tokens", token, &whole_of(MODEL, 1).to_string());
    assert_eq!(
        answer(&talk(setup.address(), count.as_bytes()).await),
        (200, r#"{"input_tokens": 7}"#.to_owned())
    );
    setup.answer(200, &[JSON], vec![Bytes::from_static(b"{}")]);
    let models = format!(
        "GET /v1/models?limit=5 HTTP/1.1\r\nhost: localhost\r\nx-api-key: {token}\r\nconnection: close\r\n\r\n"
    );
    assert_eq!(answer(&talk(setup.address(), models.as_bytes()).await).0, 200);
    assert_eq!(setup.account.tally().usage(), None);
    assert_eq!(setup.ask(&stream_of(MODEL)).await.0, 400, "a message is not");
}

#[tokio::test]
async fn the_host_ends_what_it_will_not_pay() {
    let setup = Setup::new(None).await;
    let service = setup.by_hand();
    let mut agent = TcpStream::connect(setup.address()).await.unwrap();
    agent.write_all(setup.request(&stream_of(MODEL)).as_bytes()).await.unwrap();
    service.send(Ok(event(&start(10)))).unwrap();
    read_until(&mut agent, "message_start").await;
    setup.account.close("the day's money is spent");
    let last = read_until(&mut agent, "event: error").await;
    assert!(last.contains("the day's money is spent") || !read(&mut agent).await.is_empty());
    service.closed().await;
}
