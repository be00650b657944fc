//! A store, an instance, an execution of nothing, and the end of both.

use crate::{
    common::{NOTHING, native::Native, ours::Ours, raw::Raw, request},
    on_tokio,
    report::{Bound, ROUNDS, Report, Table},
};
use cyrus_executor::{Outcome, TaskExecutor, Unattended};
use std::{sync::Arc, time::Instant};

/// Executions in one round, one after the other.
const EXECUTIONS: usize = 5_000;

/// What our host may add to wasmtime alone, as a factor.
const MOST: f64 = 1.5;

pub(crate) fn measure(report: &mut Report) {
    let table = on_tokio(async {
        let (ours, raw, native) =
            (Ours::new(None).await, Raw::new().expect("wasmtime"), Native::new());
        let mut table = Table::new("store + instance + trivial execution + drop", "µs");
        // The first round warms up.
        for round in 0..=ROUNDS {
            let figures = [
                ("our host", behind_the_trait(&ours.executor).await),
                ("floor: wasmtime alone", alone(&raw).await),
                ("floor: native, behind the same trait", behind_the_trait(&native).await),
            ];
            for (row, figure) in figures.into_iter().filter(|_| round > 0) {
                table.add(row, figure);
            }
        }
        let ratio = table.median("our host") / table.median("floor: wasmtime alone");
        table.judge("our host ÷ wasmtime alone", ratio, Bound::AtMost(MOST));
        table
    });
    report.add(table);
}

/// Microseconds for each execution.
async fn behind_the_trait(executor: &dyn TaskExecutor) -> f64 {
    let begun = Instant::now();
    for _ in 0..EXECUTIONS {
        let outcome = executor.execute(request(NOTHING), Arc::new(Unattended)).await;
        assert!(matches!(outcome, Ok(Outcome::Completed(_))), "{outcome:?}");
    }
    each(begun)
}

async fn alone(raw: &Raw) -> f64 {
    let begun = Instant::now();
    for _ in 0..EXECUTIONS {
        raw.execute(NOTHING).await.expect("it succeeds");
    }
    each(begun)
}

fn each(begun: Instant) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let executions = EXECUTIONS as f64;
    begun.elapsed().as_secs_f64() * 1e6 / executions
}
