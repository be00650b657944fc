//! Reads and checks the operator's configuration, `$CYRUS_HOME/config.json`.
//!
//! The file is upstream Cyrus's, either generation, with sections of our own. Reading never writes it. What is
//! wrong is an error with its place in the file; what is only not understood is a warning, and is left alone.
//! References to secrets are read here, and resolved where and when the secret is needed.
//!
//! # Layout
//!
//! * [`Config`], [`Sources`]: the file as a whole.
//! * [`RepositoryConfig`]: what of it holds for one repository: executors, strategy, checks, tools.
//! * [`Problem`], [`ConfigError`]: what is wrong with it.

mod codegen;
mod config;
mod document;
mod error;
mod executor;
mod home;
mod known;
mod reader;
mod repository;
mod tools;

pub use config::{BundledExecutor, Config, Sources};
pub use error::{ConfigError, Problem};
pub use home::{CONFIG_FILE, home};
pub use repository::{RepositoryConfig, Tools};
