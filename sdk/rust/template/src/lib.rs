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
        )
        // Without this it would be a candidate for every kind of task.
        .kinds(["scoper"]))
    }

    async fn execute(task: Task, settings: Settings, context: Context) -> Result<Outcome> {
        let workspace = context
            .workspace()
            .ok_or_else(|| Error::unsupported("there is no workspace to look into"))?;
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
    use serde_json::json;

    #[test]
    fn counts_lines() {
        let directory = std::env::temp_dir().join(format!("my-executor-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("list.txt"), "one\n\nthree\n").unwrap();
        let all = TestHost::new().workspace(&directory).run::<MyExecutor>("list.txt");
        let some = TestHost::new().workspace(&directory).settings(&json!({"skipEmpty": true}));
        let some = some.run::<MyExecutor>("list.txt");
        std::fs::remove_dir_all(&directory).unwrap();
        assert_eq!(all.completed().summary, "list.txt has 3 lines.");
        assert_eq!(some.completed().summary, "list.txt has 2 lines.");
    }

    #[test]
    fn stays_in_the_workspace() {
        let run = TestHost::new().workspace(".").run::<MyExecutor>("../secret");
        assert_eq!(run.error().kind, ErrorKind::Failed);
    }
}
