use cyrus_core::Strategy;
use cyrus_executor::{ExecutorInfo, Placement, TaskKind};
use serde::Serialize;
use std::fmt;

/// An executor that could be chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Who it is.
    pub info: ExecutorInfo,
    /// The kinds it serves; empty is every kind.
    pub kinds: Vec<String>,
}

/// Why an executor is where it is in the ranking, or not in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The strategy wants this placement first.
    Preferred(Placement),
    /// The strategy takes this placement when the other cannot.
    Fallback(Placement),
    /// The strategy does not use this placement.
    NotUsed(Placement),
    /// It does not serve tasks of this kind.
    KindNotServed,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Preferred(placement) => write!(f, "{placement} first"),
            Self::Fallback(placement) => write!(f, "{placement} as the fallback"),
            Self::NotUsed(placement) => write!(f, "the strategy uses no {placement} executor"),
            Self::KindNotServed => f.write_str("does not serve this kind of task"),
        }
    }
}

/// One line of a ranking.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ranked {
    /// The executor.
    pub executor: String,
    /// Whether it may have the task.
    pub eligible: bool,
    /// Why.
    pub reason: Reason,
}

/// Ranks executors for a task: those that may have it, best first, then those that may not, with the reason for
/// each. Among equals the order given stands.
pub fn rank(strategy: Strategy, kind: &TaskKind, candidates: &[Candidate]) -> Vec<Ranked> {
    let order = placements(strategy, kind);
    let mut ranked: Vec<(usize, Ranked)> = candidates
        .iter()
        .map(|candidate| {
            let placement = candidate.info.placement;
            let place = order.iter().position(|wanted| *wanted == placement);
            let served =
                candidate.kinds.is_empty() || candidate.kinds.iter().any(|k| k == kind.as_str());
            let (place, reason) = match (served, place) {
                (false, _) => (None, Reason::KindNotServed),
                (true, None) => (None, Reason::NotUsed(placement)),
                (true, Some(0)) => (Some(0), Reason::Preferred(placement)),
                (true, Some(place)) => (Some(place), Reason::Fallback(placement)),
            };
            let executor = candidate.info.name.clone();
            (place.unwrap_or(usize::MAX), Ranked { executor, eligible: place.is_some(), reason })
        })
        .collect();
    ranked.sort_by_key(|(place, _)| *place);
    ranked.into_iter().map(|(_, line)| line).collect()
}

/// The placements a strategy uses for a kind, in order. Local to cloud is never a fallback: it would send the
/// code elsewhere.
fn placements(strategy: Strategy, kind: &TaskKind) -> &'static [Placement] {
    const LOCAL: &[Placement] = &[Placement::Local];
    const CLOUD: &[Placement] = &[Placement::Cloud, Placement::Local];
    let orchestrates = *kind == TaskKind::ORCHESTRATOR;
    let writes = *kind == TaskKind::BUILDER || *kind == TaskKind::DEBUGGER;
    match strategy {
        // Without prices or a history all cost the same, and ties go to local.
        Strategy::LocalOnly | Strategy::CostOptimized => LOCAL,
        Strategy::CloudOnly => CLOUD,
        Strategy::HybridSmart => {
            if writes {
                CLOUD
            } else {
                LOCAL
            }
        }
        Strategy::HybridParallel => {
            if orchestrates {
                LOCAL
            } else {
                CLOUD
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(name: &str, placement: Placement, kinds: &[&str]) -> Candidate {
        let info = ExecutorInfo {
            name: name.into(),
            placement,
            plugin: name.into(),
            version: "1.0.0".into(),
            digest: String::new(),
        };
        Candidate { info, kinds: kinds.iter().map(ToString::to_string).collect() }
    }

    fn chain(strategy: Strategy, kind: &str) -> Vec<String> {
        let all = [
            candidate("near", Placement::Local, &[]),
            candidate("far", Placement::Cloud, &[]),
            candidate("picky", Placement::Local, &["gardener"]),
        ];
        let ranked = rank(strategy, &TaskKind::new(kind), &all);
        assert_eq!(ranked.len(), all.len(), "everybody considered is in the receipt");
        ranked.into_iter().filter(|line| line.eligible).map(|line| line.executor).collect()
    }

    #[test]
    fn each_strategy_ranks_by_its_row_of_the_table() {
        for (strategy, kind, expected) in [
            (Strategy::LocalOnly, "builder", &["near"][..]),
            (Strategy::CostOptimized, "builder", &["near"]),
            (Strategy::CloudOnly, "scoper", &["far", "near"]),
            (Strategy::HybridSmart, "builder", &["far", "near"]),
            (Strategy::HybridSmart, "debugger", &["far", "near"]),
            (Strategy::HybridSmart, "orchestrator", &["near"]),
            (Strategy::HybridSmart, "scoper", &["near"]),
            (Strategy::HybridParallel, "orchestrator", &["near"]),
            (Strategy::HybridParallel, "scoper", &["far", "near"]),
            (Strategy::LocalOnly, "gardener", &["near", "picky"]),
        ] {
            assert_eq!(chain(strategy, kind), expected, "{strategy} {kind}");
        }
    }
}
