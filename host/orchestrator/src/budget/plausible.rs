use cyrus_executor::{MicroUsd, Usage};

/// How many times what was set aside an execution can have cost.
const TIMES_RESERVED: u64 = 10;

/// How many times what was set aside it can have cost once that has grown, step by step and under every cap.
const TIMES_GROWN: u64 = 2;

/// What any execution can have cost.
const ANY_COST: MicroUsd = MicroUsd(1_000_000);

/// What any execution can have used, of each kind of token and in turns.
const TOKENS: u64 = 10_000_000_000;
const TURNS: u32 = 100_000;

/// What one execution can plausibly have used. What it reports beyond that is a mistake or a lie, and one such claim
/// must not use up what everybody may spend in a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plausible {
    cost: MicroUsd,
}

impl Plausible {
    /// Of an execution that this much was set aside for at first and is by now, and that was expected to cost this
    /// much.
    pub fn new(at_first: MicroUsd, by_now: MicroUsd, expected: MicroUsd) -> Self {
        let at_first = at_first.max(expected).0.saturating_mul(TIMES_RESERVED);
        let by_now = by_now.0.saturating_mul(TIMES_GROWN);
        Self { cost: MicroUsd(at_first.max(by_now)).max(ANY_COST) }
    }

    /// Brings what was reported down to what is plausible. Returns what was reported, for people, when it was more.
    pub fn clamp(self, usage: &mut Usage) -> Option<String> {
        let mut claims = Vec::new();
        if let Some(cost) = &mut usage.cost
            && cost.amount > self.cost
        {
            claims.push(format!("a cost of {} (counted as {})", cost.amount, self.cost));
            usage.claimed.get_or_insert(*cost);
            cost.amount = self.cost;
        }
        for (what, tokens) in [
            ("input tokens", &mut usage.input_tokens),
            ("output tokens", &mut usage.output_tokens),
            ("tokens read from a cache", &mut usage.cache_read_tokens),
            ("tokens written to a cache", &mut usage.cache_write_tokens),
        ] {
            if let Some(tokens) = tokens.as_mut().filter(|tokens| **tokens > TOKENS) {
                claims.push(format!("{tokens} {what}"));
                *tokens = TOKENS;
            }
        }
        if let Some(turns) = usage.turns.as_mut().filter(|turns| **turns > TURNS) {
            claims.push(format!("{turns} turns"));
            *turns = TURNS;
        }
        (!claims.is_empty()).then(|| claims.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cyrus_executor::{Cost, CostSource};
    use proptest::prelude::*;

    fn usage(cost: u64, tokens: u64, turns: u32) -> Usage {
        let cost = Cost { amount: MicroUsd(cost), source: CostSource::Reported };
        let tokens = Some(tokens);
        Usage {
            input_tokens: tokens,
            output_tokens: tokens,
            cache_read_tokens: tokens,
            cache_write_tokens: tokens,
            turns: Some(turns),
            cost: Some(cost),
            claimed: None,
        }
    }

    proptest! {
        #[test]
        fn budget_a_claim_counts_as_no_more_than_is_plausible_and_is_named(
            reserved in 0..1_u64 << 40, expected in 0..1_u64 << 40,
            claim in any::<u64>(), tokens in any::<u64>(), turns in any::<u32>(),
        ) {
            let plausible = Plausible::new(MicroUsd(reserved), MicroUsd(reserved), MicroUsd(expected));
            let mut counted = usage(claim, tokens, turns);
            let flagged = plausible.clamp(&mut counted);
            let most = reserved.max(expected).saturating_mul(TIMES_RESERVED).max(ANY_COST.0);
            let mut expected = usage(claim.min(most), tokens.min(TOKENS), turns.min(TURNS));
            expected.claimed = usage(claim, 0, 0).cost.filter(|_| claim > most);
            prop_assert_eq!(&counted, &expected);
            let was_more = claim > most || tokens > TOKENS || turns > TURNS;
            prop_assert_eq!(flagged.is_some(), was_more);
            prop_assert_eq!(plausible.clamp(&mut counted), None, "what was brought down is plausible");
        }
    }

    #[test]
    fn budget_a_cost_that_grew_step_by_step_is_plausible() {
        let plausible = Plausible::new(MicroUsd(1), MicroUsd(40_000_000), MicroUsd(1));
        assert_eq!(plausible.clamp(&mut usage(79_000_000, 1, 1)), None);
        let flagged = plausible.clamp(&mut usage(u64::MAX, 1, 1)).unwrap();
        assert!(flagged.contains("counted as $80.00"), "{flagged}");
    }

    #[test]
    fn what_is_not_known_stays_so() {
        let mut unknown = Usage::default();
        let plausible = Plausible::new(MicroUsd::ZERO, MicroUsd::ZERO, MicroUsd::ZERO);
        assert_eq!(plausible.clamp(&mut unknown), None);
        assert!(unknown.is_unknown());
    }
}
