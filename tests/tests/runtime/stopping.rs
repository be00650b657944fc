//! Stopping works wherever a component waits, and also when it does not listen.

use crate::{
    harness::{PATIENCE, Setup, begun, end, request},
    server::Server,
};
use cyrus_executor::{
    ErrorKind, Execution, ExecutionError, HostVerdict, Outcome, StopMode, StopResult,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Stops an execution that is under way, and gives its end. It has to be there within a second.
async fn stop(
    execution: Execution,
    mode: StopMode,
) -> (StopResult, Result<Outcome, ExecutionError>) {
    let handle = execution.handle.clone();
    assert!(handle.is_running());
    let asked = Instant::now();
    let (result, outcome) = tokio::join!(handle.stop(mode), end(execution));
    assert!(asked.elapsed() < Duration::from_secs(1), "it took {:?}", asked.elapsed());
    assert!(!handle.is_running());
    assert_eq!(handle.stop(mode).await, StopResult::AlreadyFinished);
    (result, outcome)
}

async fn is_cancelled_at_once(execution: Execution) {
    let (result, outcome) = stop(execution, StopMode::Cancel).await;
    assert_eq!(result, StopResult::Stopped);
    let error = outcome.unwrap_err();
    assert_eq!((&error.kind, &error.host), (&ErrorKind::Cancelled, &None), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_waits_on_a_timer() {
    let tested = Setup::new().build().await;
    is_cancelled_at_once(tested.under_way("timer").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_waits_for_an_answer_over_http() {
    let server = Server::start().await;
    let tested = Setup::new().grants(&server.grant()).build().await;
    let execution = tested.begin(&format!("get {}", server.url("/hang"))).await;
    server.request().await;
    is_cancelled_at_once(execution).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_reads_a_body_that_does_not_end() {
    let server = Server::start().await;
    let tested = Setup::new().grants(&server.grant()).build().await;
    let execution = tested.begin(&format!("get {}", server.url("/slow"))).await;
    server.request().await;
    is_cancelled_at_once(execution).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_waits_for_a_program() {
    let grants = r#"{"process": {"sh": {"program": "sh", "args": {"flags": {"-c": "any"}}}}}"#;
    let tested = Setup::new().grants(grants).build().await;
    is_cancelled_at_once(tested.under_way("wait sh -c sleep_1000").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn detaching_is_told_to_the_component() {
    let tested = Setup::new().build().await;
    let execution = tested.under_way("timer").await;
    let (result, outcome) = stop(execution, StopMode::Detach).await;
    assert_eq!(result, StopResult::StillRunningRemotely);
    assert_eq!(outcome.unwrap_err().message, "detached");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_is_stopped_and_the_others_go_on() {
    let tested = Setup::new().build().await;
    let mut executions = Vec::new();
    for _ in 0..64 {
        executions.push(tested.under_way("timer").await);
    }
    is_cancelled_at_once(executions.swap_remove(17)).await;
    assert!(executions.iter().all(|execution| execution.handle.is_running()));
    for execution in executions {
        is_cancelled_at_once(execution).await;
    }
}

/// A component that does not let go is dropped after its grace, and others work on meanwhile.
async fn is_killed_while_others_go_on(prompt: &str) {
    let tested = Setup::new().limits(r#"{"stopGraceSeconds": 0}"#).build().await;
    // One that does not begin has nothing to say of it.
    let execution = match prompt {
        "spin-before-it-begins" => tested.begin(prompt).await,
        _ => tested.under_way(prompt).await,
    };
    let handle = execution.handle.clone();
    assert_eq!(tested.summary("echo hello").await, "hello");
    assert!(handle.is_running());
    let (result, outcome) = tokio::join!(handle.stop(StopMode::Cancel), end(execution));
    assert_eq!(result, StopResult::Stopped);
    let error = outcome.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Cancelled);
    assert_eq!(error.host.as_deref(), Some(&HostVerdict::Killed));
    assert_eq!(tested.summary("echo again").await, "again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_spins_is_killed() {
    is_killed_while_others_go_on("spin").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_spins_before_it_begins_is_killed() {
    is_killed_while_others_go_on("spin-before-it-begins").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_blocks_is_killed() {
    is_killed_while_others_go_on("block").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_listen_is_killed() {
    is_killed_while_others_go_on("deaf").await;
}

/// One thread serves everything: a component that computes gives the others their turn.
#[tokio::test(flavor = "current_thread")]
async fn what_spins_leaves_its_thread_to_others() {
    let tested = Setup::new().limits(r#"{"stopGraceSeconds": 0}"#).build().await;
    let execution = tested.under_way("spin").await;
    assert_eq!(tested.summary("echo hello").await, "hello");
    let handle = execution.handle.clone();
    let (result, outcome) = tokio::join!(handle.stop(StopMode::Cancel), end(execution));
    assert_eq!(
        (result, outcome.unwrap_err().host.as_deref()),
        (StopResult::Stopped, Some(&HostVerdict::Killed))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_ends_what_does_not_end_by_itself() {
    let tested = Setup::new().limits(r#"{"stopGraceSeconds": 0}"#).build().await;
    for prompt in ["timer", "spin", "block", "deaf", "never-answer"] {
        let mut request = request(prompt);
        request.limits.deadline = Some(Duration::from_millis(50));
        let error = tested.outcome(request).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::TimedOut, "{prompt}");
        assert_eq!(error.host.as_deref(), Some(&HostVerdict::Deadline), "{prompt}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_counts_through_suspensions() {
    let tested = Setup::new().build().await;
    let mut request = request("suspend 1 long");
    request.limits.deadline = Some(Duration::from_millis(200));
    let error = tested.outcome(request).await.unwrap_err();
    assert_eq!(
        (error.kind, error.host.as_deref()),
        (ErrorKind::TimedOut, Some(&HostVerdict::Deadline))
    );
    assert_eq!(error.checkpoint.as_deref(), Some("1"), "from here it can go on");
}

#[tokio::test(flavor = "multi_thread")]
async fn letting_go_of_an_execution_ends_it() {
    let grants = r#"{"process": {"sh": {"program": "sh", "args": {"flags": {"-c": "any"}}}}}"#;
    let tested = Setup::new().grants(grants).build().await;
    let execution = tested.under_way("leave sh -c sleep_1000").await;
    let handle = execution.handle.clone();
    drop(execution);
    let ended = async {
        while handle.is_running() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.expect("it ends without being asked");
    assert_eq!(handle.stop(StopMode::Cancel).await, StopResult::AlreadyFinished);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_execution_detaches_or_is_called_again_to_stop() {
    let tested = Setup::new().build().await;
    let saved = Arc::new(crate::context::Recorder::default());
    let suspended = async || {
        let mut execution = tested.begin_with(request("suspend 1 long"), saved.clone()).await;
        begun(&mut execution).await;
        saved.saved().await;
        execution
    };
    let (result, outcome) = stop(suspended().await, StopMode::Detach).await;
    assert_eq!(result, StopResult::StillRunningRemotely);
    let Ok(Outcome::Suspended(suspension)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(suspension.checkpoint, "1");

    let (result, outcome) = stop(suspended().await, StopMode::Cancel).await;
    assert_eq!(result, StopResult::Stopped);
    assert_eq!(outcome.unwrap_err().message, "stopped", "the component itself was asked");
}
