//! Writes the prompt into a file, and shows every pattern of the contract on the way.

use cyrus_sdk::{
    Context, Error, Executor, Result, Workspace,
    contract::{
        Access, Answer, Cost, Denial, Descriptor, Event, ExecutionResult, Outcome, Question, Task,
        Usage, feature,
    },
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// What the operator can set.
#[derive(Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Where in the workspace the text goes.
    file: String,
    /// Ask before writing.
    ask: bool,
    /// How long the work takes.
    pause_ms: u64,
    /// Suspend once for so long.
    suspend_ms: u64,
    /// Fail at the end.
    fail: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let file = "ECHO.md".to_owned();
        Self { file, ask: false, pause_ms: 0, suspend_ms: 0, fail: false }
    }
}

/// The executor.
pub struct Echo;

impl Executor for Echo {
    type Settings = Settings;

    fn describe(_: Settings) -> Result<Descriptor> {
        let description = "Writes the prompt into a file. An example of an executor in Rust.";
        Ok(Descriptor::new("Rust echo", env!("CARGO_PKG_VERSION"), description)
            .features([feature::ASK, feature::RESUME, feature::SUSPEND])
            .settings_schema(&json!({
                "type": "object",
                "properties": {
                    "file": {"type": "string"}, "ask": {"type": "boolean"},
                    "pause_ms": {"type": "integer"}, "suspend_ms": {"type": "integer"},
                    "fail": {"type": "boolean"},
                },
            })))
    }

    async fn execute(task: Task, settings: Settings, context: Context) -> Result<Outcome> {
        context.emit(Event::progress("echoing", None)).await;
        if context.resume().is_none() {
            context.checkpoint(&format!("begun {}", context.execution_id())).await?;
            if settings.suspend_ms > 0 {
                let wake_after = Duration::from_millis(settings.suspend_ms);
                return Ok(Outcome::suspended("woken", wake_after, Usage::default()));
            }
        }
        context.emit(Event::message(&task.prompt)).await;
        context.sleep(Duration::from_millis(settings.pause_ms)).await?;
        let characters = task.prompt.chars().count();
        let result = ExecutionResult::new(format!("Echoed {characters} characters."));
        let result = match context.workspace() {
            Some(workspace) if workspace.access == Access::ReadWrite => {
                write(&task, &settings, &context, &workspace, result).await?
            }
            _ => result,
        };
        let usage = Usage { turns: Some(1), cost: Cost::reported(0.0), ..Usage::default() };
        context.emit(Event::Usage(usage)).await;
        context.spend(&usage).await?;
        if settings.fail {
            let error = Error::failed("the settings say `fail`");
            return Err(error.with_usage(usage).with_checkpoint("woken"));
        }
        Ok(result.usage(usage).into())
    }
}

async fn write(
    task: &Task,
    settings: &Settings,
    context: &Context,
    workspace: &Workspace,
    mut result: ExecutionResult,
) -> Result<ExecutionResult> {
    let mut input = json!({"path": settings.file, "text": format!("{}\n", task.prompt)});
    if settings.ask {
        match context.ask(&Question::tool_permission("write", "Write", &input)).await? {
            Answer::Allow => {}
            Answer::AllowModified(modified) => {
                input = serde_json::from_str(&modified)
                    .map_err(|error| Error::failed(format!("the modified input: {error}")))?;
            }
            other => {
                let reason = match other {
                    Answer::Deny(reason) => reason,
                    other => format!("not an answer to a permission: {other:?}"),
                };
                context.emit(Event::warning("permission-denied", &reason)).await;
                let (tool, input) = ("Write".to_owned(), input.to_string());
                result.denials.push(Denial { tool, input, reason });
                return Ok(result);
            }
        }
    }
    let word = |key: &str| input[key].as_str().unwrap_or_default();
    let shown: Value = json!({"path": word("path")});
    context.emit(Event::tool_use("write", "Write", &shown)).await;
    let written = workspace.write(word("path"), word("text"));
    let output = written.as_ref().map_or_else(ToString::to_string, |()| "written".to_owned());
    context.emit(Event::tool_result("write", written.is_err(), output)).await;
    written?;
    Ok(result.in_workspace())
}

cyrus_sdk::export!(Echo);

#[cfg(test)]
mod tests {
    use super::*;
    use cyrus_sdk::{contract::{ErrorKind, StopMode}, testing::TestHost};

    #[test]
    fn the_prompt_ends_up_in_the_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let run = TestHost::new().workspace(dir.path()).run::<Echo>("hello");
        assert_eq!(run.completed().summary, "Echoed 5 characters.");
        assert_eq!(std::fs::read_to_string(dir.path().join("ECHO.md")).expect("written"), "hello\n");
    }

    #[test]
    fn a_stop_ends_the_pause() {
        let host = TestHost::new().settings(&json!({"pause_ms": 60_000}));
        let run = host.stop_at(Duration::from_secs(1), StopMode::Cancel).run::<Echo>("hello");
        assert_eq!(run.error().kind, ErrorKind::Cancelled);
        assert_eq!(run.elapsed, Duration::from_secs(1));
    }
}
