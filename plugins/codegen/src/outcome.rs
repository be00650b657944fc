//! What a run that has ended comes to.

use crate::{api::AgentRun, status::Failure};
use cyrus_sdk::{
    Error,
    contract::{ErrorKind, ExecutionResult, Link, Usage},
};

/// What a run has to show: its branch when it opened a pull request, and what it says. `wanted` is the branch it was
/// asked to use.
pub(crate) fn result(run: &AgentRun, wanted: Option<&str>, usage: Usage) -> ExecutionResult {
    let said = [&run.result, &run.summary].into_iter().flatten();
    let summary = said.map(|text| text.trim()).find(|text| !text.is_empty());
    let summary =
        summary.map_or_else(|| format!("Codegen run {} has ended.", run.id), str::to_owned);
    let mut result = ExecutionResult::new(summary).usage(usage);
    if let Some(branch) = branch(run, wanted) {
        result = result.on_branch(branch);
    }
    for link in links(run) {
        result = result.link(link);
    }
    result
}

/// The branch of the last pull request, unless one of them is on the wanted branch.
fn branch<'a>(run: &'a AgentRun, wanted: Option<&'a str>) -> Option<&'a str> {
    let mut branches = run
        .pull_requests()
        .iter()
        .filter_map(|request| request.head_branch_name.as_deref())
        .filter(|name| !name.is_empty());
    let as_wanted = branches.clone().find(|name| Some(*name) == wanted);
    as_wanted.or_else(|| branches.next_back())
}

pub(crate) fn links(run: &AgentRun) -> Vec<Link> {
    let page =
        run.web_url.as_ref().map(|url| Link::new("run", format!("Codegen run {}", run.id), url));
    let requests = run.pull_requests().iter().filter_map(|request| {
        let title = request.title.clone().unwrap_or_else(|| format!("pull request {}", request.id));
        request.url.as_ref().map(|url| Link::new("pull-request", title, url))
    });
    page.into_iter().chain(requests).collect()
}

/// How a failed run is reported.
pub(crate) fn error(run: &AgentRun, failure: Failure) -> Error {
    let kind = match failure {
        // Whoever stopped it, it was not the host: that would be `cancelled`.
        Failure::Error | Failure::Stopped => ErrorKind::Failed,
        Failure::Timeout => ErrorKind::TimedOut,
        Failure::TurnLimit => ErrorKind::TurnLimit,
        Failure::OutOfTokens => ErrorKind::QuotaExhausted,
    };
    let status = run.status.as_deref().unwrap_or("no status");
    let mut message = format!("Codegen run {} ended with {status}", run.id);
    if let Some(said) = run.result.as_deref().or(run.summary.as_deref()) {
        message = format!("{message}: {}", said.trim());
    }
    if let Some(url) = &run.web_url {
        message = format!("{message} ({url})");
    }
    Error::new(kind, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cyrus_sdk::contract::{RemoteBranch, WorkProduct};
    use serde_json::{Value, json};

    fn run(more: &Value) -> AgentRun {
        let mut run = json!({"id": 7, "organization_id": 1, "status": "COMPLETE"});
        let fields = run.as_object_mut().expect("an object");
        fields.extend(more.as_object().expect("an object").clone());
        serde_json::from_value(run).expect("a run")
    }

    fn branch_of(requests: &Value, wanted: Option<&str>) -> Option<String> {
        let run = run(&json!({"github_pull_requests": requests}));
        match result(&run, wanted, Usage::default()).product {
            WorkProduct::Branch(RemoteBranch { remote: None, name, commit: None }) => Some(name),
            WorkProduct::Nothing => None,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_work_is_on_the_branch_of_a_pull_request() {
        let request =
            |id, branch: &str| json!({"id": id, "created_at": "", "head_branch_name": branch});
        let both = json!([request(1, "cyrus/7"), request(2, "codegen/x")]);
        assert_eq!(branch_of(&both, Some("cyrus/7")).as_deref(), Some("cyrus/7"));
        assert_eq!(branch_of(&both, Some("other")).as_deref(), Some("codegen/x"));
        assert_eq!(branch_of(&both, None).as_deref(), Some("codegen/x"));
        assert_eq!(branch_of(&json!([request(1, "")]), None), None);
        assert_eq!(branch_of(&Value::Null, None), None);
    }

    #[test]
    fn the_result_is_said_and_shown() {
        let run = run(&json!({
            "result": "Fixed.", "summary": "s", "web_url": "https://codegen.com/7",
            "github_pull_requests": [{"id": 3, "created_at": "", "url": "https://github.com/a/b/pull/3"}],
        }));
        let result = result(&run, None, Usage::default());
        assert_eq!(result.summary, "Fixed.");
        let shown: Vec<_> = result.links.iter().map(|link| (&*link.kind, &*link.title)).collect();
        assert_eq!(shown, [("run", "Codegen run 7"), ("pull-request", "pull request 3")]);
    }

    #[test]
    fn a_failed_run_has_a_kind_and_says_where_to_look() {
        let run = run(&json!({"status": "ERROR", "result": "no luck", "web_url": "https://c/7"}));
        let error = error(&run, Failure::Error);
        assert_eq!(error.kind, ErrorKind::Failed);
        assert_eq!(error.message, "Codegen run 7 ended with ERROR: no luck (https://c/7)");
        let kind = |failure| super::error(&run, failure).kind.clone();
        assert_eq!(kind(Failure::Timeout), ErrorKind::TimedOut);
        assert_eq!(kind(Failure::TurnLimit), ErrorKind::TurnLimit);
        assert_eq!(kind(Failure::OutOfTokens), ErrorKind::QuotaExhausted);
    }
}
