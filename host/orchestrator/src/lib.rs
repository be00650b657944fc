//! Works on issues: analyses them, plans, selects executors, schedules, validates, integrates and reports.
//!
//! This crate knows the domain (`cyrus-core`) and the executor port (`cyrus-executor`) and nothing else: no
//! plugin, no git, no network, and no clock but the one it is handed. With simulated ports it is deterministic.
//!
//! # Layout
//!
//! * [`analyse`], [`AnalysisRules`]: what an issue is.
//! * [`plan`](plan()), [`from_answer`], [`parse_file`], [`validate`], [`critical_path`]: its tasks and their
//!   dependencies.
//! * [`ToolPolicy`]: answers what agents ask.
//! * [`stop_switch`]: stops a session from outside.

mod analyse;
mod plan;
mod policy;
mod stop;

pub use analyse::{AnalysisRules, Facts, MAX_TEXT_BYTES, Need, Rule, When, analyse};
pub use plan::{
    PlanFileError, PlanLimits, PlanProblem, PlanSettings, Planning, PlanningMode,
    UnknownPlanningMode, critical_path, dot, from_answer, mermaid, parse_file, plan, validate,
};
pub use policy::ToolPolicy;
pub use stop::{StopSignal, StopSwitch, stop_switch};
