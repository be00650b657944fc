//! Executors that do what a script says, in simulated time.

mod agent;
mod cloud;
mod local;
mod run;
mod script;
mod simulated;

pub use script::{Attempt, Behaviour, Ending, Script, Temper, Weighted};
pub use simulated::SimExecutor;
