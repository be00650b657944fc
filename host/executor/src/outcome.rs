use crate::{Link, Usage};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// A tool call that was not allowed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Denial {
    /// The tool, as the agent names it.
    pub tool: String,
    /// What it was to be called with.
    pub input: Value,
    /// Why not.
    pub reason: String,
}

/// A git remote other than the repository's own, which policy grants to the executor that named it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantedRemote {
    address: String,
    credentials: bool,
}

impl GrantedRemote {
    /// A remote that was judged. Only `Policy::git` of the plugin host calls this, and an architecture test holds
    /// it: the host fetches from nothing else.
    pub fn judged(address: impl Into<String>, credentials: bool) -> Self {
        Self { address: address.into(), credentials }
    }

    /// Its address, which is an https URL without credentials.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether git may use the operator's credentials there.
    pub fn with_credentials(&self) -> bool {
        self.credentials
    }
}

/// Where a branch was pushed to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "value")]
pub enum BranchSource {
    /// The repository's own `origin`.
    #[default]
    Origin,
    /// Another remote.
    Granted(GrantedRemote),
}

/// A branch that holds a result somewhere else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteBranch {
    /// Where it is.
    #[serde(default)]
    pub source: BranchSource,
    /// The branch's name, without `refs/heads/`.
    pub name: String,
    /// The commit it was seen at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// Where the work is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "value")]
pub enum WorkProduct {
    /// There is none: the answer is the summary.
    #[default]
    Nothing,
    /// In the workspace, committed or not.
    Workspace,
    /// On a branch, to be fetched.
    Branch(RemoteBranch),
}

/// What a finished execution has to show. It is a claim: the host validates it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionResult {
    /// What the executor says it did.
    pub summary: String,
    /// The answer in the asked-for schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub structured: Option<Value>,
    /// Where the work is.
    pub product: WorkProduct,
    /// What there is to look at.
    pub links: Vec<Link>,
    /// What it used.
    pub usage: Usage,
    /// What was not allowed.
    pub denials: Vec<Denial>,
    /// From here a later execution may go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// More, by name.
    pub extensions: Vec<(String, Value)>,
}

/// The work goes on without the component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Suspension {
    /// From here the next call goes on.
    pub checkpoint: String,
    /// When to call again, from now.
    #[serde(rename = "wakeAfterMs", with = "crate::millis")]
    pub wake_after: Duration,
    /// What was used so far.
    pub usage: Usage,
}

/// How an execution ended when nothing went wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "value")]
pub enum Outcome {
    /// It is finished.
    Completed(ExecutionResult),
    /// It goes on without the component.
    Suspended(Suspension),
}
