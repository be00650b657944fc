//! The properties that hold whatever happens, over sessions drawn at random. A failure names its seed; that one alone
//! is run again with `CYRUS_SEED=<seed> cargo test -p cyrus-fleet --test properties`. All of the ten thousand:
//! `cargo test --release -p cyrus-fleet --test properties`, or with `CYRUS_TEST_WHOLE` set.

#[path = "support/whole.rs"]
mod whole;

use cyrus_core::{Clock as _, SessionEvent};
use cyrus_fleet::{Ended, MemoryStores, Scenario, Simulation, generate, run, run_on};
use std::{
    collections::BTreeMap,
    num::NonZero,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}, and not a number")))
}

/// Runs a scenario and prints what happens in it.
fn told(scenario: &Scenario) -> Ended {
    let simulation = Simulation::default();
    let stores = MemoryStores::new(simulation.clock());
    let clock = simulation.clock().clone();
    println!("{scenario:#?}");
    let observer = move |event: SessionEvent| {
        let line = serde_json::to_string(&event).unwrap();
        println!("{:>9.1} {line}", clock.elapsed().as_secs_f64());
    };
    run_on(scenario, simulation, &stores, Arc::new(observer)).unwrap()
}

/// Runs the scenario of a seed and says how its sessions ended.
fn hold(seed: u64) -> BTreeMap<&'static str, usize> {
    let scenario = generate::scenario(seed);
    let ended = run(&scenario).unwrap_or_else(|deadlock| panic!("CYRUS_SEED={seed}: {deadlock}"));
    let violations: Vec<_> = ended.violations.iter().map(ToString::to_string).collect();
    assert!(
        violations.is_empty(),
        "CYRUS_SEED={seed}:\n{}\n{:#?}",
        violations.join("\n"),
        ended.kills
    );
    assert_eq!(ended.reports.len(), scenario.arrivals.len(), "CYRUS_SEED={seed}");
    let mut outcomes = BTreeMap::new();
    for report in ended.reports.values() {
        *outcomes.entry(report.outcome.as_str()).or_default() += 1;
    }
    outcomes
}

#[test]
fn drawn_sessions_keep_every_promise() {
    if let Some(seed) = number("CYRUS_SEED") {
        told(&generate::scenario(seed));
        println!("seed {seed}: {:?}", hold(seed));
        return;
    }
    let first = number("CYRUS_FIRST_SEED").unwrap_or(1);
    let drawn = if whole::whole() { 10_000 } else { 1_000 };
    let sessions = number("CYRUS_SESSIONS").map_or(drawn, |n| usize::try_from(n).unwrap());
    let begun = Instant::now();
    let next = AtomicU64::new(first);
    let ended = Mutex::new(BTreeMap::<_, usize>::new());
    let enough = || ended.lock().unwrap().values().sum::<usize>() >= sessions;
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(|| {
                while !enough() {
                    let outcomes = hold(next.fetch_add(1, Ordering::Relaxed));
                    let mut ended = ended.lock().unwrap();
                    for (outcome, count) in outcomes {
                        *ended.entry(outcome).or_default() += count;
                    }
                }
            });
        }
    });
    let outcomes = ended.into_inner().unwrap();
    let done: usize = outcomes.values().sum();
    let taken = begun.elapsed();
    println!(
        "{done} sessions of seeds {first} to {} in {:.1} s, {:.0} a second: {outcomes:?}",
        next.into_inner() - 1,
        taken.as_secs_f64(),
        f64::from(u32::try_from(done).unwrap()) / taken.as_secs_f64(),
    );
}

#[test]
fn a_seed_says_everything() {
    for seed in 1..40 {
        let told = || {
            let ended = run(&generate::scenario(seed)).unwrap();
            (ended.reports, ended.elapsed, ended.points, ended.effects)
        };
        assert_eq!(told(), told(), "CYRUS_SEED={seed}");
    }
}
