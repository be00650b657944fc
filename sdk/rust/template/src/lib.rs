//! An executor that counts the lines of the file that the task names.

use cyrus_sdk::{
    Context, Error, Executor, Result,
    contract::{Descriptor, Event, ExecutionResult, Outcome, Task},
    export,
};
use serde::Deserialize;

struct MyExecutor;

/// What the operator can set.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Settings {
    /// Whether empty lines count.
    #[serde(default)]
    skip_empty: bool,
}

impl Executor for MyExecutor {
    type Settings = Settings;

    fn describe(_: Settings) -> Result<Descriptor> {
        Ok(Descriptor::new(
            "My executor",
            env!("CARGO_PKG_VERSION"),
            "Counts the lines of a file in the workspace.",
        ))
    }

    async fn execute(task: Task, settings: Settings, context: Context) -> Result<Outcome> {
        let workspace = context
            .workspace()
            .ok_or_else(|| Error::unsupported("this task has no workspace to look into"))?;
        let file = task.prompt.trim();
        context.emit(Event::progress(format!("reading {file}"), None)).await;
        let text = workspace.read_to_string(file)?;
        let lines = text.lines().filter(|line| !settings.skip_empty || !line.is_empty()).count();
        Ok(ExecutionResult::new(format!("{file} has {lines} lines.")).into())
    }
}

export!(MyExecutor);

#[cfg(test)]
mod tests {
    use super::*;
    use cyrus_sdk::{contract::ErrorKind, testing::TestHost};

    #[test]
    fn counts_lines() {
        let here = TestHost::new().workspace(env!("CARGO_MANIFEST_DIR"));
        let run = here.run::<MyExecutor>("rust-toolchain.toml");
        assert_eq!(run.completed().summary, "rust-toolchain.toml has 3 lines.");
    }

    #[test]
    fn stays_in_the_workspace() {
        let here = TestHost::new().workspace(env!("CARGO_MANIFEST_DIR"));
        let run = here.run::<MyExecutor>("../secret");
        assert_eq!(run.error().kind, ErrorKind::Failed);
    }
}
