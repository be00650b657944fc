//! Works on issues: analyses them, plans, selects executors, schedules, validates, integrates and reports.
//!
//! This crate knows the domain (`cyrus-core`) and the executor port (`cyrus-executor`) and nothing else: no
//! plugin, no git, no network, and no clock but the one it is handed. With simulated ports it is deterministic.
//!
//! # Layout
//!
//! * [`Orchestrator`], [`Site`]: works on sessions, each one future, by the rules of their repository.
//! * [`analyse`], [`AnalysisRules`]: what an issue is.
//! * [`plan`](plan()), [`from_answer`], [`parse_file`], [`validate`], [`critical_path`]: its tasks and their
//!   dependencies.
//! * [`select()`], [`Circuits`]: who has a task, and why.
//! * [`decide`]: what comes next for a task after what came of it so far.
//! * [`BudgetPolicy`], [`Meter`]: what is set aside, what it comes to, and when an execution has to stop.
//! * [`Scheduling`]: how much at once.
//! * [`ToolPolicy`]: answers what agents ask.
//! * [`retry()`], [`recheck`]: sessions that ended, tried or checked again.
//! * [`stop_switch`]: stops a session from outside, or cancels a task of it.

mod analyse;
mod broken;
mod budget;
mod effects;
mod failure;
mod orchestrator;
mod plan;
mod policy;
mod retry;
mod schedule;
mod select;
mod session;
mod site;
mod stop;

pub use analyse::{AnalysisRules, Facts, MAX_TEXT_BYTES, Need, Rule, When, analyse};
pub(crate) use broken::Broken;
pub use budget::{
    BudgetPolicy, For, Meter, MeterVerdict, Plausible, Spent, TimeZone, WhenOver, day_of, next_day,
    orphaned, settlement,
};
pub use failure::{
    AttemptPolicy, Ending, Outage, Step, Tried, checkpoint_of, counted, decide, ending,
    must_change, released,
};
pub use orchestrator::{Orchestrator, Ports};
pub use plan::{
    PlanFileError, PlanLimits, PlanProblem, PlanSettings, Planning, PlanningMode,
    UnknownPlanningMode, critical_path, dot, from_answer, mermaid, parse_file, plan, validate,
};
pub use policy::ToolPolicy;
pub use retry::{Retry, RetryError, recheck, retry};
pub use schedule::{Scheduling, Slots};
pub use select::{
    Candidate, CircuitSettings, Circuits, CloudFallback, Priors, SelectionPolicy, SelectionRule,
    Situation, expected_cost, select, soonest, success_permille,
};
pub use site::{Deadlines, Delivery, Member, RequestTemplate, Scrutiny, Site};
pub use stop::{StopSignal, StopSwitch, stop_switch};
