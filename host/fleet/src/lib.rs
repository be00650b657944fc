//! A simulated world for the real orchestrator: time, store, repositories, forges and executors, all from one seed.

mod clock;
mod executor;
mod process;
mod random;
mod simulation;
mod store;
mod world;

pub use clock::SimClock;
pub use executor::{Attempt, Behaviour, Ending, Script, SimExecutor, Temper, Weighted};
pub use process::{CrashPlan, Moment, Point, Process, Step};
pub use random::{Random, stable_hash};
pub use simulation::{Deadlock, Simulation, Spawner};
pub use store::{MemoryProcess, MemoryStore};
pub use world::{
    Limits, Pace, SimForge, SimIntegration, SimValidator, SimWorkspaces, Violation, WatchedStore,
    World, WorldPorts,
};
