//! The strategy table.

use crate::support::{
    Hand, Stage, cloud, done, fails, fails_at_work, issue, local, minutes, planned, wrong,
};
use cyrus_core::{Complexity, Needs, PlannedTask, SessionOutcome, Standing, Strategy};
use cyrus_executor::{ErrorKind, MicroUsd, TaskKind};
use cyrus_fleet::Script;
use cyrus_orchestrator::{Circuits, CloudFallback, Situation, select};

fn stage(strategy: Strategy, hands: &[&Hand]) -> Stage {
    let mut stage = Stage::new(hands);
    stage.selection.strategy = strategy;
    stage
}

/// Who is started for this task, of one here and one in the cloud.
fn who_has(strategy: Strategy, task: PlannedTask) -> Vec<String> {
    let mut stage = stage(strategy, &[&cloud("far"), &local("near")]);
    let session = stage.planned("aaaa", vec![task]);
    assert_eq!(stage.work(&session).outcome, SessionOutcome::Validated);
    assert_eq!(stage.violations(), []);
    stage.who()
}

fn builder() -> PlannedTask {
    planned("one", &TaskKind::BUILDER, &[])
}

fn needing(needs: Needs) -> PlannedTask {
    PlannedTask { needs, ..builder() }
}

#[test]
fn strategy_local_only_never_calls_the_cloud_whatever_happens() {
    let far = cloud("far");
    let mut stage =
        stage(Strategy::LocalOnly, &[&far, &local("near").does([fails(ErrorKind::Unsupported)])]);
    let report = stage.fix();
    assert_eq!(report.outcome, SessionOutcome::Failed);
    assert_eq!(stage.who(), ["near"]);
    assert!(far.asked().is_empty());
}

#[test]
fn strategy_cloud_only_uses_the_cloud_and_falls_back_to_this_machine() {
    assert_eq!(who_has(Strategy::CloudOnly, builder()), ["far"]);
    let far = cloud("far").does([fails(ErrorKind::Unavailable)]);
    let mut stage = stage(Strategy::CloudOnly, &[&far, &local("near")]);
    assert_eq!(stage.fix().outcome, SessionOutcome::Validated);
    assert_eq!(stage.who(), ["far", "far", "far", "far", "near"]);
    // The receipt of the choice says why it is not the cloud.
    let receipt = stage.told.receipts().pop().unwrap();
    let line = receipt.considered.iter().find(|line| line.executor == "far").unwrap();
    let why = line.excluded.as_ref().unwrap().to_string();
    assert!(why.contains("was tried: unavailable"), "{why}");
    assert_eq!(receipt.considered[0].standing, Some(Standing::Fallback));
}

#[test]
fn strategy_cloud_only_without_a_fallback_waits_and_says_so() {
    let far = cloud("far").does([fails(ErrorKind::Unauthorized), done()]);
    let near = local("near");
    let mut stage = stage(Strategy::CloudOnly, &[&far, &near]);
    stage.selection.fallback = CloudFallback::None;
    let report = stage.fix();
    assert_eq!(report.outcome, SessionOutcome::Paused);
    let reason = report.reason.unwrap();
    assert!(reason.contains("cloud-only") && reason.contains("unauthorized"), "{reason}");
    assert_eq!(stage.resume("aaaa").outcome, SessionOutcome::Validated);
    assert_eq!(stage.who(), ["far", "far"]);
    assert!(near.asked().is_empty());
}

#[test]
fn strategy_cloud_only_without_a_fallback_waits_until_the_circuit_closes() {
    let down = fails(ErrorKind::Unavailable);
    let far = cloud("far").does([down.clone(), down.clone(), down.clone(), down, done()]);
    let near = local("near");
    let mut stage = stage(Strategy::CloudOnly, &[&far, &near]);
    stage.selection.fallback = CloudFallback::None;
    let crew = stage.crew();
    let (one, two) = (
        stage.session("aaaa", issue("Fix the widget")),
        stage.session("bbbb", issue("Fix the gadget")),
    );
    let first = stage.run(crew.start(&one));
    assert_eq!(first.outcome, SessionOutcome::Paused, "{:?}", first.reason);
    let second = stage.run(crew.start(&two));
    assert_eq!(second.outcome, SessionOutcome::Validated);
    let (_, why) = stage.told.waits().pop().unwrap();
    assert!(why.contains("far") && why.contains("failed too often"), "{why}");
    assert!(near.asked().is_empty());
}

#[test]
fn strategy_hybrid_smart_keeps_what_needs_local_context_here() {
    let needs = Needs { local_context: true, isolation: false, parallelism: true };
    assert_eq!(who_has(Strategy::HybridSmart, needing(needs)), ["near"]);
}

#[test]
fn strategy_hybrid_smart_sends_what_needs_isolation_to_the_cloud() {
    let task = needing(Needs { isolation: true, ..Needs::default() });
    let orchestrator = planned("one", &TaskKind::ORCHESTRATOR, &[]);
    let orchestrator = PlannedTask { needs: task.needs, ..orchestrator };
    assert_eq!(who_has(Strategy::HybridSmart, task), ["far"]);
    assert_eq!(who_has(Strategy::HybridSmart, orchestrator), ["far"]);
}

#[test]
fn strategy_hybrid_smart_sends_what_needs_parallelism_to_the_cloud() {
    let needs = Needs { parallelism: true, ..Needs::default() };
    let task = PlannedTask { complexity: Complexity::Low, ..needing(needs) };
    assert_eq!(who_has(Strategy::HybridSmart, task), ["far"]);
}

#[test]
fn strategy_hybrid_smart_keeps_orchestration_here() {
    let task = planned("one", &TaskKind::ORCHESTRATOR, &[]);
    let task = PlannedTask { complexity: Complexity::High, ..task };
    assert_eq!(who_has(Strategy::HybridSmart, task), ["near"]);
}

#[test]
fn strategy_hybrid_smart_keeps_what_is_simple_here() {
    let task = PlannedTask { complexity: Complexity::Low, ..builder() };
    assert_eq!(who_has(Strategy::HybridSmart, task), ["near"]);
}

#[test]
fn strategy_hybrid_smart_sends_builders_and_debuggers_to_the_cloud() {
    assert_eq!(who_has(Strategy::HybridSmart, builder()), ["far"]);
    let debugger = planned("one", &TaskKind::DEBUGGER, &[]);
    assert_eq!(who_has(Strategy::HybridSmart, debugger), ["far"]);
}

#[test]
fn strategy_hybrid_smart_keeps_all_else_here() {
    assert_eq!(who_has(Strategy::HybridSmart, planned("one", &TaskKind::SCOPER, &[])), ["near"]);
}

#[test]
fn strategy_hybrid_parallel_orchestrates_here_and_does_all_else_at_once_in_the_cloud() {
    let mut stage = stage(Strategy::HybridParallel, &[&local("near"), &cloud("far")]);
    stage.delivery.share = true;
    let mut tasks = vec![planned("lead", &TaskKind::ORCHESTRATOR, &[])];
    tasks.extend((1..=8).map(|n| planned(&format!("part-{n}"), &TaskKind::BUILDER, &["lead"])));
    let session = stage.planned("aaaa", tasks);
    assert_eq!(stage.work(&session).outcome, SessionOutcome::Validated);
    assert_eq!(stage.told.who_had("lead"), ["near"]);
    assert_eq!(stage.told.most(|name| name == "far"), 8);
    assert_eq!(stage.violations(), []);
}

/// Dear and right at once, and cheap and wrong at first.
fn dear_and_cheap() -> (Hand, Hand) {
    let turn = |cost| Script { turns: 1, cost: MicroUsd(cost), ..done() };
    let bad = Script { wrong: true, ..turn(50_000) };
    let mends = move |attempt: &cyrus_fleet::Attempt| {
        if attempt.has_findings { turn(50_000) } else { bad.clone() }
    };
    (local("near").priced(60_000).does([turn(60_000)]), cloud("far").priced(50_000).is(mends))
}

#[test]
fn strategy_cost_optimized_learns_from_validated_results_and_its_choices_can_be_replayed() {
    let (near, far) = dear_and_cheap();
    let mut stage = stage(Strategy::CostOptimized, &[&near, &far]);
    let candidates = [near.candidate.clone(), far.candidate.clone()];
    let policy = stage.selection.clone();
    let mut firsts = Vec::new();
    for number in 1..=6 {
        let session = stage.planned(&format!("session-{number}"), vec![builder()]);
        let crew = stage.crew();
        let history = stage.run(crew.track());
        let before = stage.told.receipts().len();
        let report = stage.run(crew.start(&session));
        assert_eq!(report.outcome, SessionOutcome::Validated);
        // The same history gives the same receipt.
        let receipt = stage.told.receipts().swap_remove(before);
        let situation = Situation {
            only_here: false,
            tried: &[],
            health: &Circuits::default(),
            now: minutes(0),
            room: &|_, _| Ok(()),
            cheaper_than: None,
            history: &history,
        };
        assert_eq!(receipt, select(&builder(), &policy, &candidates, &situation));
        firsts.push(receipt.chosen.unwrap());
    }
    assert_eq!(firsts, ["far", "far", "near", "near", "near", "near"]);
    assert_eq!(stage.violations(), []);
}

#[test]
fn strategy_cost_optimized_counts_who_failed_and_not_who_was_put_off() {
    let near = local("near").priced(10_000).does([fails(ErrorKind::RateLimited)]);
    let other = local("other").priced(20_000).does([fails_at_work(ErrorKind::Failed), wrong()]);
    let mut stage = Stage::new(&[&near, &other]);
    stage.selection.strategy = Strategy::CostOptimized;
    assert_eq!(stage.fix().outcome, SessionOutcome::Validated);
    assert_eq!(stage.who(), ["near", "other", "other", "other"]);
    let crew = stage.crew();
    let track = stage.run(crew.track());
    let [other] = &track[..] else { panic!("{track:?}") };
    assert_eq!((&*other.executor, other.tried, other.validated), ("other", 3, 1));
}
