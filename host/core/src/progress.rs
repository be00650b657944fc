use crate::{
    Analysis, Collected, EffectRecord, ExecutionReport, Plan, PlannedTask, Receipt, Session,
    SessionReport, SessionState, ValidationReport,
};
use cyrus_executor::{TaskId, Usage};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::SystemTime};

/// Where a task stands. What was tried and what came of it is in its executions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "state")]
pub enum TaskState {
    /// For the tasks it comes after, or for its turn.
    #[default]
    Waiting,
    /// Being worked on, or cut off while it was.
    Active,
    /// Its result is validated and merged.
    Done {
        /// The commit that was merged; `None` when the answer is in words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        commit: Option<String>,
    },
    /// There is no result that could be merged.
    Failed {
        /// Why, and what to do.
        reason: String,
    },
    /// It waits for a person; the session is paused when nothing else can go on.
    Held {
        /// For what.
        reason: String,
    },
    /// A task that it comes after has no result.
    Blocked {
        /// Which.
        by: TaskId,
    },
    /// Somebody stopped it for good.
    Cancelled,
}

impl TaskState {
    /// The word for it in messages and JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Active => "active",
            Self::Done { .. } => "done",
            Self::Failed { .. } => "failed",
            Self::Held { .. } => "held",
            Self::Blocked { .. } => "blocked",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more will happen to it in this session.
    pub fn is_over(&self) -> bool {
        matches!(
            self,
            Self::Done { .. } | Self::Failed { .. } | Self::Blocked { .. } | Self::Cancelled
        )
    }
}

/// A task and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskRecord {
    /// The task.
    #[serde(flatten)]
    pub planned: PlannedTask,
    /// Where it stands.
    pub state: TaskState,
}

/// One attempt at a task, from before it begins to the verdict on its result. Each part is there once that step is
/// done, so that the record says where to go on after a crash.
#[derive(Clone, Debug, PartialEq)]
pub struct ExecutionRecord {
    /// Its id, unique for ever.
    pub id: String,
    /// The same for every try at the same effect: all attempts at a task by one executor.
    pub idempotency_key: String,
    /// The session it belongs to.
    pub session: crate::SessionId,
    /// The task it is an attempt at.
    pub task: TaskId,
    /// Who does it, by the name in the configuration.
    pub executor: String,
    /// 1 for the first attempt at the task.
    pub attempt: u32,
    /// When it began.
    pub started: SystemTime,
    /// Why this executor.
    pub receipt: Option<Receipt>,
    /// The fencing token of the lease that its clone was made under.
    pub token: u64,
    /// The commit that its clone started from.
    pub start: String,
    /// The last checkpoint saved; at the beginning the one it goes on from.
    pub checkpoint: Option<String>,
    /// What it last said it used.
    pub usage: Usage,
    /// How it ended; `None` while it has not.
    pub report: Option<Arc<ExecutionReport>>,
    /// Its result, once that is in the repository.
    pub collected: Option<Collected>,
    /// What validation said of that.
    pub verdict: Option<ValidationReport>,
}

/// How far a session as a whole has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Progress {
    /// What everything validated so far was merged into; `None` before the first.
    pub head: Option<String>,
    /// Times that the merged result was sent back.
    pub mend_rounds: u32,
    /// Times that the session was taken up again without anything having come of the time before.
    pub fruitless: u32,
}

/// Everything the store knows of a session: what is needed to go on with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The session.
    pub session: Session,
    /// Where it stands.
    pub state: SessionState,
    /// What its issue was found to be.
    pub analysis: Option<Analysis>,
    /// Where its plan comes from and what is to be said of it; `tasks` holds the tasks as they are now.
    pub plan: Option<Plan>,
    /// Its tasks, in the order they were added.
    pub tasks: Vec<TaskRecord>,
    /// All attempts, in the order they began.
    pub executions: Vec<ExecutionRecord>,
    /// How far it has come.
    pub progress: Progress,
    /// What the merged result's checks said, once they were run.
    pub verdict: Option<(String, ValidationReport)>,
    /// Effects that were intended and not acknowledged, and those that nobody can know about.
    pub open_effects: Vec<EffectRecord>,
    /// What it came to, when it was over or paused.
    pub report: Option<SessionReport>,
}

impl Snapshot {
    /// A session that was just taken in.
    pub fn fresh(session: Session) -> Self {
        Self {
            session,
            state: SessionState::Running,
            analysis: None,
            plan: None,
            tasks: Vec::new(),
            executions: Vec::new(),
            progress: Progress::default(),
            verdict: None,
            open_effects: Vec::new(),
            report: None,
        }
    }
}
