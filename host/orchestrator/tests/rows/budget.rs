//! Money: caps, races, bills and days.

use crate::support::{
    Crew, Hand, Stage, done, fails_at_work, issue, local, minutes, planned, session_id,
};
use cyrus_core::{Billing, Caps, Clock as _, Day, Heading, Session, SessionOutcome, TaskState};
use cyrus_executor::{ErrorKind, Limits, MicroUsd, TaskKind};
use cyrus_fleet::Script;
use cyrus_orchestrator::{TimeZone, WhenOver, day_of};
use futures::{FutureExt as _, future::join_all};

fn cents(cents: u64) -> MicroUsd {
    MicroUsd(cents * 10_000)
}

fn capped(hands: &[&Hand], caps: Caps) -> Stage {
    let mut stage = Stage::new(hands);
    stage.budget.caps = caps;
    stage
}

fn today(stage: &Stage) -> Day {
    day_of(stage.world.clock().now(), &stage.budget.zone)
}

#[test]
fn budget_is_not_passed_by_sixty_four_tasks_at_once_with_room_for_ten() {
    let mut stage = capped(&[&local("near")], Caps { day: Some(cents(30)), ..Caps::default() });
    stage.scheduling.total = 64;
    stage.scheduling.per_session = 64;
    stage.scheduling.per_repository = 64;
    let tasks = (1..=64).map(|n| planned(&format!("t{n}"), &TaskKind::BUILDER, &[])).collect();
    let session = stage.planned("aaaa", tasks);
    let report = stage.work(&session);
    assert_eq!(report.outcome, SessionOutcome::Paused);
    assert!(report.reason.unwrap().contains("maxCostPerDay"));
    // The world looks at every reservation and settlement, and would have said so.
    assert_eq!(stage.violations(), []);
    assert_eq!(stage.told.most(|_| true), 10);
    assert_eq!(stage.who().len(), 10);
    assert_eq!(stage.store.total(&Heading::Day(today(&stage))).total(), cents(30));
    let held = |state: &TaskState| matches!(state, TaskState::Held { .. });
    assert_eq!(report.tasks.iter().filter(|task| held(&task.state)).count(), 54);
}

#[test]
fn budget_is_not_passed_by_the_sessions_of_two_processes() {
    let mut near = local("near");
    near.candidate.max_per_day = Some(cents(20));
    let caps = Caps { day: Some(cents(30)), task: Some(cents(4)), ..Caps::default() };
    let mut stage = capped(&[&near, &local("other")], caps);
    let crews = [stage.crew(), stage.crew()];
    let sessions: Vec<_> = (0..32)
        .map(|number| stage.session(&format!("session-{number}"), issue("Fix the widget")))
        .collect();
    let work = sessions.iter().zip(crews.iter().cycle());
    let reports =
        stage.run(join_all(work.map(|(session, crew)| crew.start(session).boxed_local())));
    let with = |outcome| reports.iter().filter(|report| report.outcome == outcome).count();
    assert_eq!(with(SessionOutcome::Validated) + with(SessionOutcome::Paused), 32);
    assert_eq!(stage.violations(), []);
    let day = today(&stage);
    let spent = |heading| stage.store.total(&heading).total();
    assert!(spent(Heading::Day(day)) <= cents(30) && with(SessionOutcome::Validated) >= 7);
    assert!(spent(Heading::Executor("near".to_owned(), day)) <= cents(20));
    // What was set aside and not used is there for others: each pays three cents of four.
    assert_eq!(spent(Heading::Day(day)).0, 30_000 * with(SessionOutcome::Validated) as u64);
}

#[test]
fn budget_that_is_only_set_aside_for_others_of_the_session_is_waited_for() {
    let caps = Caps { task: Some(cents(4)), session: Some(cents(9)), ..Caps::default() };
    let mut stage = capped(&[&local("near")], caps);
    let tasks = (1..=3).map(|n| planned(&format!("t{n}"), &TaskKind::BUILDER, &[]));
    let session = stage.planned("aaaa", tasks.collect());
    let report = stage.work(&session);
    assert_eq!(report.outcome, SessionOutcome::Validated, "{:?}", report.reason);
    assert_eq!(stage.told.most(|_| true), 2);
    assert_eq!(stage.spent_on("aaaa").total(), cents(9));
    assert_eq!(stage.violations(), []);
}

#[test]
fn budget_stops_an_execution_that_reports_more_than_is_set_aside() {
    let dear = Script { turns: 20, cost: cents(2), honours: false, ..done() };
    let mut stage =
        capped(&[&local("near").does([dear])], Caps { task: Some(cents(5)), ..Caps::default() });
    let report = stage.fix();
    assert_eq!(report.outcome, SessionOutcome::Paused);
    let error = report.executions[0].error.clone().unwrap();
    assert_eq!(error.kind, ErrorKind::BudgetExceeded);
    assert!(error.message.contains("set aside"), "{}", error.message);
    // One turn over, and no more.
    assert_eq!(stage.spent_on("aaaa").total(), cents(6));
    assert_eq!(stage.world.clock().elapsed(), minutes(3));
}

#[test]
fn budget_sets_more_aside_while_it_fits_and_then_stops_the_execution() {
    let dear = Script { turns: 20, cost: cents(2), honours: false, ..done() };
    let near = local("near").does([dear]);
    let mut stage = capped(&[&near], Caps { day: Some(cents(9)), ..Caps::default() });
    let report = stage.fix();
    assert_eq!(report.outcome, SessionOutcome::Paused);
    let error = report.executions[0].error.clone().unwrap();
    assert_eq!(error.kind, ErrorKind::BudgetExceeded);
    assert!(error.message.contains("maxCostPerDay leaves no more than $0.09"), "{}", error.message);
    // Three cents at a time were set aside, and the turn that was under way is paid for.
    assert_eq!(stage.spent_on("aaaa").total(), cents(10));
    assert_eq!(stage.world.clock().elapsed(), minutes(5));
}

#[test]
fn failure_budget_exceeded_pauses_and_the_session_can_be_resumed() {
    let near = local("near").does([fails_at_work(ErrorKind::BudgetExceeded), done()]);
    let mut stage = Stage::new(&[&near, &local("next")]);
    let report = stage.fix();
    assert_eq!(report.outcome, SessionOutcome::Paused);
    let reason = report.reason.unwrap();
    assert!(reason.contains("session resume aaaa") && reason.contains("raise the cap"), "{reason}");
    assert_eq!(stage.resume("aaaa").outcome, SessionOutcome::Validated);
    assert_eq!(stage.who(), ["near", "near"]);
    assert!(near.asked()[1].resume.is_some());
}

/// The one whose money runs out, a dearer one, and these.
fn cheaper(others: &[&Hand]) -> (Stage, SessionOutcome) {
    let over = fails_at_work(ErrorKind::BudgetExceeded);
    let (near, dear) = (local("near").priced(40_000).does([over]), local("dear").priced(90_000));
    let hands: Vec<_> = [&near, &dear].into_iter().chain(others.iter().copied()).collect();
    let mut stage = capped(&hands, Caps::default());
    stage.budget.when_over = WhenOver::Cheaper;
    stage.attempts.when_over = WhenOver::Cheaper;
    let outcome = stage.fix().outcome;
    (stage, outcome)
}

#[test]
fn failure_budget_exceeded_goes_to_the_next_cheaper_that_fits() {
    let (stage, outcome) = cheaper(&[&local("cheap").priced(20_000)]);
    assert_eq!(outcome, SessionOutcome::Validated);
    assert_eq!(stage.who(), ["near", "cheap"]);
    let mut full = local("full").priced(20_000);
    full.candidate.max_per_day = Some(MicroUsd(10_000));
    let (stage, outcome) = cheaper(&[&full, &local("cheap").priced(25_000)]);
    assert_eq!(outcome, SessionOutcome::Validated);
    assert_eq!(stage.who(), ["near", "cheap"]);
}

#[test]
fn failure_budget_exceeded_pauses_when_nobody_is_cheaper() {
    let (stage, outcome) = cheaper(&[&local("same").priced(40_000)]);
    assert_eq!(stage.who(), ["near"]);
    assert_eq!(outcome, SessionOutcome::Paused);
}

#[test]
fn budget_that_is_asked_for_bounds_all_of_the_session_and_each_execution_whoever_pays() {
    let limits = Limits { max_cost: Some(cents(7)), ..Limits::default() };
    let mut stage = Stage::new(&[&local("near")]);
    let tasks = (1..=3).map(|n| planned(&format!("t{n}"), &TaskKind::BUILDER, &[]));
    let session = Session { limits, ..stage.planned("aaaa", tasks.collect()) };
    let report = stage.work(&session);
    assert_eq!(report.outcome, SessionOutcome::Paused);
    assert_eq!((stage.who().len(), stage.spent_on("aaaa").total()), (2, cents(6)));

    let dear = Script { turns: 20, honours: false, ..done() };
    let near = local("near").billed(Billing::Subscription).does([dear]);
    let mut stage = Stage::new(&[&near]);
    let session = Session { limits, ..stage.session("aaaa", issue("Fix the widget")) };
    let report = stage.work(&session);
    assert_eq!(report.outcome, SessionOutcome::Paused);
    assert_eq!(report.executions[0].cost.unwrap().amount, cents(8));
}

#[test]
fn budget_holds_no_bill_against_a_subscription_nor_against_what_is_free() {
    for billing in [Billing::Subscription, Billing::None] {
        let near = local("near").billed(billing);
        let mut stage = capped(&[&near], Caps { day: Some(cents(1)), ..Caps::default() });
        let report = stage.fix();
        assert_eq!(report.outcome, SessionOutcome::Validated);
        assert_eq!(stage.spent_on("aaaa").total(), MicroUsd::ZERO);
        // It is shown all the same.
        assert_eq!(report.executions[0].cost.unwrap().amount, cents(3));
    }
}

/// Spends the day's money, and tries again five hours later. It is midnight in UTC when the world begins, and half past
/// seven in the evening in the zone.
fn five_hours_later(zone: &str) -> SessionOutcome {
    let mut stage = capped(&[&local("near")], Caps { day: Some(cents(3)), ..Caps::default() });
    stage.budget.zone = TimeZone::posix(zone).unwrap();
    let crew = stage.crew();
    let first = stage.session("aaaa", issue("Fix the widget"));
    assert_eq!(stage.run(crew.start(&first)).outcome, SessionOutcome::Validated);
    let second = stage.session("bbbb", issue("Fix the gadget"));
    assert_eq!(stage.run(crew.start(&second)).outcome, SessionOutcome::Paused);
    later(&mut stage, &crew)
}

fn later(stage: &mut Stage, crew: &Crew) -> SessionOutcome {
    let before = today(stage);
    let clock = stage.world.clock().clone();
    stage.run(clock.sleep(minutes(5 * 60)));
    let outcome = stage.run(crew.resume("bbbb")).outcome;
    if outcome == SessionOutcome::Validated {
        assert_eq!(stage.store.total(&Heading::Day(Day(before.0 + 1))).total(), cents(3));
    }
    assert_eq!(stage.store.total(&Heading::Day(before)).total(), cents(3));
    assert_eq!(session_id("bbbb").as_str(), "bbbb");
    outcome
}

#[test]
fn budget_days_roll_over_at_midnight_in_the_operators_zone() {
    assert_eq!(five_hours_later("UTC0"), SessionOutcome::Paused);
    assert_eq!(five_hours_later("XST4:30"), SessionOutcome::Validated);
}
