//! Events from a component to a bounded subscriber. Nothing is written down.

use crate::{
    common::{native::Native, ours::Ours, raw::Raw, request},
    on_tokio,
    report::{Bound, ROUNDS, Report, Table},
};
use cyrus_executor::{Event, Execution, TaskExecutor, Unattended};
use std::{sync::Arc, time::Instant};

/// Events in one round.
const EVENTS: u32 = 2_000_000;

/// Text in each, in bytes.
const BYTES: usize = 200;

/// Events in a second that our host has to pass on.
const LEAST: f64 = 1_000_000.0;

pub(crate) fn measure(report: &mut Report) {
    let table = on_tokio(async {
        let (ours, raw, native) =
            (Ours::new(None).await, Raw::new().expect("wasmtime"), Native::new());
        let mut table = Table::new("message events of 200 bytes", "events/s");
        for _ in 0..ROUNDS {
            table.add("our host, to a subscriber", subscribed(&ours.executor).await);
            table.add("floor: wasmtime alone, counted and dropped", counted(&raw).await);
            table.add("floor: native, to a subscriber", subscribed(&native).await);
        }
        let rate = table.median("our host, to a subscriber");
        table.judge("our host", rate, Bound::AtLeast(LEAST));
        table
    });
    report.add(table);
}

fn prompt() -> String {
    format!("events {EVENTS} {BYTES}")
}

/// Events in a second, each looked at by a subscriber in a task of its own.
async fn subscribed(executor: &dyn TaskExecutor) -> f64 {
    let begun = Instant::now();
    let execution = executor.execute_streaming(request(&prompt()), Arc::new(Unattended)).await;
    let Execution { mut events, outcome, handle: _handle } = execution.expect("it begins");
    let subscriber = tokio::spawn(async move {
        let mut seen = 0;
        while let Some(batch) = events.recv_batch().await {
            for event in batch {
                assert!(matches!(event, Event::Message(text) if text.len() == BYTES));
                seen += 1;
            }
        }
        seen
    });
    outcome.await.expect("it succeeds");
    assert_eq!(subscriber.await.expect("it does not panic"), EVENTS);
    rate(begun)
}

async fn counted(raw: &Raw) -> f64 {
    let begun = Instant::now();
    let seen = raw.execute(&prompt()).await.expect("it succeeds");
    assert_eq!(seen, EVENTS as usize);
    rate(begun)
}

fn rate(begun: Instant) -> f64 {
    f64::from(EVENTS) / begun.elapsed().as_secs_f64()
}
