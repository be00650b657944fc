use cyrus_core::{CapKind, Heading, Reservation, Settlement, Spending, StoreError};
use cyrus_executor::{CostSource, MicroUsd};
use std::collections::HashMap;

/// What is set aside and spent, by execution and by heading.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: HashMap<String, Entry>,
    totals: HashMap<Heading, Spending>,
}

/// What one execution is held to cost.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    reservation: Reservation,
    settled: Option<Settlement>,
}

/// What an entry was before a change, to go back to.
pub(crate) struct Before(String, Option<Entry>);

impl Entry {
    fn headings(&self) -> [(CapKind, Heading, Option<MicroUsd>); 4] {
        let Reservation { session, task, executor, day, caps, .. } = &self.reservation;
        [
            (CapKind::Task, Heading::Task(session.clone(), task.clone()), caps.task),
            (CapKind::Session, Heading::Session(session.clone()), caps.session),
            (CapKind::Executor, Heading::Executor(executor.clone(), *day), caps.executor),
            (CapKind::Day, Heading::Day(*day), caps.day),
        ]
    }

    /// The part of a total that it is in, and how much of it.
    fn share<'a>(&self, spending: &'a mut Spending) -> (&'a mut MicroUsd, MicroUsd) {
        match self.settled {
            None => (&mut spending.reserved, self.reservation.amount),
            Some(Settlement { amount, source: CostSource::Reported | CostSource::Gateway }) => {
                (&mut spending.reported, amount)
            }
            Some(Settlement { amount, source: CostSource::Estimated }) => {
                (&mut spending.estimated, amount)
            }
        }
    }
}

impl Ledger {
    pub(crate) fn spending(&self, heading: &Heading) -> Spending {
        self.totals.get(heading).copied().unwrap_or_default()
    }

    /// Sets money aside, or more or less than before, when it fits.
    pub(crate) fn reserve(&mut self, reservation: &Reservation) -> Result<Before, StoreError> {
        let entry = Entry { reservation: reservation.clone(), settled: None };
        let before = self.put(&reservation.execution, Some(entry.clone()));
        for (cap, heading, limit) in entry.headings() {
            if limit.is_some_and(|limit| self.spending(&heading).total() > limit) {
                self.undo(before);
                return Err(StoreError::OverCap { cap, amount: reservation.amount });
            }
        }
        Ok(before)
    }

    /// Puts what an execution cost in the place of its reservation, once.
    pub(crate) fn settle(
        &mut self,
        execution: &str,
        settlement: Settlement,
    ) -> Result<Option<Before>, StoreError> {
        let unknown = || StoreError::UnknownExecution(execution.to_owned());
        let entry = self.entries.get(execution).ok_or_else(unknown)?;
        if entry.settled.is_some() {
            return Ok(None);
        }
        let settled = Entry { settled: Some(settlement), ..entry.clone() };
        Ok(Some(self.put(execution, Some(settled))))
    }

    pub(crate) fn undo(&mut self, Before(execution, entry): Before) {
        self.put(&execution, entry);
    }

    /// Replaces an execution's entry and keeps the totals in step.
    fn put(&mut self, execution: &str, entry: Option<Entry>) -> Before {
        let added = entry.clone();
        let before = match entry {
            Some(entry) => self.entries.insert(execution.to_owned(), entry),
            None => self.entries.remove(execution),
        };
        if let Some(gone) = &before {
            for (_, heading, _) in gone.headings() {
                let (share, amount) = gone.share(self.totals.entry(heading).or_default());
                *share = share.saturating_sub(amount);
            }
        }
        if let Some(added) = &added {
            for (_, heading, _) in added.headings() {
                let (share, amount) = added.share(self.totals.entry(heading).or_default());
                *share = *share + amount;
            }
        }
        Before(execution.to_owned(), before)
    }
}
