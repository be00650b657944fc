//! The Codegen simulator over real sockets.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::client::{Raw, Whole, client, send};
use cyrus_simulate::codegen::{
    Endpoint, LogEntry, Organization, PullRequest, Push, RateLimits, Repository, RunScript,
    Running, Script, Step, Surroundings,
};
use cyrus_simulate::{All, Calls, Clock, Codegen, Failure, Injection, any_port};
use serde_json::{Value, json};

const RUN: &str = "/v1/organizations/7/agent/run";

async fn start(script: Script) -> Running {
    Codegen::start(script, any_port()).await.unwrap()
}

async fn get(running: &Running, path: &str) -> Whole {
    send(client().get(running.base_url() + path).bearer_auth("token")).await
}

async fn post(running: &Running, path: &str, body: &Value) -> Whole {
    send(client().post(running.base_url() + path).bearer_auth("token").json(body)).await
}

async fn create(running: &Running, prompt: &str) -> u64 {
    let created = post(running, RUN, &json!({"prompt": prompt})).await;
    assert_eq!(created.status, 200, "{}", created.body);
    created.json()["id"].as_u64().unwrap()
}

fn failing(endpoint: Endpoint, failure: Failure) -> Script {
    let injection =
        Injection { endpoint, call: 1, calls: Calls::default(), after_effect: false, failure };
    Script { failures: vec![injection], ..Script::default() }
}

fn one_run(steps: Vec<Step>) -> Script {
    Script { runs: vec![RunScript { steps, ..RunScript::default() }], ..Script::default() }
}

/// Checks a value against a schema of the public API file: types, required fields, and no field it does not know.
fn check(schema: &str, value: &Value) {
    let text = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/codegen-schemas.json"),
    );
    let schemas: Value = serde_json::from_str(&text.unwrap()).unwrap();
    let mut problems = Vec::new();
    validate(&schemas, &schemas[schema], value, schema, &mut problems);
    assert!(problems.is_empty(), "{problems:?}\nin {value:#}");
}

fn validate(schemas: &Value, schema: &Value, value: &Value, at: &str, problems: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return validate(schemas, &schemas[name], value, at, problems);
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let fits = |choice| {
            let mut inner = Vec::new();
            validate(schemas, choice, value, at, &mut inner);
            inner.is_empty()
        };
        if !choices.iter().any(fits) {
            problems.push(format!("{at}: {value} fits none of {schema}"));
        }
        return;
    }
    if schema["enum"].as_array().is_some_and(|known| !known.contains(value)) {
        problems.push(format!("{at}: {value} is not a known word"));
    }
    let right = match schema["type"].as_str() {
        Some("integer") => value.is_u64() || value.is_i64(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        Some("array") => {
            for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                validate(schemas, &schema["items"], item, &format!("{at}[{index}]"), problems);
            }
            value.is_array()
        }
        Some("object") => {
            object(schemas, schema, value, at, problems);
            value.is_object()
        }
        other => panic!("{at}: the checker does not know the type {other:?}"),
    };
    if !right {
        problems.push(format!("{at}: {value} is not of type {}", schema["type"]));
    }
}

fn object(schemas: &Value, schema: &Value, value: &Value, at: &str, problems: &mut Vec<String>) {
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(name).is_none() {
            problems.push(format!("{at}.{name} is missing"));
        }
    }
    let open = schema.get("additionalProperties").is_some();
    for (name, field) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(name) {
            Some(property) => validate(schemas, property, field, &format!("{at}.{name}"), problems),
            None if open => {}
            None => problems.push(format!("{at}.{name} is not in the API file")),
        }
    }
}

#[tokio::test]
async fn the_recorded_calls_of_the_official_sdk_are_answered_as_recorded() {
    let text = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/codegen-sdk-calls.jsonl"),
    );
    let running = start(Script { first_run_id: 4242, ..Script::default() }).await;
    for line in text.unwrap().lines() {
        let call: Value = serde_json::from_str(line).unwrap();
        let method = call["method"].as_str().unwrap().parse().unwrap();
        let mut request =
            client().request(method, running.base_url() + call["path"].as_str().unwrap());
        for (name, value) in call["headers"].as_object().unwrap() {
            if !["Host", "Content-Length", "authorization", "authorization_scheme"]
                .contains(&name.as_str())
            {
                request = request.header(name, value.as_str().unwrap());
            }
        }
        let answer =
            send(request.bearer_auth("dummy").body(call["body"].as_str().unwrap().to_owned()))
                .await;
        assert_eq!(Value::from(answer.status), call["resp_code"]);
        check("AgentRunResponse", &answer.json());
        for field in ["id", "organization_id", "status", "result", "web_url"] {
            assert_eq!(answer.json()[field], call["resp"][field], "{field} of {}", call["path"]);
        }
    }
    assert_eq!(running.requests().len(), 4);
    assert_eq!(running.requests()[0].body, r#"{"prompt": "fix the bug"}"#);
}

#[tokio::test]
async fn every_answer_has_the_shape_of_the_api_file() {
    let log = LogEntry {
        message_type: Some("ACTION".into()),
        observation: Some(json!({"text": "seen"})),
        tool_input: Some(json!({"path": "a"})),
        ..LogEntry::default()
    };
    let pull_request = Some(PullRequest { title: Some("Fix".into()), ..PullRequest::default() });
    let steps = vec![Step { logs: vec![log; 3], pull_request, ..Step::of("ACTIVE") }];
    let running = start(one_run(steps)).await;
    let body = json!({"prompt": "x", "metadata": {"cyrus": "key", "nested": {"n": 1}}, "repo_id": 1, "model": "m"});
    let created = post(&running, RUN, &body).await.json();
    check("AgentRunResponse", &created);
    assert_eq!(created["metadata"], body["metadata"]);
    assert_eq!(created["github_pull_requests"][0]["title"], "Fix");

    let runs = get(&running, "/v1/organizations/7/agent/runs?limit=1").await.json();
    check("Page_AgentRunResponse_", &runs);
    assert_eq!((&runs["total"], &runs["items"][0]["id"]), (&json!(1), &created["id"]));

    let logs =
        get(&running, "/v1/alpha/organizations/7/agent/run/1001/logs?skip=1&limit=1").await.json();
    check("AgentRunWithLogsResponse", &logs);
    assert_eq!(
        (logs["logs"].as_array().unwrap().len(), &logs["total_logs"], &logs["pages"]),
        (1, &json!(3), &json!(3))
    );

    check("Page_OrganizationResponse_", &get(&running, "/v1/organizations").await.json());
    check("Page_RepoResponse_", &get(&running, "/v1/organizations/7/repos").await.json());
    check("UserResponse", &get(&running, "/v1/users/me").await.json());
}

#[tokio::test]
async fn every_refusal_has_its_status_and_shape() {
    let empty = Organization { id: 8, name: "Empty".into(), repositories: Vec::new() };
    let repository =
        Repository { id: 5, full_name: "acme/app".into(), remote: None, language: None };
    let full = Organization { id: 7, name: "Full".into(), repositories: vec![repository] };
    let script = Script {
        token: Some("token".into()),
        organizations: vec![full, empty],
        runs_allowed: Some(1),
        ..Script::default()
    };
    let running = start(script).await;
    let base = running.base_url();
    let anonymous = send(client().get(format!("{base}/v1/users/me"))).await;
    assert_eq!((anonymous.status, &anonymous.json()["status_code"]), (401, &json!(401)));
    let wrong = send(client().get(format!("{base}/v1/users/me")).bearer_auth("other")).await;
    assert_eq!(wrong.status, 401);

    let prompt = json!({"prompt": "x"});
    let table = [
        (
            post(&running, "/v1/organizations/9/agent/run", &prompt).await,
            403,
            "PermissionsErrorResponse",
        ),
        (
            post(&running, "/v1/organizations/8/agent/run", &prompt).await,
            404,
            "NoReposFoundInOrgErrorResponse",
        ),
        (
            get(&running, "/v1/organizations/7/agent/run/1").await,
            404,
            "AgentRunNotFoundErrorResponse",
        ),
        (post(&running, RUN, &json!({"prompt": 1})).await, 422, "HTTPValidationError"),
        (post(&running, RUN, &json!({"metadata": {}})).await, 422, "HTTPValidationError"),
        (post(&running, RUN, &json!([])).await, 422, "HTTPValidationError"),
        (get(&running, "/v1/organizations/x/agent/runs").await, 422, "HTTPValidationError"),
        (
            get(&running, "/v1/organizations/7/agent/runs?limit=101").await,
            422,
            "HTTPValidationError",
        ),
    ];
    for (answer, status, schema) in &table {
        assert_eq!(answer.status, *status, "{}", answer.body);
        check(schema, &answer.json());
    }
    assert_eq!(running.runs().await.len(), 0, "a refused run must not exist");
    create(&running, "x").await;
    let used_up = post(&running, RUN, &prompt).await;
    assert_eq!(used_up.status, 402);
    check("AgentRunLimitReachedErrorResponse", &used_up.json());
    assert_eq!(get(&running, "/nothing").await.json(), json!({"detail": "Not Found"}));
}

#[tokio::test]
async fn every_status_can_be_reached_also_null_and_unknown_ones() {
    let statuses = [
        Some("PENDING"),
        Some("RUNNING"),
        Some("EVALUATION"),
        None,
        Some("SOMETHING_NEW"),
        Some("completed"),
        Some("MAX_ITERATIONS_REACHED"),
    ];
    let step = |status: Option<&str>| Step { status: status.map(str::to_owned), ..Step::of("") };
    let running = start(one_run(statuses.into_iter().map(step).collect())).await;
    let id = create(&running, "x").await;
    for status in statuses {
        let seen = get(&running, &format!("{RUN}/{id}")).await.json();
        assert_eq!(seen["status"], json!(status));
        check("AgentRunResponse", &seen);
    }
}

#[tokio::test]
async fn prompts_choose_scripts_and_resume_and_ban_work() {
    let other = RunScript {
        when: Some("other".into()),
        steps: vec![Step::of("FAILED")],
        ..RunScript::default()
    };
    let running = start(Script { runs: vec![other], ..Script::default() }).await;
    let (first, second) =
        (create(&running, "the other task").await, create(&running, "this task").await);
    let status =
        async |id: u64| get(&running, &format!("{RUN}/{id}")).await.json()["status"].clone();
    assert_eq!((status(first).await, status(second).await), (json!("FAILED"), json!("ACTIVE")));

    let banned = post(&running, &format!("{RUN}/ban"), &json!({"agent_run_id": second})).await;
    assert_eq!((banned.status, status(second).await), (200, json!("CANCELLED")));
    let resumed = post(
        &running,
        &format!("{RUN}/resume"),
        &json!({"agent_run_id": second, "prompt": "go on"}),
    )
    .await;
    assert_eq!(resumed.json()["status"], "ACTIVE");
    assert_eq!((status(second).await, status(second).await), (json!("ACTIVE"), json!("COMPLETE")));
    assert_eq!(running.runs().await[1].resumed, ["go on"]);
    assert_eq!(
        post(&running, &format!("{RUN}/unban"), &json!({"agent_run_id": 1})).await.status,
        404
    );
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

#[derive(Debug, Default)]
struct HandClock(AtomicU64);

impl Clock for HandClock {
    fn elapsed(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

#[tokio::test]
async fn the_documented_limits_hold_when_switched_on() {
    let clock = Arc::new(HandClock::default());
    let script =
        Script { rate_limits: Some(RateLimits { retry_after: true }), ..Script::default() };
    let surroundings = Surroundings { clock: clock.clone(), ..Surroundings::default() };
    let running = Codegen::start_in(surroundings, script, any_port()).await.unwrap();
    for _ in 0..10 {
        create(&running, "x").await;
    }
    let eleventh = post(&running, RUN, &json!({"prompt": "x"})).await;
    assert_eq!((eleventh.status, &eleventh.headers["retry-after"]), (429, &"60".parse().unwrap()));
    assert_eq!(running.runs().await.len(), 10);
    clock.0.store(60, Ordering::SeqCst);
    create(&running, "x").await;
}

#[tokio::test]
async fn two_servers_with_one_script_answer_the_same_bytes() {
    let transcript = async || {
        let running = start(Script::default()).await;
        let mut all = Vec::new();
        for _ in 0..2 {
            all.push(post(&running, RUN, &json!({"prompt": "x"})).await.body);
            all.push(get(&running, &format!("{RUN}/1001")).await.body);
        }
        all
    };
    assert_eq!(transcript().await, transcript().await);
}

#[tokio::test]
async fn it_listens_on_loopback_only() {
    let error = Codegen::start(Script::default(), "0.0.0.0:0".parse().unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("loopback"), "{error}");
}

#[tokio::test]
async fn a_run_really_pushes_its_branch() {
    let home = tempfile::tempdir().unwrap();
    let git = |arguments: &[&str]| {
        let output = std::process::Command::new("git")
            .args(arguments)
            .current_dir(home.path())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    };
    git(&["init", "--quiet", "--initial-branch=main", "seed"]);
    std::fs::write(home.path().join("seed/old.txt"), "old\n").unwrap();
    git(&["-C", "seed", "add", "."]);
    git(&[
        "-C",
        "seed",
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b",
        "commit",
        "--quiet",
        "-m",
        "Begin",
    ]);
    git(&["clone", "--quiet", "--bare", "seed", "remote.git"]);

    let push = Push {
        remote: None,
        base: Some("main".into()),
        branch: "codegen/fix-{run_id}".into(),
        message: "Fix it".into(),
        files: [("src/new.txt".to_owned(), "made by {run_id}\n".to_owned())].into(),
        delete: ["old.txt".to_owned()].into(),
    };
    let done = Step {
        push: Some(push),
        pull_request: Some(PullRequest::default()),
        ..Step::of("COMPLETE")
    };
    let remote = home.path().join("remote.git").display().to_string();
    let repository =
        Repository { id: 5, full_name: "acme/app".into(), remote: Some(remote), language: None };
    let organizations =
        vec![Organization { id: 7, name: "Acme".into(), repositories: vec![repository] }];
    let running = start(Script { organizations, ..one_run(vec![Step::of("ACTIVE"), done]) }).await;
    let id = create(&running, "x").await;
    let path = format!("{RUN}/{id}");
    assert_eq!(get(&running, &path).await.json()["github_pull_requests"], json!([]));
    let ended = get(&running, &path).await.json();
    assert_eq!(ended["status"], "COMPLETE", "{ended}");
    let branch = ended["github_pull_requests"][0]["head_branch_name"].as_str().unwrap();
    assert_eq!(branch, "codegen/fix-1001");
    assert_eq!(ended["github_pull_requests"][0]["url"], "https://github.com/acme/app/pull/1");
    assert_eq!(
        git(&["-C", "remote.git", "show", &format!("{branch}:src/new.txt")]),
        "made by 1001\n"
    );
    assert_eq!(git(&["-C", "remote.git", "log", "--format=%s", branch]), "Fix it\nBegin\n");
    assert_eq!(git(&["-C", "remote.git", "ls-tree", "--name-only", branch]), "src\n");
    assert_eq!(running.runs().await[0].pushed, [branch]);
}
