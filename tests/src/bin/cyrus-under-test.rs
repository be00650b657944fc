//! The `cyrus` command as it is now: cargo builds it with the tests, and tells them where it is.

use std::process::ExitCode;

fn main() -> ExitCode {
    cyrus_cli::main()
}
