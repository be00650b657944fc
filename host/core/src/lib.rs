//! The domain of Cyrus: issues, sessions, what they report, and the ports between the parts.
//!
//! No I/O happens here. The shapes that a machine reads (`--json`, later the API) are [`SessionEvent`] and
//! [`SessionReport`], and are defined nowhere else.
//!
//! # Layout
//!
//! * [`Issue`], [`Session`], [`SessionId`]: what is worked on.
//! * [`SessionEvent`], [`SessionReport`], [`ValidationReport`]: what is told about it.
//! * [`Workspaces`], [`Validator`], [`Journal`], [`Clock`], [`Observer`]: the ports.

mod clock;
mod event;
mod issue;
mod journal;
mod observer;
mod report;
mod session;
mod strategy;
mod validation;
mod workspaces;

pub use clock::{Clock, SystemClock};
pub use event::SessionEvent;
pub use issue::{Issue, IssueError};
pub use journal::{ExecutionRecord, Journal, JournalError};
pub use observer::Observer;
pub use report::{DiffStat, ExecutionOutcome, ExecutionReport, SessionOutcome, SessionReport};
pub use session::{InvalidSessionId, Session, SessionId, SessionState};
pub use strategy::{Strategy, UnknownStrategy};
pub use validation::{
    Check, CheckReport, CheckSource, ValidationReport, ValidationVerdict, Validator,
};
pub use workspaces::{Base, Collected, PreparedWorkspace, WorkspaceError, Workspaces};
