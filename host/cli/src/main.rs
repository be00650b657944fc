//! The `cyrus` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    cyrus_cli::main()
}
