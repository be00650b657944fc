//! Works on issues: analyses them, plans, selects executors, schedules, validates, integrates and reports.
//!
//! This crate knows the domain (`cyrus-core`) and the executor port (`cyrus-executor`) and nothing else: no
//! plugin, no git, no network, and no clock but the one it is handed. With simulated ports it is deterministic.
//!
//! # Layout
//!
//! * [`ToolPolicy`]: answers what agents ask.
//! * [`stop_switch`]: stops a session from outside.

mod policy;
mod stop;

pub use policy::ToolPolicy;
pub use stop::{StopSignal, StopSwitch, stop_switch};
