use super::{Meter, day_of};
use crate::{
    failure::{Ending, ending},
    select::Candidate,
};
use cyrus_core::{
    Billing, CapKind, Caps, Day, ExecutionOutcome, ExecutionReport, Heading, Reservation,
    SessionId, SessionStore, Settlement, Spending, StoreError,
};
use cyrus_executor::{Cost, CostSource, MicroUsd, TaskId, Usage};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::SystemTime};

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

    /// What is spent under the headings that these executors have a cap on, by their names.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn spent(
        &self,
        store: &dyn SessionStore,
        (session, task): (&SessionId, &TaskId),
        candidates: &[Candidate],
        now: SystemTime,
    ) -> Result<BTreeMap<String, Spent>, StoreError> {
        let capped = |candidate: &&Candidate| self.caps_for(candidate) != Caps::default();
        let capped: Vec<_> = candidates.iter().filter(capped).collect();
        if capped.is_empty() {
            return Ok(BTreeMap::new());
        }
        let day = day_of(now, &self.zone);
        let of = |candidate: &&Candidate| Spent::headings(session, task, &candidate.info.name, day);
        let headings: Vec<Heading> = capped.iter().flat_map(of).collect();
        let answer = store.spending(&headings).await?;
        let each = answer.as_chunks::<4>().0.iter().copied().map(Spent::from_answer);
        Ok(capped.iter().map(|candidate| candidate.info.name.clone()).zip(each).collect())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::MeterVerdict;
    use crate::failure::tests::{completed, failed, suspended};
    use crate::select::tests::candidate;
    use cyrus_executor::{ErrorKind, Placement};

    const EXPECTED: MicroUsd = MicroUsd(100);

    fn by(billing: Billing) -> Candidate {
        let far = candidate("far", Placement::Cloud);
        Candidate { billing, max_per_day: Some(MicroUsd(5_000)), ..far }
    }

    fn policy(task: Option<u64>, day: Option<u64>) -> BudgetPolicy {
        let caps = Caps { task: task.map(MicroUsd), day: day.map(MicroUsd), ..Caps::default() };
        BudgetPolicy { caps, ..BudgetPolicy::default() }
    }

    fn spent(task: u64, day: u64) -> Spent {
        let on = |amount| Spending { reserved: MicroUsd(amount), ..Spending::default() };
        Spent { task: on(task), day: on(day), ..Spent::default() }
    }

    fn reserve(policy: &BudgetPolicy, candidate: &Candidate, spent: &Spent) -> Reservation {
        let (session, task) = ("0abc-1".parse().unwrap(), "t1".parse().unwrap());
        let what = For { execution: "e1", session: &session, task: &task };
        policy.reservation(what, candidate, EXPECTED, spent, SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn budget_sets_aside_what_is_left_for_the_task_and_never_less_than_expected() {
        for (task, day, used, amount) in [
            (None, None, spent(0, 0), 100),
            (None, Some(50), spent(0, 0), 100),
            (Some(1_000), None, spent(300, 300), 700),
            // The day has less left than the task, and enough for what is expected.
            (Some(1_000), Some(900), spent(0, 500), 400),
            // Not enough is left: the store refuses it.
            (Some(1_000), None, spent(950, 950), 100),
            (Some(1_000), None, spent(2_000, 2_000), 100),
        ] {
            let policy = policy(task, day);
            let metered = reserve(&policy, &by(Billing::Metered), &used);
            assert_eq!(metered.amount, MicroUsd(amount), "{task:?} {day:?} {used:?}");
            assert_eq!(metered.caps, Caps { executor: Some(MicroUsd(5_000)), ..policy.caps });
            for billing in [Billing::Subscription, Billing::None] {
                let free = reserve(&policy, &by(billing), &used);
                assert_eq!((free.amount, free.caps), (MicroUsd::ZERO, Caps::default()));
            }
        }
    }

    #[test]
    fn budget_has_room_up_to_the_cap_and_names_the_one_that_is_passed() {
        let metered = by(Billing::Metered);
        let room = |policy: &BudgetPolicy, used: &Spent| policy.room(&metered, used, EXPECTED);
        assert_eq!(room(&policy(Some(1_000), None), &spent(900, 0)), Ok(()));
        assert_eq!(room(&policy(Some(1_000), None), &spent(901, 0)), Err(CapKind::Task));
        assert_eq!(room(&policy(None, Some(1_000)), &spent(5_000, 901)), Err(CapKind::Day));
        let executor = Spending { reported: MicroUsd(4_901), ..Spending::default() };
        let used = Spent { executor, ..Spent::default() };
        assert_eq!(room(&policy(None, None), &used), Err(CapKind::Executor));
        // What is no bill is held against no cap, also when others passed it.
        let free = by(Billing::Subscription);
        assert_eq!(policy(Some(1), Some(1)).room(&free, &spent(9, 9), EXPECTED), Ok(()));
    }

    #[test]
    fn budget_grows_without_a_cap_on_the_task_only() {
        let metered = by(Billing::Metered);
        let cost = Cost { amount: MicroUsd(1_001), source: CostSource::Reported };
        let usage = Usage { cost: Some(cost), ..Usage::default() };
        let verdict = |task| {
            let policy = policy(task, Some(9_000));
            let reservation = reserve(&policy, &metered, &Spent::default());
            policy.meter(&metered, &reservation, EXPECTED, None).spend(&usage)
        };
        assert_eq!(verdict(None), MeterVerdict::GrowBy(MicroUsd(1_000)));
        assert_eq!(verdict(Some(1_000)), MeterVerdict::Stop);
    }

    fn costing(mut report: ExecutionReport, amount: u64, source: CostSource) -> ExecutionReport {
        report.cost = Some(Cost { amount: MicroUsd(amount), source });
        report
    }

    #[test]
    fn budget_settles_at_what_was_reported_else_at_the_estimate() {
        use CostSource::{Estimated, Reported};
        let mut busy = failed(ErrorKind::Unavailable);
        busy.usage.turns = Some(3);
        for (report, amount, source) in [
            (costing(completed(), 70, Reported), 70, Reported),
            (costing(completed(), 70, Estimated), 70, Estimated),
            (costing(failed(ErrorKind::Failed), 170, Reported), 170, Reported),
            (completed(), 100, Estimated),
            (failed(ErrorKind::Failed), 100, Estimated),
            (failed(ErrorKind::TimedOut), 100, Estimated),
            (failed(ErrorKind::Other("uncertain".into())), 100, Estimated),
            // It goes on somewhere, and will cost what it is expected to.
            (suspended(), 100, Estimated),
            (costing(suspended(), 70, Reported), 100, Estimated),
            (costing(suspended(), 170, Reported), 170, Estimated),
            // The executor turned the work away; one that had begun by then did not.
            (failed(ErrorKind::Unavailable), 0, Reported),
            (failed(ErrorKind::Unauthorized), 0, Reported),
            (busy, 100, Estimated),
        ] {
            let settled = settlement(&report, Billing::Metered, EXPECTED);
            assert_eq!(settled, Settlement { amount: MicroUsd(amount), source }, "{report:?}");
            for billing in [Billing::Subscription, Billing::None] {
                assert_eq!(settlement(&report, billing, EXPECTED).amount, MicroUsd::ZERO);
            }
        }
    }

    #[test]
    fn budget_orphans_settle_at_the_estimate_and_never_at_nothing() {
        let orphan = |usage: &Usage, billing| orphaned(usage, billing, EXPECTED).amount.0;
        let used = |amount| Usage {
            cost: Some(Cost { amount: MicroUsd(amount), source: CostSource::Reported }),
            ..Usage::default()
        };
        assert_eq!(orphan(&Usage::default(), Billing::Metered), 100);
        assert_eq!(orphan(&used(30), Billing::Metered), 100);
        assert_eq!(orphan(&used(130), Billing::Metered), 130);
        assert_eq!(orphan(&used(130), Billing::Subscription), 0);
    }
}
