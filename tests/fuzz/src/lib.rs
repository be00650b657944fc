//! Fuzz targets as ordinary tests: a parser is fed mutations of examples for a bounded time.
//!
//! [`fuzz`] tries each example, each beginning of it, and then mutations of them, for `CYRUS_FUZZ_SECONDS` (2 unless
//! set). The mutations are the same in each run; `CYRUS_FUZZ_SEED`, a number, gives others. A failure is shrunk by
//! proptest, and its input printed as a byte string: add it to the examples once it is mended.
//!
//! It works on stable Rust and knows nothing of coverage. What it needs from the author of a target is good
//! examples, and a check that looks at more than whether the parser panics.

mod mutation;

use mutation::Mutation;
use proptest::{
    prelude::any,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner},
};
use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

/// The longest input that is made.
const LONGEST: usize = 64 << 10;

/// The most mutations of one input.
const MUTATIONS: usize = 12;

/// Inputs that are tried between two looks at the clock.
const ROUND: u32 = 64;

/// How long one input may keep a parser busy. It is far more than any takes, also on a slow machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Feeds `check` with mutations of `examples`, until the time is up. Panics where `check` does, with the input.
#[track_caller]
pub fn fuzz(examples: &[&[u8]], check: impl Fn(&[u8])) {
    assert!(!examples.is_empty(), "a fuzz target needs an example");
    let until = Instant::now() + seconds();
    for example in examples {
        for end in (0..=example.len()).rev().take(4 << 10) {
            try_one(&example[..end], &check).unwrap_or_else(|why| fail(&example[..end], &why));
        }
    }
    let picks = proptest::collection::vec(any::<Mutation>(), 0..=MUTATIONS);
    let inputs = (any::<proptest::sample::Index>(), picks);
    let mut round = seed();
    while Instant::now() < until {
        // A runner draws the same inputs each time that it runs.
        round = round.wrapping_add(1);
        let tried = runner(round).run(&inputs, |(example, mutations)| {
            let input = mutate(example.get::<&[u8]>(examples), &mutations, examples);
            try_one(&input, &check).map_err(TestCaseError::fail)
        });
        match tried {
            Ok(()) => {}
            Err(TestError::Fail(why, (example, mutations))) => {
                let input = mutate(example.get::<&[u8]>(examples), &mutations, examples);
                fail(&input, &why.to_string());
            }
            Err(TestError::Abort(why)) => panic!("fuzzing was given up: {why}"),
        }
    }
}

/// The same for a parser of text. What is no UTF-8 is replaced, as it is for a guest's strings.
#[track_caller]
pub fn fuzz_text(examples: &[&str], check: impl Fn(&str)) {
    let examples: Vec<_> = examples.iter().map(|example| example.as_bytes()).collect();
    fuzz(&examples, |input| check(&String::from_utf8_lossy(input)));
}

fn seconds() -> Duration {
    let set = env::var("CYRUS_FUZZ_SECONDS").ok();
    let seconds = set.map(|text| text.parse().expect("CYRUS_FUZZ_SECONDS is a number of seconds"));
    Duration::from_secs(seconds.unwrap_or(2))
}

fn seed() -> u64 {
    let set = env::var("CYRUS_FUZZ_SEED").ok();
    set.map_or(0, |text| text.parse().expect("CYRUS_FUZZ_SEED is a number"))
}

fn runner(seed: u64) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { cases: ROUND, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

fn mutate(example: &[u8], mutations: &[Mutation], examples: &[&[u8]]) -> Vec<u8> {
    let mut input = example.to_vec();
    for mutation in mutations {
        mutation.apply(&mut input, examples);
        input.truncate(LONGEST);
    }
    input
}

/// Tries one input: why it failed, if it did.
fn try_one(input: &[u8], check: &impl Fn(&[u8])) -> Result<(), String> {
    let begun = Instant::now();
    let tried = catch_unwind(AssertUnwindSafe(|| check(input)));
    if let Err(panic) = tried {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        return Err(text.unwrap_or("it panicked").to_owned());
    }
    if begun.elapsed() > PATIENCE {
        return Err(format!("it took {:?}", begun.elapsed()));
    }
    Ok(())
}

#[track_caller]
fn fail(input: &[u8], why: &str) -> ! {
    panic!("{why}\nwith {} bytes: b\"{}\"", input.len(), input.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_found_and_made_small() {
        let check = |input: &[u8]| assert!(!input.windows(2).any(|two| two == b"]["), "found");
        let found = catch_unwind(|| fuzz(&[b"[1, 2]", b"[]"], check)).unwrap_err();
        let text = found.downcast_ref::<String>().unwrap();
        assert!(text.starts_with("found\nwith ") && text.contains("]["), "{text}");
        let length: usize = text.split_whitespace().nth(2).unwrap().parse().unwrap();
        assert!(length < 64, "{text}");
    }

    #[test]
    fn every_beginning_of_an_example_is_tried() {
        let seen = std::sync::Mutex::new(std::collections::BTreeSet::new());
        fuzz(&[b"abc"], |input| {
            seen.lock().unwrap().insert(input.to_vec());
        });
        let seen = seen.into_inner().unwrap();
        for beginning in [&b""[..], b"a", b"ab", b"abc"] {
            assert!(seen.contains(beginning));
        }
        assert!(seen.len() > 100, "{} inputs were tried", seen.len());
    }
}
