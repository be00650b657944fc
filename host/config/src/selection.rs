use crate::{Problem, RepositoryConfig, reader::At};
use cyrus_core::{Complexity, Strategy};
use cyrus_executor::TaskKind;
use serde::{Deserialize, Serialize};

/// How executors are chosen for a task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The rule that ranks them.
    pub strategy: Strategy,
    /// The operator's own rules that hold for this repository. The first that fits a task goes before the strategy.
    pub rules: Vec<SelectionRule>,
    /// What happens when a strategy that uses the cloud finds nobody there.
    pub fallback: Fallback,
    /// Whether a task that no local executor can do may go to the cloud, and the source with it.
    pub local_to_cloud: bool,
}

/// One of the operator's own rules. It fits a task when all of its conditions hold; an empty one always does, and of
/// several words one is enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectionRule {
    /// Its place in the configuration, counted from 1.
    pub number: usize,
    /// The kinds of task it is for.
    pub kinds: Vec<TaskKind>,
    /// The labels of the issue it is for. Capital and small letters are the same.
    pub labels: Vec<String>,
    /// How much there is to the tasks it is for.
    pub complexity: Vec<Complexity>,
    /// Who may have the task, the first one first. Never empty.
    pub executors: Vec<String>,
}

/// What happens when a strategy that uses the cloud finds nobody there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fallback {
    /// A local executor has the task.
    #[default]
    Local,
    /// The task waits, and the session says so.
    None,
}

/// A rule as it is written.
#[derive(Clone, Debug)]
struct RuleEntry {
    rule: SelectionRule,
    /// The repositories it is for, by `name` or `id`; any when there are none.
    repositories: Vec<String>,
}

/// The section `selection`.
#[derive(Clone, Debug, Default)]
pub(crate) struct SelectionSection {
    strategy: Option<Strategy>,
    rules: Option<Vec<RuleEntry>>,
    fallback: Option<Fallback>,
    local_to_cloud: Option<bool>,
}

impl SelectionSection {
    pub(crate) fn read(at: &At<'_>) -> Self {
        at.object();
        let rules = at.get("rules");
        let read = |(index, at): (usize, At<'_>)| RuleEntry::read(index.saturating_add(1), &at);
        Self {
            strategy: at.get("strategy").word(),
            rules: rules.is_present().then(|| rules.items().enumerate().filter_map(read).collect()),
            fallback: at.get("fallback").read(),
            local_to_cloud: at.get("localToCloud").flag(),
        }
    }

    /// A warning for each name in the rules that nothing has. `path` is where this section is.
    pub(crate) fn strangers(
        &self,
        path: &str,
        is_executor: &dyn Fn(&str) -> bool,
        is_repository: &dyn Fn(&str) -> bool,
    ) -> Vec<Problem> {
        let mut found = Vec::new();
        for (index, entry) in self.rules.iter().flatten().enumerate() {
            let lists = [
                (
                    "executors",
                    &entry.rule.executors,
                    is_executor,
                    "no executor of this name is configured: add it to `executors`",
                ),
                (
                    "repositories",
                    &entry.repositories,
                    is_repository,
                    "no entry of `repositories` has this name or id",
                ),
            ];
            for (key, names, is_known, message) in lists {
                let strange = names.iter().enumerate().filter(|(_, name)| !is_known(name));
                found.extend(strange.map(|(place, name)| Problem {
                    path: format!("{path}.rules[{index}].{key}[{place}]"),
                    message: format!("{name:?}: {message}"),
                }));
            }
        }
        found
    }
}

impl RuleEntry {
    fn read(number: usize, at: &At<'_>) -> Option<Self> {
        at.object()?;
        let texts = |key| at.get(key).some_texts().unwrap_or_default();
        if !at.get("executors").is_present() {
            at.wrong("does not say who may have the task: add \"executors\": [\"claude\"]");
        }
        let rule = SelectionRule {
            number,
            kinds: texts("kinds").iter().map(|kind| TaskKind::new(kind)).collect(),
            labels: texts("labels"),
            complexity: complexity(&at.get("complexity")),
            executors: texts("executors"),
        };
        Some(Self { rule, repositories: texts("repositories") })
    }

    fn is_for(&self, called: &[&str]) -> bool {
        let is_meant = |name: &String| called.contains(&name.as_str());
        self.repositories.is_empty() || self.repositories.iter().any(is_meant)
    }
}

/// One word, or a list of them.
fn complexity(at: &At<'_>) -> Vec<Complexity> {
    if at.is_list() {
        at.items().filter_map(|item| item.read()).collect()
    } else {
        at.read().into_iter().collect()
    }
}

impl RepositoryConfig<'_> {
    /// The rule to choose an executor by: `selection.strategy`, else `codegen.strategy`.
    pub fn strategy(&self) -> Strategy {
        let said = self.find(|section| section.selection.strategy.as_ref()).copied();
        said.or(self.codegen().strategy).unwrap_or_default()
    }

    /// How executors are chosen here. Rules for other repositories are left out, and the others keep their number.
    pub fn selection(&self) -> Selection {
        let rules = self.find(|section| section.selection.rules.as_ref());
        let names = self.names();
        let fallback = self.find(|section| section.selection.fallback.as_ref());
        let local_to_cloud = self.find(|section| section.selection.local_to_cloud.as_ref());
        Selection {
            strategy: self.strategy(),
            rules: rules
                .into_iter()
                .flatten()
                .filter(|entry| entry.is_for(&names))
                .map(|entry| entry.rule.clone())
                .collect(),
            fallback: fallback.copied().unwrap_or_default(),
            local_to_cloud: local_to_cloud.copied().unwrap_or_default(),
        }
    }
}
