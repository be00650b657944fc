use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use cyrus_core::{InvalidSessionId, Strategy};
use cyrus_executor::{MicroUsd, TaskId, TaskKind};
use std::{ffi::OsString, path::PathBuf, str::FromStr};

/// Turns an issue into validated commits, with executors that are sandboxed WebAssembly components.
#[derive(Debug, Parser)]
#[command(
    name = "cyrus",
    version,
    propagate_version = true,
    max_term_width = 100,
    after_help = "Start with `cyrus demo`: it needs no account and no network. `cyrus doctor` says what is missing for real work."
)]
pub(crate) struct Cli {
    /// Where Cyrus keeps its configuration and its sessions [default: ~/.cyrus]
    #[arg(long, global = true, value_name = "DIR", env = "CYRUS_HOME", hide_env_values = true)]
    pub(crate) cyrus_home: Option<PathBuf>,

    /// A directory with plugins, looked into before the others; may be given more than once
    #[arg(long = "plugin-dir", global = true, value_name = "DIR")]
    pub(crate) plugin_dirs: Vec<PathBuf>,

    /// Say more on standard error: -v what Cyrus decides, -vv everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Work on an issue, and report
    Run(RunArgs),
    /// Say what would be done with an issue: tasks, executors, cost
    Plan(PlanArgs),
    /// Show the whole path on a throw-away repository: no account, no network
    Demo(DemoArgs),
    /// Look at sessions, and go on with one
    #[command(subcommand)]
    Session(SessionCommand),
    /// Show what happened in a session, or in one of its tasks
    Logs(LogsArgs),
    /// Look at plugins
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Look at executors
    #[command(subcommand)]
    Executor(ExecutorCommand),
    /// Check the environment, and inside a repository what a session here would run
    Doctor(DoctorArgs),
    /// Detect how a repository is set up and checked, try it, and write the configuration with --write
    Init(InitArgs),
    /// Stand in for an outside system, or for all of them, for trying things and for tests
    #[command(subcommand)]
    Simulate(SimulateCommand),
    /// Print the completions of a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
Exit status: 0 validated, 1 anything else that ended, 2 usage or configuration, 130 interrupted.

The result is on a branch of the repository, `cyrus/<session>` unless --branch names another; the working tree is not touched.
With --json, standard output has one JSON object a line; the last has \"type\":\"session-finished\".

  cyrus run \"Make the parser accept tabs\"
  cyrus run --issue issue.md --repo ../project --executor claude
  cyrus run --plan plan.yaml --branch release-2
  cyrus run --dry-run --strategy hybrid-smart \"Add a --quiet flag\"")]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) task: TaskArgs,

    /// Say what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Start without asking. At a terminal, several tasks or a high expected cost are asked about first
    #[arg(short, long)]
    pub(crate) yes: bool,

    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

/// What is to be done, where, and by whom.
#[derive(Debug, Args)]
pub(crate) struct TaskArgs {
    /// What is to be done, in words
    #[arg(required_unless_present_any = ["issue", "plan"], conflicts_with = "issue")]
    pub(crate) prompt: Option<String>,

    /// A Markdown file with the issue: its first line is the title. `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) issue: Option<PathBuf>,

    /// A label of the issue; may be given more than once
    #[arg(long = "label", value_name = "LABEL")]
    pub(crate) labels: Vec<String>,

    /// The repository to work on: a directory, or its name in the configuration [default: what a tag `[repo=…]` of the
    /// issue names, else the current directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) repo: Option<PathBuf>,

    /// The commit to start from: a branch, a tag or a commit [default: what is checked out]
    #[arg(long, value_name = "REF")]
    pub(crate) base: Option<String>,

    /// The branch for the result [default: cyrus/<session>]
    #[arg(long, value_name = "NAME")]
    pub(crate) branch: Option<String>,

    /// The kind of task: builder, debugger, scoper, orchestrator or another word [default: what the issue looks like]
    #[arg(long)]
    pub(crate) kind: Option<String>,

    /// A YAML file with the tasks and their dependencies, as docs/analysis.md has it
    #[arg(long, value_name = "FILE")]
    pub(crate) plan: Option<PathBuf>,

    /// The executor to use, by its name in the configuration
    #[arg(long, conflicts_with = "strategy")]
    pub(crate) executor: Option<String>,

    /// The rule to choose an executor by [default: of the configuration, else local-only]
    #[arg(long)]
    pub(crate) strategy: Option<Strategy>,

    /// The model to use [default: of the configuration, else the executor's own]
    #[arg(long)]
    pub(crate) model: Option<String>,

    /// The most that all of it may cost, in US dollars
    #[arg(long, value_name = "USD")]
    pub(crate) max_cost: Option<MicroUsd>,

    /// The most turns the model may take
    #[arg(long, value_name = "N")]
    pub(crate) max_turns: Option<u32>,

    /// The most time an execution may take, in minutes [default: of the configuration, else 60]
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u64).range(1..=1440))]
    pub(crate) deadline: Option<u64>,
}

impl TaskArgs {
    /// The kind that was asked for.
    pub(crate) fn kind(&self) -> Option<TaskKind> {
        self.kind.as_deref().map(TaskKind::new)
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Nothing is begun and nothing is spent; only Cyrus's own directories are made. The costs are what was seen on this repository, else what is assumed.

  cyrus plan --issue issue.md
  cyrus plan --graph --plan plan.yaml \"Release 2.0\" | mmdc -i - -o plan.svg")]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) task: TaskArgs,

    /// Print the graph only, as Mermaid reads it
    #[arg(long, conflicts_with = "json")]
    pub(crate) graph: bool,

    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Run the checks of this repository once, on the commit that is checked out
    #[arg(long = "try")]
    pub(crate) try_checks: bool,

    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Lock files and manifests of the commit that is checked out say what a fresh clone needs and what tests it. Both are run
once, in a clone of their own, with their times and what fails. Nothing is written without --write.

  cyrus init
  cyrus init --write --repo ../project")]
pub(crate) struct InitArgs {
    /// The repository
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) repo: PathBuf,

    /// Do not run anything
    #[arg(long)]
    pub(crate) no_try: bool,

    /// Write what was found to the configuration
    #[arg(long)]
    pub(crate) write: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// The session, or the beginning of its id
    pub(crate) session: SessionPrefix,

    /// Only what is about this task
    pub(crate) task: Option<TaskId>,

    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct JsonArgs {
    /// Print JSON, for machines
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Leave everything there to look at
    #[arg(long)]
    pub(crate) keep: bool,

    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

/// A session's id, or the beginning of one that no other has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionPrefix(pub(crate) String);

impl FromStr for SessionPrefix {
    type Err = InvalidSessionId;

    fn from_str(text: &str) -> Result<Self, InvalidSessionId> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let good = (1..=64).contains(&text.len()) && text.bytes().all(plain);
        let good = good && !text.starts_with('-');
        good.then(|| Self(text.to_owned())).ok_or_else(|| InvalidSessionId(text.to_owned()))
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    /// List sessions, the newest first
    List(JsonArgs),
    /// Show a session: its tasks, who did them, what it came to
    Show {
        /// The session, or the beginning of its id
        id: SessionPrefix,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Stop a running session; it is paused and can be resumed
    Stop {
        /// The session, or the beginning of its id
        id: SessionPrefix,
        /// Cancel this task only, and go on with the others; in a paused session once it is resumed
        task: Option<TaskId>,
        /// Let runs in the cloud go on
        #[arg(long, conflicts_with = "task")]
        detach: bool,
    },
    /// Go on with a session that was paused or cut off
    Resume {
        /// The session, or the beginning of its id
        #[arg(required_unless_present = "all")]
        id: Option<SessionPrefix>,
        /// Every session that was cut off, the oldest first; those that are paused wait for you
        #[arg(long, conflicts_with = "id")]
        all: bool,
        /// The most that all of the session may cost from now on, in US dollars, what was spent before included; counts
        /// until it pauses or ends. Caps of the configuration stand over it
        #[arg(long, value_name = "USD", conflicts_with = "all")]
        max_cost: Option<MicroUsd>,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Try tasks of a session again that failed, were rejected or are held, with a new count of attempts
    Retry(RetryArgs),
    /// Check a session's results again, after you changed the checks or what they need; a check that passes costs nothing
    Recheck {
        /// The session, or the beginning of its id
        id: SessionPrefix,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Remove sessions: clones, homes of programs, and what is known of them; branches stay
    #[command(visible_alias = "remove")]
    Rm {
        /// The sessions, or the beginnings of their ids
        #[arg(required = true)]
        ids: Vec<SessionPrefix>,
        /// Remove results too that are on no branch
        #[arg(long)]
        results: bool,
        /// Remove sessions too that can be resumed
        #[arg(long)]
        force: bool,
    },
    /// Show what happened in a session
    Logs(LogsArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RetryArgs {
    /// The session, or the beginning of its id
    pub(crate) id: SessionPrefix,
    /// This task only
    pub(crate) task: Option<TaskId>,
    /// Have this executor do it
    #[arg(long, value_name = "NAME")]
    pub(crate) executor: Option<String>,
    /// Use this model
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// Add this to what the task says
    #[arg(long, short = 'm', value_name = "TEXT")]
    pub(crate) message: Option<String>,
    /// The most that all of the session may cost from now on, in US dollars, what was spent before included; counts
    /// until it pauses or ends. Caps of the configuration stand over it
    #[arg(long, value_name = "USD")]
    pub(crate) max_cost: Option<MicroUsd>,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// List the plugins there are, with where they are and what is wrong with them
    List(JsonArgs),
    /// Approve a plugin that changed: show what changed, and let its executors have their grants again
    Approve {
        /// The plugin
        name: String,
        /// Approve without asking
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ExecutorCommand {
    /// List the executors there are, and ask each whether it can work right now
    List {
        #[command(flatten)]
        json: JsonArgs,
        /// Do not ask
        #[arg(long)]
        no_probe: bool,
    },
    /// Say what an executor's plugin asks for, what it is granted, and what of it holds
    Explain {
        /// The executor
        name: String,
        #[command(flatten)]
        json: JsonArgs,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum SimulateCommand {
    /// The Codegen API
    Codegen(SimulateArgs),
    /// The Anthropic Messages API, as Claude Code uses it
    Anthropic(SimulateArgs),
    /// The OpenAI Responses and Chat Completions APIs, as the Codex CLI uses them
    #[command(name = "openai")]
    OpenAi(SimulateArgs),
    /// The `claude` program itself: speaks its line protocol on standard input and output
    // Its flags are the program's, not Cyrus's.
    #[command(disable_help_flag = true, disable_version_flag = true)]
    Claude {
        /// The arguments that `claude` would get
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Compare strategies: many sessions in a simulated world, in simulated time
    Fleet(FleetArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "\
The scheduler is the real one; executors, checks, repositories and time are simulated. Times and prices are those of
that world: they say how strategies differ, and not what your issues will cost. The same seed gives the same table.

  cyrus simulate fleet --sessions 500
  cyrus simulate fleet --strategy local-only --strategy hybrid-parallel --seed 7 --json")]
pub(crate) struct FleetArgs {
    /// How many sessions come in
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) sessions: u32,

    /// A strategy to compare; may be given more than once [default: all of them]
    #[arg(long, value_name = "NAME")]
    pub(crate) strategy: Vec<Strategy>,

    /// What sessions and their chances are drawn from
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,

    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// The port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    pub(crate) port: u16,

    /// What it does: a JSON file, as docs/simulators.md has it
    #[arg(long, value_name = "FILE")]
    pub(crate) script: Option<PathBuf>,
}

/// How a session is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

impl From<JsonArgs> for Format {
    fn from(args: JsonArgs) -> Self {
        if args.json { Self::Json } else { Self::Text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_stand_in_gets_flags_that_cyrus_has_too() {
        let given = |line: &[&str]| {
            let line = ["cyrus", "simulate", "claude"].iter().chain(line);
            match Cli::parse_from(line).command {
                Command::Simulate(SimulateCommand::Claude { args }) => args,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(given(&["--version"]), ["--version"]);
        assert_eq!(given(&["--help"]), ["--help"]);
        assert_eq!(given(&["-p", "--verbose"]), ["-p", "--verbose"]);
        assert_eq!(given(&["--", "--verbose", "-p"]), ["--verbose", "-p"]);
    }
}
