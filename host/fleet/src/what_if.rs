//! The same sessions under each strategy: how long they take, what they cost, what comes of them.

use crate::{Deadlock, MemberSpec, Scenario, Violation, generate::workload, run};
use cyrus_core::{SessionOutcome, Strategy};
use cyrus_executor::{ErrorKind, MicroUsd, Placement};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What the sessions came to under one strategy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// The strategy.
    pub strategy: Strategy,
    /// Sessions in all.
    pub sessions: usize,
    /// Sessions whose result passed the checks.
    pub validated: usize,
    /// From the first session's beginning to the last one's end, in simulated time.
    #[serde(rename = "wallMs", with = "cyrus_executor::millis")]
    pub wall: Duration,
    /// How long a session took in the middle of all.
    #[serde(rename = "medianMs", with = "cyrus_executor::millis")]
    pub median: Duration,
    /// What all of it cost.
    pub cost: MicroUsd,
    /// Executions on this machine.
    pub local: usize,
    /// Executions in the cloud.
    pub cloud: usize,
}

/// Strategies side by side, on the same sessions with the same chances.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// The seed; the same gives the same comparison.
    pub seed: u64,
    /// One line for each strategy, in the order asked for.
    pub lines: Vec<Line>,
}

/// Why there is no comparison.
#[derive(Debug, thiserror::Error)]
pub enum WhatIfError {
    /// The simulation came to a stop.
    #[error(transparent)]
    Deadlock(#[from] Deadlock),
    /// Something happened that must not: a fault of Cyrus, to be reported with the seed.
    #[error("seed {seed}: {violation}; report it with the seed")]
    Violation {
        /// The seed.
        seed: u64,
        /// What.
        violation: Violation,
    },
}

/// The executors that are compared with when nobody says otherwise: two on this machine, slower and cheaper, and one in
/// the cloud, quicker and dearer, that now and then is not there.
pub fn usual_members() -> Vec<MemberSpec> {
    let local = |name: &str| {
        let mut member = MemberSpec::new(name, Placement::Local);
        member.price = Some(MicroUsd(60_000));
        member.temper.wrong = 200;
        member.temper.turn = (Duration::from_mins(1), Duration::from_mins(4));
        member
    };
    let mut cloud = MemberSpec::new("cloud", Placement::Cloud);
    cloud.price = Some(MicroUsd(150_000));
    cloud.temper.wrong = 150;
    cloud.temper.cost = (MicroUsd(20_000), MicroUsd(90_000));
    cloud.temper.endings = vec![crate::Weighted {
        permille: 40,
        ending: crate::Ending::Fails(ErrorKind::Unavailable, None),
    }];
    vec![local("local-1"), local("local-2"), cloud]
}

/// Lets so many sessions happen under each of these strategies.
pub fn what_if(
    sessions: usize,
    strategies: &[Strategy],
    seed: u64,
    members: &[MemberSpec],
) -> Result<Comparison, WhatIfError> {
    let scenario = workload(seed, sessions, members.to_vec());
    let lines = strategies.iter().map(|strategy| line(&scenario, *strategy));
    Ok(Comparison { seed, lines: lines.collect::<Result<_, _>>()? })
}

fn line(scenario: &Scenario, strategy: Strategy) -> Result<Line, WhatIfError> {
    let ended = run(&scenario.clone().with_strategy(strategy))?;
    if let Some(violation) = ended.violations.into_iter().next() {
        return Err(WhatIfError::Violation { seed: scenario.seed, violation });
    }
    let reports: Vec<_> = ended.reports.into_values().collect();
    let executions = || reports.iter().flat_map(|report| &report.executions);
    let at = |placement| executions().filter(|report| report.placement == placement).count();
    let mut times: Vec<_> = reports.iter().map(|report| report.duration_ms).collect();
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    let validated = reports.iter().filter(|r| r.outcome == SessionOutcome::Validated).count();
    Ok(Line {
        strategy,
        sessions: reports.len(),
        validated,
        wall: ended.elapsed,
        median: Duration::from_millis(median),
        cost: reports.iter().map(|report| report.cost.total()).sum(),
        local: at(Placement::Local),
        cloud: at(Placement::Cloud),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_comparison_and_strategies_differ() {
        let compared = || what_if(20, &Strategy::ALL, 7, &usual_members()).unwrap();
        let comparison = compared();
        assert_eq!(comparison, compared());
        let of = |strategy| comparison.lines.iter().find(|line| line.strategy == strategy).unwrap();
        assert_eq!(of(Strategy::LocalOnly).cloud, 0);
        assert!(of(Strategy::CloudOnly).cloud > of(Strategy::CloudOnly).local);
        assert!(of(Strategy::HybridParallel).wall < of(Strategy::LocalOnly).wall);
        assert!(comparison.lines.iter().all(|line| line.sessions == 20 && line.validated > 0));
    }
}
