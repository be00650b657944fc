use crate::{MicroUsd, Task};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// The repository a task is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Repository {
    /// The address of its `origin`, without credentials.
    pub remote: Option<String>,
    /// The branch the work starts from.
    pub base_branch: Option<String>,
    /// The commit the work starts from, in full.
    pub base_commit: String,
    /// The branch that the work should be on, if the executor makes one.
    pub work_branch: String,
}

/// What may be done to a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Look.
    ReadOnly,
    /// Look and change.
    ReadWrite,
}

/// The working tree of an execution, where the host has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Workspace {
    /// Its absolute path.
    pub root: PathBuf,
    /// Where launched programs find it, when their view of files is their own; else they find it at its path.
    #[serde(default)]
    pub seen: Option<PathBuf>,
    /// Where launched programs get their homes and their directories for temporary files, each grant of an executor its
    /// own: private to the session, and kept for as long as it may be resumed.
    pub home: PathBuf,
    /// Where the host records what it gave into those homes. No program may write there.
    pub home_record: PathBuf,
    /// Directories outside of it that it borrows from: git objects of the repository it was cloned from. Launched
    /// programs read them.
    #[serde(default)]
    pub borrowed: Vec<PathBuf>,
    /// What git finds in those homes as its user's configuration: who commits are by. Empty where that is not known.
    #[serde(default)]
    pub git_configuration: String,
}

impl Workspace {
    /// One that launched programs find at its path, and that borrows nothing.
    pub fn new(
        root: impl Into<PathBuf>,
        home: impl Into<PathBuf>,
        home_record: impl Into<PathBuf>,
    ) -> Self {
        let (root, home, home_record) = (root.into(), home.into(), home_record.into());
        Self {
            root,
            seen: None,
            home,
            home_record,
            borrowed: Vec::new(),
            git_configuration: String::new(),
        }
    }

    /// Where launched programs find it.
    pub fn for_programs(&self) -> &Path {
        self.seen.as_deref().unwrap_or(&self.root)
    }
}

/// Where an attachment's bytes are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "value")]
pub enum AttachmentSource {
    /// A file, by its absolute path on the host.
    File(PathBuf),
    /// An address.
    Url(String),
}

/// A file that came with the issue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    /// Its name, without a path.
    pub name: String,
    /// Its media type, where it is known.
    pub media_type: Option<String>,
    /// Where it is.
    pub source: AttachmentSource,
}

/// One thing that validation found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// A stable word.
    pub code: String,
    /// For people, and for the agent that is to mend it.
    pub message: String,
    /// The file, relative to the workspace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The line in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The command that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The end of its output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
}

/// What an execution may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Limits {
    /// Wall-clock time, from the call.
    #[serde(rename = "deadlineMs", with = "crate::millis::option")]
    pub deadline: Option<Duration>,
    /// Money.
    pub max_cost: Option<MicroUsd>,
    /// Turns of the model.
    pub max_turns: Option<u32>,
}

/// Everything an execution is given. What its executor is configured with (settings, grants) is not in here:
/// that belongs to the executor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionRequest {
    /// What is to be done.
    pub task: Task,
    /// Unique, for ever.
    pub execution_id: String,
    /// The same for every try at the same effect.
    pub idempotency_key: String,
    /// 1 for the first try.
    pub attempt: u32,
    /// The repository, when there is one.
    pub repository: Option<Repository>,
    /// The working tree, when there is one. What of it the plugin sees is a matter of its grants.
    pub workspace: Option<Workspace>,
    /// What came with the issue.
    pub attachments: Vec<Attachment>,
    /// The model; `None` is the executor's default.
    pub model: Option<String>,
    /// To be added to the agent's own system prompt.
    pub system_prompt: Option<String>,
    /// Tools that need no question; `None` is the executor's default.
    pub allowed_tools: Option<Vec<String>>,
    /// Tools that must not be used.
    pub disallowed_tools: Vec<String>,
    /// MCP servers, as `{"mcpServers": {…}}`.
    pub mcp_servers: Option<Value>,
    /// A JSON Schema the answer has to follow.
    pub output_schema: Option<Value>,
    /// What it may use.
    pub limits: Limits,
    /// The last checkpoint, when this is not the beginning.
    pub resume: Option<String>,
    /// What validation found wrong with the last result.
    pub findings: Vec<Finding>,
    /// Anything else, by name.
    pub extensions: Vec<(String, Value)>,
}

impl ExecutionRequest {
    /// The first try at a task, with nothing more than it needs. The execution's id is also its idempotency
    /// key.
    pub fn new(task: Task, execution_id: impl Into<String>) -> Self {
        let execution_id = execution_id.into();
        Self {
            task,
            idempotency_key: execution_id.clone(),
            execution_id,
            attempt: 1,
            repository: None,
            workspace: None,
            attachments: Vec::new(),
            model: None,
            system_prompt: None,
            allowed_tools: None,
            disallowed_tools: Vec::new(),
            mcp_servers: None,
            output_schema: None,
            limits: Limits::default(),
            resume: None,
            findings: Vec::new(),
            extensions: Vec::new(),
        }
    }
}
