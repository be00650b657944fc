use crate::{Complexity, Needs, Strategy};
use cyrus_executor::TaskKind;
use serde::{Deserialize, Serialize};

/// How soon an issue is wanted; what is wanted sooner is scheduled first.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Urgency {
    /// Before everything else.
    Urgent,
    /// Before what is normal.
    High,
    /// As usual.
    #[default]
    Normal,
    /// When there is nothing else.
    Low,
}

/// What somebody wrote into the issue for Cyrus itself: `[agent=…]`, `[model=…]`, `[repo=…]`, `[strategy=…]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Tags {
    /// The executor, by its name in the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The repository, as the configuration names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    /// The branch of it to start from: what follows `#` in `[repo=name#branch]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The strategy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
}

/// One thing the result has to fulfil, as the issue says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Criterion {
    /// In the words.
    pub text: String,
    /// The command it names, when it names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// What an issue was found to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Analysis {
    /// The kind of work.
    pub kind: TaskKind,
    /// The rule that said so, for people.
    pub because: String,
    /// How much there is to it.
    pub complexity: Complexity,
    /// What it asks of the place it is done in.
    pub needs: Needs,
    /// How soon it is wanted.
    pub urgency: Urgency,
    /// What the result has to fulfil.
    pub acceptance: Vec<Criterion>,
    /// The issues that have to be done before, as the issue names them.
    pub blockers: Vec<String>,
    /// What was written for Cyrus itself.
    pub tags: Tags,
    /// What was written for Cyrus itself and does not count, and why, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}
