//! What a component may do, one module each. HTTP is in [`crate::egress`], the workspace in [`crate::state`].

pub(crate) mod context;
pub(crate) mod files;
pub(crate) mod home;
pub(crate) mod log;
mod logins;
pub(crate) mod mcp;
pub(crate) mod model;
mod output;
pub(crate) mod process;
pub(crate) mod requests;
mod streams;
