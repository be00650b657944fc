use crate::settings::{AgentType, OrgId, Settings};
use cyrus_sdk::{
    Host,
    http::{HttpClient, HttpError},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// How much one page of a list holds, at most.
const PAGE: u64 = 100;

/// How many pages of a list are read before giving up.
const PAGES: u64 = 10;

/// The service gives no promise; this is far beyond what an answer takes.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Codegen's REST API, as far as an executor needs it. It sends no credentials: the host adds the token.
pub(crate) struct Api {
    client: HttpClient,
    org: OrgId,
}

/// An order for a run.
#[derive(Debug, Serialize)]
pub(crate) struct Order {
    pub(crate) prompt: String,
    pub(crate) metadata: Metadata,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) repo_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) agent_type: Option<AgentType>,
}

/// What a run carries so that it can be found again.
#[derive(Debug, Serialize)]
pub(crate) struct Metadata {
    #[serde(rename = "cyrus_idempotency_key")]
    pub(crate) idempotency_key: String,
    #[serde(rename = "cyrus_execution_id")]
    pub(crate) execution_id: String,
    #[serde(rename = "cyrus_task_id")]
    pub(crate) task_id: String,
}

/// A run as the service describes it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct AgentRun {
    pub(crate) id: u64,
    pub(crate) status: Option<String>,
    pub(crate) web_url: Option<String>,
    pub(crate) result: Option<String>,
    pub(crate) summary: Option<String>,
    pub(crate) github_pull_requests: Option<Vec<PullRequest>>,
    pub(crate) metadata: Option<Value>,
}

impl AgentRun {
    pub(crate) fn pull_requests(&self) -> &[PullRequest] {
        self.github_pull_requests.as_deref().unwrap_or_default()
    }

    fn has_key(&self, key: &str) -> bool {
        let known = self.metadata.as_ref().and_then(|data| data.get("cyrus_idempotency_key"));
        known.and_then(Value::as_str) == Some(key)
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct PullRequest {
    pub(crate) id: u64,
    pub(crate) title: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) head_branch_name: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct LogEntry {
    pub(crate) message_type: Option<String>,
    pub(crate) tool_name: Option<String>,
    pub(crate) thought: Option<String>,
    pub(crate) observation: Option<Value>,
    pub(crate) tool_input: Option<Value>,
    pub(crate) tool_output: Option<Value>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Repo {
    pub(crate) id: u64,
    pub(crate) full_name: String,
    #[serde(default)]
    pub(crate) archived: Option<bool>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) total: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct LogPage {
    logs: Vec<LogEntry>,
}

#[derive(Serialize)]
struct Resume<'a> {
    agent_run_id: u64,
    prompt: &'a str,
}

#[derive(Serialize)]
struct Ban {
    agent_run_id: u64,
}

impl Api {
    pub(crate) fn new(host: &Host, settings: &Settings) -> Self {
        let client = host.http(settings.base_url.as_str()).timeout(TIMEOUT);
        Self { client, org: settings.org_id }
    }

    fn path(&self, rest: &str) -> String {
        format!("/v1/organizations/{}/{rest}", self.org)
    }

    pub(crate) async fn create(&self, order: &Order) -> Result<AgentRun, HttpError> {
        self.client.post(&self.path("agent/run")).json(order).fetch().await
    }

    pub(crate) async fn run(&self, id: u64) -> Result<AgentRun, HttpError> {
        self.client.get(&self.path(&format!("agent/run/{id}"))).fetch().await
    }

    /// Has a run that ended go on.
    pub(crate) async fn resume(&self, id: u64, prompt: &str) -> Result<AgentRun, HttpError> {
        let body = Resume { agent_run_id: id, prompt };
        self.client.post(&self.path("agent/run/resume")).json(&body).fetch().await
    }

    /// Stops the agents of a run's pull request: the only call of the API that stops anything.
    pub(crate) async fn ban(&self, id: u64) -> Result<(), HttpError> {
        let request = self.client.post(&self.path("agent/run/ban")).json(&Ban { agent_run_id: id });
        request.send().await?.success().await.map(drop)
    }

    /// The run that was ordered with this key, among the newest thousand that came from the API.
    pub(crate) async fn find(&self, key: &str) -> Result<Option<AgentRun>, HttpError> {
        for page in 0..PAGES {
            let request = self.client.get(&self.path("agent/runs")).query("source_type", "API");
            let request = request.query("skip", page * PAGE).query("limit", PAGE);
            let Page { items, .. } = request.fetch::<Page<AgentRun>>().await?;
            let last = items.is_empty();
            if let Some(run) = items.into_iter().find(|run| run.has_key(key)) {
                return Ok(Some(run));
            }
            if last {
                break;
            }
        }
        Ok(None)
    }

    pub(crate) async fn repos(&self, skip: u64, limit: u64) -> Result<Page<Repo>, HttpError> {
        let request = self.client.get(&self.path("repos"));
        request.query("skip", skip).query("limit", limit).fetch().await
    }

    /// The repository of this name (`owner/name`, in lower case).
    pub(crate) async fn repo_named(&self, name: &str) -> Result<Option<Repo>, HttpError> {
        for page in 0..PAGES {
            let Page { items, .. } = self.repos(page * PAGE, PAGE).await?;
            let last = items.is_empty();
            let mut found = items.into_iter().filter(|repo| repo.archived != Some(true));
            if let Some(repo) = found.find(|repo| repo.full_name.eq_ignore_ascii_case(name)) {
                return Ok(Some(repo));
            }
            if last {
                break;
            }
        }
        Ok(None)
    }

    /// A run's log after the first `skip` entries, a page at most.
    ///
    /// The endpoint is in alpha, and one page of the service's documents has it without the word: both are tried.
    pub(crate) async fn logs(&self, id: u64, skip: u64) -> Result<Vec<LogEntry>, HttpError> {
        let rest = format!("organizations/{}/agent/run/{id}/logs", self.org);
        let ask = async |version: &str| {
            let request = self.client.get(&format!("/{version}/{rest}"));
            let page = request.query("skip", skip).query("limit", PAGE).fetch::<LogPage>().await?;
            Ok::<_, HttpError>(page.logs)
        };
        match ask("v1/alpha").await {
            Err(error) if error.rejection().is_some_and(|r| r.status == 404) => ask("v1").await,
            answer => answer,
        }
    }

    /// Whether a page of the log is full, so that another may follow.
    pub(crate) fn is_full(logs: &[LogEntry]) -> bool {
        logs.len() as u64 >= PAGE
    }
}
