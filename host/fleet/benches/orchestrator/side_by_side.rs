//! Eight tasks at once beside one.

use crate::{
    report::{Bound, ROUNDS, Report, Table},
    scene::Scene,
};
use cyrus_store::Store;
use std::{sync::Arc, time::Duration};

/// How long each task takes.
const TAKES: Duration = Duration::from_millis(400);

const TASKS: usize = 8;

/// What may be added to one task's time. Validation takes none here.
const ASKED: f64 = 1.15;

/// Measures a session of eight tasks that are independent, with every write durable.
pub(crate) fn measure(report: &mut Report) {
    let mut table = Table::new("eight independent tasks of 400 ms, caps of eight", "ms");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("threads");
    for _ in 0..ROUNDS {
        for tasks in [1, TASKS] {
            let home = tempfile::tempdir().expect("a temporary directory");
            let taken = runtime.block_on(async {
                let store = Store::open(&home.path().join("cyrus.db")).await.expect("a store");
                let scene = Scene { tasks, lanes: tasks, caps: TASKS, takes: TAKES };
                scene.play("measured", Arc::new(store), Arc::default(), Arc::new(|_| {})).await
            });
            table.add(&row(tasks), taken.as_secs_f64() * 1e3);
        }
    }
    let ratio = table.median(&row(TASKS)) / (TAKES.as_secs_f64() * 1e3);
    table.judge("eight, times one task's 400 ms", ratio, Bound::AtMost(ASKED));
    report.add(table);
}

fn row(tasks: usize) -> String {
    format!("a session of {tasks}, from intake to report")
}
