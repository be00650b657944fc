use cyrus_core::{Billing, PlannedTask, TrackRecord};
use cyrus_executor::{ExecutorInfo, MicroUsd, Placement};

/// An executor that could be chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Who it is.
    pub info: ExecutorInfo,
    /// The kinds it serves; empty is every kind.
    pub kinds: Vec<String>,
    /// Whether what it reports counts.
    pub billing: Billing,
    /// What one execution is expected to cost, where the operator says so.
    pub price: Option<MicroUsd>,
    /// Whether it keeps the work away from the rest of this machine. An executor in the cloud always does.
    pub isolated: bool,
    /// The executor's own `maxCostPerDay`.
    pub max_per_day: Option<MicroUsd>,
    /// Whether it can be called. `Err` says why not, and what to do.
    pub ready: Result<(), String>,
}

impl Candidate {
    /// Whether it serves this kind of task.
    pub(super) fn serves(&self, kind: &str) -> bool {
        self.kinds.is_empty() || self.kinds.iter().any(|served| served == kind)
    }

    /// What the task needs and it does not have.
    pub(super) fn lacks(&self, task: &PlannedTask) -> Option<&'static str> {
        let cloud = self.info.placement == Placement::Cloud;
        if task.needs.local_context && cloud {
            Some("what only this machine has, and the task needs")
        } else if task.needs.isolation && !cloud && !self.isolated {
            Some("the isolation that the task needs")
        } else {
            None
        }
    }
}

/// What is assumed of an executor before anything was seen of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priors {
    /// What one execution on this machine costs.
    pub local_cost: MicroUsd,
    /// What one execution in the cloud costs.
    pub cloud_cost: MicroUsd,
    /// Executions that count as seen before the first.
    pub tried: u64,
    /// Those of them that count as validated. At most [`Priors::tried`].
    pub validated: u64,
}

impl Default for Priors {
    /// Half a dollar here, one dollar in the cloud, three validated results out of four: few enough that some ten
    /// executions outweigh them.
    fn default() -> Self {
        Self {
            local_cost: MicroUsd(500_000),
            cloud_cost: MicroUsd(1_000_000),
            tried: 4,
            validated: 3,
        }
    }
}

/// What an execution of this task is expected to cost: the mean of those seen on this repository and kind, else the
/// configured price, else the prior of its placement. Nothing where reported money is no bill.
pub fn expected_cost(
    candidate: &Candidate,
    task: &PlannedTask,
    history: &[TrackRecord],
    priors: &Priors,
) -> MicroUsd {
    if candidate.billing != Billing::Metered {
        return MicroUsd::ZERO;
    }
    let seen = record(candidate, task, history).filter(|record| record.priced > 0);
    let mean = seen.map(|record| MicroUsd(record.cost.0.div_ceil(record.priced)));
    mean.or(candidate.price).unwrap_or(match candidate.info.placement {
        Placement::Local => priors.local_cost,
        Placement::Cloud => priors.cloud_cost,
    })
}

/// Validated results among those seen on this repository and kind, in thousandths, the prior included. Never 0, so
/// that a cost can be divided by it.
pub fn success_permille(
    candidate: &Candidate,
    task: &PlannedTask,
    history: &[TrackRecord],
    priors: &Priors,
) -> u16 {
    let (tried, validated) =
        record(candidate, task, history).map_or((0, 0), |seen| (seen.tried, seen.validated));
    let tried = u128::from(tried) + u128::from(priors.tried);
    let validated = u128::from(validated) + u128::from(priors.validated);
    let permille = (validated * 1000).checked_div(tried).unwrap_or(1000);
    u16::try_from(permille.clamp(1, 1000)).unwrap_or(1000)
}

fn record<'a>(
    candidate: &Candidate,
    task: &PlannedTask,
    history: &'a [TrackRecord],
) -> Option<&'a TrackRecord> {
    history.iter().find(|seen| seen.executor == candidate.info.name && seen.kind == *task.kind())
}
