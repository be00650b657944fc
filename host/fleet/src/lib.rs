//! A simulated world for the real orchestrator: time, store, repositories, forges and executors, all from one seed.

mod clock;
mod executor;
mod fleet;
mod frozen;
pub mod generate;
mod process;
mod random;
mod scenario;
mod simulation;
mod store;
mod what_if;
mod world;

pub use clock::SimClock;
pub use executor::{Attempt, Behaviour, Ending, Script, SimExecutor, Temper, Weighted};
pub use fleet::{Ended, MemoryStores, Stores, run, run_on};
pub use frozen::{Overtaken, Thaw, run_frozen};
pub use process::{CrashPlan, Moment, Point, Process, Step};
pub use random::{Random, stable_hash};
pub use scenario::{Arrival, MemberSpec, Scenario};
pub use simulation::{Deadlock, Simulation, Spawner};
pub use store::{MemoryProcess, MemoryStore};
pub use what_if::{Comparison, Line, WhatIfError, usual_members, what_if};
pub use world::{
    Lookup, Pace, SimForge, SimIntegration, SimValidator, SimWorkspaces, Violation, WatchedStore,
    World, WorldPorts,
};
