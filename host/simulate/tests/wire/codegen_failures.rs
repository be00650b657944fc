//! Each failure of the Codegen simulator, as a client sees it.

use std::time::{Duration, Instant};

use cyrus_simulate::codegen::{Endpoint, Running, Script};
use cyrus_simulate::{All, Calls, Failure, Injection};
use serde_json::{Value, json};

use crate::client::Raw;
use crate::codegen::{RUN, create, get, start};
use crate::openapi::check;

fn failing(endpoint: Endpoint, failure: Failure) -> Script {
    let injection =
        Injection { endpoint, call: 1, calls: Calls::default(), after_effect: false, failure };
    Script { failures: vec![injection], ..Script::default() }
}

#[tokio::test]
async fn a_run_whose_answer_is_lost_exists_and_is_found_by_its_metadata() {
    for failure in [
        Failure::Hang { after_bytes: None },
        Failure::Cut { after_bytes: None },
        Failure::status(502),
    ] {
        let mut script = failing(Endpoint::CreateRun, failure.clone());
        script.failures[0].after_effect = true;
        let running = start(script).await;
        let body = json!({"prompt": "x", "metadata": {"key": "k-1"}}).to_string();
        let headers = [("authorization", "Bearer token"), ("content-type", "application/json")];
        let mut lost = Raw::send(running.address(), "POST", RUN, &headers, &body).await;
        match failure {
            Failure::Hang { .. } => {
                running.wait_until(|seen| seen.len() == 1).await;
                assert!(lost.is_silent());
            }
            Failure::Cut { .. } => assert_eq!(lost.until_end().await, ""),
            _ => assert!(lost.until("502").await.starts_with("HTTP/1.1 502")),
        }
        let runs = get(&running, "/v1/organizations/7/agent/runs").await.json();
        assert_eq!(runs["items"][0]["metadata"], json!({"key": "k-1"}));
        assert_eq!(running.runs().await.len(), 1);
    }
}

#[tokio::test]
async fn without_after_effect_nothing_is_created() {
    let running = start(failing(Endpoint::CreateRun, Failure::Cut { after_bytes: None })).await;
    let lost = Raw::send(
        running.address(),
        "POST",
        RUN,
        &[("authorization", "Bearer t")],
        r#"{"prompt":"x"}"#,
    )
    .await;
    assert_eq!(lost.until_end().await, "");
    assert_eq!(running.runs().await.len(), 0);
    create(&running, "x").await;
    assert_eq!(running.runs().await.len(), 1);
}

async fn raw(failure: Failure) -> (Running, Raw) {
    let running = start(failing(Endpoint::Me, failure)).await;
    let raw =
        Raw::send(running.address(), "GET", "/v1/users/me", &[("authorization", "Bearer t")], "")
            .await;
    (running, raw)
}

fn body_of(text: &str) -> &str {
    text.split_once("\r\n\r\n").expect("a whole head").1
}

#[tokio::test]
async fn a_cut_ends_the_connection_in_the_middle_of_the_body() {
    let (_running, raw) = raw(Failure::Cut { after_bytes: Some(20) }).await;
    let text = raw.until_end().await;
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    let announced = text.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    assert!(announced.parse::<usize>().unwrap() > 20);
    assert_eq!(body_of(&text).len(), 20);
}

#[tokio::test]
async fn a_hang_sends_nothing_more_and_keeps_the_connection() {
    let (running, mut raw) = raw(Failure::Hang { after_bytes: Some(9) }).await;
    let text = raw.until("\r\n\r\n{").await;
    assert!(body_of(&text).len() <= 9);
    // Another connection is served in the meantime, and the first stays open and silent.
    assert_eq!(get(&running, "/v1/users/me").await.status, 200);
    raw.until(r#"{"avatar_"#).await;
    assert!(raw.is_silent());
    // A shutdown ends even the connections that hang.
    running.shutdown().await;
    assert!(body_of(&raw.until_end().await).len() == 9);
}

#[tokio::test]
async fn a_malformed_answer_is_whole_http_and_broken_json() {
    let running = start(failing(Endpoint::Me, Failure::Malformed { text: None })).await;
    let broken = get(&running, "/v1/users/me").await;
    assert_eq!(
        (broken.status, &broken.headers["content-type"]),
        (200, &"application/json".parse().unwrap())
    );
    assert!(broken.body.starts_with('{') && serde_json::from_str::<Value>(&broken.body).is_err());
    let running =
        start(failing(Endpoint::Me, Failure::Malformed { text: Some("<html>".into()) })).await;
    assert_eq!(get(&running, "/v1/users/me").await.body, "<html>");
}

#[tokio::test]
async fn a_slow_answer_takes_its_time_and_is_right_in_the_end() {
    let running = start(failing(Endpoint::Me, Failure::Slow { bytes: 40, delay_ms: 20 })).await;
    let begun = Instant::now();
    let slow = get(&running, "/v1/users/me").await;
    let took = begun.elapsed();
    let pieces = u32::try_from(slow.body.len().div_ceil(40)).unwrap();
    assert!(
        pieces > 2 && took >= Duration::from_millis(20) * pieces,
        "{pieces} pieces in {took:?}"
    );
    assert_eq!(slow.body, get(&running, "/v1/users/me").await.body);
}

#[tokio::test]
async fn error_statuses_carry_what_the_script_says() {
    let failures = [(Some(7), Some("7")), (None, None)];
    for (retry_after, expected) in failures {
        let failure = Failure::Status {
            status: 429,
            message: None,
            body: None,
            retry_after,
            headers: [("x-request-id".to_owned(), "r-1".to_owned())].into(),
        };
        let running = start(failing(Endpoint::GetRun, failure)).await;
        let id = create(&running, "x").await;
        let limited = get(&running, &format!("{RUN}/{id}")).await;
        assert_eq!(limited.status, 429);
        check("APIRateLimitErrorResponse", &limited.json());
        assert_eq!(
            limited.headers.get("retry-after").map(|value| value.to_str().unwrap()),
            expected
        );
        assert_eq!(limited.headers["x-request-id"], "r-1");
        assert_eq!(
            get(&running, &format!("{RUN}/{id}")).await.status,
            200,
            "only the first call fails"
        );
    }
    let mut always = failing(Endpoint::Logs, Failure::status(503));
    always.failures[0].calls = Calls::All(All::All);
    let running = start(always).await;
    let id = create(&running, "x").await;
    for _ in 0..3 {
        let logs = get(&running, &format!("/v1/alpha/organizations/7/agent/run/{id}/logs")).await;
        assert_eq!((logs.status, &logs.json()["status_code"]), (503, &json!(503)));
    }
}
