//! A simulated world for the real orchestrator: time, store, repositories, forges and executors, all from one seed.

mod clock;
mod process;
mod random;
mod simulation;
mod store;

pub use clock::SimClock;
pub use process::{CrashPlan, Moment, Point, Process, Step};
pub use random::{Random, stable_hash};
pub use simulation::{Deadlock, Simulation, Spawner};
pub use store::{MemoryProcess, MemoryStore};
