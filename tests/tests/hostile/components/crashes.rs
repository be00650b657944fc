//! Components that trap, take all there is, or never end.

use super::{
    attack::{Attack, Stop, case, setup, still_works},
    harness::PATIENCE,
};
use crate::case::Case;
use cyrus_executor::{HostVerdict, TaskExecutor as _};
use serde_json::json;
use std::time::Duration;

const GROUP: &str = "crashes";
const SHORT: Duration = Duration::from_millis(50);

fn attack(name: &str, prompt: &str, stop: Stop) -> Attack {
    Attack::new(GROUP, name, prompt, stop)
}

pub(crate) fn cases() -> Vec<Case> {
    use Stop::{Deadline, Holds, Killed, Limit, Stopped, Trap};
    let attacks = [
        attack("memory_in_one_execution", "memory 96", Limit(&["memory"])),
        attack("memory_before_it_begins", "before memory", Limit(&["memory"])),
        attack("stack", "now deep", Trap("stack")),
        attack("handles_of_headers", "handles fields 5000", Limit(&["handles"])),
        attack("handles_of_streams", "handles streams 50000", Limit(&["handles"])),
        attack("handles_of_futures", "handles futures 50000", Limit(&["handles"])),
        attack("tasks_without_end", "tasks 100000", Holds("started")),
        attack("panic_at_work", "now panic", Trap("on purpose")),
        attack("panic_before_it_begins", "before panic", Trap("on purpose")),
        attack("panic_after_its_outcome", "after panic", Holds("before the crash")),
        attack("spin_after_its_outcome", "after spin", Holds("before the crash")),
        attack("spin_in_a_drop_after_its_outcome", "after drop", Holds("before the crash")),
        attack("spin_in_a_task_after_its_outcome", "after task", Holds("before the crash")),
        attack(
            "spin_in_a_cancelled_write_after_its_outcome",
            "after cancel",
            Holds("before the crash"),
        ),
        attack("spin_before_its_outcome_is_taken", "after unawaited", Holds("before the crash")),
        attack("block_after_its_outcome", "after block", Holds("before the crash")),
        attack("events_without_end_after_its_outcome", "after events", Holds("before the crash")),
        attack("stack_before_it_begins", "before deep", Trap("stack")),
        attack("spin_past_its_deadline", "now spin", Deadline).deadline(SHORT),
        attack("spin_before_it_begins_past_its_deadline", "before spin", Deadline).deadline(SHORT),
        attack("block_past_its_deadline", "block", Deadline).deadline(SHORT),
        attack("no_outcome_past_its_deadline", "never", Deadline).deadline(SHORT),
        attack("wait_past_its_deadline", "wait", Deadline).deadline(SHORT),
        attack("spin_against_a_stop", "now spin", Killed),
        attack("block_against_a_stop", "block", Killed),
        attack("stop_that_never_returns", "on-stop wait", Killed),
        attack("stop_that_spins", "on-stop spin", Killed),
        attack("stop_that_spins_afterwards", "on-stop afterwards", Stopped),
        // Long enough for it to trap on a busy machine before it is ended.
        attack("stop_that_traps", "on-stop trap", Trap("on purpose"))
            .limits(r#"{"stopGraceSeconds": 60}"#),
        attack("stop_that_lies", "on-stop lie", Killed),
        attack("a_context_that_is_kept", "keep", Holds("kept")),
        attack("wait_against_a_stop", "wait", Stopped),
    ];
    let mut cases: Vec<_> = attacks.into_iter().map(Attack::case).collect();
    for (crash, by) in
        [("spin", "deadline"), ("panic", "trap"), ("deep", "trap"), ("memory", "limit")]
    {
        for export in ["describe", "probe"] {
            let name = format!("{export}_{crash}");
            cases.push(case(GROUP, name, by, move || of_export(export, crash, by)));
        }
    }
    cases.push(case(GROUP, "probe_that_spins_afterwards", "its time", probe_spins_afterwards));
    cases.push(case(GROUP, "a_table_larger_than_is_allowed", "the limit on tables", large_table));
    cases.push(case(GROUP, "spins_of_all_at_once", "the engine's epochs", all_spin));
    cases
}

/// `describe` and `probe` are called with nothing asked for, and have no execution to end.
async fn of_export(export: &'static str, crash: &'static str, by: &'static str) {
    let settings = json!({ export: crash });
    let built = setup().settings(settings).limits(r#"{"probeSeconds": 1}"#).try_build().await;
    // One that cannot be described may be refused before it is an executor.
    let Ok(tested) = built else { return };
    let error = match export {
        "describe" => tested.executor.describe().await.map(|_| ()).unwrap_err(),
        _ => tested.executor.probe().await.map(|_| ()).unwrap_err(),
    };
    let verdict = match error.host.as_deref() {
        Some(HostVerdict::Deadline) => "deadline",
        Some(HostVerdict::Trap { .. }) => "trap",
        Some(HostVerdict::Limit { .. }) => "limit",
        other => panic!("{other:?}: {error}"),
    };
    assert_eq!(verdict, by, "{error}");
    still_works(&tested).await;
}

/// `probe` returns, and computes for ever in a task that it leaves behind: whether its answer is heard or not, the
/// call ends in its time.
async fn probe_spins_afterwards() {
    let tested = setup().settings(json!({"probe": "later"})).limits(r#"{"probeSeconds": 1}"#);
    let tested = tested.build().await;
    let probed = tokio::time::timeout(PATIENCE, tested.executor.probe()).await.expect("it ends");
    let verdict = probed.err().and_then(|error| error.host);
    assert!(matches!(verdict.as_deref(), None | Some(HostVerdict::Deadline)), "{verdict:?}");
    still_works(&tested).await;
}

/// More executions spin than there are threads, and another gets its turn.
async fn all_spin() {
    let tested = setup().limits(r#"{"stopGraceSeconds": 0}"#).build().await;
    let mut spinning = Vec::new();
    for _ in 0..8 {
        spinning.push(tested.begin("now spin").await);
    }
    let other = async { still_works(&tested).await };
    tokio::time::timeout(PATIENCE, other).await.expect("it has its turn");
    for execution in spinning {
        let handle = execution.handle.clone();
        drop(execution);
        let ended = async {
            while handle.is_running() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, ended).await.expect("it ends");
    }
}

async fn large_table() {
    let tested = setup().limits(r#"{"tableElements": 1}"#).build().await;
    let error = tested.failure("echo x").await;
    let limit = matches!(error.host.as_deref(), Some(HostVerdict::Limit { which, .. }) if which == "table-elements");
    assert!(limit, "{error}");
    still_works(&setup().build().await).await;
}
