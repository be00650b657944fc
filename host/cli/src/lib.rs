//! The `cyrus` command: what it is asked, the one place that wires the parts, and how it tells of what happened.
//!
//! It is a library with one function so that a test can have the very same program under a name of its own.

mod app;
mod args;
mod command;
mod commands;
mod demo;
mod exit;
mod git;
mod intake;
mod interrupt;
mod keeper;
mod log;
mod mcp;
mod output;
mod preview;
mod programs;
mod queue;
mod sandbox;
mod site;
mod sweep;
mod variables;
mod way_out;
mod work;

use args::{Cli, Command};
use clap::{CommandFactory as _, Parser as _};
use cyrus_executor::text::Line;
use cyrus_runtime::{Compiler, compile_if_asked};
use cyrus_sandbox::{Supervisor, supervise_if_asked};
use cyrus_workspace::{Trash, remove_if_asked};
use exit::{Exit, UsageError};
use output::{
    output_failure, print_error, print_generated, print_panic, print_removing, print_usage,
    start_log,
};
use std::{ffi::OsString, path::PathBuf, process::ExitCode, time::Duration};

/// What the work has of stack, in bytes.
const STACK: usize = 8 << 20;

/// How long a command that is done waits for files to be removed.
const MOST_FOR_REMOVING: Duration = Duration::from_secs(1);

/// Does what the command line asks. To be called first thing in a process.
pub fn main() -> ExitCode {
    let supervisor = supervise_if_asked();
    let compiler = compile_if_asked();
    remove_if_asked();
    std::panic::set_hook(Box::new(print_panic));
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // It may also be what was asked for: help, or the version.
        Err(said) => {
            let said = without_raw_arguments(said);
            print_usage(&said);
            let code = u8::try_from(said.exit_code()).unwrap_or(2);
            return output_failure().map_or(code.into(), |_| Exit::NotDone.into());
        }
    };
    start_log(cli.verbose);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .thread_stack_size(STACK)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&anyhow::Error::from(error).context("cannot start")),
    };
    // Of a stack of its own: what the main thread has is what the caller's limits leave it.
    let ended = std::thread::scope(|scope| {
        let work = || runtime.block_on(dispatch(cli, supervisor, compiler));
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
        thread.map_err(anyhow::Error::from).and_then(|thread| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    });
    // What still blocks (a read of standard input) must not hold the end up.
    runtime.shutdown_background();
    let ended = ended.map_or_else(|error| failed(&error), ExitCode::from);
    match output_failure() {
        Some(why) => failed(&anyhow::anyhow!(
            "standard output could not be written, so some of what there is to read is missing: {why}"
        )),
        None => ended,
    }
}

/// The same where nothing of it steers a terminal: an error shows the argument that is wrong, which may be an issue's
/// text. Of arguments that are written out as a report has them, it is the same error.
fn without_raw_arguments(said: clap::Error) -> clap::Error {
    let written = |argument: &OsString| Line::new(argument.to_string_lossy()).to_string();
    let arguments: Vec<_> = std::env::args_os().collect();
    let is_plain = |argument: &OsString| argument.to_str() == Some(written(argument).as_str());
    if arguments.iter().all(is_plain) {
        return said;
    }
    match Cli::try_parse_from(arguments.iter().map(written)) {
        Err(said) => said,
        Ok(_) => Cli::command()
            .error(said.kind(), "an argument has characters that no argument may have"),
    }
}

async fn dispatch(cli: Cli, supervisor: Supervisor, compiler: Compiler) -> anyhow::Result<Exit> {
    let repository = match &cli.command {
        Command::Run(args) => args.task.repo.clone(),
        Command::Plan(args) => args.task.repo.clone(),
        Command::Init(args) => Some(args.repo.clone()),
        _ => None,
    };
    if matches!(
        cli.command,
        Command::Run(_) | Command::Session(_) | Command::Init(_) | Command::Doctor(_)
    ) {
        interrupt::end_until_begun()?;
    }
    let repository = repository.unwrap_or_else(|| PathBuf::from("."));
    let (home, plugin_dirs) = (cli.cyrus_home, cli.plugin_dirs);
    let withheld = sandbox::withheld()?;
    let trash = Trash::default();
    let open = app::Opening {
        home,
        plugin_dirs,
        repository,
        supervisor,
        withheld,
        compiler,
        trash: trash.clone(),
    };
    let ended = Box::pin(perform(cli.command, open)).await;
    // The command's result stands.
    if let Err(error) = interrupt::unless_interrupted(removed(trash)).await {
        tracing::debug!(%error, "files that are not needed any more stay");
    }
    ended
}

/// Waits a moment for files to be removed, and leaves the rest to a process of its own: the result is printed.
async fn removed(trash: Trash) {
    if tokio::time::timeout(MOST_FOR_REMOVING, trash.emptied()).await.is_ok() {
        return;
    }
    let left = std::env::current_exe().and_then(|own| trash.leave(&own));
    match left {
        Ok(()) => print_removing(),
        // The next run removes it.
        Err(error) => tracing::debug!(%error, "files that are not needed any more stay"),
    }
}

/// Does what one command asks.
async fn perform(command: Command, open: app::Opening) -> anyhow::Result<Exit> {
    match command {
        Command::Run(args) => command::run(&open.app()?, &args).await,
        Command::Plan(args) => command::plan(&open.app()?, &args).await,
        Command::Logs(args) => command::logs(&open.app()?, &args).await,
        Command::Demo(args) => demo::run(open, args).await,
        Command::Session(which) => command::session(&open.app()?, which).await,
        Command::Plugin(which) => command::plugin(&open.app()?, &which),
        Command::Executor(which) => command::executor(&open.app()?, which).await,
        Command::Doctor(args) => command::doctor(open, args).await,
        Command::Init(args) => command::init(&open.app()?, &args).await,
        Command::Simulate(which) => command::simulate(which).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "cyrus", &mut script);
            print_generated(&script);
            Ok(Exit::Done)
        }
    }
}

/// Says what went wrong, with its causes, and how the process ends.
fn failed(error: &anyhow::Error) -> ExitCode {
    print_error(error);
    let usage = error.is::<UsageError>();
    if usage { Exit::Usage } else { Exit::NotDone }.into()
}
