use crate::{Execution, ExecutionError, ExecutionHost, ExecutionRequest, Outcome};
use futures::future::{BoxFuture, FutureExt};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{fmt, sync::Arc};

/// Where an executor does its work, and so whether source leaves the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// On this machine.
    Local,
    /// Somewhere else.
    Cloud,
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "local",
            Self::Cloud => "cloud",
        })
    }
}

/// What an executor says it is, given its settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Descriptor {
    /// What does the work.
    pub name: String,
    /// The plugin's version.
    pub version: String,
    /// For people.
    pub description: String,
    /// The task kinds it serves; empty is every kind.
    pub kinds: Vec<String>,
    /// What it can do, as the contract's words.
    pub features: Vec<String>,
    /// A JSON Schema of its settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings_schema: Option<Value>,
}

/// What a probe saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// One line for people.
    pub summary: String,
    /// The version of the program or service behind the executor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// More, by name.
    pub details: Vec<(String, String)>,
}

/// Who an executor is, as the host knows it. A plugin has no say in this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecutorInfo {
    /// Its name in the configuration.
    pub name: String,
    /// Where it does its work.
    pub placement: Placement,
    /// The plugin's name.
    pub plugin: String,
    /// The plugin's version, from its manifest.
    pub version: String,
    /// The component's digest, `sha256:…`.
    pub digest: String,
}

/// A configured executor.
///
/// All of it works while executions are under way, and any number of those may be.
pub trait TaskExecutor: Send + Sync {
    /// Who it is.
    fn info(&self) -> &ExecutorInfo;

    /// What it says of itself.
    fn describe(&self) -> BoxFuture<'_, Result<Descriptor, ExecutionError>>;

    /// Can it work right now? Changes nothing.
    fn probe(&self) -> BoxFuture<'_, Result<Health, ExecutionError>>;

    /// Begins a task. What goes wrong later is in the [`Execution::outcome`]; an error here means that nothing
    /// was begun. The outcome is never [`Outcome::Suspended`] unless the execution was stopped with
    /// `detach`: suspensions are slept through and resumed behind this port.
    fn execute_streaming(
        &self,
        request: ExecutionRequest,
        host: Arc<dyn ExecutionHost>,
    ) -> BoxFuture<'_, Result<Execution, ExecutionError>>;

    /// Does a task and drops its events.
    fn execute(
        &self,
        request: ExecutionRequest,
        host: Arc<dyn ExecutionHost>,
    ) -> BoxFuture<'_, Result<Outcome, ExecutionError>> {
        // The request is not kept for as long as the execution takes.
        let begun = self.execute_streaming(request, host);
        async move {
            let Execution { mut events, outcome, handle } = begun.await?;
            let drain = async { while events.recv_batch().await.is_some() {} };
            let (outcome, ()) = tokio::join!(outcome, drain);
            drop(handle);
            outcome
        }
        .boxed()
    }
}
