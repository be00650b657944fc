use super::*;

#[test]
fn the_expected_cost_is_what_was_seen_else_the_price_else_the_prior() {
    let priors = Priors::default();
    let cost = |candidate: &Candidate, history: &[TrackRecord]| {
        expected_cost(candidate, &task("builder"), history, &priors).0
    };
    let mut near = candidate("near", Placement::Local);
    let other_kind = TrackRecord { kind: TaskKind::SCOPER, ..seen("near", 1, 1, 9, 1) };
    assert_eq!(cost(&near, &[other_kind]), 500_000);
    assert_eq!(cost(&candidate("far", Placement::Cloud), &[]), 1_000_000);
    near.price = Some(MicroUsd(70));
    assert_eq!(cost(&near, &[seen("near", 4, 4, 0, 0)]), 70, "nothing is known of what those cost");
    assert_eq!(cost(&near, &[seen("near", 4, 4, 100, 3)]), 34, "rounded up");
    near.billing = Billing::Subscription;
    assert_eq!(cost(&near, &[seen("near", 4, 4, 100, 3)]), 0);
}

#[test]
fn the_success_rate_begins_at_the_prior_and_follows_what_was_seen() {
    let rate = |history: &[TrackRecord]| {
        let near = candidate("near", Placement::Local);
        success_permille(&near, &task("builder"), history, &Priors::default())
    };
    assert_eq!(rate(&[]), 750);
    assert_eq!(rate(&[seen("near", 1, 0, 0, 0)]), 600);
    assert_eq!(rate(&[seen("near", 96, 96, 0, 0)]), 990);
    assert_eq!(rate(&[seen("near", u64::MAX, 0, 0, 0)]), 1, "never 0");
    assert_eq!(rate(&[seen("near", 0, u64::MAX, 0, 0)]), 1000, "never above 1000");
}

/// Three executors and what was seen of each; then the order.
#[test]
fn cost_optimized_ranks_by_the_cost_of_a_validated_result() {
    let near_never = seen("near", 96, 0, 0, 0);
    for (history, expected) in [
        // 500,000 ÷ 0.75 here against 1,000,000 ÷ 0.75 there.
        (vec![], ["boxed", "near", "far"]),
        // What fails costs again: 500,000 ÷ 0.03 here against 1,000,000 ÷ 0.75 there.
        (vec![near_never], ["boxed", "far", "near"]),
        (vec![seen("far", 10, 10, 1_000_000, 10)], ["far", "boxed", "near"]),
        // The same cost for a result on both sides: local.
        (vec![seen("far", 0, 0, 500_000, 1)], ["boxed", "near", "far"]),
        (vec![seen("near", 4, 4, 4, 4), seen("far", 4, 4, 4, 4)], ["near", "far", "boxed"]),
    ] {
        let world = World { history, ..World::default() };
        let receipt =
            world.select(&task("builder"), &policy(Strategy::CostOptimized), &everybody());
        assert_eq!(chain(&receipt), expected, "{:?}", world.history);
    }
}

#[test]
fn cost_optimized_does_not_depend_on_the_order_given_nor_on_anything_but_history() {
    let world = World {
        history: vec![seen("far", 7, 5, 700_000, 7), seen("near", 9, 4, 2_000_000, 8)],
        ..World::default()
    };
    let mut all = everybody();
    let policy = policy(Strategy::CostOptimized);
    let first = world.select(&task("builder"), &policy, &all);
    for _ in 0..all.len() {
        all.rotate_left(1);
        assert_eq!(world.select(&task("builder"), &policy, &all), first);
    }
    // The receipt alone says why: its own figures give its own order.
    let score = |line: &cyrus_core::Considered| {
        u128::from(line.expected_cost.0) * 1_000_000 / u128::from(line.success_permille)
    };
    assert!(first.considered.iter().map(score).is_sorted());
}

#[test]
fn what_costs_nothing_goes_first_and_the_better_of_two_such() {
    let mut all = everybody();
    (all[0].billing, all[2].billing) = (Billing::Subscription, Billing::None);
    let world = World { history: vec![seen("near", 8, 8, 0, 0)], ..World::default() };
    let receipt = world.select(&task("builder"), &policy(Strategy::CostOptimized), &all);
    assert_eq!(chain(&receipt), ["near", "boxed", "far"]);
}
