//! From the moment a task can begin to the first event of its component, with every write durable.

use crate::{
    common::ours::Ours,
    instant::InstantRepository,
    many::scheduling,
    report::{Bound, ROUNDS, Report, Table},
    setting::{self, ports, session, site},
};
use cyrus_core::{PlannedTask, SessionEvent, SessionOutcome};
use cyrus_executor::{Event, TaskId};
use cyrus_orchestrator::{Orchestrator, stop_switch};
use cyrus_store::Store;
use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// In one session, each after the one before.
const TASKS: usize = 200;

/// Asked: milliseconds at p50 and at p99.
const ASKED: [(&str, usize, f64); 2] = [("p50", 500, 3.0), ("p99", 990, 15.0)];

pub(crate) fn measure(report: &mut Report) {
    let name = "from \"task ready\" to an event of its component, every write durable";
    let mut table = Table::new(name, "ms");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("threads");
    for _ in 0..ROUNDS {
        let home = tempfile::tempdir().expect("a temporary directory");
        let mut waits = runtime.block_on(waits(&home.path().join("cyrus.db")));
        waits.sort_unstable();
        for (row, permille, _) in ASKED {
            let wait = waits[(waits.len() - 1) * permille / 1000];
            table.add(row, wait.as_secs_f64() * 1e3);
        }
    }
    for (row, _, most) in ASKED {
        table.judge(row, table.median(row), Bound::AtMost(most));
    }
    table.note(format!("{TASKS} tasks, one at a time, in each round; a new file for each"));
    report.add(table);
}

/// When each task could begin, and when its component was heard of.
#[derive(Default)]
struct Seen {
    ready: HashMap<TaskId, Instant>,
    tasks: HashMap<String, TaskId>,
    heard: HashMap<TaskId, Instant>,
}

impl Seen {
    fn note(&mut self, event: SessionEvent) {
        match event {
            // It is told once it is written down.
            SessionEvent::TaskMerged { task, .. } => {
                self.ready.insert(task, Instant::now());
            }
            SessionEvent::ExecutionStarted { execution, task, .. } => {
                self.tasks.insert(execution, task);
            }
            SessionEvent::ExecutionEvent { execution, event: Event::Message(_) } => {
                self.heard.insert(self.tasks[&execution].clone(), Instant::now());
            }
            _ => {}
        }
    }
}

async fn waits(file: &Path) -> Vec<Duration> {
    let store = Arc::new(Store::open(file).await.expect("a store"));
    let repository = Arc::new(InstantRepository::default());
    let orchestrator = Orchestrator::new(ports(store, repository), scheduling(1));
    let seen: Arc<Mutex<Seen>> = Arc::default();
    let told = Arc::clone(&seen);
    let observer = move |event: SessionEvent| told.lock().expect("nobody panics").note(event);
    let session = session("measured", "Measure it", Some((0..TASKS).map(task).collect()));
    let (_switch, stop) = stop_switch();
    let site = site(Ours::with(None, None).await.executor);
    let report = orchestrator.start(&session, &site, Arc::new(observer), stop).await;
    let report = report.expect("a store that works");
    assert_eq!(report.outcome, SessionOutcome::Validated, "{:?}", report.reason);
    let seen = seen.lock().expect("nobody panics");
    let wait = |number: usize| {
        let before = TaskId::numbered(number.checked_sub(1)?);
        Some(seen.heard[&TaskId::numbered(number)].duration_since(seen.ready[&before]))
    };
    (0..TASKS).filter_map(wait).collect()
}

/// A task whose component says one word.
fn task(number: usize) -> PlannedTask {
    let after = number.checked_sub(1).map(TaskId::numbered).into_iter().collect();
    let said = setting::task(TaskId::numbered(number), "events 1 1".to_owned());
    PlannedTask { after, ..said }
}
