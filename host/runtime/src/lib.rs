//! Turns a plugin into an executor: a WebAssembly component becomes something that implements
//! [`TaskExecutor`](cyrus_executor::TaskExecutor), and may do what its policy says and nothing more.
//!
//! One [`Runtime`] per process. It loads plugins ([`Runtime::load`]): checked, compiled once and linked before
//! first use. A loaded [`Plugin`] and an [`ExecutorConfig`](cyrus_plugin::ExecutorConfig) make a
//! [`PluginExecutor`] ([`Runtime::executor`]). Every execution has a store and an instance of its own, owned by
//! one task; a store that was interrupted is never used again.
//!
//! # Layout
//!
//! * `engine`, `plugin`, `compile`, `contract`: from bytes to something that can be instantiated.
//! * `executor`, `execution`, `segment`, `outcome`, `control`: from a request to an outcome.
//! * `run`, `state`, `limiter`, `pace`, `verdict`: what an execution holds, what bounds it, how it failed.
//! * `cap`, `egress`: what a component may do. Only `egress` names an HTTP client.
//! * `convert`, `bound`, `redact`: everything that crosses the border, on its way.
//!
//! Only this crate names a store or a linker.

mod bindings;
mod bound;
mod cap;
mod compile;
mod contract;
mod control;
mod convert;
mod egress;
mod engine;
mod events;
mod execution;
mod executor;
#[cfg(test)]
mod fuzz;
mod held;
mod limiter;
mod outcome;
mod pace;
mod plugin;
mod redact;
mod run;
mod runtime;
mod scratch;
mod secrets;
mod segment;
mod spending;
mod state;
mod verdict;

pub use cap::home::home_owner;
pub use cap::log::{LogLevel, PluginLog};
pub use compile::{Compiler, compile_if_asked};
pub use contract::refuses;
pub use egress::model_upstream;
pub use executor::{Confine, ExecutorError, PluginExecutor};
pub use plugin::{LoadError, Plugin};
pub use runtime::{LogSink, Runtime, RuntimeError, RuntimeOptions, Tools};
pub use scratch::ScratchRoot;
pub use secrets::{HostSecrets, SecretError, SecretResolver};
