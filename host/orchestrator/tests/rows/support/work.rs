//! What is to be done, and how executors do it.

use cyrus_core::{Issue, PlannedTask, SessionId};
use cyrus_executor::{ErrorKind, Task, TaskId, TaskKind};
use cyrus_fleet::{Ending, Script};

/// Three turns of a minute and a cent each, and a good result.
pub(crate) fn done() -> Script {
    Script::default()
}

/// A result that the checks fail on, until it is mended.
pub(crate) fn wrong() -> Script {
    Script { wrong: true, ..Script::default() }
}

/// Turns the work away.
pub(crate) fn fails(kind: ErrorKind) -> Script {
    Script { turns: 0, ending: Ending::Fails(kind, None), ..Script::default() }
}

/// Works for a turn, and fails.
pub(crate) fn fails_at_work(kind: ErrorKind) -> Script {
    Script { turns: 1, ..fails(kind) }
}

pub(crate) fn issue(text: &str) -> Issue {
    Issue::from_markdown(text).unwrap()
}

/// A task of a plan, of this kind.
pub(crate) fn planned(name: &str, kind: &TaskKind, after: &[&str]) -> PlannedTask {
    let task = Task {
        id: task_id(name),
        kind: kind.clone(),
        title: format!("Part {name}"),
        prompt: format!("Do {name}"),
    };
    PlannedTask {
        after: after.iter().map(|name| task_id(name)).collect(),
        ..PlannedTask::new(task)
    }
}

pub(crate) fn session_id(text: &str) -> SessionId {
    text.parse().unwrap()
}

pub(crate) fn task_id(text: &str) -> TaskId {
    text.parse().unwrap()
}
