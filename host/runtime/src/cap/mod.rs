//! What a component may do, one module each. HTTP is in [`crate::egress`], the workspace in [`crate::state`].

pub(crate) mod context;
pub(crate) mod files;
pub(crate) mod home;
pub(crate) mod log;
pub(crate) mod model;
pub(crate) mod process;
mod streams;
