use crate::PlannedCommand;
use cyrus_executor::{Task, TaskId, TaskKind};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How much there is to a task.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Complexity {
    /// A few lines in a known place.
    Low,
    /// Anything between.
    #[default]
    Medium,
    /// Many places, or an open question.
    High,
}

impl Complexity {
    /// The word for it in messages and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

impl fmt::Display for Complexity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a task asks of the place it is done in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Needs {
    /// Something that only this machine has: uncommitted files, a local service, the user's tools.
    pub local_context: bool,
    /// To be kept away from this machine.
    pub isolation: bool,
    /// To be one of many at once.
    pub parallelism: bool,
}

/// Where a task comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "from")]
pub enum TaskOrigin {
    /// The plan.
    #[default]
    Planned,
    /// It makes the plan.
    Planning,
    /// Two results change the same place: it brings them together.
    Conflict {
        /// The task whose result could not be merged.
        of: TaskId,
        /// The commit everything before was merged into.
        ours: String,
        /// The commit that could not be merged.
        theirs: String,
    },
    /// The merged result failed its checks: it mends that.
    Mend {
        /// 1 for the first.
        round: u32,
    },
    /// It judges the result of another.
    Review {
        /// Whose.
        of: TaskId,
    },
}

/// One task of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedTask {
    /// What is to be done.
    #[serde(flatten)]
    pub task: Task,
    /// The tasks that have to be merged before it begins.
    #[serde(default)]
    pub after: Vec<TaskId>,
    /// How much there is to it.
    #[serde(default)]
    pub complexity: Complexity,
    /// What it asks of the place it is done in.
    #[serde(default)]
    pub needs: Needs,
    /// The executor somebody asked for, by its name in the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executor: Option<String>,
    /// The model somebody asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Commands that its result has to pass besides the checks of the repository.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acceptance: Vec<PlannedCommand>,
    /// Where it comes from.
    #[serde(default)]
    pub origin: TaskOrigin,
    /// The commit it starts from, where that is not what was merged before it: a conflict, with both sides marked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// The number of the last attempt before the operator asked for it to be tried again: attempts up to it count no
    /// more against what is allowed. 0: never.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retried_after: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl PlannedTask {
    /// A task with nothing special about it.
    pub fn new(task: Task) -> Self {
        Self {
            task,
            after: Vec::new(),
            complexity: Complexity::default(),
            needs: Needs::default(),
            executor: None,
            model: None,
            acceptance: Vec::new(),
            origin: TaskOrigin::default(),
            start: None,
            retried_after: 0,
        }
    }

    /// Its name within the session.
    pub fn id(&self) -> &TaskId {
        &self.task.id
    }

    /// What kind of work it is.
    pub fn kind(&self) -> &TaskKind {
        &self.task.kind
    }
}

/// Where a plan comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlanSource {
    /// A plan file that the user gave.
    File,
    /// The issue's sub-issues.
    SubIssues,
    /// The issue's checklist.
    Checklist,
    /// An executor that was asked for a plan.
    PlanningTask,
    /// The issue is one task.
    Single,
}

/// A session's tasks and their dependencies: a DAG.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Where it comes from.
    pub source: PlanSource,
    /// Why it is not the plan one would expect: a plan that was refused, and for what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// At least one. A task comes after everything it depends on.
    pub tasks: Vec<PlannedTask>,
}
