//! The names under `refs/cyrus/<session>/` in the main repository. No task id begins with an underscore.
//!
//! | ref | what it holds |
//! |---|---|
//! | `<task>` | the task's result |
//! | `_clone/<task>/<token>` | what a clone was last seen to hold: what it started from, then its result; while the clone is there |
//! | `_left/<task>/<n>` | commits that an executor left on another branch of its clone, and that are not in its result |
//! | `_conflict/<task>` | the commit with both sides marked that a conflict is resolved from |
//! | `_merged/<task>` | the task's result merged into what came before it |
//! | `_result` | what the session's branch is to be |
//! | `_published` | where the session last put its branch |

use cyrus_core::{SessionId, WorkspaceSpec};
use cyrus_executor::TaskId;

/// Those that only work under way needs, by their first part.
pub(crate) const PASSING: [&str; 2] = ["_clone/", "_conflict/"];

/// What commits beside a result are kept under, by its first part.
pub(crate) const LEFT: &str = "_left/";

/// Below which all refs of a session are.
pub(crate) fn session(session: &SessionId) -> String {
    format!("refs/cyrus/{session}/")
}

/// What a task's result is kept under.
pub(crate) fn kept(id: &SessionId, task: &TaskId) -> String {
    format!("{}{task}", session(id))
}

/// What commits that are not in the task's result are kept under.
pub(crate) fn left(id: &SessionId, task: &TaskId, number: usize) -> String {
    format!("{}{LEFT}{task}/{number}", session(id))
}

/// What holds the commits that a clone borrows, and says which of them is in it.
pub(crate) fn clone(spec: &WorkspaceSpec) -> String {
    format!("{}_clone/{}/{}", session(&spec.session), spec.task, spec.token)
}

/// What holds a conflict that a task is to resolve.
pub(crate) fn conflict(id: &SessionId, task: &TaskId) -> String {
    format!("{}_conflict/{task}", session(id))
}

/// What holds everything up to a task.
pub(crate) fn merged(id: &SessionId, task: &TaskId) -> String {
    format!("{}_merged/{task}", session(id))
}

/// What is to be seen on the session's branch.
pub(crate) fn result(id: &SessionId) -> String {
    format!("{}_result", session(id))
}

/// Where the session last put its branch.
pub(crate) fn published(id: &SessionId) -> String {
    format!("{}_published", session(id))
}
