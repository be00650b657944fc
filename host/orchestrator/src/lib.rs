//! Works on issues: selects an executor, runs it, validates what came back and reports.
//!
//! This crate knows the domain (`cyrus-core`) and the executor port (`cyrus-executor`) and nothing else: no
//! plugin, no git, no network, and no clock but the one it is handed. With simulated ports it is deterministic.
//!
//! # Layout
//!
//! * [`rank`], [`Candidate`]: which executors may have a task, best first, and why.
//! * [`Runner`]: one session, from its start or from where it was cut off, to its report.
//! * [`ToolPolicy`]: answers what agents ask.
//! * [`stop_switch`]: stops a session from outside.

mod attempt;
mod policy;
mod recovery;
mod runner;
mod select;
mod stop;

pub use policy::ToolPolicy;
pub use runner::{Ports, RequestTemplate, Runner, RunnerError};
pub use select::{Candidate, Ranked, Reason, rank};
pub use stop::{StopSignal, StopSwitch, stop_switch};
