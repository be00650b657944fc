//! How it is brought to an end.

use crate::fake::{kind, recorded, say};
use cyrus_plugin_claude::Claude;
use cyrus_sdk::{
    contract::{Answer, Cost, ErrorKind, Signal, StopMode, StopResult},
    testing::{Program, TestHost},
};
use std::time::Duration;

#[test]
fn a_stop_is_asked_of_claude_and_what_it_cost_is_kept() {
    let recording = recorded("interrupted_tool");
    let (before, after) = (recording[..3].to_vec(), recording[3..].to_vec());
    let run = TestHost::new()
        .program("claude", move |_| {
            let (before, after) = (before.clone(), after.clone());
            Program::new().on_line(move |line, terminal| match kind(line).as_str() {
                "user" => say(terminal, &before),
                "control_request" => {
                    assert!(line.contains("interrupt"));
                    terminal.pause(Duration::from_millis(100));
                    say(terminal, &after);
                }
                other => panic!("unexpected {other}"),
            })
        })
        .stop_at(Duration::from_secs(30), StopMode::Cancel)
        .run::<Claude>("x");
    let error = run.error();
    assert_eq!(error.kind, ErrorKind::Cancelled);
    assert_eq!(error.usage.expect("usage").cost, Cost::reported(0.00725));
    assert!(error.checkpoint.is_some());
    assert_eq!(run.stopped, Some(StopResult::Stopped));
    assert!(run.elapsed < Duration::from_secs(31), "{:?}", run.elapsed);
    let launch = &run.record.launches[0];
    assert!(launch.input_closed);
    assert_eq!(launch.signals.first(), Some(&Signal::Terminate));
}

#[test]
fn a_success_that_comes_after_the_stop_is_a_stop_all_the_same() {
    let recording = recorded("write");
    let (before, after) = (recording[..3].to_vec(), recording[3..].to_vec());
    let run = TestHost::new()
        .program("claude", move |_| {
            let (before, after) = (before.clone(), after.clone());
            Program::new().on_line(move |line, terminal| match kind(line).as_str() {
                "user" => say(terminal, &before),
                _ => say(terminal, &after),
            })
        })
        .stop_at(Duration::from_secs(1), StopMode::Cancel)
        .run::<Claude>("x");
    let error = run.error();
    assert_eq!(error.kind, ErrorKind::Cancelled);
    assert_eq!(error.usage.expect("usage").cost, Cost::reported(0.0145));
    let partial = error.partial.as_ref().expect("it got somewhere");
    assert_eq!(partial.summary, "Done: final answer 2.");
}

#[test]
fn a_program_that_ignores_every_request_to_stop_does_not_hold_the_stop_up() {
    let run = TestHost::new()
        .program("claude", |_| Program::new().on_signal(|_, _| {}).on_end_of_input(|_| {}))
        .stop_at(Duration::from_secs(5), StopMode::Cancel)
        .run::<Claude>("x");
    assert_eq!(run.error().kind, ErrorKind::Cancelled);
    assert!(run.elapsed < Duration::from_secs(6), "{:?}", run.elapsed);
}

#[test]
fn a_stop_after_the_result_finds_it_finished() {
    let lines = recorded("write");
    let run = TestHost::new()
        .program("claude", move |_| {
            let lines = lines.clone();
            // A command in the background keeps it from ending.
            Program::new().on_line(move |_, terminal| say(terminal, &lines)).on_end_of_input(|_| {})
        })
        .stop_at(Duration::from_secs(2), StopMode::Cancel)
        .run::<Claude>("x");
    assert_eq!(run.completed().summary, "Done: final answer 2.");
    assert_eq!(run.stopped, Some(StopResult::AlreadyFinished));
}

#[test]
fn a_program_that_lingers_after_its_result_is_not_waited_for() {
    let lines = recorded("write");
    let run = TestHost::new()
        .program("claude", move |_| {
            let lines = lines.clone();
            Program::new().on_line(move |_, terminal| say(terminal, &lines)).on_end_of_input(|_| {})
        })
        .run::<Claude>("x");
    run.completed();
    assert!(run.elapsed < Duration::from_secs(15), "{:?}", run.elapsed);
}

#[test]
fn when_nothing_more_may_be_spent_claude_is_stopped() {
    let recording = recorded("interrupted_tool");
    let (before, after) = (recording[..3].to_vec(), recording[3..].to_vec());
    let run = TestHost::new()
        .program("claude", move |_| {
            let (before, after) = (before.clone(), after.clone());
            Program::new().on_line(move |line, terminal| match kind(line).as_str() {
                "user" => say(terminal, &before),
                _ => say(terminal, &after),
            })
        })
        .budget(|usage| usage.input_tokens.unwrap_or_default() < 1_000)
        .run::<Claude>("x");
    assert_eq!(run.error().kind, ErrorKind::BudgetExceeded);
    assert_eq!(run.error().usage.expect("usage").cost, Cost::reported(0.00725));
    assert_eq!(run.stopped, None);
}

#[test]
fn a_stop_while_a_question_is_open_ends_it() {
    let run = TestHost::new()
        .program("claude", |_| {
            let lines = recorded("permission_interrupted");
            let at = lines.iter().position(|line| kind(line) == "control_request").expect("asks");
            let (first, rest) = (lines[..=at].to_vec(), lines[at + 1..].to_vec());
            Program::new().on_line(move |line, terminal| match kind(line).as_str() {
                "user" => say(terminal, &first),
                "control_request" => say(terminal, &rest),
                other => panic!("unexpected {other}"),
            })
        })
        .answers(|_| Answer::Cancelled)
        .stop_when(StopMode::Cancel, |record| !record.questions.is_empty())
        .run::<Claude>("x");
    assert_eq!(run.error().kind, ErrorKind::Cancelled);
    assert!(run.error().usage.expect("usage").cost.is_some());
}
