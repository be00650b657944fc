use super::*;
use Standing::{Asked, Cheapest, Fallback, Preferred, Rule};

/// A row of the strategy table: who is in, best first, and what of the rule is said to have decided.
macro_rules! rows {
    ($($name:ident: $strategy:ident, $task:expr => $chain:expr, $because:expr;)*) => {$(
        #[test]
        fn $name() {
            let receipt = World::default().select(&$task, &policy(Strategy::$strategy), &everybody());
            let expected: &[&str] = &$chain;
            assert_eq!(chain(&receipt), expected, "{receipt:#?}");
            assert_eq!(receipt.chosen.as_deref(), expected.first().copied());
            assert_eq!((receipt.strategy, receipt.because.as_str()), (Strategy::$strategy, $because));
        }
    )*};
}

fn sized(kind: &str, complexity: Complexity) -> PlannedTask {
    PlannedTask { complexity, ..task(kind) }
}

fn needing(kind: &str, needs: Needs) -> PlannedTask {
    PlannedTask { needs, ..task(kind) }
}

rows! {
    strategy_row_local_only: LocalOnly, task("builder")
        => ["near", "boxed"], "local executors only";
    strategy_row_local_only_keeps_even_what_needs_isolation: LocalOnly,
        needing("builder", needs(false, true, false)) => ["boxed"], "local executors only";
    strategy_row_cloud_only: CloudOnly, task("scoper")
        => ["far", "near", "boxed"], "executors in the cloud only";
    strategy_row_hybrid_smart_local_context: HybridSmart, needing("builder", needs(true, false, true))
        => ["near", "boxed"], "needs local context";
    strategy_row_hybrid_smart_local_context_goes_before_isolation: HybridSmart,
        needing("builder", needs(true, true, true)) => ["boxed"], "needs local context";
    strategy_row_hybrid_smart_isolation: HybridSmart,
        needing("orchestrator", needs(false, true, false))
        => ["far", "boxed"], "needs isolation or parallelism";
    strategy_row_hybrid_smart_parallelism: HybridSmart, needing("scoper", needs(false, false, true))
        => ["far", "near", "boxed"], "needs isolation or parallelism";
    strategy_row_hybrid_smart_orchestrator: HybridSmart, task("orchestrator")
        => ["near", "boxed"], "orchestrates";
    strategy_row_hybrid_smart_low_complexity: HybridSmart, sized("builder", Complexity::Low)
        => ["near", "boxed"], "complexity is low";
    strategy_row_hybrid_smart_builder: HybridSmart, task("builder")
        => ["far", "near", "boxed"], "builder or debugger";
    strategy_row_hybrid_smart_debugger: HybridSmart, sized("debugger", Complexity::High)
        => ["far", "near", "boxed"], "builder or debugger";
    strategy_row_hybrid_smart_otherwise: HybridSmart, task("scoper")
        => ["near", "boxed"], "nothing about it asks for the cloud";
    strategy_row_hybrid_parallel_orchestrator: HybridParallel, task("orchestrator")
        => ["near", "boxed"], "orchestrates";
    strategy_row_hybrid_parallel_all_else: HybridParallel, sized("scoper", Complexity::Low)
        => ["far", "near", "boxed"], "all but orchestration goes to the cloud";
    strategy_row_cost_optimized: CostOptimized, task("builder")
        => ["boxed", "near", "far"], "least expected cost for a validated result";
}

#[test]
fn strategy_row_cloud_only_without_a_fallback_waits_and_says_so() {
    let policy = SelectionPolicy { fallback: CloudFallback::None, ..policy(Strategy::CloudOnly) };
    let mut all = everybody();
    all[1].ready = Err("there is no token".into());
    let receipt = World::default().select(&task("builder"), &policy, &all);
    assert_eq!(receipt.chosen, None);
    assert_eq!(receipt.because, "no executor can have it now (executors in the cloud only)");
    let out: Vec<_> = receipt.considered.iter().filter_map(|line| line.excluded.clone()).collect();
    let why = "there is no token".to_owned();
    assert_eq!(
        out,
        [Excluded::PlacementNotUsed, Excluded::NotReady { why }, Excluded::PlacementNotUsed]
    );
}

#[test]
fn local_to_cloud_happens_only_by_configuration() {
    for strategy in [Strategy::LocalOnly, Strategy::HybridSmart, Strategy::HybridParallel] {
        let chain = |local_to_cloud: bool| {
            let policy = SelectionPolicy { local_to_cloud, ..policy(strategy) };
            let receipt = World::default().select(&task("orchestrator"), &policy, &everybody());
            chain(&receipt).into_iter().map(ToOwned::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(chain(false), ["near", "boxed"], "{strategy}");
        assert_eq!(chain(true), ["near", "boxed", "far"], "{strategy}");
    }
}

#[test]
fn each_line_says_where_it_stands() {
    let standings = |task: &PlannedTask, policy: &SelectionPolicy| {
        let receipt = World::default().select(task, policy, &everybody());
        receipt.considered.into_iter().filter_map(|line| line.standing).collect::<Vec<_>>()
    };
    let builder = task("builder");
    let of = |strategy| standings(&builder, &policy(strategy));
    assert_eq!(of(Strategy::HybridSmart), [Preferred, Fallback, Fallback]);
    assert_eq!(of(Strategy::CostOptimized), [Cheapest, Fallback, Fallback]);
    let asked = PlannedTask { executor: Some("far".into()), ..builder.clone() };
    assert_eq!(standings(&asked, &policy(Strategy::LocalOnly)), [Asked]);
    let rule = SelectionRule { number: 3, ..rule(&["boxed"]) };
    let ruled = SelectionPolicy { rules: vec![rule], ..policy(Strategy::HybridSmart) };
    assert_eq!(standings(&builder, &ruled), [Rule { number: 3 }]);
}

fn rule(executors: &[&str]) -> SelectionRule {
    let executors = executors.iter().map(ToString::to_string).collect();
    SelectionRule { executors, ..SelectionRule::default() }
}

#[test]
fn the_first_rule_that_applies_takes_the_place_of_the_strategys_order() {
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    let other = SelectionRule { repositories: words(&["api"]), ..rule(&["near"]) };
    let kinds = SelectionRule { kinds: words(&["Scoper"]), ..rule(&["near"]) };
    let complexity = vec![Complexity::Low, Complexity::High];
    let sized = SelectionRule { complexity, ..rule(&["near"]) };
    let labels = words(&["ui", " FrontEnd"]);
    let labelled = SelectionRule { number: 4, labels, ..rule(&["boxed", "gone", "far"]) };
    let web = SelectionRule { repositories: words(&["web"]), ..rule(&["near"]) };
    let policy = SelectionPolicy {
        rules: vec![other, kinds, sized, labelled, web],
        labels: words(&["frontend"]),
        ..policy(Strategy::HybridSmart)
    };
    let receipt = World::default().select(&task("builder"), &policy, &everybody());
    assert_eq!(chain(&receipt), ["boxed", "far"]);
    assert_eq!(receipt.because, "rule 4 of `selection.rules` applies");
    assert_eq!(receipt.considered[2].excluded, Some(Excluded::NoRule));

    let scoper = World::default().select(&task("scoper"), &policy, &everybody());
    assert_eq!(chain(&scoper), ["near"], "those after it do not count");
}

#[test]
fn a_rule_that_names_nobody_leaves_it_to_the_strategy() {
    let policy = SelectionPolicy { rules: vec![rule(&[])], ..policy(Strategy::HybridSmart) };
    let receipt = World::default().select(&task("builder"), &policy, &everybody());
    assert_eq!(chain(&receipt), ["far", "near", "boxed"]);
}

#[test]
fn a_rule_does_not_send_out_what_local_only_keeps() {
    let ruled = |strategy| SelectionPolicy { rules: vec![rule(&["far"])], ..policy(strategy) };
    let scoper = task("scoper");
    let kept = World::default().select(&scoper, &ruled(Strategy::LocalOnly), &everybody());
    assert_eq!(kept.chosen, None);
    assert!(kept.considered.iter().any(|line| line.excluded == Some(Excluded::PlacementNotUsed)));
    // Its row says local, but the strategy knows the cloud, and the operator's rule goes before the row.
    let sent = World::default().select(&scoper, &ruled(Strategy::HybridSmart), &everybody());
    assert_eq!(chain(&sent), ["far"]);
}
