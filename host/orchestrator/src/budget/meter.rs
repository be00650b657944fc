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

#[cfg(test)]
mod tests {
    use super::*;
    use cyrus_executor::{Cost, CostSource};
    use proptest::prelude::*;

    fn used(amount: u64) -> Usage {
        let cost = Cost { amount: MicroUsd(amount), source: CostSource::Reported };
        Usage { cost: Some(cost), ..Usage::default() }
    }

    #[test]
    fn budget_passing_the_reservation_stops_or_grows_it() {
        use Billing::{Metered, None as Free, Subscription};
        use MeterVerdict::{GoOn, GrowBy, Stop};
        let step = Some(MicroUsd(40));
        for (billing, step, limit, used_by_now, expected) in [
            (Metered, None, None, 100, GoOn),
            (Metered, None, None, 101, Stop),
            (Metered, step, None, 100, GoOn),
            (Metered, step, None, 101, GrowBy(MicroUsd(40))),
            (Metered, step, None, 140, GrowBy(MicroUsd(40))),
            (Metered, step, None, 141, GrowBy(MicroUsd(80))),
            (Metered, Some(MicroUsd::ZERO), None, 107, GrowBy(MicroUsd(7))),
            (Metered, step, Some(MicroUsd(90)), 90, GoOn),
            (Metered, step, Some(MicroUsd(90)), 91, Stop),
            (Subscription, None, None, 1_000_000, GoOn),
            (Free, None, None, 1_000_000, GoOn),
            (Subscription, None, Some(MicroUsd(90)), 91, Stop),
        ] {
            let meter = Meter::new(billing, MicroUsd(100), step, limit);
            let row = (billing, step, limit, used_by_now);
            assert_eq!(meter.spend(&used(used_by_now)), expected, "{row:?}");
            assert_eq!(meter.spend(&Usage::default()), GoOn, "not known is not over");
        }
    }

    proptest! {
        #[test]
        fn budget_a_reservation_that_grew_covers_what_was_used(
            step in 0..1_000_u64, all in prop::collection::vec(0..1_000_000_u64, 1..20),
        ) {
            let mut meter = Meter::new(Billing::Metered, MicroUsd(5), Some(MicroUsd(step)), None);
            for amount in all {
                if let MeterVerdict::GrowBy(more) = meter.spend(&used(amount)) {
                    meter.grown(more);
                    prop_assert!(more.0 < step.max(1) + amount, "no more than a step too much");
                }
                prop_assert!(meter.reserved().0 >= amount);
                prop_assert_eq!(meter.spend(&used(amount)), MeterVerdict::GoOn);
            }
        }
    }
}
