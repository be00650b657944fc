//! The Codegen simulator over real sockets.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cyrus_simulate::codegen::{
    LogEntry, Organization, PullRequest, Push, RateLimits, Repository, RunScript, Running, Script,
    Step, Surroundings,
};
use cyrus_simulate::{Clock, Codegen, any_port};
use serde_json::{Value, json};

use crate::client::{Whole, client, send};
use crate::openapi::check;

pub(crate) const RUN: &str = "/v1/organizations/7/agent/run";

pub(crate) async fn start(script: Script) -> Running {
    Codegen::start(script, any_port()).await.unwrap()
}

pub(crate) async fn get(running: &Running, path: &str) -> Whole {
    send(client().get(running.base_url() + path).bearer_auth("token")).await
}

async fn post(running: &Running, path: &str, body: &Value) -> Whole {
    send(client().post(running.base_url() + path).bearer_auth("token").json(body)).await
}

pub(crate) async fn create(running: &Running, prompt: &str) -> u64 {
    let created = post(running, RUN, &json!({"prompt": prompt})).await;
    assert_eq!(created.status, 200, "{}", created.body);
    created.json()["id"].as_u64().unwrap()
}

fn one_run(steps: Vec<Step>) -> Script {
    Script { runs: vec![RunScript { steps, ..RunScript::default() }], ..Script::default() }
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
