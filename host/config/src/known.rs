//! Which keys there are: ours, and those of both generations of upstream Cyrus, whether we act on them or not.

use crate::{Problem, reader::join};
use serde_json::Value;

/// What may be in a place.
enum Keys {
    /// Anything: it is checked elsewhere, or is nobody's business here.
    Open,
    /// An object with these keys.
    Object(&'static [(&'static str, Keys)]),
    /// An object with any keys, each with this in it.
    Each(&'static Keys),
    /// A list of these.
    List(&'static Keys),
}

use Keys::{Each, List, Object, Open};

const CONFIG: Keys = Object(&[
    // Ours
    ("attempts", ATTEMPTS),
    (
        "budget",
        Object(&[
            ("maxCostPerDay", Open),
            ("maxCostPerSession", Open),
            ("maxCostPerTask", Open),
            ("timeZone", Open),
            ("whenOver", Open),
        ]),
    ),
    ("codegen", CODEGEN),
    ("executors", Each(&EXECUTOR)),
    ("hooks", HOOKS),
    ("integration", INTEGRATION),
    ("limits", Object(&[("deadlineSeconds", Open), ("maxCost", Open), ("maxTurns", Open)])),
    ("maximum", Open),
    ("network", NETWORK),
    ("planning", Open),
    ("pluginDirs", Open),
    ("projectSettings", Open),
    ("resultLimits", RESULT_LIMITS),
    ("retention", Object(&[("days", Open), ("keepFailed", Open)])),
    (
        "scheduling",
        Object(&[
            ("deadlineMinutes", Open),
            ("maxAtOnce", Open),
            ("maxCloud", Open),
            ("maxLocal", Open),
            ("maxPerRepository", Open),
            ("maxPerSession", Open),
            ("silenceMinutes", Open),
        ]),
    ),
    ("selection", SELECTION),
    ("store", Object(&[("url", Open)])),
    ("validation", VALIDATION),
    ("workDir", Open),
    // Upstream's, since 0.2
    ("claudeDefaultFallbackModel", Open),
    ("claudeDefaultModel", Open),
    ("codexDefaultModel", Open),
    ("cursorDefaultFallbackModel", Open),
    ("cursorDefaultModel", Open),
    ("defaultAllowedTools", Open),
    ("defaultDisallowedTools", Open),
    ("defaultRunner", Open),
    ("geminiDefaultModel", Open),
    ("githubAllowedTools", Open),
    ("githubMcpConfigs", Open),
    ("global_setup_script", Open),
    ("issueUpdateTrigger", Open),
    ("linearAllowedTools", Open),
    ("linearMcpConfigs", Open),
    ("linearWorkspaceSlug", Open),
    ("linearWorkspaces", Each(&LINEAR_WORKSPACE)),
    ("prReviewTrigger", Open),
    ("promptDefaults", Open),
    ("repositories", List(&REPOSITORY)),
    ("sandbox", SANDBOX_OF_ALL),
    ("slackAllowedTools", Open),
    ("slackMcpConfigs", Open),
    ("slackThreadFollowing", Open),
    ("userAccessControl", Open),
    // Upstream's, before
    ("defaultFallbackModel", Open),
    ("defaultModel", Open),
    ("features", Open),
    ("ngrokAuthToken", Open),
    ("ngrokDomain", Open),
    ("proxyUrl", Open),
    ("stripeCustomerId", Open),
]);

const REPOSITORY: Keys = Object(&[
    // Ours
    ("attempts", ATTEMPTS),
    (
        "budget",
        Object(&[
            ("maxCostPerDay", Open),
            ("maxCostPerSession", Open),
            ("maxCostPerTask", Open),
            ("whenOver", Open),
        ]),
    ),
    ("codegen", CODEGEN),
    ("hooks", HOOKS),
    ("integration", INTEGRATION),
    ("issueBranches", Open),
    ("network", NETWORK),
    ("planning", Open),
    ("resultLimits", RESULT_LIMITS),
    ("sandbox", SANDBOX),
    (
        "scheduling",
        Object(&[
            ("deadlineMinutes", Open),
            ("maxPerRepository", Open),
            ("maxPerSession", Open),
            ("silenceMinutes", Open),
        ]),
    ),
    ("projectSettings", Open),
    ("selection", SELECTION),
    ("validation", VALIDATION),
    // Upstream's, since 0.2
    ("allowedTools", Open),
    ("appendInstruction", Open),
    ("baseBranch", Open),
    ("disallowedTools", Open),
    ("fallbackModel", Open),
    ("githubUrl", Open),
    ("gitlabUrl", Open),
    ("id", Open),
    ("isActive", Open),
    ("labelPrompts", Open),
    ("linearWorkspaceId", Open),
    ("mcpConfigPath", Open),
    ("model", Open),
    ("name", Open),
    ("projectKeys", Open),
    ("promptTemplatePath", Open),
    ("repositoryPath", Open),
    ("routingLabels", Open),
    ("teamKeys", Open),
    ("userAccessControl", Open),
    ("workspaceBaseDir", Open),
    // Upstream's, before
    ("linearRefreshToken", Open),
    ("linearToken", Open),
    ("linearWorkspaceName", Open),
    ("openaiApiKey", Open),
    ("openaiOutputDirectory", Open),
]);

const LINEAR_WORKSPACE: Keys = Object(&[
    ("linearRefreshToken", Open),
    ("linearToken", Open),
    ("linearWorkspaceName", Open),
    ("linearWorkspaceSlug", Open),
]);

const CODEGEN: Keys = Object(&[
    ("apiToken", Open),
    ("baseUrl", Open),
    ("defaultModel", Open),
    ("enabled", Open),
    ("features", Open),
    ("maxCostPerDay", Open),
    ("maxCostPerTask", Open),
    ("orgId", Open),
    ("strategy", Open),
]);

const EXECUTOR: Keys = Object(&[
    ("billing", Open),
    ("enabled", Open),
    ("expectedCost", Open),
    ("gateway", Open),
    ("grants", Open),
    ("kinds", Open),
    ("limits", Open),
    ("maxAtOnce", Open),
    ("maxCostPerDay", Open),
    ("placement", Open),
    ("plugin", Open),
    ("sandbox", SANDBOX),
    ("settings", Open),
]);

const ATTEMPTS: Keys =
    Object(&[("most", Open), ("retries", Open), ("backoffSeconds", Open), ("rounds", Open)]);

const NETWORK: Keys = Object(&[("checks", Open), ("setup", Open)]);
const SANDBOX: Keys = Object(&[
    ("limits", SANDBOX_LIMITS),
    ("profile", Open),
    ("readOnly", Open),
    ("readWrite", Open),
]);

/// Upstream has a section of this name, too, with other keys.
const SANDBOX_OF_ALL: Keys = Object(&[
    ("limits", SANDBOX_LIMITS),
    ("profile", Open),
    ("readOnly", Open),
    ("readWrite", Open),
    // Upstream's
    ("enabled", Open),
    ("httpProxyPort", Open),
    ("logRequests", Open),
    ("networkPolicy", Open),
    ("socksProxyPort", Open),
    ("systemWideCert", Open),
]);

const SANDBOX_LIMITS: Keys = Object(&[
    ("cpuSeconds", Open),
    ("diskMib", Open),
    ("fileMib", Open),
    ("memoryMib", Open),
    ("openFiles", Open),
    ("processes", Open),
]);

const HOOKS: Keys = Object(&[
    ("continueOnFailure", Open),
    ("detectSetup", Open),
    ("setup", Open),
    ("teardown", Open),
    ("timeoutSeconds", Open),
]);

const INTEGRATION: Keys = Object(&[("pullRequest", Open), ("push", Open), ("share", Open)]);

const RESULT_LIMITS: Keys = Object(&[("fileMib", Open), ("files", Open), ("totalMib", Open)]);

const SELECTION: Keys = Object(&[
    ("fallback", Open),
    ("localToCloud", Open),
    (
        "rules",
        List(&Object(&[
            ("complexity", Open),
            ("executors", Open),
            ("kinds", Open),
            ("labels", Open),
            ("repositories", Open),
        ])),
    ),
    ("strategy", Open),
]);

const VALIDATION: Keys = Object(&[
    ("acceptance", Open),
    ("carry", Open),
    ("definitions", Open),
    ("failingBase", Open),
    ("flaky", Open),
    // A command may also be a text.
    ("commands", List(&Object(&[("command", Open), ("timeoutSeconds", Open)]))),
    ("junit", Open),
    ("maxChangedFiles", Open),
    ("maxChangedLines", Open),
    ("protectedPaths", Open),
    ("review", Object(&[("executor", Open), ("kind", Open)])),
    ("timeoutSeconds", Open),
]);

/// A warning for each key that nobody knows.
pub(crate) fn unknown(document: &Value) -> Vec<Problem> {
    let mut found = Vec::new();
    walk(&CONFIG, "", document, &mut found);
    found
}

fn walk(keys: &Keys, path: &str, value: &Value, found: &mut Vec<Problem>) {
    match (keys, value) {
        (Object(known), Value::Object(object)) => {
            for (key, value) in object {
                let path = join(path, key);
                match known.iter().find(|(name, _)| name == key) {
                    Some((_, keys)) => walk(keys, &path, value, found),
                    None => found.push(Problem { path, message: message(known, key) }),
                }
            }
        }
        (Each(keys), Value::Object(object)) => {
            for (key, value) in object {
                walk(keys, &join(path, key), value, found);
            }
        }
        (List(keys), Value::Array(items)) => {
            for (index, value) in items.iter().enumerate() {
                walk(keys, &format!("{path}[{index}]"), value, found);
            }
        }
        _ => {}
    }
}

fn message(known: &[(&str, Keys)], key: &str) -> String {
    let plain = |key: &str| key.replace(['_', '-'], "").to_ascii_lowercase();
    // One letter in five may be wrong.
    let distance = |name: &str| strsim::osa_distance(&plain(name), &plain(key));
    let near = |name: &&(&str, Keys)| distance(name.0) * 5 <= name.0.len();
    let meant = known.iter().filter(near).min_by_key(|(name, _)| distance(name));
    let meant = meant.map(|(name, _)| format!("; {name} is meant?")).unwrap_or_default();
    format!("is not a key that Cyrus knows: it is kept, and does nothing{meant}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn names(keys: &Keys, into: &mut Vec<&'static str>) {
        match keys {
            Open => {}
            Object(known) => {
                for (name, keys) in *known {
                    into.push(name);
                    names(keys, into);
                }
            }
            Each(keys) | List(keys) => names(keys, into),
        }
    }

    #[test]
    fn every_key_of_ours_is_described() {
        let page = include_str!("../../../docs/configuration.md");
        let Object(known) = CONFIG else { panic!("the configuration is no object") };
        let ours = known.iter().take_while(|(name, _)| *name != "claudeDefaultFallbackModel");
        let mut all = Vec::new();
        for (name, keys) in ours {
            all.push(*name);
            names(keys, &mut all);
        }
        assert!(all.len() > 50, "{all:?}");
        for name in all {
            let forms = [format!("`{name}`"), format!(".{name}`"), format!("`{name}.")];
            let is_there = forms.iter().any(|form| page.contains(form));
            assert!(is_there, "{name} is not described");
        }
    }

    #[test]
    fn names_what_nobody_knows_and_nothing_else() {
        let document = json!({
            "repositories": [{"id": "a", "linearToken": "t", "colour": 1}],
            "executors": {"mine": {"grants": {"anything": 1}, "Enabled": true}},
            "linearWorkspaces": {"w": {"linearToken": "t", "region": "eu"}},
            "codegen": {"features": {"enableTracing": true}, "max_cost_per_task": 1},
            "validation": {"commands": ["a", {"command": "b", "timeout": 3}]},
            "sandbox": {"anything": 1, "profle": "strict", "enabled": true, "limits": {"memoryMiB": 1}},
            "": 0,
        });
        let found = unknown(&document);
        let mut paths: Vec<_> = found.iter().map(|problem| problem.path.as_str()).collect();
        paths.sort_unstable();
        assert_eq!(
            paths,
            [
                r#"[""]"#,
                "codegen.max_cost_per_task",
                "executors.mine.Enabled",
                "linearWorkspaces.w.region",
                "repositories[0].colour",
                "sandbox.anything",
                "sandbox.limits.memoryMiB",
                "sandbox.profle",
                "validation.commands[1].timeout",
            ]
        );
        let of = |path: &str| found.iter().find(|problem| problem.path == path).unwrap();
        assert!(of("codegen.max_cost_per_task").message.contains("maxCostPerTask"));
        assert!(of("executors.mine.Enabled").message.contains("enabled is meant"));
        assert!(of("sandbox.profle").message.contains("profile is meant"));
        assert!(of("sandbox.limits.memoryMiB").message.contains("memoryMib is meant"));
        assert!(!of("sandbox.anything").message.contains("is meant"));
    }
}
