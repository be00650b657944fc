//! Claude Code as a Cyrus executor.
//!
//! It drives the `claude` program of the operator over its JSON lines protocol (`driver`, `conversation`), and everything that
//! can be decided without a program is decided in small modules beside it: the command line (`args`), the lines
//! (`line`, `parse`), what they mean for people (`events`) and for the host (`outcome`, with `failures` and `reset`),
//! what goes on beside them (`background`), and who may do what (`permission`).

mod args;
mod background;
mod checkpoint;
mod conversation;
mod driver;
mod events;
mod failures;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod fuzz;
mod line;
mod meter;
mod outcome;
mod parse;
mod permission;
mod plan;
mod probe;
mod prompt;
mod reset;
mod session;
mod settings;

use cyrus_sdk::{
    Context, Executor, Host, Result,
    contract::{Descriptor, Health, Outcome, Task, feature},
};
pub use failures::{Family, Kind, StatusPattern};
pub use settings::{PermissionMode, PermissionPrompts, SettingSource, Settings};

/// The executor.
pub struct Claude;

impl Executor for Claude {
    type Settings = Settings;

    fn describe(settings: Settings) -> Result<Descriptor> {
        settings.check()?;
        let description = "Runs Claude Code on this machine, in the task's workspace.";
        Ok(Descriptor::new("Claude Code", env!("CARGO_PKG_VERSION"), description)
            .features([
                feature::RESUME,
                feature::ASK,
                feature::REPORTED_COST,
                feature::STRUCTURED_OUTPUT,
                feature::MCP,
                feature::TOOL_POLICY,
                feature::TURN_LIMIT,
                feature::COST_LIMIT,
            ])
            .settings_schema(&settings::schema()))
    }

    async fn execute(task: Task, settings: Settings, context: Context) -> Result<Outcome> {
        driver::execute(task, settings, context).await
    }

    async fn probe(settings: Settings, host: Host) -> Result<Health> {
        settings.check()?;
        probe::probe(host).await
    }
}

cyrus_sdk::export!(Claude);
