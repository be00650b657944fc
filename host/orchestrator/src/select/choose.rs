use super::{
    Candidate, Circuits, SelectionPolicy, SelectionRule, expected_cost,
    policy::{Row, Wants, row_for},
    success_permille,
};
use crate::failure::Tried;
use cyrus_core::{CapKind, Considered, Excluded, PlannedTask, Receipt, Standing, TrackRecord};
use cyrus_executor::{MicroUsd, Placement};
use std::{cmp::Reverse, fmt, time::Duration};

/// What a choice depends on besides the task and the configuration.
#[derive(Clone, Copy)]
pub struct Situation<'a> {
    /// Who is out for this task now, and why.
    pub tried: &'a [Tried],
    /// Whether what the task starts from is on this machine only.
    pub only_here: bool,
    /// How the executors did lately.
    pub health: &'a Circuits,
    /// [`Clock::elapsed`](cyrus_core::Clock::elapsed).
    pub now: Duration,
    /// Whether this much more fits under every cap, for this candidate; else which cap it passes.
    pub room: &'a dyn Fn(&Candidate, MicroUsd) -> Result<(), CapKind>,
    /// Only who is expected to cost less than this.
    pub cheaper_than: Option<MicroUsd>,
    /// How executions went so far on this repository.
    pub history: &'a [TrackRecord],
}

impl fmt::Debug for Situation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Situation")
            .field("tried", &self.tried)
            .field("now", &self.now)
            .field("cheaper_than", &self.cheaper_than)
            .finish_non_exhaustive()
    }
}

/// Ranks the executors for a task and says why each is where it is. The first that may have it is chosen; the others
/// that may are the fallback chain. Among equals the order given stands.
///
/// The same arguments always give the same receipt.
pub fn select(
    task: &PlannedTask,
    policy: &SelectionPolicy,
    candidates: &[Candidate],
    situation: &Situation<'_>,
) -> Receipt {
    let choice = Choice::new(task, policy, candidates, situation);
    let mut ranked: Vec<(Rank, Considered)> =
        candidates.iter().map(|c| choice.consider(c)).collect();
    ranked.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut considered: Vec<Considered> = ranked.into_iter().map(|(_, line)| line).collect();
    if let Some(first) = considered.first_mut()
        && choice.by_cost()
        && first.standing == Some(Standing::Fallback)
    {
        first.standing = Some(Standing::Cheapest);
    }
    let chosen = considered.first().filter(|line| line.standing.is_some());
    let chosen = chosen.map(|line| line.executor.clone());
    let because = choice.because(chosen.is_some());
    Receipt { strategy: policy.strategy, because, chosen, considered }
}

/// When no executor was chosen: how long until one that takes no more for now, or failed too often, may be asked
/// again. `None`: time alone changes nothing.
pub fn soonest(receipt: &Receipt) -> Option<Duration> {
    let waits = receipt.considered.iter().filter_map(|line| match line.excluded {
        Some(Excluded::CircuitOpen { retry_after } | Excluded::Parked { retry_after }) => {
            Some(retry_after)
        }
        _ => None,
    });
    waits.min().filter(|_| receipt.chosen.is_none())
}

/// Sorts those that may have the task before those that may not. Within each the order given stands, as the sort is
/// stable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    In { rule: usize, placement: usize, cost: Option<CostRank> },
    Out,
}

/// Orders by cost ÷ success rate; ties go to local, then to who succeeds more often, then by name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct CostRank {
    cost: MicroUsd,
    permille: u16,
    cloud: bool,
    name: String,
}

impl Ord for CostRank {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        // a/p < b/q exactly when a·q < b·p: nothing is rounded.
        let ours = u128::from(self.cost.0) * u128::from(other.permille);
        let theirs = u128::from(other.cost.0) * u128::from(self.permille);
        let rest = |rank: &Self| (rank.cloud, Reverse(rank.permille));
        ours.cmp(&theirs)
            .then_with(|| rest(self).cmp(&rest(other)))
            .then_with(|| self.name.cmp(&other.name))
    }
}

impl PartialOrd for CostRank {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// One choice under way: what is the same for every candidate.
struct Choice<'a> {
    task: &'a PlannedTask,
    policy: &'a SelectionPolicy,
    situation: &'a Situation<'a>,
    row: &'static Row,
    chain: Vec<Placement>,
    reach: Vec<Placement>,
    rule: Option<&'a SelectionRule>,
    asked_is_there: bool,
}

impl<'a> Choice<'a> {
    fn new(
        task: &'a PlannedTask,
        policy: &'a SelectionPolicy,
        candidates: &[Candidate],
        situation: &'a Situation<'a>,
    ) -> Self {
        let row = row_for(policy.strategy, task);
        let named = |name: &str| candidates.iter().any(|c| c.info.name == name);
        Self {
            task,
            policy,
            situation,
            row,
            chain: policy.chain(row),
            reach: policy.reach(row),
            rule: policy.rule_for(task),
            asked_is_there: task.executor.as_deref().is_some_and(named),
        }
    }

    fn by_cost(&self) -> bool {
        self.row.wants == Wants::Cheapest
    }

    fn consider(&self, candidate: &Candidate) -> (Rank, Considered) {
        let history = self.situation.history;
        let expected_cost = expected_cost(candidate, self.task, history, &self.policy.priors);
        let success_permille = success_permille(candidate, self.task, history, &self.policy.priors);
        let mut line = Considered {
            executor: candidate.info.name.clone(),
            placement: candidate.info.placement,
            standing: None,
            excluded: None,
            expected_cost,
            success_permille,
        };
        match self
            .standing(candidate)
            .and_then(|standing| self.fitness(candidate, expected_cost).map(|()| standing))
        {
            Ok(standing) => {
                let rank = self.rank(candidate, &line);
                line.standing = Some(standing);
                (rank, line)
            }
            Err(excluded) => {
                line.excluded = Some(excluded);
                (Rank::Out, line)
            }
        }
    }

    fn rank(&self, candidate: &Candidate, line: &Considered) -> Rank {
        let cost = self.by_cost().then(|| CostRank {
            cost: line.expected_cost,
            permille: line.success_permille,
            cloud: line.placement == Placement::Cloud,
            name: line.executor.clone(),
        });
        let name = &candidate.info.name;
        Rank::In {
            rule: self.rule.and_then(|rule| rule.place(name)).unwrap_or_default(),
            placement: if self.by_cost() { 0 } else { self.place(candidate) },
            cost,
        }
    }

    /// Where the strategy's row puts the candidate's placement. One that only a rule brings in comes last.
    fn place(&self, candidate: &Candidate) -> usize {
        let found = self.chain.iter().position(|wanted| *wanted == candidate.info.placement);
        found.unwrap_or(self.chain.len())
    }

    /// Whether the task's author, the operator's rules and the strategy want it.
    fn standing(&self, candidate: &Candidate) -> Result<Standing, Excluded> {
        let name = &candidate.info.name;
        let placement = candidate.info.placement;
        if let Some(asked) = &self.task.executor {
            return if asked == name { Ok(Standing::Asked) } else { Err(Excluded::NotAsked) };
        }
        if let Some(rule) = self.rule {
            rule.place(name).ok_or(Excluded::NoRule)?;
            let standing = Standing::Rule { number: rule.number };
            let reached = self.reach.contains(&placement);
            return reached.then_some(standing).ok_or(Excluded::PlacementNotUsed);
        }
        match self.chain.iter().position(|wanted| *wanted == placement) {
            None => Err(Excluded::PlacementNotUsed),
            Some(0) if !self.by_cost() => Ok(Standing::Preferred),
            Some(_) => Ok(Standing::Fallback),
        }
    }

    /// Whether it can do the task, now. What only time changes comes late, so that a wait is worth it, and money last.
    fn fitness(&self, candidate: &Candidate, cost: MicroUsd) -> Result<(), Excluded> {
        let name = candidate.info.name.as_str();
        if !candidate.serves(self.task.kind().as_str()) {
            return Err(Excluded::KindNotServed);
        }
        if let Some(what) = candidate.lacks(self.task) {
            return Err(Excluded::Lacks { what: what.to_owned() });
        }
        if self.situation.only_here && candidate.info.placement == Placement::Cloud {
            return Err(Excluded::Unshared);
        }
        if let Err(why) = &candidate.ready {
            return Err(Excluded::NotReady { why: why.clone() });
        }
        if let Some(tried) = self.situation.tried.iter().find(|tried| tried.executor == name) {
            return Err(Excluded::Tried { error: tried.error.clone() });
        }
        if self.situation.cheaper_than.is_some_and(|ceiling| cost >= ceiling) {
            return Err(Excluded::NotCheaper);
        }
        if let Some(excluded) = self.situation.health.exclusion(name, self.situation.now) {
            return Err(excluded);
        }
        let fits = (self.situation.room)(candidate, cost);
        fits.map_err(|cap| Excluded::OverBudget { cap: cap.as_str().replace("<name>", name) })
    }

    /// What decided, for people.
    fn because(&self, is_chosen: bool) -> String {
        let decided = match (&self.task.executor, self.rule) {
            (Some(asked), _) if !self.asked_is_there => {
                return format!(
                    "{asked} was asked for, and there is no executor of that name: `cyrus executor list` shows those there are"
                );
            }
            (Some(asked), _) => format!("{asked} was asked for by name"),
            (None, Some(rule)) => format!("rule {} of `selection.rules` applies", rule.number),
            (None, None) => self.row.because.to_owned(),
        };
        if is_chosen { decided } else { format!("no executor can have it now ({decided})") }
    }
}
