use super::{super::decide::LONGEST_WORDS, *};
use ErrorKind::{
    BudgetExceeded, Cancelled, Denied, Failed, InvalidRequest, Other, QuotaExhausted, RateLimited,
    Refused, TimedOut, TurnLimit, Unauthorized, Unavailable, Unsupported,
};

/// A row of the failure table: after this history, this comes next.
macro_rules! rows {
    ($($name:ident: $past:expr => $next:expr;)*) => {$(
        #[test]
        fn $name() {
            let past: Past = $past;
            assert_eq!(short(&past.then(&AttemptPolicy::default())), $next);
        }
    )*};
}

fn trap() -> HostVerdict {
    HostVerdict::Trap { plugin: "p".into(), digest: "d".into(), export: "e".into() }
}

fn times(count: usize, executor: &str, kind: &ErrorKind) -> Past {
    (0..count).fold(past(), |past, _| past.failed(executor, kind.clone()))
}

rows! {
    failure_row_nothing_was_tried_yet: past() => "choose without []";
    failure_row_unavailable_is_asked_again: times(1, "near", &Unavailable)
        => "again near in 2 s from of near 1";
    failure_row_unavailable_backs_off: times(3, "near", &Unavailable)
        => "again near in 8 s from of near 3";
    failure_row_unavailable_thrice_more_goes_to_the_next: times(4, "near", &Unavailable)
        => "choose without [near]";
    failure_row_unavailable_counts_on_after_an_interruption:
        times(2, "near", &Unavailable).cut_off("near").failed("near", Unavailable)
            .failed("near", Unavailable) => "choose without [near]";
    failure_row_unavailable_waits_as_long_as_it_says:
        past().ended("near", retry_after(Unavailable, 30)) => "again near in 30 s from of near 1";
    failure_row_unavailable_for_long_goes_to_the_next:
        past().ended("near", retry_after(Unavailable, 3600)) => "choose without [near]";
    failure_row_rate_limited_parks_until_a_near_reset:
        past().ended("near", rate_limited(Some(40))) => "again near in 40 s from of near 1";
    failure_row_rate_limited_is_near_up_to_five_minutes:
        past().ended("near", rate_limited(Some(300))) => "again near in 300 s from of near 1";
    failure_row_rate_limited_never_hurries: past().ended("near", rate_limited(Some(0)))
        => "again near in 2 s from of near 1";
    failure_row_rate_limited_with_a_far_reset_goes_to_the_next_and_is_not_out:
        past().ended("near", rate_limited(Some(3600))) => "choose without []";
    failure_row_rate_limited_without_a_reset_goes_to_the_next_and_is_not_out:
        times(1, "near", &RateLimited) => "choose without []";
    failure_row_rate_limited_thrice_is_waited_for:
        (0..3).fold(past(), |past, _| past.ended("near", rate_limited(Some(40))))
        => "again near in 40 s from of near 3";
    failure_row_rate_limited_again_and_again_goes_to_the_next:
        (0..4).fold(past(), |past, _| past.ended("near", rate_limited(Some(40))))
        => "choose without []";
    failure_row_unauthorized: times(1, "near", &Unauthorized) => "choose without [near]";
    failure_row_quota_exhausted: times(1, "near", &QuotaExhausted) => "choose without [near]";
    failure_row_unsupported: times(1, "near", &Unsupported) => "choose without [near]";
    failure_row_invalid_request: times(1, "near", &InvalidRequest) => "fail";
    failure_row_refused: times(1, "near", &Refused) => "fail";
    failure_row_timed_out_resumes_once: times(1, "near", &TimedOut)
        => "again near in 0 s from of near 1";
    failure_row_timed_out_twice_goes_to_the_next: times(2, "near", &TimedOut)
        => "choose without [near]";
    failure_row_timed_out_with_nothing_to_resume_goes_to_the_next:
        times(1, "near", &TimedOut).without_checkpoint() => "choose without [near]";
    failure_row_timed_out_by_the_host: past().ended("near", by_host(HostVerdict::Deadline))
        => "again near in 0 s from of near 1";
    failure_row_turn_limit_resumes_once: times(1, "near", &TurnLimit)
        => "again near in 0 s from of near 1";
    failure_row_turn_limit_after_a_time_limit_goes_to_the_next:
        past().failed("near", TimedOut).failed("near", TurnLimit) => "choose without [near]";
    failure_row_budget_exceeded_pauses_and_asks: times(1, "near", &BudgetExceeded) => "hold";
    failure_row_denied: times(1, "near", &Denied) => "fail";
    failure_row_failed_goes_back: times(1, "near", &Failed) => "again near in 0 s from of near 1";
    failure_row_failed_beyond_its_rounds_goes_to_the_next: times(3, "near", &Failed)
        => "choose without [near]";
    failure_row_other_is_failed: times(1, "near", &Other("odd".into()))
        => "again near in 0 s from of near 1";
    failure_row_validation_failed_goes_back: past().rejected("near", "red")
        => "again near in 0 s from of near 1";
    failure_row_validation_failed_beyond_its_rounds_goes_to_the_next:
        past().rejected("near", "1").failed("near", Failed).rejected("near", "3")
        => "choose without [near]";
    failure_row_validation_failed_beyond_all_attempts_fails:
        (0..2).fold(past(), |past, _| {
            past.rejected("near", "a").rejected("far", "b").rejected("other", "c")
        }) => "fail";
    failure_row_left_as_it_was_goes_to_the_next:
        past().rejected("near", "red").rejected("near", "red").left_as_by(1)
        => "choose without [near]";
    failure_row_left_as_it_was_by_the_next_goes_to_the_one_after:
        past().rejected("near", "red").rejected("far", "red").left_as_by(1)
        => "choose without [near far]";
    failure_row_changed_since_it_was_rejected_goes_back:
        past().rejected("near", "red").rejected("near", "red") => "again near in 0 s from of near 2";
    failure_row_left_as_it_was_after_a_failure_goes_to_the_next:
        past().rejected("near", "red").failed("near", Failed).rejected("near", "red").left_as_by(1)
        => "choose without [near]";
    failure_row_nothing_changed_goes_back_once: past().unchanged("near", "")
        => "again near in 0 s from of near 1";
    failure_row_nothing_changed_twice_goes_to_the_next:
        past().unchanged("near", "").unchanged("near", "") => "choose without [near]";
    failure_row_trap: past().ended("near", by_host(trap())) => "choose without [near]";
    failure_row_limit: past().ended("near", by_host(HostVerdict::Limit {
        plugin: "p".into(), digest: "d".into(), export: "e".into(), which: "memory".into(),
    })) => "choose without [near]";
    failure_row_plugin_will_not_load: past().ended("near", by_host(HostVerdict::Contract {
        plugin: "p".into(), digest: "d".into(),
    })) => "choose without [near]";
    failure_row_cancelled_goes_on_where_it_was: times(1, "near", &Cancelled)
        => "again near in 0 s from of near 1";
    failure_row_killed_goes_on_where_it_was: past().ended("near", by_host(HostVerdict::Killed))
        => "again near in 0 s from of near 1";
    failure_row_uncertain_is_never_begun_again_by_itself:
        times(1, "far", &Other("uncertain".into())) => "hold";
}

#[test]
fn failure_row_budget_exceeded_goes_to_a_cheaper_executor_when_configured() {
    let policy = AttemptPolicy { when_over: WhenOver::Cheaper, ..AttemptPolicy::default() };
    let broke = past().failed("far", BudgetExceeded).costing(50_000);
    assert_eq!(short(&broke.then(&policy)), "choose without [far] cheaper than $0.05");
    let failed = broke.ended("near", by_host(trap()));
    assert_eq!(short(&failed.then(&policy)), "choose without [far near] cheaper than $0.05");
}

#[test]
fn failure_row_validation_failed_hands_its_findings_on() {
    let policy = AttemptPolicy { rounds: 1, ..AttemptPolicy::default() };
    let first = past().rejected("near", "red");
    assert_eq!(found(&first.then(&policy)), ["red"]);
    let second = first.rejected("near", "still red");
    let step = second.then(&policy);
    assert_eq!((short(&step).as_str(), found(&step)), ("choose without [near]", vec!["still red"]));
    // What is interrupted meanwhile does not forget them.
    let step = second.cut_off("far").then(&policy);
    let expected = ("again far in 0 s from of far 3", vec!["still red"]);
    assert_eq!((short(&step).as_str(), found(&step)), expected);
}

#[test]
fn the_reason_quotes_an_executor_that_changed_nothing() {
    let reason = |words: &str| match past().unchanged("near", words).then(&AttemptPolicy::default())
    {
        Step::Again { because, .. } => because,
        other => panic!("{other:?}"),
    };
    assert_eq!(reason(" \n"), "nothing was changed");
    let said = reason("It is\u{1b}[2J already so.\nDone");
    assert_eq!(said, "nothing was changed; near says: It is\\u{1b}[2J already so. Done");
    assert!(reason(&"long ".repeat(10_000)).chars().count() < LONGEST_WORDS + 100);
}

#[test]
fn the_reason_quotes_an_executor_that_left_its_result_as_it_was() {
    let left = past().rejected("near", "red").rejected("near", "red").left_as_by(1);
    let left = left.last(|record| {
        Arc::make_mut(record.report.as_mut().unwrap()).summary = "The test is wrong.".into();
    });
    let policy = AttemptPolicy::default();
    let Step::Choose { because: Some(because), .. } = left.then(&policy) else { panic!() };
    assert_eq!(
        because,
        "its result failed the checks: red; near changed nothing about it; near says: The test is \
         wrong."
    );
    // What was retried by the operator is tried for the first time.
    let retried = PlannedTask { retried_after: 1, ..task("builder") };
    assert_eq!(short(&decide(&retried, &left.0, &policy)), "again near in 0 s from of near 2");
}

#[test]
fn failure_rows_that_report_say_what_the_executor_said() {
    for kind in [Denied, InvalidRequest, Refused] {
        let step = past().failed("near", kind.clone()).then(&AttemptPolicy::default());
        let reason = format!("{kind}: it says why");
        assert_eq!(step, Step::Fail { reason });
    }
}

#[test]
fn the_wait_for_an_executor_that_is_not_there_has_a_longest() {
    let policy = AttemptPolicy { retries: 20, ..AttemptPolicy::default() };
    let step = times(12, "near", &Unavailable).then(&policy);
    assert_eq!(short(&step), "again near in 300 s from of near 12");
}

#[test]
fn a_stop_for_time_or_money_is_what_its_kind_says_even_when_the_host_had_to_kill() {
    let killed = |kind| {
        let error = ExecutionError::new(kind, "it says why").by_host(HostVerdict::Killed);
        ending(&report(ExecutionOutcome::Failed, Some(error)))
    };
    assert_eq!(ending(&by_host(HostVerdict::Deadline)), Ending::TimedOut);
    assert_eq!(killed(TimedOut), Ending::TimedOut);
    assert_eq!(killed(BudgetExceeded), Ending::BudgetExceeded);
    assert_eq!(killed(Cancelled), Ending::Interrupted);
}
