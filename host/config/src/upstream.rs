//! The keys of upstream Cyrus that change what upstream does and are not followed here. None of them is dropped without
//! a word: each is named, with what does its work instead.

use crate::{Problem, reader::join};
use serde_json::Value;

/// A key, a value with which it says nothing that does not hold here anyway, and what to do instead.
type Row = (&'static str, Option<&'static str>, &'static str);

/// What is not received here: there is no connection to a tracker or a chat yet.
const NOT_RECEIVED: &str =
    "nothing is received from Linear, GitHub or Slack yet: give issues to `cyrus run --issue`";

const TOP: &[Row] = &[
    (
        "codexDefaultModel",
        None,
        "no Codex executor comes with Cyrus: set `settings.model` of the executor that runs it",
    ),
    ("cursorDefaultFallbackModel", None, "no Cursor executor comes with Cyrus"),
    ("cursorDefaultModel", None, "no Cursor executor comes with Cyrus"),
    (
        "defaultRunner",
        Some("claude"),
        "who runs a task is chosen by `selection.strategy` and `selection.rules`, or by --executor",
    ),
    ("features", None, "these switches are upstream's own"),
    ("geminiDefaultModel", None, "no Gemini executor comes with Cyrus"),
    ("githubAllowedTools", None, NOT_RECEIVED),
    ("githubMcpConfigs", None, NOT_RECEIVED),
    ("issueUpdateTrigger", None, NOT_RECEIVED),
    ("linearWorkspaceSlug", None, NOT_RECEIVED),
    ("linearWorkspaces", None, NOT_RECEIVED),
    ("ngrokAuthToken", None, NOT_RECEIVED),
    ("ngrokDomain", None, NOT_RECEIVED),
    ("prReviewTrigger", None, NOT_RECEIVED),
    ("proxyUrl", None, NOT_RECEIVED),
    ("slackAllowedTools", None, NOT_RECEIVED),
    ("slackMcpConfigs", None, NOT_RECEIVED),
    ("slackThreadFollowing", None, NOT_RECEIVED),
    ("stripeCustomerId", None, "nothing is billed here"),
    ("userAccessControl", None, "whoever runs `cyrus` on this machine may start sessions"),
];

const REPOSITORY: &[Row] = &[
    ("baseBranch", None, "work starts from what is checked out: name another start with --base"),
    ("githubUrl", None, NOT_RECEIVED),
    ("gitlabUrl", None, NOT_RECEIVED),
    ("isActive", Some("true"), "sessions are started by hand, in any repository"),
    ("linearRefreshToken", None, NOT_RECEIVED),
    ("linearToken", None, NOT_RECEIVED),
    ("linearWorkspaceId", None, NOT_RECEIVED),
    ("linearWorkspaceName", None, NOT_RECEIVED),
    (
        "openaiApiKey",
        None,
        "give an OpenAI executor its key as a secret: `executors.NAME.grants.secrets`",
    ),
    ("openaiOutputDirectory", None, "no executor that comes with Cyrus writes images"),
    ("projectKeys", None, NOT_RECEIVED),
    ("promptTemplatePath", None, "add to the system prompt with `appendInstruction`"),
    ("routingLabels", None, NOT_RECEIVED),
    ("teamKeys", None, NOT_RECEIVED),
    ("userAccessControl", None, "whoever runs `cyrus` on this machine may start sessions"),
    ("workspaceBaseDir", None, "clones are below `workDir`"),
];

/// The keys of upstream's section `sandbox`.
const SANDBOX: &[Row] = &[
    ("enabled", None, "programs are always confined: how much, `sandbox.profile` says"),
    ("logRequests", None, "what a program reaches is logged with -v"),
    (
        "networkPolicy",
        None,
        "what programs reach is said by `network`, and for an executor by the `hosts` of its grants",
    ),
    ("systemWideCert", None, "no certificate is put in the way of programs"),
    ("httpProxyPort", None, "the proxy takes a free port"),
    ("socksProxyPort", None, "there is no SOCKS proxy"),
    ("tlsIntercept", None, "no certificate is put in the way of programs"),
];

/// What of a document is not followed.
pub(crate) fn not_followed(document: &Value) -> Vec<Problem> {
    let mut found = look(TOP, "", document);
    found.extend(look(SANDBOX, "sandbox", &document["sandbox"]));
    for (index, repository) in document["repositories"].as_array().into_iter().flatten().enumerate()
    {
        found.extend(look(REPOSITORY, &format!("repositories[{index}]"), repository));
    }
    found
}

fn look(rows: &[Row], path: &str, object: &Value) -> Vec<Problem> {
    let is_said = |key: &str, same: Option<&str>| match &object[key] {
        Value::Null => false,
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::String(text) => !text.is_empty() && Some(text.as_str()) != same,
        other => same != Some(other.to_string().as_str()),
    };
    let rows = rows.iter().filter(|(key, same, _)| is_said(key, *same));
    rows.map(|(key, _, instead)| Problem {
        path: join(path, key),
        message: format!("is upstream's and not followed: {instead}"),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_upstream_would_do_and_cyrus_does_not_is_named() {
        let found = not_followed(&json!({
            "defaultRunner": "codex", "sandbox": {"enabled": true}, "userAccessControl": {},
            "repositories": [{"id": "r", "baseBranch": "develop", "isActive": false, "teamKeys": []}],
        }));
        let paths: Vec<_> = found.iter().map(|problem| problem.path.as_str()).collect();
        let expected = [
            "defaultRunner",
            "sandbox.enabled",
            "repositories[0].baseBranch",
            "repositories[0].isActive",
        ];
        assert_eq!(paths, expected);
        let plain = json!({"defaultRunner": "claude", "repositories": [{"isActive": true}]});
        assert!(not_followed(&plain).is_empty());
    }

    #[test]
    fn every_key_of_upstreams_that_has_no_effect_is_in_a_table() {
        // What is followed is read somewhere; this names what a new key of upstream's must be added to.
        for (key, ..) in TOP.iter().chain(REPOSITORY) {
            let known = include_str!("known.rs").contains(&format!("(\"{key}\""));
            assert!(known, "{key}");
        }
    }
}
