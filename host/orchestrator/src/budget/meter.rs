use cyrus_core::Billing;
use cyrus_executor::{MicroUsd, Usage};

/// What is done about an execution that has used this much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeterVerdict {
    /// It goes on.
    GoOn,
    /// It goes on if this much more can be set aside for it ([`Meter::grown`]); else it is stopped.
    GrowBy(MicroUsd),
    /// It is stopped.
    Stop,
}

/// Watches what a running execution uses against what is set aside for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meter {
    billing: Billing,
    reserved: MicroUsd,
    /// What the reservation grows by; `None` where it may not grow.
    step: Option<MicroUsd>,
    limit: Option<MicroUsd>,
}

impl Meter {
    /// A meter for an execution that `reserved` is set aside for. Without a cap on the task the reservation grows by
    /// `step` at a time; with one it is the rule. `limit` is what one execution may use, whoever pays.
    pub fn new(
        billing: Billing,
        reserved: MicroUsd,
        step: Option<MicroUsd>,
        limit: Option<MicroUsd>,
    ) -> Self {
        Self { billing, reserved, step, limit }
    }

    /// What is set aside now.
    pub fn reserved(&self) -> MicroUsd {
        self.reserved
    }

    /// What to do about an execution that says it has used this much in all. Not knowing the cost stops nothing.
    pub fn spend(&self, usage: &Usage) -> MeterVerdict {
        let Some(cost) = usage.cost.map(|cost| cost.amount) else { return MeterVerdict::GoOn };
        if self.limit.is_some_and(|limit| cost > limit) {
            return MeterVerdict::Stop;
        }
        let over = cost.saturating_sub(self.reserved);
        match (self.billing, self.step) {
            (Billing::Subscription | Billing::None, _) => MeterVerdict::GoOn,
            (Billing::Metered, _) if over == MicroUsd::ZERO => MeterVerdict::GoOn,
            (Billing::Metered, None) => MeterVerdict::Stop,
            (Billing::Metered, Some(step)) => {
                let steps = over.0.div_ceil(step.0.max(1));
                MeterVerdict::GrowBy(MicroUsd(step.0.max(1).saturating_mul(steps)))
            }
        }
    }

    /// This much more was set aside.
    pub fn grown(&mut self, by: MicroUsd) {
        self.reserved = self.reserved + by;
    }
}
