//! The domain of Cyrus: issues, sessions, plans, what they report, and the ports between the parts.
//!
//! No I/O happens here. The shapes that a machine reads (`--json`, later the API) are [`SessionEvent`] and
//! [`SessionReport`], and are defined nowhere else.
//!
//! # Layout
//!
//! * [`Issue`], [`Session`], [`Analysis`], [`Plan`], [`TaskRecord`]: what is worked on, and how far it is.
//! * [`CommandOrigin`], [`CommandPolicy`]: where a command comes from, and whether it may run.
//! * [`Receipt`]: why a task went where it went.
//! * [`Reservation`], [`Settlement`], [`Caps`], [`Day`]: the ledger's words.
//! * [`SessionEvent`], [`SessionReport`], [`ValidationReport`]: what is told about it.
//! * [`SessionStore`], [`Change`], [`Lease`], [`EffectRecord`]: what is written down, and who may.
//! * [`Workspaces`], [`Integration`], [`Forge`], [`Validator`], [`Clock`], [`Observer`]: the other ports.

mod analysis;
mod clock;
mod command;
mod effect;
mod event;
mod integration;
mod issue;
mod lease;
mod ledger;
mod observer;
mod plan;
mod progress;
mod receipt;
mod report;
mod session;
mod store;
mod strategy;
mod validation;
mod workspaces;

pub use analysis::{Analysis, Criterion, Tags, Urgency};
pub use clock::{Clock, SystemClock};
pub use command::{CommandOrigin, CommandPolicy, PlannedCommand};
pub use effect::{EffectAnswer, EffectKind, EffectRecord, EffectState};
pub use event::{Phase, PhaseTime, Repeated, SessionEvent};
pub use integration::{Forge, Integration, Merge, PullRequest};
pub use issue::{Issue, IssueError, SubIssue, form};
pub use lease::Lease;
pub use ledger::{Billing, CapKind, Caps, Day, Heading, Reservation, Settlement, Spending};
pub use observer::Observer;
pub use plan::{Complexity, Needs, Plan, PlanSource, PlannedTask, TaskOrigin};
pub use progress::{ExecutionRecord, Progress, Snapshot, TaskRecord, TaskState};
pub use receipt::{Considered, Excluded, Receipt, Standing};
pub use report::{
    DiffStat, ExecutionOutcome, ExecutionReport, SessionOutcome, SessionReport, TaskReport,
};
pub use session::{InvalidSessionId, Session, SessionId, SessionState};
pub use store::{Change, LogLine, SessionStore, SessionSummary, StoreError, TrackRecord};
pub use strategy::{Strategy, UnknownStrategy};
pub use validation::{
    Check, CheckReport, EMPTY_DIFF, FAILS_ON_BASE, FailingBase, FlakyCheck, OnBase, RefusedCheck,
    Subject, TestCount, ValidationReport, ValidationVerdict, Validator,
};
pub use workspaces::{
    Base, Collected, PreparedWorkspace, WorkspaceError, WorkspaceSpec, Workspaces,
};
