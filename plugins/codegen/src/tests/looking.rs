use super::{Service, execute, follow, host};
use cyrus_sdk::{
    contract::{ErrorKind, Event, RemoteBranch, WorkProduct},
    testing::Reply,
};
use serde_json::json;

#[test]
fn a_run_is_followed_to_its_branch_and_nothing_is_told_twice() {
    let service = Service::default();
    for n in 0..150 {
        service.log("PLAN_EVALUATION", &format!("step {n}"));
    }
    let mut runs = vec![execute(host(&service))];
    let checkpoint = runs[0].suspended().checkpoint.clone();
    service.log("FINAL_ANSWER", "done");
    service.change(|state| {
        state.runs[0]["status"] = json!("completed");
        state.runs[0]["result"] = json!("Fixed the addition.");
        state.runs[0]["github_pull_requests"] = json!([
            {"id": 3, "title": "Fix", "url": "https://github.com/acme/widgets/pull/3", "created_at": "",
             "head_branch_name": "codegen/fix"}
        ]);
    });
    runs.push(execute(host(&service).resume(checkpoint)));

    let result = runs[1].completed();
    assert_eq!(result.summary, "Fixed the addition.");
    let branch = RemoteBranch { remote: None, name: "codegen/fix".to_owned(), commit: None };
    assert_eq!(result.product, WorkProduct::Branch(branch));
    assert_eq!(result.usage.cost.map(|cost| cost.amount), Some(1_000_000));

    let events = runs.iter().flat_map(|run| &run.record.events);
    let said: Vec<_> = events
        .filter_map(|event| match event {
            Event::Message(text) => Some(text.clone()),
            _ => None,
        })
        .collect();
    let mut expected: Vec<_> = (0..150).map(|n| format!("step {n}")).collect();
    expected.push("done".to_owned());
    assert_eq!(said, expected);
    let link = Event::link("pull-request", "Fix", "https://github.com/acme/widgets/pull/3");
    assert_eq!(runs[1].record.events.iter().filter(|event| **event == link).count(), 1);
}

#[test]
fn a_quiet_run_is_asked_less_and_less() {
    let service = Service::default();
    let mut run = execute(host(&service));
    let mut waits = Vec::new();
    for _ in 0..10 {
        waits.push(run.suspended().wake_after);
        run = execute(host(&service).resume(run.suspended().checkpoint.clone()));
        assert_eq!(run.record.requests.len(), 2, "a look is two requests");
    }
    assert_eq!(waits[0], 5_000);
    assert!(waits.is_sorted() && waits[9] == 60_000, "{waits:?}");
    service.log("ACTION", "news");
    let woken = execute(host(&service).resume(run.suspended().checkpoint.clone()));
    assert_eq!(woken.suspended().wake_after, 5_000);
}

#[test]
fn a_service_that_fails_for_a_while_is_waited_for() {
    let service = Service::default();
    let checkpoint = execute(host(&service)).suspended().checkpoint.clone();
    service.fail("/agent/run/1", Reply::text(429, "slow down").header("retry-after", "90"));
    let limited = execute(host(&service).resume(&checkpoint));
    assert_eq!(limited.suspended().wake_after, 90_000);

    let mut token = checkpoint;
    let mut looks = 0;
    let error = loop {
        service.fail("/agent/run/1", Reply::text(503, "down"));
        let run = execute(host(&service).resume(&token));
        match &run.outcome {
            Err(error) => break error.clone(),
            Ok(_) => token.clone_from(&run.suspended().checkpoint),
        }
        looks += 1;
    };
    assert_eq!(looks, 5);
    assert_eq!(error.kind, ErrorKind::Unavailable);
    let resume = error.checkpoint.clone().expect("from here it can go on");
    service.set_status("COMPLETE");
    execute(host(&service).resume(resume)).completed();
}

#[test]
fn a_run_that_is_not_known_or_not_ours_ends_the_execution() {
    for (status, kind) in [(404, ErrorKind::Unsupported), (401, ErrorKind::Unauthorized)] {
        let service = Service::default();
        let checkpoint = execute(host(&service)).suspended().checkpoint.clone();
        service.fail("/agent/run/1", Reply::text(status, "no"));
        let run = execute(host(&service).resume(checkpoint));
        assert_eq!(run.error().kind, kind);
        assert!(run.error().checkpoint.is_some() && run.error().usage.is_some());
    }
}

#[test]
fn every_bad_end_has_its_kind_with_what_it_cost() {
    let cases = [
        ("ERROR", ErrorKind::Failed),
        ("failed", ErrorKind::Failed),
        ("TIMEOUT", ErrorKind::TimedOut),
        ("MAX_ITERATIONS_REACHED", ErrorKind::TurnLimit),
        ("OUT_OF_TOKENS", ErrorKind::QuotaExhausted),
        ("CANCELLED", ErrorKind::Failed),
    ];
    for (status, kind) in cases {
        let service = Service::default();
        let begun = execute(host(&service));
        service.set_status(status);
        let runs = follow(&service, begun);
        let error = runs.last().expect("one").error();
        assert_eq!(error.kind, kind, "{status}");
        assert!(error.usage.is_some() && error.checkpoint.is_some() && error.partial.is_some());
    }
}

#[test]
fn an_unknown_status_is_watched_until_the_time_is_over() {
    let service = Service::default();
    let begun = execute(host(&service));
    service.set_status("HIBERNATING");
    let checkpoint = begun.suspended().checkpoint.clone();
    execute(host(&service).resume(&checkpoint)).suspended();

    let impatient = json!({"orgId": 42, "runTimeout": 0.001});
    let late = execute(host(&service).settings(&impatient).resume(&checkpoint));
    let error = late.outcome;
    // The simulated clock stands still between executions: only a run from long ago is late.
    assert!(error.is_ok());
    let old = r#"{"state":"following","run":1,"since":0}"#;
    let run = execute(host(&service).resume(old));
    assert_eq!(run.error().kind, ErrorKind::TimedOut);
    assert!(run.error().message.contains("runTimeout"));
    assert_eq!(service.change(|state| state.runs[0]["status"].clone()), "CANCELLED");
}

#[test]
fn a_log_that_cannot_be_read_does_not_hide_the_result() {
    let service = Service::default();
    let begun = execute(host(&service));
    service.set_status("COMPLETE");
    service.fail("/logs", Reply::text(500, "alpha"));
    let checkpoint = begun.suspended().checkpoint.clone();
    let run = execute(host(&service).resume(checkpoint));
    run.completed();
    assert!(run.record.logs.iter().any(|(_, line)| line.contains("log not read")));
}

#[test]
fn the_log_is_found_without_the_word_alpha() {
    let service = Service::default();
    service.fail("/v1/alpha/", Reply::text(404, "gone"));
    let plain = json!({"id": 1, "organization_id": 42, "logs": [
        {"agent_run_id": 1, "message_type": "FINAL_ANSWER", "observation": "found"}]});
    service.fail("/v1/organizations/42/agent/run/1/logs", Reply::json(200, &plain));
    let run = execute(host(&service));
    assert!(run.record.events.contains(&Event::message("found")));
}
