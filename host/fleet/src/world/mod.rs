//! What is outside the orchestrator: repositories and their clones, a forge, runs in the cloud, and a record of what
//! was done to them that should not have been.

mod audit;
mod book;
pub(crate) mod git;
mod integration;
mod ports;
mod remote;
mod state;
mod validator;
mod violation;
mod watched;
mod workspaces;

pub use ports::{SimForge, SimIntegration, SimValidator, SimWorkspaces};
pub use remote::Lookup;
pub(crate) use remote::{RemoteEnding, RemoteRun, RemoteWork};
pub use state::{Pace, World, WorldPorts};
pub use violation::Violation;
pub use watched::WatchedStore;

pub(crate) use state::{CloneAt, LiveExecution, Outside};
