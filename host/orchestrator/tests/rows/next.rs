//! Rows of the failure table after which an executor is waited for, or the next has the task.

use crate::support::{
    Hand, Stage, done, fails, fails_at_work, issue, local, minutes, planned, seconds,
};
use cyrus_core::{Clock as _, Excluded, SessionOutcome};
use cyrus_executor::{ErrorKind, HostVerdict, TaskKind};
use cyrus_fleet::{Ending, Script};
use futures::join;
use std::time::Duration;

fn limited(retry_after: Option<Duration>) -> Script {
    let ending = Ending::Fails(ErrorKind::RateLimited, retry_after);
    Script { ending, ..fails(ErrorKind::RateLimited) }
}

/// The first fails like this and does well afterwards; the other does well. Answers the world once the session is
/// validated.
fn after(first: impl Into<Vec<Script>>) -> (Stage, Hand) {
    let near = local("near").does(first);
    let mut stage = Stage::new(&[&near, &local("next")]);
    assert_eq!(stage.fix().outcome, SessionOutcome::Validated);
    assert_eq!(stage.violations(), []);
    (stage, near)
}

#[test]
fn failure_unavailable_is_asked_thrice_more_with_backoff_and_then_the_next_has_it() {
    let (stage, _) = after([fails(ErrorKind::Unavailable)]);
    let expected = [(0, "near"), (2, "near"), (6, "near"), (14, "near"), (14, "next")];
    let expected = expected.map(|(at, who)| (seconds(at), who.to_owned()));
    assert_eq!(stage.told.started(), expected);
    let warned = stage.told.warnings();
    assert!(warned.iter().any(|told| told.contains("near failed too often")), "{warned:?}");
}

#[test]
fn failure_unavailable_for_a_moment_is_waited_for() {
    let (stage, _) = after([fails(ErrorKind::Unavailable), done()]);
    assert_eq!(stage.who(), ["near", "near"]);
    assert_eq!(stage.told.warnings(), Vec::<String>::new());
}

#[test]
fn failure_unavailable_for_long_goes_to_the_next_at_once() {
    let ending = Ending::Fails(ErrorKind::Unavailable, Some(minutes(30)));
    let (stage, _) = after([Script { ending, ..fails(ErrorKind::Unavailable) }]);
    assert_eq!(stage.who(), ["near", "next"]);
}

#[test]
fn outage_that_passes_is_waited_for_when_there_is_nobody_else() {
    let mut scripts = vec![fails(ErrorKind::Unavailable); 5];
    scripts.push(done());
    let near = local("near").does(scripts);
    let mut stage = Stage::new(&[&near]);
    let report = stage.fix();
    assert_eq!(report.outcome, SessionOutcome::Validated, "{:?}", report.reason);
    assert_eq!(stage.who().len(), 6);
    assert_eq!(stage.violations(), []);
}

#[test]
fn outage_that_lasts_holds_the_task_and_resume_finishes_it() {
    let mut scripts = vec![fails(ErrorKind::Unavailable); 6];
    scripts.push(done());
    let near = local("near").does(scripts);
    let mut stage = Stage::new(&[&near]);
    let report = stage.fix();
    assert_eq!(report.outcome, SessionOutcome::Paused);
    assert!(report.reason.is_some_and(|reason| reason.contains("near is not there")));
    assert_eq!(stage.who().len(), 6);
    let resumed = stage.resume(report.session.as_str());
    assert_eq!(resumed.outcome, SessionOutcome::Validated, "{:?}", resumed.reason);
    assert!(resumed.duration_ms > report.duration_ms, "of the whole session");
    assert_eq!(stage.violations(), []);
}

#[test]
fn circuit_opens_for_all_sessions_and_one_probe_closes_it() {
    let down = fails(ErrorKind::Unavailable);
    let near = local("near").does([down.clone(), down.clone(), down.clone(), down, done()]);
    let mut stage = Stage::new(&[&near, &local("next")]);
    let (crew, clock) = (stage.crew(), stage.world.clock().clone());
    let [first, second, last] =
        ["aaaa", "bbbb", "dddd"].map(|name| stage.session(name, issue("Fix the widget")));
    // At 14 s it is found out not to be there, and left alone for 30 s: also by who comes meanwhile.
    stage.run(async {
        join!(crew.start(&first), async {
            clock.sleep(seconds(20)).await;
            crew.start(&second).await
        })
    });
    assert_eq!(stage.who(), ["near", "near", "near", "near", "next", "next"]);
    let open = |excluded: &Excluded| matches!(excluded, Excluded::CircuitOpen { .. });
    let receipts = stage.told.receipts();
    let line = &receipts.last().unwrap().considered[1];
    assert!(line.executor == "near" && line.excluded.as_ref().is_some_and(open), "{line:?}");
    // Now its time is over: one task of three probes, and the others have the next meanwhile.
    let tasks = (1..=3).map(|n| planned(&format!("t{n}"), &TaskKind::BUILDER, &[]));
    let three = stage.planned("cccc", tasks.collect());
    assert_eq!(stage.run(crew.start(&three)).outcome, SessionOutcome::Validated);
    let mut who = stage.who().split_off(6);
    who.sort();
    assert_eq!(who, ["near", "next", "next"]);
    // The probe did well.
    stage.run(crew.start(&last));
    assert_eq!(stage.who().last().unwrap(), "near");
}

#[test]
fn circuit_that_opens_while_a_task_waits_sends_it_on_and_not_back() {
    let wrong = local("wrong").does([fails(ErrorKind::Unsupported)]);
    let down = local("down").does([fails(ErrorKind::Unavailable)]);
    let mut stage = Stage::new(&[&wrong, &down, &local("next")]);
    let tasks = (1..=2).map(|n| planned(&format!("t{n}"), &TaskKind::BUILDER, &[]));
    let session = stage.planned("aaaa", tasks.collect());
    assert_eq!(stage.work(&session).outcome, SessionOutcome::Validated);
    // Two tasks find out together in half the tries, and nobody who was tried before is asked again.
    assert_eq!(stage.told.who_had("t1"), ["wrong", "down", "down", "next"]);
    assert_eq!(stage.told.who_had("t2"), ["wrong", "down", "down", "next"]);
}

#[test]
fn failure_rate_limited_with_a_near_reset_parks_and_is_never_counted() {
    let (mut stage, _) = after([limited(Some(minutes(4))), done()]);
    let expected = [(seconds(0), "near".to_owned()), (minutes(4), "near".to_owned())];
    assert_eq!(stage.told.started(), expected);
    let crew = stage.crew();
    let track = stage.run(crew.track());
    assert_eq!((track[0].tried, track[0].validated), (1, 1));
}

#[test]
fn failure_rate_limited_with_a_far_reset_goes_to_the_next_and_is_never_counted() {
    let near = local("near").does([limited(Some(minutes(60))), done()]);
    let mut stage = Stage::new(&[&near, &local("next")]);
    let crew = stage.crew();
    for name in ["aaaa", "bbbb"] {
        let session = stage.session(name, issue("Fix the widget"));
        assert_eq!(stage.run(crew.start(&session)).outcome, SessionOutcome::Validated);
    }
    let clock = stage.world.clock().clone();
    stage.run(clock.sleep(minutes(60)));
    let session = stage.session("cccc", issue("Fix the widget"));
    stage.run(crew.start(&session));
    assert_eq!(stage.who(), ["near", "next", "next", "near"]);
    let parked = |excluded: &Excluded| matches!(excluded, Excluded::Parked { .. });
    let receipts = stage.told.receipts();
    let line = receipts[2].considered.iter().find(|line| line.executor == "near").unwrap();
    assert!(line.excluded.as_ref().is_some_and(parked), "{line:?}");
    let track = stage.run(crew.track());
    let near = track.iter().find(|record| record.executor == "near").unwrap();
    assert_eq!((near.tried, near.validated), (1, 1));
}

/// It is tried once, marked, told of, and not asked again by this process.
fn is_marked(kind: &ErrorKind) {
    let near = local("near").does([fails(kind.clone())]);
    let mut stage = Stage::new(&[&near, &local("next")]);
    let crew = stage.crew();
    for name in ["aaaa", "bbbb"] {
        let session = stage.session(name, issue("Fix the widget"));
        assert_eq!(stage.run(crew.start(&session)).outcome, SessionOutcome::Validated);
    }
    assert_eq!(stage.who(), ["near", "next", "next"]);
    let warned = stage.told.warnings();
    let [told] = &warned[..] else { panic!("{warned:?}") };
    assert!(told.contains("near") && told.contains(&*kind.as_str()), "{told}");
    let receipts = stage.told.receipts();
    let last = receipts.last().unwrap().considered.last().unwrap();
    assert!(matches!(last.excluded, Some(Excluded::Marked { .. })), "{last:?}");
}

#[test]
fn failure_unauthorized_goes_to_the_next_and_is_marked_and_told() {
    is_marked(&ErrorKind::Unauthorized);
}

#[test]
fn failure_quota_exhausted_goes_to_the_next_and_is_marked_and_told() {
    is_marked(&ErrorKind::QuotaExhausted);
}

#[test]
fn failure_unsupported_goes_to_the_next() {
    let (stage, _) = after([fails(ErrorKind::Unsupported)]);
    assert_eq!(stage.who(), ["near", "next"]);
    assert_eq!(stage.told.warnings(), Vec::<String>::new());
}

/// Goes on from its checkpoint once; after that the next has the task, from the beginning.
fn goes_on_once(kind: ErrorKind) {
    let (stage, near) = after([fails_at_work(kind)]);
    assert_eq!(stage.who(), ["near", "near", "next"]);
    let asked = near.asked();
    assert_eq!(asked[0].resume, None);
    assert_eq!(asked[1].resume.as_deref(), Some(&*format!("{}@1", asked[0].execution_id)));
    assert_eq!(asked[1].idempotency_key, asked[0].idempotency_key);
    assert_eq!(stage.hands[1].asked()[0].resume, None);
}

#[test]
fn failure_timed_out_goes_on_from_its_checkpoint_once_and_then_the_next_has_it() {
    goes_on_once(ErrorKind::TimedOut);
}

#[test]
fn failure_turn_limit_goes_on_from_its_checkpoint_once_and_then_the_next_has_it() {
    goes_on_once(ErrorKind::TurnLimit);
}

#[test]
fn failure_failed_goes_back_from_its_checkpoint_and_then_the_next_has_it() {
    let (stage, near) = after([fails_at_work(ErrorKind::Failed)]);
    assert_eq!(stage.who(), ["near", "near", "near", "next"]);
    let resumed: Vec<_> = near.asked().iter().map(|asked| asked.resume.is_some()).collect();
    assert_eq!(resumed, [false, true, true]);
}

/// The host's verdict is told with plugin, digest and export, and the next has the task.
fn is_a_fault(verdict: HostVerdict, words: &[&str]) {
    let near = local("near")
        .does([fails(ErrorKind::Failed)])
        .says(move |error| error.host = Some(Box::new(verdict.clone())));
    let mut stage = Stage::new(&[&near, &local("next")]);
    assert_eq!(stage.fix().outcome, SessionOutcome::Validated);
    assert_eq!(stage.who(), ["near", "next"]);
    let warned = stage.told.warnings();
    let [told] = &warned[..] else { panic!("{warned:?}") };
    assert!(words.iter().all(|word| told.contains(word)), "{told}");
}

const DIGEST: &str = "sha256:4b1d";

#[test]
fn failure_trap_goes_to_the_next_and_plugin_digest_and_export_are_told() {
    let (plugin, digest, export) = ("widget".into(), DIGEST.into(), "execute-streaming".into());
    let words = ["near", "widget", DIGEST, "execute-streaming"];
    is_a_fault(HostVerdict::Trap { plugin, digest, export }, &words);
}

#[test]
fn failure_limit_goes_to_the_next_and_plugin_digest_and_export_are_told() {
    let (plugin, digest, export) = ("widget".into(), DIGEST.into(), "execute-streaming".into());
    let which = "memory".into();
    let words = ["near", "widget", DIGEST, "execute-streaming", "memory"];
    is_a_fault(HostVerdict::Limit { plugin, digest, export, which }, &words);
}

#[test]
fn failure_contract_goes_to_the_next_and_plugin_and_digest_are_told() {
    let (plugin, digest) = ("widget".into(), DIGEST.into());
    is_a_fault(HostVerdict::Contract { plugin, digest }, &["near", "widget", DIGEST]);
}
