//! Events without end, of each kind: they are counted in bytes as they come, never pile up, and do not keep the host
//! from hearing what ends an execution.

use crate::harness::{PATIENCE, Setup, Tested, end, request};
use cyrus_executor::{BATCH_BYTES, ErrorKind, Event, Execution, HostVerdict, StopMode, StopResult};
use std::time::Duration;

const KINDS: [&str; 14] = [
    "message",
    "empty",
    "large",
    "thought",
    "tool-use",
    "tool-result",
    "plan",
    "usage",
    "link",
    "progress",
    "warning",
    "arrays",
    "objects",
    "deep",
];

/// What may wait between a component and its reader: sixteen batches, each as large as one may become.
const WAITING_BYTES: usize = 16 * 3 * BATCH_BYTES;

async fn without_grace(limits: &str) -> Tested {
    let limits = format!(r#"{{"stopGraceSeconds": 0, {limits}}}"#);
    Setup::new().limits(&limits).build().await
}

/// An execution that floods its reader, which has seen the first of it.
async fn flooding(tested: &Tested, kind: &str) -> Execution {
    let mut execution = tested.begin(&format!("flood {kind}")).await;
    let first = tokio::time::timeout(PATIENCE, execution.events.recv()).await;
    assert!(first.expect("it begins").is_some(), "{kind}");
    execution
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_stopped_whether_or_not_it_is_read() {
    let tested = without_grace(r#""eventsMib": 1000000"#).await;
    for kind in KINDS {
        for is_read in [true, false] {
            let mut execution = flooding(&tested, kind).await;
            let handle = execution.handle.clone();
            let (result, outcome) = if is_read {
                tokio::join!(handle.stop(StopMode::Cancel), end(execution))
            } else {
                let stopped = tokio::join!(handle.stop(StopMode::Cancel), &mut execution.outcome);
                let mut waiting = 0;
                while let Some(event) = execution.events.recv().await {
                    waiting += event.size();
                }
                assert!(waiting <= WAITING_BYTES, "{kind}: {waiting} bytes wait");
                stopped
            };
            assert_eq!(result, StopResult::Stopped, "{kind} {is_read}");
            assert_eq!(outcome.unwrap_err().kind, ErrorKind::Cancelled, "{kind} {is_read}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_ends_at_its_deadline() {
    let tested = without_grace(r#""eventsMib": 1000000"#).await;
    for kind in KINDS {
        let mut request = request(&format!("flood {kind}"));
        request.limits.deadline = Some(Duration::from_millis(50));
        let error = tested.outcome(request).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::TimedOut, "{kind}");
        assert_eq!(error.host.as_deref(), Some(&HostVerdict::Deadline), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_ends_at_its_limit_also_when_its_events_are_empty() {
    let tested = without_grace(r#""eventsMib": 2"#).await;
    for kind in KINDS {
        let error = tested.failure(&format!("flood {kind}")).await;
        let Some(HostVerdict::Limit { which, .. }) = error.host.as_deref() else {
            panic!("{kind}: {error:?}")
        };
        assert_eq!(which, "events", "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_event_takes_more_than_one_may() {
    let tested = without_grace(r#""eventsMib": 1000000"#).await;
    for kind in KINDS {
        let mut execution = flooding(&tested, kind).await;
        let event = execution.events.recv().await.unwrap();
        assert!(event.size() <= BATCH_BYTES + 8192, "{kind}: {}", event.size());
        if let Event::Plan(steps) = &event {
            assert!(steps.last().unwrap().text.contains("more steps"), "{:?}", steps.last());
        }
        execution.handle.stop(StopMode::Cancel).await;
    }
}
