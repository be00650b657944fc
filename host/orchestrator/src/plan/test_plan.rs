//! Plans for tests.

use cyrus_core::{Plan, PlanSource, PlannedTask};
use cyrus_executor::{Task, TaskKind};

pub(super) fn plan(tasks: Vec<PlannedTask>) -> Plan {
    Plan { source: PlanSource::File, note: None, tasks }
}

pub(super) fn task(id: &str, after: &[&str]) -> PlannedTask {
    let mut task = PlannedTask::new(Task {
        id: id.parse().unwrap(),
        kind: TaskKind::BUILDER,
        title: id.to_owned(),
        prompt: format!("do {id}"),
    });
    task.after = after.iter().map(|id| id.parse().unwrap()).collect();
    task
}
