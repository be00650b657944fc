use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

const EVERYBODY: [&str; 4] = ["near", "far", "boxed", "other"];

/// How an attempt can go.
fn any_fate() -> impl Strategy<Value = u8> {
    0..22_u8
}

fn fate(past: Past, executor: &str, fate: u8) -> Past {
    let kinds = [
        ErrorKind::Unavailable,
        ErrorKind::RateLimited,
        ErrorKind::Unauthorized,
        ErrorKind::QuotaExhausted,
        ErrorKind::Unsupported,
        ErrorKind::BudgetExceeded,
        ErrorKind::TurnLimit,
        ErrorKind::TimedOut,
        ErrorKind::Cancelled,
        ErrorKind::Failed,
        ErrorKind::Denied,
        ErrorKind::Other("uncertain".into()),
    ];
    match (usize::from(fate), kinds.get(usize::from(fate))) {
        (_, Some(kind)) => past.failed(executor, kind.clone()),
        (12, _) => past.cut_off(executor),
        (13, _) => past.ended(executor, suspended()),
        (14, _) => past.ended(executor, rate_limited(Some(7))),
        (15, _) => past.ended(executor, by_host(HostVerdict::Deadline)),
        (16, _) => past.judged(executor, ValidationVerdict::Passed, &[]),
        _ => past.rejected(executor, "red"),
    }
}

proptest! {
    /// Plays a task to its end, with whatever happens to each attempt.
    #[test]
    fn a_task_ends_within_its_attempts_whatever_happens(
        fates in prop::collection::vec(any_fate(), 1..64),
        most_attempts in 1..8_u32,
        retries in 0..4_u32,
        rounds in 0..4_u32,
        patience in 0..6_u32,
        cheaper in any::<bool>(),
    ) {
        let when_over = if cheaper { WhenOver::Cheaper } else { WhenOver::Pause };
        let policy = AttemptPolicy {
            most_attempts, retries, rounds, when_over, patience, ..AttemptPolicy::default()
        };
        let (mut history, mut turn) = (past(), 0);
        loop {
            let step = history.then(&policy);
            prop_assert_eq!(&step, &history.then(&policy), "the same again");
            let executor = match step {
                Step::Again { executor, resume, .. } => {
                    prop_assert!(resume.is_none_or(|from| from.contains(&executor)));
                    executor
                }
                Step::Choose { tried, .. } => {
                    let out: BTreeSet<_> = tried.iter().map(|t| t.executor.as_str()).collect();
                    prop_assert_eq!(out.len(), tried.len(), "each once");
                    let Some(next) = EVERYBODY.iter().find(|name| !out.contains(*name)) else { break };
                    (*next).to_owned()
                }
                Step::Accept { .. } | Step::Fail { .. } | Step::Hold { .. } => break,
                Step::Collect { .. } | Step::Validate { .. } => unreachable!("all are judged"),
            };
            history = fate(history, &executor, fates[turn % fates.len()]);
            turn += 1;
            prop_assert!(counted(&history.0) <= most_attempts);
            prop_assert!(turn < 10_000, "it goes on for ever");
        }
    }
}
