//! A stand-in for the `claude` program in print mode, for machines without it.
//!
//! It speaks the line protocol of `claude -p` and really writes files and runs commands; what the
//! model says comes from the script that the variable [`SCRIPT`] names. It opens no connection.

mod arguments;
mod attempts;
mod bill;
mod ending;
mod inbox;
mod permission;
mod printer;
mod script;
mod session;
mod store;
mod tools;
mod turns;

use std::ffi::OsString;
use std::path::PathBuf;

pub use script::{Script, Version};

use arguments::{Arguments, Asked};
use session::Session;

/// The environment variable with the path of the script. Without it the model says `Done.` to everything.
pub const SCRIPT: &str = "CLAUDE_STAND_IN_SCRIPT";

/// Does what `claude` would do with these arguments (the program's name left out), over this
/// process's own standard streams, signals, environment and working directory. Gives the exit code.
///
/// The caller should leave with `std::process::exit`: a thread may still be reading standard input.
pub async fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    match prepare(arguments) {
        Ok(Some(session)) => session.run().await,
        Ok(None) => 0,
        Err(message) => {
            eprintln!("{message}");
            1
        }
    }
}

fn prepare(arguments: impl IntoIterator<Item = OsString>) -> Result<Option<Session>, String> {
    let script = match std::env::var_os(SCRIPT) {
        Some(path) => {
            Script::read(&PathBuf::from(path)).map_err(|error| format!("Error: {error}"))?
        }
        None => Script::default(),
    };
    script.check().map_err(|problem| format!("Error: the script cannot be used: {problem}"))?;
    let arguments = arguments.into_iter().map(|argument| argument.to_string_lossy().into_owned());
    match Arguments::parse(arguments)? {
        Asked::Version => {
            println!("{} (Claude Code)", script.version.number());
            Ok(None)
        }
        Asked::Run(arguments) => Session::open(*arguments, script).map(Some),
    }
}
