//! Reads and checks the operator's configuration, `$CYRUS_HOME/config.json`.
//!
//! The file is upstream Cyrus's, either generation, with sections of our own. Reading never writes it. What is
//! wrong is an error with its place in the file; what is only not understood is a warning, and is left alone.
//! References to secrets are read here, and resolved where and when the secret is needed.
//!
//! # Layout
//!
//! * [`Config`], [`Sources`]: the file as a whole.
//! * [`RepositoryConfig`]: what of it holds for one repository: executors, models, tools, and the sections below.
//! * [`Selection`], [`Terms`], [`Budget`], [`Scheduling`], [`Attempts`], [`Planning`]: what the orchestrator decides by.
//! * [`Network`]: which hosts set-up and checks reach.
//! * [`DiffRules`], [`Review`], [`Publishing`], [`Hooks`], [`Retention`]: what becomes of results and clones.
//! * [`EnvFile`]: variables beside the file, for what the environment does not have.
//! * [`Problem`], [`ConfigError`]: what is wrong with it.

mod budget;
mod codegen;
mod config;
mod document;
mod env_file;
mod error;
mod executor;
mod home;
mod hooks;
mod known;
mod labels;
mod network;
mod planning;
mod publishing;
mod reader;
mod repository;
mod result_limits;
mod retention;
mod sandbox;
mod scheduling;
mod section;
mod selection;
mod store;
mod terms;
mod tool_settings;
mod tools;
mod upstream;
mod validation;
mod worktree;

pub use budget::{Budget, WhenOver};
pub use config::{BundledExecutor, Config, Sources};
pub use env_file::EnvFile;
pub use error::{ConfigError, Problem};
pub use home::{CONFIG_FILE, UnsetVariable, expand, home, without_parents};
pub use hooks::Hooks;
pub use network::{Network, NetworkAccess};
pub use planning::Planning;
pub use publishing::Publishing;
pub use repository::{RepositoryConfig, Tools};
pub use result_limits::ResultLimits;
pub use retention::Retention;
pub use sandbox::{SandboxLimits, SandboxSettings};
pub use scheduling::{Attempts, Scheduling};
pub use selection::{Fallback, Selection, SelectionRule};
pub use terms::Terms;
pub use tool_settings::ToolSettings;
pub use validation::{DiffRules, Review};
