//! Clones, branches and checks: everything Cyrus does with git.

mod clone;
mod detect;
mod diff;
mod error;
mod git;
mod harvest;
mod layout;
mod object;
mod remote;
mod repository;
mod rules;
mod scratch;
mod user;
mod validator;
mod workspaces;

pub use git::{Git, GitEnvironment};
pub use validator::{CheckEnvironment, CommandValidator};
pub use workspaces::GitWorkspaces;
