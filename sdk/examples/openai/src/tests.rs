use crate::OpenAi;
use cyrus_sdk::{
    contract::{Answer, Cost, CostSource, ErrorKind, Limits, StopMode, Usage, WorkProduct},
    http::Request,
    testing::{Reply, TestHost},
};
use serde_json::{Value, json};
use std::time::Duration;

fn usage() -> Value {
    json!({"input_tokens": 1_000, "output_tokens": 10, "input_tokens_details": {"cached_tokens": 400}})
}

fn says(id: &str, text: &str) -> Value {
    json!({
        "id": id, "status": "completed", "usage": usage(),
        "output": [
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
            {"type": "web_search_call", "id": "unheard of"},
            {"type": "message", "content": [{"type": "output_text", "text": text}]},
        ],
    })
}

fn calls(id: &str, name: &str, arguments: &Value) -> Value {
    json!({
        "id": id, "status": "completed", "usage": usage(),
        "output": [{
            "type": "function_call", "call_id": format!("call-{id}"), "name": name,
            "arguments": arguments.to_string(),
        }],
    })
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(request.body.as_deref().unwrap_or(b"null")).expect("JSON")
}

/// A host whose service gives these answers, one after the other, and then hangs.
fn host(answers: impl IntoIterator<Item = Value>) -> TestHost {
    let mut answers = answers.into_iter().collect::<Vec<_>>().into_iter();
    TestHost::new().http(move |_| answers.next().map_or_else(Reply::hang, |a| Reply::json(200, &a)))
}

fn write(path: &str) -> Value {
    calls("r1", "write_file", &json!({"path": path, "text": "hello\n"}))
}

#[test]
fn a_tool_is_used_and_its_output_goes_back_to_the_model() {
    let dir = tempfile::tempdir().expect("a directory");
    let run = host([write("src/a.txt"), says("r2", "Done.")])
        .settings(&json!({"prices": {"input": 1.0, "cachedInput": 0.5, "output": 10.0}}))
        .workspace(dir.path())
        .run::<OpenAi>("write it");
    let result = run.completed();
    assert_eq!((result.summary.as_str(), result.checkpoint.as_deref()), ("Done.", Some("r2")));
    assert!(matches!(result.product, WorkProduct::Workspace));
    assert_eq!(std::fs::read_to_string(dir.path().join("src/a.txt")).expect("written"), "hello\n");
    let expected = Usage {
        input_tokens: Some(1_200),
        output_tokens: Some(20),
        cache_read_tokens: Some(800),
        cache_write_tokens: None,
        turns: Some(2),
        cost: Some(Cost { amount: 1_800, source: CostSource::Estimated }),
    };
    assert_eq!(result.usage, expected);
    assert_eq!(run.record.checkpoints, ["r1", "r2"]);
    assert_eq!(run.record.spends.len(), 2);
    let second = body(&run.record.requests[1]);
    assert_eq!(second["previous_response_id"], "r1");
    assert_eq!(second["input"][0]["call_id"], "call-r1");
    assert_eq!(second["input"][0]["output"], "written");
    assert!(run.record.requests[1].headers.iter().all(|(name, _)| name != "authorization"));
}

#[test]
fn a_path_that_the_model_made_up_is_its_own_error() {
    let dir = tempfile::tempdir().expect("a directory");
    let run = host([write("../../etc/x"), says("r2", "Sorry.")])
        .workspace(dir.path())
        .run::<OpenAi>("write it");
    assert_eq!(run.completed().summary, "Sorry.");
    let output = body(&run.record.requests[1])["input"][0]["output"].to_string();
    assert!(output.contains("not a path inside the workspace"), "{output}");
}

#[test]
fn a_tool_that_is_not_allowed_is_asked_about_and_a_denial_is_reported() {
    let dir = tempfile::tempdir().expect("a directory");
    let run = host([write("a.txt"), says("r2", "I may not.")])
        .workspace(dir.path())
        .allowed_tools(["read_file"])
        .answers(|_| Answer::Deny("hands off".to_owned()))
        .run::<OpenAi>("write it");
    assert_eq!(run.record.questions[0].subject, "write_file");
    assert_eq!(run.completed().denials[0].reason, "hands off");
    assert!(!dir.path().join("a.txt").exists());
}

#[test]
fn a_disallowed_tool_is_not_offered() {
    let dir = tempfile::tempdir().expect("a directory");
    let run = host([says("r1", "Nothing to do.")])
        .workspace(dir.path())
        .disallowed_tools(["write_file(src/**)"])
        .run::<OpenAi>("look");
    let tools = body(&run.record.requests[0])["tools"].clone();
    let names: Vec<_> =
        tools.as_array().expect("a list").iter().map(|t| t["name"].clone()).collect();
    assert_eq!(names, ["read_file", "list_files"]);
    assert!(matches!(run.completed().product, WorkProduct::Nothing));
}

#[test]
fn an_execution_goes_on_where_the_last_one_broke_off() {
    let dir = tempfile::tempdir().expect("a directory");
    let run = host([write("a.txt"), says("r2", "Done.")])
        .workspace(dir.path())
        .resume("r1")
        .run::<OpenAi>("write it");
    assert_eq!(run.completed().summary, "Done.");
    assert_eq!(run.record.requests[0].url, "https://api.openai.com/v1/responses/r1");
    let second = body(&run.record.requests[1]);
    assert_eq!(second["previous_response_id"], "r1");
    assert_eq!(second["input"][0]["type"], "function_call_output");
    assert_eq!(run.completed().usage.turns, Some(1), "the first turn is the last execution's");
}

#[test]
fn limits_end_it_with_what_was_used() {
    let limits = Limits { max_turns: Some(1), ..Limits::default() };
    let run = host([write("a.txt")]).limits(limits).run::<OpenAi>("write it");
    assert_eq!(run.error().kind, ErrorKind::TurnLimit);
    assert_eq!(run.error().usage.and_then(|usage| usage.turns), Some(1));
    assert_eq!(run.error().checkpoint.as_deref(), Some("r1"));

    let run = host([write("a.txt")]).budget(|_| false).run::<OpenAi>("write it");
    assert_eq!(run.error().kind, ErrorKind::BudgetExceeded);
}

#[test]
fn a_stop_breaks_the_wait_for_the_model() {
    let run = host([]).stop_at(Duration::from_secs(5), StopMode::Cancel).run::<OpenAi>("wait");
    assert_eq!(run.error().kind, ErrorKind::Cancelled);
    assert_eq!(run.elapsed, Duration::from_secs(5));
}

#[test]
fn an_answer_in_a_schema_is_structured_or_a_failure() {
    let schema = json!({"type": "object"});
    let run = host([says("r1", r#"{"ok": true}"#)]).output_schema(&schema).run::<OpenAi>("judge");
    assert_eq!(run.completed().structured.as_deref(), Some(r#"{"ok":true}"#));
    let run = host([says("r1", "I think so")]).output_schema(&schema).run::<OpenAi>("judge");
    assert_eq!(run.error().kind, ErrorKind::Failed);
}

#[test]
fn what_the_service_says_is_of_a_kind() {
    let rejections = [
        (401, "invalid_api_key", ErrorKind::Unauthorized),
        (429, "rate_limit_exceeded", ErrorKind::RateLimited),
        (429, "insufficient_quota", ErrorKind::QuotaExhausted),
        (400, "content_policy_violation", ErrorKind::Refused),
        (400, "previous_response_not_found", ErrorKind::Unsupported),
        (400, "invalid_value", ErrorKind::InvalidRequest),
        (503, "", ErrorKind::Unavailable),
    ];
    for (status, code, kind) in rejections {
        let error = json!({"error": {"code": code, "message": "no"}});
        let reply = Reply::json(status, &error).header("retry-after", "7");
        let run = TestHost::new().http(move |_| reply.clone()).run::<OpenAi>("try");
        assert_eq!(run.error().kind, kind, "{status} {code}");
    }
    let answers = [
        (
            json!({"status": "failed", "error": {"code": "server_error", "message": "m"}}),
            ErrorKind::Unavailable,
        ),
        (
            json!({"status": "failed", "error": {"code": "rate_limit_exceeded"}}),
            ErrorKind::RateLimited,
        ),
        (
            json!({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}),
            ErrorKind::Failed,
        ),
        (
            json!({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}),
            ErrorKind::Refused,
        ),
        (json!({"status": "dreaming"}), ErrorKind::Failed),
    ];
    for (mut answer, kind) in answers {
        answer["id"] = json!("r1");
        let run = host([answer.clone()]).run::<OpenAi>("try");
        assert_eq!(run.error().kind, kind, "{answer}");
        assert_eq!(run.error().checkpoint, None, "{answer}");
    }
}

#[test]
fn a_refusal_is_refused() {
    let content = json!([{"type": "refusal", "refusal": "I will not."}]);
    let answer = json!({
        "id": "r1", "status": "completed", "output": [{"type": "message", "content": content}],
    });
    let run = host([answer]).run::<OpenAi>("try");
    assert_eq!(
        (run.error().kind.clone(), run.error().message.as_str()),
        (ErrorKind::Refused, "I will not.")
    );
}

#[test]
fn the_probe_looks_at_the_model() {
    let health = host([json!({"id": "gpt-5"})]).probe::<OpenAi>().expect("healthy");
    assert_eq!(health.summary, "gpt-5 answers");
    let error =
        TestHost::new().http(|_| Reply::text(401, "")).probe::<OpenAi>().expect_err("no key");
    assert_eq!(error.kind, ErrorKind::Unauthorized);
}
