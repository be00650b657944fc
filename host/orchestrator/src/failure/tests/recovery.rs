use super::*;
use cyrus_core::TaskOrigin;

fn next(task: &PlannedTask, past: &Past) -> String {
    short(&decide(task, &past.0, &AttemptPolicy::default()))
}

#[test]
fn an_attempt_goes_on_from_the_step_that_is_not_written_down() {
    let builder = task("builder");
    for (past, expected) in [
        (past().cut_off("near"), "again near in 0 s from of near 1"),
        (past().ended("near", suspended()), "again near in 0 s from of near 1"),
        (past().completed("near"), "collect e1"),
        (past().collected("near", 1), "validate e1"),
        (past().collected("near", 0), "validate e1"),
        (past().judged("near", ValidationVerdict::Passed, &[]), "accept e1"),
        (past().judged("near", ValidationVerdict::Unchecked, &[]), "accept e1"),
    ] {
        assert_eq!(next(&builder, &past), expected);
    }
}

#[test]
fn an_answer_in_words_has_nothing_to_check() {
    let scoper = task("scoper");
    assert_eq!(next(&scoper, &past().completed("near")), "collect e1");
    assert_eq!(next(&scoper, &past().collected("near", 0)), "accept e1");
    assert_eq!(next(&scoper, &past().collected("near", 2)), "validate e1");
    let of = "t1".parse().unwrap();
    for origin in [TaskOrigin::Planning, TaskOrigin::Review { of }] {
        let answers = PlannedTask { origin, ..task("builder") };
        assert_eq!(next(&answers, &past().completed("near")), "accept e1");
        assert!(!must_change(&answers));
    }
    let mend = PlannedTask { origin: TaskOrigin::Mend { round: 1 }, ..scoper };
    assert_eq!(next(&mend, &past().collected("near", 0)), "validate e1");
}

#[test]
fn nobody_goes_on_from_a_checkpoint_of_another() {
    let history = past().failed("near", ErrorKind::Unauthorized).cut_off("far");
    assert_eq!(checkpoint_of(&history.0, "near").as_deref(), Some("of near 1"));
    assert_eq!(checkpoint_of(&history.0, "far").as_deref(), Some("of far 2"));
    assert_eq!(checkpoint_of(&history.0, "other"), None);
    let fresh = history.without_checkpoint();
    assert_eq!(next(&task("builder"), &fresh), "again far in 0 s");
    // What the end of an execution says goes before what was saved on the way.
    let mut ended = failed(ErrorKind::Failed);
    ended.error.as_mut().unwrap().checkpoint = Some("later".into());
    let history = past().ended("near", ended.clone());
    assert_eq!(checkpoint_of(&history.0, "near").as_deref(), Some("later"));
    ended.checkpoint = Some("last".into());
    let history = past().ended("near", ended);
    assert_eq!(checkpoint_of(&history.0, "near").as_deref(), Some("last"));
}

#[test]
fn interruptions_do_not_use_up_attempts_and_do_not_go_on_for_ever() {
    let policy = AttemptPolicy { most_attempts: 1, patience: 5, ..AttemptPolicy::default() };
    let mut history = past();
    for interruption in 0..5 {
        history = match interruption % 3 {
            0 => history.cut_off("near"),
            1 => history.failed("near", ErrorKind::Cancelled),
            _ => history.ended("near", rate_limited(Some(1))),
        };
        assert_eq!(counted(&history.0), 0);
        assert!(short(&history.then(&policy)).starts_with("again near"), "{interruption}");
    }
    let history = history.cut_off("near");
    assert_eq!(short(&history.then(&policy)), "hold");
    let on = released(&task("builder"), &history.0, &policy);
    assert_eq!(short(&on), "again near in 0 s from of near 6");
    let done = history.completed("near");
    assert_eq!((counted(&done.0), short(&done.then(&policy)).as_str()), (1, "collect e7"));
}

#[test]
fn who_was_out_is_in_again_once_it_was_put_off_only() {
    let history = past()
        .failed("near", ErrorKind::Unauthorized)
        .ended("near", rate_limited(None))
        .failed("far", ErrorKind::Unsupported);
    assert_eq!(next(&task("builder"), &history), "choose without [far]");
}

#[test]
fn a_held_task_goes_on_once_somebody_has_looked() {
    let policy = AttemptPolicy::default();
    let uncertain = || ErrorKind::Other("uncertain".into());
    for (past, expected) in [
        (past(), "choose without []"),
        (past().failed("far", uncertain()), "again far in 0 s from of far 1"),
        (past().failed("far", ErrorKind::BudgetExceeded), "again far in 0 s from of far 1"),
        (past().failed("far", ErrorKind::Unauthorized), "choose without []"),
        (
            past().failed("far", ErrorKind::BudgetExceeded).failed("near", ErrorKind::Unsupported),
            "choose without [near]",
        ),
        (
            past().failed("far", ErrorKind::Unsupported).failed("near", ErrorKind::QuotaExhausted),
            "choose without [far]",
        ),
        (past().failed("far", ErrorKind::Unavailable), "choose without []"),
        (past().cut_off("far"), "again far in 0 s from of far 1"),
        (past().completed("far"), "collect e1"),
    ] {
        assert_eq!(short(&released(&task("builder"), &past.0, &policy)), expected, "{past:?}");
    }
}
