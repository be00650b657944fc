//! The executor contract in Rust: what a task, an execution and its outcome are, and the port that every
//! executor sits behind.
//!
//! This crate mirrors `wit/` (package `cyrus:executor@0.1.0`) and adds the host's side of it: the handle of an
//! execution under way, and what the host has to provide. It does no I/O and knows no plugin, no engine, no
//! issue and no session.
//!
//! # Layout
//!
//! * [`Task`], [`ExecutionRequest`]: what is asked.
//! * [`Event`], [`Usage`], [`Outcome`], [`ExecutionError`]: what comes back.
//! * [`TaskExecutor`], [`Execution`]: how an executor is called.
//! * [`ExecutionHost`]: what an execution may call back for while it runs.
//! * [`text`]: the forms in which text from outside may be printed or published.

mod error;
mod event;
mod execution;
mod host;
pub mod millis;
mod money;
mod outcome;
mod port;
mod program;
mod question;
mod request;
mod size;
mod task;
pub mod text;
mod usage;

pub use error::{ErrorKind, ExecutionError, HostVerdict};
pub use event::{
    Event, Link, OtherEvent, PlanStep, Progress, StepState, ToolResult, ToolUse, Warning,
};
pub use execution::{
    BATCH_BYTES, EVENT_BATCH, EventReceiver, EventSender, Execution, ExecutionControl,
    ExecutionHandle, StopMode, StopResult, event_channel,
};
pub use host::{ExecutionHost, HostError, SpendVerdict, Unattended};
pub use money::{MicroUsd, ParseMoneyError};
pub use outcome::{
    BranchSource, Denial, ExecutionResult, GrantedRemote, Outcome, RemoteBranch, Suspension,
    WorkProduct,
};
pub use port::{Descriptor, ExecutorInfo, Health, Placement, TaskExecutor};
pub use program::LaunchedProgram;
pub use question::{Answer, Choice, Question, QuestionKind};
pub use request::{
    Access, Attachment, AttachmentSource, ExecutionRequest, Finding, Limits, Repository, Workspace,
};
pub use size::{EVENT_BYTES, JSON_OBJECT_BYTES, JSON_VALUE_BYTES, json_size};
pub use task::{InvalidTaskId, Task, TaskId, TaskKind};
pub use text::Line;
pub use usage::{Cost, CostSource, Usage};
