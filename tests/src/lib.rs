//! Behaviour of the real binary and real components.
//!
//! Here is what the tests of the command share: a world for `cyrus` to run in, with a home, a repository, a
//! stand-in for `claude` and a simulated Codegen. Nothing of the machine's own configuration reaches into it.

mod ended;
mod held;
pub mod lanes;
mod repository;
pub mod secrets;
mod started;
mod world;

pub use ended::{Ended, Report};
pub use held::Held;
pub use repository::Repository;
pub use started::{Signal, Started};
pub use world::{TOKEN, World};

use std::time::Duration;

/// How long anything may take before the test fails. Nothing waits for it to pass.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A [`World`] for the command as it was built with this test.
#[macro_export]
macro_rules! world {
    () => {
        $crate::World::new(env!("CARGO_BIN_EXE_cyrus-under-test"), env!("CARGO_TARGET_TMPDIR"))
    };
}

/// What compiles components for a runtime in this test: the command that was built with it.
#[macro_export]
macro_rules! compiler {
    () => {{
        let command = cyrus_sandbox::AbsolutePath::parse(env!("CARGO_BIN_EXE_cyrus-under-test"));
        cyrus_runtime::Compiler::at(command.expect("an absolute path"))
    }};
}
