//! One session from issue to report, with everything around the orchestrator simulated.

mod world;

use cyrus_core::{ExecutionOutcome, SessionEvent, SessionOutcome, SessionState};
use cyrus_executor::{
    Cost, CostSource, ErrorKind, ExecutionError, MicroUsd, SpendVerdict, StopMode, TaskKind, Usage,
    WorkProduct,
};
use world::{Act, World};

#[tokio::test]
async fn a_result_that_passes_its_checks_is_validated() {
    let world = World::new([Act::Complete]).checks(&["true"]);
    let report = world.start().await;
    assert_eq!(report.outcome, SessionOutcome::Validated);
    assert_eq!(report.branch.as_deref(), Some("work"));
    assert_eq!(report.executions.len(), 1);
    assert_eq!(world.state(), SessionState::Finished(SessionOutcome::Validated));
    assert!(world.clone_is_gone());
    let last = world.events().pop();
    assert_eq!(last, Some(SessionEvent::SessionFinished(Box::new(report))));
}

#[tokio::test]
async fn without_checks_it_is_unverified_and_says_what_to_do() {
    let report = World::new([Act::Complete]).start().await;
    assert_eq!(report.outcome, SessionOutcome::Unverified);
    assert!(report.reason.unwrap().contains("validation.commands"));
}

#[tokio::test]
async fn a_result_that_fails_its_checks_is_rejected_and_kept() {
    let report = World::new([Act::Complete]).checks(&["false"]).start().await;
    assert_eq!(report.outcome, SessionOutcome::Rejected);
    assert_eq!(report.branch.as_deref(), Some("work"));
}

#[tokio::test]
async fn an_execution_that_fails_fails_the_session_with_its_message_and_cost() {
    let mut error = ExecutionError::new(ErrorKind::Unauthorized, "log in first");
    let cost = Cost { amount: MicroUsd(5), source: CostSource::Reported };
    error.usage = Some(Box::new(Usage { cost: Some(cost), ..Usage::default() }));
    let world = World::new([Act::Fail(error)]).checks(&["true"]);
    let report = world.start().await;
    assert_eq!(report.outcome, SessionOutcome::Failed);
    assert_eq!(report.reason.as_deref(), Some("unauthorized: log in first"));
    assert_eq!(report.executions[0].cost, Some(cost));
    assert_eq!(report.validation, None);
    assert!(!world.clone_is_gone(), "what it did so far is still there");
}

#[tokio::test]
async fn only_a_kind_that_answers_in_words_may_change_nothing() {
    let scoped =
        World::new([Act::Complete]).kind(TaskKind::SCOPER).checks(&["false"]).changing_nothing();
    let report = scoped.start().await;
    assert_eq!(report.outcome, SessionOutcome::Unverified);
    assert_eq!((report.branch, report.validation), (None, None));

    let built =
        World::new([Act::Complete]).kind(TaskKind::BUILDER).checks(&["false"]).changing_nothing();
    assert_eq!(built.start().await.outcome, SessionOutcome::Rejected);
}

#[tokio::test]
async fn a_stopped_session_is_paused_and_goes_on_with_the_same_key_and_checkpoint() {
    let world =
        World::new([Act::WaitForStop { checkpoint: "run-7" }, Act::Complete]).checks(&["true"]);
    let report = world.start_and_stop(StopMode::Cancel).await;
    assert_eq!(report.outcome, SessionOutcome::Paused);
    assert_eq!(report.executions[0].checkpoint.as_deref(), Some("run-7"));
    assert_eq!(world.state(), SessionState::Paused);

    let report = world.resume().await;
    assert_eq!(report.outcome, SessionOutcome::Validated);
    let requests = world.requests();
    assert_eq!(requests[1].resume.as_deref(), Some("run-7"));
    assert_eq!(requests[0].idempotency_key, requests[1].idempotency_key);
    assert_ne!(requests[0].execution_id, requests[1].execution_id);
    assert_eq!((requests[0].attempt, requests[1].attempt), (1, 2));
}

#[tokio::test]
async fn a_session_that_was_cut_off_goes_on_and_accounts_for_what_was_lost() {
    let world =
        World::new([Act::WaitForStop { checkpoint: "run-7" }, Act::Complete]).checks(&["true"]);
    world.start_and_crash().await;
    assert_eq!(world.state(), SessionState::Running);

    let report = world.resume().await;
    assert_eq!(report.outcome, SessionOutcome::Validated);
    assert_eq!(report.executions.len(), 2);
    assert_eq!(report.executions[0].outcome, ExecutionOutcome::Failed);
    assert_eq!(world.requests()[1].resume.as_deref(), Some("run-7"));
}

#[tokio::test]
async fn work_that_was_done_before_the_crash_is_not_done_again() {
    let world = World::new([Act::Complete]).checks(&["true"]).failing_collect();
    let report = world.start().await;
    assert_eq!(report.outcome, SessionOutcome::Failed);
    let report = world.resume().await;
    assert_eq!(report.outcome, SessionOutcome::Validated);
    assert_eq!(world.requests().len(), 1);
    assert_eq!(report.executions[0].product, WorkProduct::Workspace);
}

#[tokio::test]
async fn spending_over_the_cap_is_told_to_stop_and_is_written_down_first() {
    let world =
        World::new([Act::Spend(vec![MicroUsd(900), MicroUsd(1_001)])]).max_cost(MicroUsd(1_000));
    let report = world.start().await;
    assert_eq!(world.verdicts(), [SpendVerdict::GoOn, SpendVerdict::Stop]);
    assert_eq!(report.outcome, SessionOutcome::Failed);
    assert_eq!(world.spent(), Some(MicroUsd(1_001)));
}
