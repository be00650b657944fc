use super::{Codegen, PROMPT, Service, execute, finding, follow, host, repository, state_of};
use cyrus_sdk::{
    contract::{CostSource, ErrorKind, Event, Limits},
    http::HttpError,
    testing::{Reply, TestHost},
};
use serde_json::json;

#[test]
fn an_order_says_everything_that_the_service_can_know() {
    let service = Service::default();
    let run = execute(
        host(&service).settings(&json!({"orgId": 42, "agentType": "claude_code"})).model("m"),
    );
    run.suspended();
    let order = service.change(|state| state.runs[0]["order"].clone());
    assert_eq!(order["repo_id"], 9);
    assert_eq!(order["model"], "m");
    assert_eq!(order["agent_type"], "claude_code");
    assert_eq!(
        order["metadata"],
        json!({"cyrus_idempotency_key": "key-1", "cyrus_execution_id": "execution-1", "cyrus_task_id": "task-1"})
    );
    let prompt = order["prompt"].as_str().expect("a prompt");
    assert!(prompt.starts_with(PROMPT) && prompt.contains("`cyrus/7`"), "{prompt}");
    let credentials = run.record.requests.iter().flat_map(|request| &request.headers);
    assert!(credentials.into_iter().all(|(name, _)| name != "authorization"));
}

#[test]
fn the_intent_is_durable_before_the_order_and_the_run_before_anything_else() {
    let service = Service::default();
    let run = execute(host(&service));
    let saved: Vec<_> = run.record.checkpoints.iter().map(|token| state_of(token)).collect();
    assert_eq!(saved, ["creating", "following"]);
    let [usage] = run.record.spends[..] else { panic!("{:?}", run.record.spends) };
    assert_eq!(usage.cost.map(|cost| cost.source), Some(CostSource::Estimated));
    assert!(run.record.events.iter().any(|event| matches!(event, Event::Usage(_))));

    let unsafe_host = host(&service).checkpoints_fail("the disk is full");
    let failed = execute(unsafe_host);
    assert_eq!(failed.error().kind, ErrorKind::Unavailable);
    assert_eq!(service.orders(), 1, "no order without a durable intent");
}

#[test]
fn killed_between_order_and_acknowledgement_there_is_one_run() {
    let service = Service::default();
    let first = execute(host(&service));
    let intent = first.record.checkpoints[0].clone();
    let again = execute(host(&service).resume(intent).idempotency_key("another"));
    again.suspended();
    assert_eq!(service.orders(), 1);
}

#[test]
fn killed_between_intent_and_order_there_is_one_run() {
    let service = Service::default();
    let run = execute(host(&service).resume(r#"{"state":"creating","key":"key-0"}"#));
    run.suspended();
    assert_eq!(service.orders(), 1);
    let order = service.change(|state| state.runs[0]["order"].clone());
    assert_eq!(order["metadata"]["cyrus_idempotency_key"], "key-0");
}

#[test]
fn a_second_attempt_finds_the_run_of_the_first_behind_many_others() {
    let service = Service::default();
    execute(host(&service)).suspended();
    service.change(|state| {
        let other = json!({"id": 5, "organization_id": 42, "metadata": null});
        state.runs.splice(1..1, vec![other.clone(); 250]);
        state.runs.rotate_left(1);
    });
    let before = service.orders();
    let run = execute(host(&service).attempt(2));
    let found = run.record.checkpoints.last().map(|token| state_of(token));
    assert_eq!(found, Some(json!("following")));
    assert_eq!(service.orders(), before);
}

#[test]
fn an_order_whose_answer_is_lost_is_looked_for() {
    let service = Service::default();
    service.change(|state| state.loses_answer = true);
    execute(host(&service)).suspended();
    assert_eq!(service.orders(), 1);

    let service = Service::default();
    service.fail("/agent/run", Reply::text(502, "bad gateway"));
    let run = execute(host(&service));
    assert_eq!(run.error().kind, ErrorKind::Unavailable);
    assert_eq!(run.error().checkpoint.as_deref().map(state_of), Some(json!("creating")));
    assert_eq!(service.orders(), 0);
}

#[test]
fn a_refused_order_has_a_kind_that_the_host_can_act_on() {
    let cases = [
        (401, ErrorKind::Unauthorized),
        (402, ErrorKind::QuotaExhausted),
        (403, ErrorKind::Unauthorized),
        (404, ErrorKind::Unsupported),
        (422, ErrorKind::InvalidRequest),
        (429, ErrorKind::RateLimited),
    ];
    for (status, kind) in cases {
        let service = Service::default();
        service.fail("/agent/run", Reply::text(status, "no").header("retry-after", "30"));
        let run = execute(host(&service));
        assert_eq!(run.error().kind, kind, "{status}");
        assert_eq!(run.error().retry_after, Some(30_000));
        assert_eq!(run.error().usage, None, "nothing was begun");
    }
    let service = Service::default();
    service.fail("/agent/run", Reply::fail(HttpError::Unreachable("refused".to_owned())));
    assert_eq!(execute(host(&service)).error().kind, ErrorKind::Unavailable);
}

#[test]
fn what_codegen_cannot_do_is_not_ordered() {
    let service = Service::default();
    let mut unknown = repository();
    unknown.remote = Some("https://github.com/acme/gadgets".to_owned());
    let mut nowhere = repository();
    nowhere.remote = None;
    let poor = Limits { max_cost: Some(999_999), ..Limits::default() };
    let cases = [
        (host(&service).repository(unknown), ErrorKind::Unsupported, "acme/gadgets"),
        (host(&service).repository(nowhere), ErrorKind::Unsupported, "repoId"),
        (host(&service).output_schema(&json!({})), ErrorKind::Unsupported, "schema"),
        (host(&service).limits(poor), ErrorKind::BudgetExceeded, "estimatedCostPerRun"),
        (
            host(&service).settings(&json!({"orgId": 0})),
            ErrorKind::InvalidRequest,
            "settings.orgId",
        ),
        (host(&service).resume("session-of-another"), ErrorKind::Unsupported, "checkpoint"),
    ];
    for (host, kind, word) in cases {
        let run = execute(host);
        assert_eq!(run.error().kind, kind, "{word}");
        assert!(run.error().message.contains(word), "{}", run.error().message);
    }
    assert_eq!(service.orders(), 0);
}

#[test]
fn a_run_that_may_not_be_paid_for_is_stopped() {
    let service = Service::default();
    let run = execute(host(&service).budget(|_| false));
    assert_eq!(run.error().kind, ErrorKind::BudgetExceeded);
    assert_eq!(service.change(|state| state.runs[0]["status"].clone()), "CANCELLED");
}

#[test]
fn a_result_that_was_not_good_enough_is_mended_by_the_same_run() {
    let service = Service::default();
    let begun = execute(host(&service));
    service.set_status("COMPLETE");
    let runs = follow(&service, begun);
    let ended = runs.last().expect("one").completed().checkpoint.clone().expect("it can go on");

    let woken = execute(host(&service).resume(&ended).finding(finding()));
    let saved: Vec<_> = woken.record.checkpoints.iter().map(|token| state_of(token)).collect();
    assert_eq!(saved, ["resuming", "following"]);
    let resumed = service.change(|state| state.resumed.clone());
    assert!(resumed[0].contains("the tests fail"), "{resumed:?}");
    // The service still shows the old end: it is not taken for the new one.
    let suspended = woken.suspended().checkpoint.clone();
    service.log("ACTION", "mending");
    let done = execute(host(&service).resume(suspended));
    done.completed();

    // Killed right after it was told to go on: it is not told twice.
    let resuming = woken.record.checkpoints[0].clone();
    execute(host(&service).resume(resuming).finding(finding()));
    assert_eq!(service.change(|state| state.resumed.len()), 1);
    assert_eq!(service.orders(), 1);
}

#[test]
fn a_probe_looks_and_changes_nothing() {
    let service = Service::default();
    let health = host(&service).probe::<Codegen>().expect("all is well");
    assert!(health.summary.contains("organization 42"), "{}", health.summary);
    assert_eq!(service.orders(), 0);
    service.fail("/repos", Reply::text(401, "bad token"));
    let error = host(&service).probe::<Codegen>().expect_err("the token is bad");
    assert_eq!(error.kind, ErrorKind::Unauthorized);
    let described = TestHost::new().settings(&json!({"orgId": 1})).describe::<Codegen>();
    assert!(described.expect("needs nothing").features.contains(&"suspend".to_owned()));
}
