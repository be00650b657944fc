//! What a Codegen script can say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::failure::Injection;
use crate::script::ScriptError;

/// A script. Everything has a default: an empty one accepts any token and organisation, and every
/// run is `ACTIVE` for one poll and then `COMPLETE`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Script {
    /// The accepted bearer token; any when absent.
    pub token: Option<String>,
    /// The organisations the token may see. When empty, every organisation id exists, with one repository.
    pub organizations: Vec<Organization>,
    /// The first `created_at`, RFC 3339. Each later timestamp is one second more.
    pub start: String,
    /// The id of the first run.
    pub first_run_id: u64,
    /// Enforce the documented rate limits.
    pub rate_limits: Option<RateLimits>,
    /// Runs that may be created before the plan's limit answers 402; no limit when absent.
    pub runs_allowed: Option<u64>,
    /// Where logs are served.
    pub logs: LogsPath,
    /// What runs do: the first whose `when` is in the prompt. A run that none fits does the default.
    pub runs: Vec<RunScript>,
    /// Calls that fail.
    pub failures: Vec<Injection<Endpoint>>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            token: None,
            organizations: Vec::new(),
            start: "2026-01-01T00:00:00Z".into(),
            first_run_id: 1001,
            rate_limits: None,
            runs_allowed: None,
            logs: LogsPath::default(),
            runs: Vec::new(),
            failures: Vec::new(),
        }
    }
}

/// An organisation and its repositories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Organization {
    /// Its id.
    pub id: u64,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its repositories. Without any, a run cannot be created (404).
    #[serde(default)]
    pub repositories: Vec<Repository>,
}

/// A repository Codegen knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repository {
    /// Its id, what `repo_id` of a run names.
    pub id: u64,
    /// `owner/name`.
    pub full_name: String,
    /// The git remote that `push` clones and pushes to, unless it names its own: a path or an address.
    #[serde(default)]
    pub remote: Option<String>,
    /// The main language.
    #[serde(default)]
    pub language: Option<String>,
}

/// The documented limits: 10 created runs a minute, 60 reads in 30 s, 60 log reads a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimits {
    /// Say in `retry-after` when the next call fits.
    #[serde(default)]
    pub retry_after: bool,
}

/// Where the logs of a run are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogsPath {
    /// Under `/v1/alpha/`, as the API file says.
    #[default]
    Alpha,
    /// Under `/v1/`, as one page of the documentation says.
    Plain,
    /// Under both.
    Both,
    /// Nowhere: 404.
    None,
}

/// What a run does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunScript {
    /// Applies to prompts that contain this; to all when absent.
    pub when: Option<String>,
    /// What happens, one step after the other. The last one stays.
    pub steps: Vec<Step>,
    /// What happens after each resume.
    pub resume: Vec<Step>,
    /// Whether a ban ends the run. One that cannot be stopped answers the ban and goes on.
    pub stoppable: bool,
}

impl Default for RunScript {
    fn default() -> Self {
        let steps =
            vec![Step::of("ACTIVE"), Step { result: Some("done".into()), ..Step::of("COMPLETE") }];
        Self { when: None, resume: steps.clone(), steps, stoppable: true }
    }
}

/// A time in a run's life, and what happens at its beginning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The status answered, any word or `null`.
    #[serde(deserialize_with = "required_nullable")]
    pub status: Option<String>,
    /// How often the run is polled in this step before the next begins.
    #[serde(default = "one")]
    pub polls: u64,
    /// Log entries that are there from now on.
    #[serde(default)]
    pub logs: Vec<LogEntry>,
    /// `result` from now on.
    #[serde(default)]
    pub result: Option<String>,
    /// `summary` from now on.
    #[serde(default)]
    pub summary: Option<String>,
    /// A branch that is really pushed now.
    #[serde(default)]
    pub push: Option<Push>,
    /// A pull request that is listed from now on. With `push`, its head is the branch pushed.
    #[serde(default)]
    pub pull_request: Option<PullRequest>,
}

impl Step {
    /// A step of one poll with this status and nothing else.
    pub fn of(status: &str) -> Self {
        Self {
            status: Some(status.into()),
            polls: 1,
            logs: Vec::new(),
            result: None,
            summary: None,
            push: None,
            pull_request: None,
        }
    }
}

fn one() -> u64 {
    1
}

/// `null` is a value; a missing key is an error.
fn required_nullable<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    Option::deserialize(deserializer)
}

/// One log entry; the fields of the API that matter to a reader.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogEntry {
    /// `ACTION`, `PLAN_EVALUATION`, `FINAL_ANSWER`, `ERROR`, …
    pub message_type: Option<String>,
    /// The tool that was used.
    pub tool_name: Option<String>,
    /// What the agent thought.
    pub thought: Option<String>,
    /// What came back: an object or a text.
    pub observation: Option<Value>,
    /// What the tool was given.
    pub tool_input: Option<Value>,
    /// What the tool gave.
    pub tool_output: Option<Value>,
}

/// Work that is really pushed. `{run_id}` in texts is the run's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Push {
    /// The remote; that of the run's repository when absent.
    #[serde(default)]
    pub remote: Option<String>,
    /// The branch to start from, `{start}` being the one that the prompt says; the remote's default when absent.
    #[serde(default)]
    pub base: Option<String>,
    /// The branch to push.
    #[serde(default = "default_branch")]
    pub branch: String,
    /// The commit's message.
    #[serde(default = "default_message")]
    pub message: String,
    /// Files to write: path inside the repository → content.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// Files to delete.
    #[serde(default)]
    pub delete: BTreeSet<String>,
}

fn default_branch() -> String {
    "codegen/run-{run_id}".into()
}

fn default_message() -> String {
    "Do what the prompt asks for".into()
}

/// A pull request as listed with the run. `{run_id}` in texts is the run's id.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PullRequest {
    /// Its title.
    pub title: Option<String>,
    /// Its address; one on github.com when absent.
    pub url: Option<String>,
    /// The branch, when nothing is pushed.
    pub head_branch_name: Option<String>,
}

/// The endpoints whose calls are counted for failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Endpoint {
    /// `POST agent/run`
    CreateRun,
    /// `GET agent/run/{id}`
    GetRun,
    /// `GET agent/runs`
    ListRuns,
    /// `POST agent/run/resume`
    ResumeRun,
    /// `POST agent/run/ban`
    BanRun,
    /// `POST agent/run/unban`
    UnbanRun,
    /// `POST agent/run/remove-from-pr`
    RemoveFromPr,
    /// `GET agent/run/{id}/logs`
    Logs,
    /// `GET organizations`
    Organizations,
    /// `GET users/me`
    Me,
    /// `GET repos`
    Repositories,
}

impl Script {
    /// Reads a script from a JSON file.
    pub fn read(path: &Path) -> Result<Self, ScriptError> {
        crate::script::read(path)
    }

    /// What cannot be carried out, if something cannot.
    pub(crate) fn check(&self) -> Result<jiff::Timestamp, String> {
        for injection in &self.failures {
            injection.failure.check()?;
        }
        for run in &self.runs {
            if run.steps.is_empty() || run.resume.is_empty() {
                return Err("a run needs at least one step, and one after a resume".into());
            }
        }
        self.start.parse().map_err(|error| format!("`start`: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_and_missing_statuses_are_errors() {
        for text in [
            r#"{"run": []}"#,
            r#"{"runs": [{"steps": [{"polls": 1}]}]}"#,
            r#"{"runs": [{"steps": [{"status": "ACTIVE", "poll": 1}]}]}"#,
            r#"{"failures": [{"endpoint": "create", "failure": {"kind": "hang"}}]}"#,
            r#"{"rate_limits": {"retry": true}}"#,
        ] {
            assert!(serde_json::from_str::<Script>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_script_is_read_back_as_written() {
        let script = Script { runs: vec![RunScript::default()], ..Script::default() };
        let text = serde_json::to_string(&script).unwrap();
        assert_eq!(serde_json::from_str::<Script>(&text).unwrap(), script);
        let null: Script =
            serde_json::from_str(r#"{"runs": [{"steps": [{"status": null}]}]}"#).unwrap();
        assert_eq!(null.runs[0].steps[0].status, None);
    }

    #[test]
    fn what_cannot_be_carried_out_is_refused() {
        assert!(Script { start: "yesterday".into(), ..Script::default() }.check().is_err());
        let idle = RunScript { steps: Vec::new(), ..RunScript::default() };
        assert!(Script { runs: vec![idle], ..Script::default() }.check().is_err());
        assert!(Script::default().check().is_ok());
    }
}
