//! Who may have a task, and what that may cost.

use super::desk::Desk;
use crate::{
    Broken, Candidate, For, Meter, Site, Situation, Spent, Tried, orphaned, select, settlement,
};
use cyrus_core::{
    Billing, CapKind, Excluded, ExecutionRecord, ExecutionReport, PlannedTask, Receipt,
    Reservation, Settlement, Strategy,
};
use cyrus_executor::{ErrorKind, MicroUsd, Placement, TaskId};
use std::collections::BTreeMap;

impl Desk<'_> {
    /// Asks who has the next attempt at a task.
    pub(super) async fn select(
        &self,
        planned: &PlannedTask,
        tried: &[Tried],
        cheaper_than: Option<MicroUsd>,
    ) -> Result<Receipt, Broken> {
        let candidates = self.site.candidates();
        let spent = self.spent(planned.id(), &candidates).await?;
        let history = self.ports().store.track_records(&self.session.base.path).await?;
        let budget = &self.budget;
        let room = |candidate: &Candidate, amount: MicroUsd| -> Result<(), CapKind> {
            let spent = spent.get(&candidate.info.name).copied().unwrap_or_default();
            budget.room(candidate, &spent, amount)
        };
        let health = self.orchestrator.circuits();
        let situation = Situation {
            tried,
            only_here: !self.reaches(Placement::Cloud, &self.root(planned, Placement::Cloud)),
            health: &health,
            now: self.ports().clock.elapsed(),
            room: &room,
            cheaper_than,
            history: &history,
        };
        Ok(select(planned, &self.selection, &candidates, &situation))
    }

    /// Whether an executor takes no more for now, rather than failing.
    pub(super) fn is_parked(&self, executor: &str) -> bool {
        let now = self.ports().clock.elapsed();
        let out = self.orchestrator.circuits().exclusion(executor, now);
        matches!(out, Some(Excluded::Parked { .. }))
    }

    /// What is spent under the headings that these executors have a cap on.
    async fn spent(
        &self,
        task: &TaskId,
        candidates: &[Candidate],
    ) -> Result<BTreeMap<String, Spent>, Broken> {
        let (store, now) = (&*self.ports().store, self.ports().clock.now());
        Ok(self.budget.spent(store, (&self.session.id, task), candidates, now).await?)
    }

    /// What is set aside for an execution, what watches over it, and what it is expected to cost.
    pub(super) async fn reserve(
        &self,
        record: &ExecutionRecord,
        candidate: &Candidate,
    ) -> Result<(Reservation, Meter, MicroUsd), Broken> {
        let expected = expected(record);
        let spent = self.spent(&record.task, std::slice::from_ref(candidate)).await?;
        let spent = spent.get(&record.executor).copied().unwrap_or_default();
        let what = For { execution: &record.id, session: &record.session, task: &record.task };
        let budget = &self.budget;
        let now = self.ports().clock.now();
        let reservation = budget.reservation(what, candidate, expected, &spent, now);
        let limit = self.session.limits.max_cost;
        let meter = budget.meter(candidate, &reservation, expected, limit);
        Ok((reservation, meter, expected))
    }

    /// What an execution came to. `None` keeps its reservation: nobody can know what it costs.
    pub(super) fn settlement(&self, report: &ExecutionReport) -> Option<Settlement> {
        let uncertain = ErrorKind::Other("uncertain".to_owned());
        if report.error.as_ref().is_some_and(|error| error.kind == uncertain) {
            return None;
        }
        let expected = self.expected_of(report);
        Some(settlement(report, self.billing(&report.executor), expected))
    }

    /// What an execution came to that was cut off.
    pub(super) fn orphaned(&self, report: &ExecutionReport) -> Settlement {
        orphaned(&report.usage, self.billing(&report.executor), self.expected_of(report))
    }

    fn billing(&self, executor: &str) -> Billing {
        self.site.member(executor).map(|member| member.candidate.billing).unwrap_or_default()
    }

    fn expected_of(&self, report: &ExecutionReport) -> MicroUsd {
        let board = self.board();
        let attempts = board.attempts(&report.task);
        attempts.iter().find(|record| record.id == report.id).map_or(MicroUsd::ZERO, expected)
    }
}

/// What an execution was expected to cost when it was chosen.
fn expected(record: &ExecutionRecord) -> MicroUsd {
    let considered = record.receipt.iter().flat_map(|receipt| &receipt.considered);
    let mut own = considered.filter(|line| line.executor == record.executor);
    own.next().map_or(MicroUsd::ZERO, |line| line.expected_cost)
}

impl Site {
    /// Whether a task that nobody can have waits for the cloud rather than fail: the operator wants no other place.
    pub(crate) fn waits_for_cloud(&self, receipt: &Receipt) -> bool {
        receipt.strategy == Strategy::CloudOnly
            && self.selection.fallback == crate::CloudFallback::None
    }
}
