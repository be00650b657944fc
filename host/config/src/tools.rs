use crate::reader::At;
use std::str::FromStr;

/// Every tool of Claude Code that a configuration can name in one word.
const ALL: [&str; 29] = [
    "Bash",
    "CronCreate",
    "CronDelete",
    "CronList",
    "DesignSync",
    "Edit",
    "EnterWorktree",
    "ExitWorktree",
    "Monitor",
    "NotebookEdit",
    "PushNotification",
    "Read",
    "RemoteTrigger",
    "ReportFindings",
    "ScheduleWakeup",
    "SendMessage",
    "Skill",
    "Task",
    "TaskCreate",
    "TaskGet",
    "TaskList",
    "TaskOutput",
    "TaskStop",
    "TaskUpdate",
    "ToolSearch",
    "WebFetch",
    "WebSearch",
    "Workflow",
    "Write",
];

/// The tools of [`ALL`] that change files.
const EDITING: [&str; 3] = ["Edit", "NotebookEdit", "Write"];

/// The tools of [`ALL`] that only look, or keep the agent's own list of things to do.
const LOOKING: [&str; 11] = [
    "Read",
    "ReportFindings",
    "Skill",
    "TaskCreate",
    "TaskGet",
    "TaskList",
    "TaskOutput",
    "TaskUpdate",
    "ToolSearch",
    "WebFetch",
    "WebSearch",
];

/// A list of tools that has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Preset {
    ReadOnly,
    Safe,
    All,
    Coordinator,
}

impl FromStr for Preset {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "readOnly" => Ok(Self::ReadOnly),
            "safe" => Ok(Self::Safe),
            "all" => Ok(Self::All),
            "coordinator" => Ok(Self::Coordinator),
            other => Err(format!(
                "{other:?} is not a list of tools: write a list, or one of readOnly, safe, all and coordinator"
            )),
        }
    }
}

impl Preset {
    fn has(self, tool: &str) -> bool {
        match self {
            Self::ReadOnly => LOOKING.contains(&tool),
            Self::Safe => tool != "Bash",
            Self::All => true,
            Self::Coordinator => !EDITING.contains(&tool),
        }
    }
}

/// The tools that are listed here, or that the preset named here stands for.
pub(crate) fn tools(at: &At<'_>) -> Option<Vec<String>> {
    if !at.is_text() {
        return at.texts();
    }
    let preset: Preset = at.word()?;
    Some(ALL.iter().filter(|tool| preset.has(tool)).map(|tool| (*tool).to_owned()).collect())
}

/// The tools in a variable of the environment: separated by commas.
pub(crate) fn split(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|tool| !tool.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::Problems;
    use serde_json::{Value, json};

    fn read(value: &Value) -> (Option<Vec<String>>, usize) {
        let problems = Problems::default();
        let tools = tools(&At::root("", value, &problems));
        (tools, problems.into_inner().len())
    }

    #[test]
    fn a_preset_stands_for_its_tools() {
        for (name, count, with, without) in [
            ("all", 29, "Bash", "bash"),
            ("safe", 28, "Write", "Bash"),
            ("coordinator", 26, "Bash", "Write"),
            ("readOnly", 11, "Read", "Bash"),
        ] {
            let (tools, problems) = read(&json!(name));
            let tools = tools.unwrap();
            assert_eq!((tools.len(), problems), (count, 0), "{name}");
            let has = |tool: &str| tools.iter().any(|t| t == tool);
            assert!(has(with) && !has(without), "{name}");
        }
        assert!(LOOKING.iter().chain(&EDITING).all(|tool| ALL.contains(tool)));
    }

    #[test]
    fn a_list_is_taken_as_it_is_written() {
        let list = json!(["Read(**)", "Bash(git:*)", "mcp__linear"]);
        assert_eq!(read(&list), (serde_json::from_value(list.clone()).unwrap(), 0));
        assert_eq!(read(&json!([])), (Some(vec![]), 0));
        assert_eq!(read(&json!(null)), (None, 0));
        assert_eq!(read(&json!("readonly")), (None, 1));
        assert_eq!(read(&json!({})).1, 1);
    }
}
