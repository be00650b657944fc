use super::{Meter, day_of};
use crate::{
    failure::{Ending, ending},
    select::Candidate,
};
use cyrus_core::{
    Billing, CapKind, Caps, Day, ExecutionOutcome, ExecutionReport, Heading, Reservation,
    SessionId, Settlement, Spending,
};
use cyrus_executor::{Cost, CostSource, MicroUsd, TaskId, Usage};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::time::SystemTime;

/// What is done when the money for a task runs out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhenOver {
    /// The task is held, and somebody is asked.
    #[default]
    Pause,
    /// A cheaper executor has it, if one fits; else as [`WhenOver::Pause`].
    Cheaper,
}

/// The caps, and what is done when one is reached.
#[derive(Clone, Debug, PartialEq)]
pub struct BudgetPolicy {
    /// What may be spent. [`Caps::executor`] is each executor's own, and not read here.
    pub caps: Caps,
    /// The operator's time zone: a day begins and ends there.
    pub zone: TimeZone,
    /// What is done when the money for a task runs out.
    pub when_over: WhenOver,
}

impl Default for BudgetPolicy {
    fn default() -> Self {
        Self { caps: Caps::default(), zone: TimeZone::UTC, when_over: WhenOver::default() }
    }
}

/// What is spent and set aside under each heading that has a cap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// On the task.
    pub task: Spending,
    /// On the session.
    pub session: Spending,
    /// By the executor, on the day.
    pub executor: Spending,
    /// By all, on the day.
    pub day: Spending,
}

impl Spent {
    /// What to ask the store for.
    pub fn headings(session: &SessionId, task: &TaskId, executor: &str, day: Day) -> [Heading; 4] {
        [
            Heading::Task(session.clone(), task.clone()),
            Heading::Session(session.clone()),
            Heading::Executor(executor.to_owned(), day),
            Heading::Day(day),
        ]
    }

    /// What it answered.
    pub fn from_answer([task, session, executor, day]: [Spending; 4]) -> Self {
        Self { task, session, executor, day }
    }

    fn under<'a>(&'a self, caps: &'a Caps) -> [(CapKind, Option<MicroUsd>, &'a Spending); 4] {
        [
            (CapKind::Task, caps.task, &self.task),
            (CapKind::Session, caps.session, &self.session),
            (CapKind::Executor, caps.executor, &self.executor),
            (CapKind::Day, caps.day, &self.day),
        ]
    }
}

/// Which execution money is set aside for.
#[derive(Clone, Copy, Debug)]
pub struct For<'a> {
    /// Its id.
    pub execution: &'a str,
    /// Its session.
    pub session: &'a SessionId,
    /// Its task.
    pub task: &'a TaskId,
}

impl BudgetPolicy {
    /// The caps on an execution by this executor. None where reported money is no bill.
    pub fn caps_for(&self, candidate: &Candidate) -> Caps {
        if candidate.billing != Billing::Metered {
            return Caps::default();
        }
        Caps { executor: candidate.max_per_day, ..self.caps }
    }

    /// Whether this much more fits under every cap; else which cap it passes.
    pub fn room(
        &self,
        candidate: &Candidate,
        spent: &Spent,
        amount: MicroUsd,
    ) -> Result<(), CapKind> {
        let caps = self.caps_for(candidate);
        let passed = spent
            .under(&caps)
            .into_iter()
            .find(|(_, cap, spending)| cap.is_some_and(|cap| spending.total() + amount > cap));
        passed.map_or(Ok(()), |(cap, ..)| Err(cap))
    }

    /// What is set aside for an execution that is expected to cost this much: where there is a cap on the task, all
    /// that is left under the caps, and never less than expected; else what is expected. Nothing where reported money
    /// is no bill. Whether it fits is for the store to say, which knows what all others have set aside.
    pub fn reservation(
        &self,
        what: For<'_>,
        candidate: &Candidate,
        expected: MicroUsd,
        spent: &Spent,
        now: SystemTime,
    ) -> Reservation {
        let caps = self.caps_for(candidate);
        let left = spent
            .under(&caps)
            .into_iter()
            .filter_map(|(_, cap, spending)| Some(cap?.saturating_sub(spending.total())));
        let amount = match (candidate.billing, caps.task) {
            (Billing::Subscription | Billing::None, _) => MicroUsd::ZERO,
            (Billing::Metered, None) => expected,
            (Billing::Metered, Some(_)) => left.min().unwrap_or(expected).max(expected),
        };
        Reservation {
            execution: what.execution.to_owned(),
            session: what.session.clone(),
            task: what.task.clone(),
            executor: candidate.info.name.clone(),
            day: day_of(now, &self.zone),
            amount,
            caps,
        }
    }

    /// The meter of an execution that this was set aside for. `limit` is what one execution may use, whoever pays.
    pub fn meter(
        &self,
        candidate: &Candidate,
        reservation: &Reservation,
        expected: MicroUsd,
        limit: Option<MicroUsd>,
    ) -> Meter {
        let grows = reservation.caps.task.is_none();
        Meter::new(candidate.billing, reservation.amount, grows.then_some(expected), limit)
    }
}

/// What an execution came to: what was reported, where that is a bill; else what was expected. Nothing where reported
/// money is no bill, and where the executor turned the work away and reports no use at all.
pub fn settlement(report: &ExecutionReport, billing: Billing, expected: MicroUsd) -> Settlement {
    let free = Settlement { amount: MicroUsd::ZERO, source: CostSource::Reported };
    if billing != Billing::Metered {
        return free;
    }
    let goes_on = report.outcome == ExecutionOutcome::Suspended;
    match report.cost.or(report.usage.cost) {
        Some(cost) if goes_on => at_least(Some(cost), expected),
        Some(Cost { amount, source }) => Settlement { amount, source },
        None if turned_away(report) => free,
        None => at_least(None, expected),
    }
}

/// What an execution came to that was cut off, and is not resumed: what was expected, or what it had used by then if
/// that is more. Never nothing where reported money is a bill.
pub fn orphaned(usage: &Usage, billing: Billing, expected: MicroUsd) -> Settlement {
    match billing {
        Billing::Metered => at_least(usage.cost, expected),
        Billing::Subscription | Billing::None => {
            Settlement { amount: MicroUsd::ZERO, source: CostSource::Reported }
        }
    }
}

fn at_least(cost: Option<Cost>, expected: MicroUsd) -> Settlement {
    let amount = cost.map_or(expected, |cost| cost.amount.max(expected));
    Settlement { amount, source: CostSource::Estimated }
}

/// Whether the executor did not begin with the work. An outage must not use up the day's money.
fn turned_away(report: &ExecutionReport) -> bool {
    report.usage.is_unknown()
        && matches!(
            ending(report),
            Ending::Unavailable { .. }
                | Ending::RateLimited { .. }
                | Ending::Unauthorized
                | Ending::QuotaExhausted
                | Ending::Unsupported
                | Ending::InvalidRequest
        )
}
