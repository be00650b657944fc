//! The executor against a scripted `claude`.

mod failures;
mod fake;
mod permissions;
mod probe;
mod sessions;
mod stops;
mod work;
