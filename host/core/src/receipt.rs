use crate::Strategy;
use cyrus_executor::{MicroUsd, Placement};
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// Why an executor is where it is in the ranking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "reason")]
pub enum Standing {
    /// Somebody asked for it by name.
    Asked,
    /// One of the operator's own rules names it.
    Rule {
        /// Counted from 1, in the order of the configuration.
        number: usize,
    },
    /// The strategy wants this placement first.
    Preferred,
    /// The strategy takes this placement when the other cannot.
    Fallback,
    /// It costs least for a validated result.
    Cheapest,
}

/// Why an executor may not have a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "reason")]
pub enum Excluded {
    /// Another was asked for by name.
    NotAsked,
    /// None of the operator's own rules that apply names it.
    NoRule,
    /// The strategy does not use this placement.
    PlacementNotUsed,
    /// It does not serve tasks of this kind.
    KindNotServed,
    /// It lacks something that the task needs.
    Lacks {
        /// What.
        what: String,
    },
    /// It works in the cloud, and what the task starts from is on this machine only.
    Unshared,
    /// It could not be made ready: its plugin does not load, or its configuration is incomplete.
    NotReady {
        /// Why, and what to do.
        why: String,
    },
    /// It failed too often lately.
    CircuitOpen {
        /// How long until it is tried again.
        #[serde(rename = "retryAfterMs", with = "cyrus_executor::millis")]
        retry_after: Duration,
    },
    /// It takes no more for now.
    Parked {
        /// How long until it does.
        #[serde(rename = "retryAfterMs", with = "cyrus_executor::millis")]
        retry_after: Duration,
    },
    /// It said that it is not let in, or has no credit left. It counts as out until somebody looks into it.
    Marked {
        /// What it said.
        why: String,
    },
    /// What it is expected to cost does not fit under a cap.
    OverBudget {
        /// Which.
        cap: String,
    },
    /// It was tried at this task, and failed.
    Tried {
        /// How.
        error: String,
    },
    /// It is not cheaper than the one whose money ran out.
    NotCheaper,
}

/// What became of one executor in a choice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Considered {
    /// Its name in the configuration.
    pub executor: String,
    /// Where it works.
    pub placement: Placement,
    /// Why it is in, best first; `None` when it is out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<Standing>,
    /// Why it is out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded: Option<Excluded>,
    /// What an execution of the task is expected to cost.
    pub expected_cost: MicroUsd,
    /// Validated results among those seen on this repository and kind, in thousandths, the prior included.
    pub success_permille: u16,
}

/// Why a task went to the executor it went to: who was considered, why each was in or out, and what it was expected
/// to cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// The rule that ranked.
    pub strategy: Strategy,
    /// What of the rule decided, for people.
    pub because: String,
    /// Who has it; `None` when nobody can.
    pub chosen: Option<String>,
    /// Everybody: those that may have it, best first, then those that may not.
    pub considered: Vec<Considered>,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked => f.write_str("asked for by name"),
            Self::Rule { number } => write!(f, "rule {number} of `selection.rules`"),
            Self::Preferred => f.write_str("what the strategy wants first"),
            Self::Fallback => f.write_str("the fallback"),
            Self::Cheapest => f.write_str("least cost for a validated result"),
        }
    }
}

impl fmt::Display for Excluded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAsked => f.write_str("another was asked for by name"),
            Self::NoRule => f.write_str("no rule that applies names it"),
            Self::PlacementNotUsed => f.write_str("the strategy does not use it where it works"),
            Self::KindNotServed => f.write_str("does not serve this kind of task"),
            Self::Lacks { what } => write!(f, "lacks {what}"),
            Self::Unshared => f.write_str(
                "works in the cloud, and what the task builds on is here only: `integration.share` changes that",
            ),
            Self::NotReady { why } => write!(f, "not ready: {why}"),
            Self::CircuitOpen { retry_after } => {
                write!(f, "failed too often; tried again in {} s", retry_after.as_secs())
            }
            Self::Parked { retry_after } => {
                write!(f, "takes no more for {} s", retry_after.as_secs())
            }
            Self::Marked { why } => write!(f, "out until somebody looks into it: {why}"),
            Self::OverBudget { cap } => write!(f, "does not fit under the cap {cap}"),
            Self::Tried { error } => write!(f, "was tried: {error}"),
            Self::NotCheaper => f.write_str("is not cheaper"),
        }
    }
}

impl Receipt {
    /// What the execution is expected to cost; `None` when nobody has the task.
    pub fn cost(&self) -> Option<MicroUsd> {
        let chosen = self.chosen.as_ref()?;
        let line = self.considered.iter().find(|line| line.executor == *chosen)?;
        Some(line.expected_cost)
    }
}
