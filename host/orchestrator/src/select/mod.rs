//! Who has a task: the five strategies, the operator's own rules, and the health of the executors.
//!
//! * [`select()`]: ranks the [`Candidate`]s for a task and leaves a receipt.
//! * [`Circuits`]: what the endings of executions mean for the executors they were by.

mod candidate;
mod choose;
mod circuits;
mod policy;
#[cfg(test)]
pub(crate) mod tests;

pub use candidate::{Candidate, Priors, expected_cost, success_permille};
pub use choose::{Situation, select, soonest};
pub use circuits::{CircuitSettings, Circuits};
pub use policy::{CloudFallback, SelectionPolicy, SelectionRule};
