//! The executor against a scripted `claude`.

mod background;
mod broken;
mod failures;
mod fake;
mod permissions;
mod probe;
mod sessions;
mod stops;
mod work;
