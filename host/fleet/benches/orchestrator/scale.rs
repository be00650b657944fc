//! What a task costs in plans of different sizes, where nothing else takes time: with the store in memory, and with every
//! write durable.
//!
//! A store gets the same number of tasks whatever the size of their plans, and keeps them all: what is compared differs in
//! nothing but how many tasks a plan has.

use crate::{
    report::{Bound, ROUNDS, Report, Table},
    scene::Scene,
};
use cyrus_core::{SessionStore, SystemClock};
use cyrus_fleet::MemoryStore;
use cyrus_store::Store;
use std::{sync::Arc, time::Duration};

const SIZES: [usize; 3] = [100, 1_000, 10_000];

/// Tasks that a store gets.
const TASKS: usize = 10_000;

/// Of those whose every write is durable, which take minutes.
const DURABLE_ROUNDS: usize = 3;

/// What a task of the largest plan may cost beside one of the smallest, every write durable: growth that is not noise.
const GROWTH: f64 = 1.15;

/// The same with the store in memory, where a task takes some microseconds: what a large plan is kept in falls out of the
/// processor's caches. Counted in instructions ([`ONE`]) there is no growth.
const CACHES: f64 = 1.5;

/// The word that makes this program work on plans of one size alone, for whoever counts its instructions.
pub(crate) const ONE: &str = "--plans";

/// What a plan is called, and how many chains one of this many tasks is made of.
type Shape = (&'static str, fn(usize) -> usize);

/// Measures plans whose tasks can all begin at once, and plans of eight chains, both under the usual caps.
pub(crate) fn measure(report: &mut Report) {
    let mut table = Table::new("a task, from the plan to the report", "µs");
    let shapes: [Shape; 2] = [("all independent", |size| size), ("eight chains", |_| 8)];
    for _ in 0..ROUNDS {
        for (name, lanes) in shapes {
            for size in SIZES {
                table.add(&row(name, size), each(size, lanes(size)));
            }
        }
    }
    for (name, _) in shapes {
        let [least, .., most] = SIZES;
        let grown = table.median(&row(name, most)) / table.median(&row(name, least));
        let what = format!("{name}: a task of {most} beside one of {least}, times");
        table.judge(what, grown, Bound::AtMost(CACHES));
    }
    table
        .note("wall time on one thread, with the store in memory: the orchestrator and that store");
    report.add(table);
}

/// The same with the real store in a file: plans of the smallest and the largest size.
pub(crate) fn measure_durable(report: &mut Report) {
    let mut table = Table::new("a task, from the plan to the report, every write durable", "ms");
    let [least, .., most] = SIZES;
    for _ in 0..DURABLE_ROUNDS {
        for size in [least, most] {
            table.add(&row("all independent", size), each_durable(size));
        }
    }
    let of = |size| table.median(&row("all independent", size));
    let grown = of(most) / of(least);
    let what = format!("a task of {most} beside one of {least}, times");
    table.judge(what, grown, Bound::AtMost(GROWTH));
    table.note(format!("{DURABLE_ROUNDS} rounds, each with a new file; caps of eight"));
    report.add(table);
}

/// Milliseconds for each task in plans of this size.
fn each_durable(size: usize) -> f64 {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("threads");
    let home = tempfile::tempdir().expect("a temporary directory");
    runtime.block_on(async {
        let store = Store::open(&home.path().join("cyrus.db")).await.expect("a store");
        work(Arc::new(store), size, size).await.as_secs_f64() * 1e3
    })
}

/// Works on plans of this many tasks in so many chains, and says what a task took.
pub(crate) fn one(size: &str, lanes: &str) {
    let number = |word: &str| word.parse().expect("a number");
    println!("{:.2} µs for each task", each(number(size), number(lanes)));
}

fn row(shape: &str, size: usize) -> String {
    format!("{shape}, {size} tasks")
}

/// Microseconds for each task in plans of this size.
fn each(size: usize, lanes: usize) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a scheduler");
    let store = MemoryStore::new(Arc::new(SystemClock::default()));
    let store = Arc::new(store.process());
    runtime.block_on(work(store, size, lanes)).as_secs_f64() * 1e6
}

/// Works on plans of this size, one after another on one store. Answers what each task took.
async fn work(store: Arc<dyn SessionStore>, size: usize, lanes: usize) -> Duration {
    let scene = Scene { tasks: size, lanes, caps: 8, takes: Duration::ZERO };
    let plans = TASKS.div_ceil(size);
    let mut taken = Duration::ZERO;
    for plan in 0..plans {
        let name = format!("measured-{plan}");
        taken += scene.play(&name, Arc::clone(&store), Arc::default(), Arc::new(|_| {})).await;
    }
    taken / u32::try_from(plans * size).expect("not that many")
}
