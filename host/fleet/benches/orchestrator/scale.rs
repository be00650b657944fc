//! What a task costs in plans of different sizes, where nothing else takes time: with the store in memory, and with every
//! write durable.
//!
//! As many tasks are worked on whatever the size of their plans, on one store that keeps them all: then nothing differs but
//! how many tasks a plan has. The smallest plans are measured on a store of their own each, too: that is what somebody
//! waits for who has nothing but such a plan.

use crate::{
    report::{Bound, ROUNDS, Report, Table},
    scene::Scene,
};
use cyrus_core::{SessionStore, SystemClock};
use cyrus_fleet::MemoryStore;
use cyrus_store::Store;
use std::{sync::Arc, time::Duration};

const SIZES: [usize; 3] = [100, 1_000, 10_000];

/// Tasks that are worked on in each round of a size at least.
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

/// What the plans of one size are worked on with.
#[derive(Clone, Copy)]
enum Stores {
    /// One for all of them.
    One,
    /// One for each.
    Each,
}

impl Stores {
    fn row(self, shape: &str, size: usize) -> String {
        let apart = match self {
            Self::One => "",
            Self::Each => ", a store each",
        };
        format!("{shape}, {size} tasks{apart}")
    }
}

/// Measures plans whose tasks can all begin at once, and plans of eight chains, both under the usual caps.
pub(crate) fn measure(report: &mut Report) {
    let mut table = Table::new("a task, from the plan to the report", "µs");
    let shapes: [Shape; 2] = [("all independent", |size| size), ("eight chains", |_| 8)];
    for _ in 0..ROUNDS {
        for (name, lanes) in shapes {
            let [least, ..] = SIZES;
            table.add(&Stores::Each.row(name, least), each(least, lanes(least), Stores::Each));
            for size in SIZES {
                table.add(&Stores::One.row(name, size), each(size, lanes(size), Stores::One));
            }
        }
    }
    for (name, _) in shapes {
        judge(&mut table, name, CACHES);
    }
    table
        .note("wall time on one thread, with the store in memory: the orchestrator and that store");
    report.add(table);
}

/// The same with the real store in a file: plans of the smallest and the largest size.
pub(crate) fn measure_durable(report: &mut Report) {
    const SHAPE: &str = "all independent";
    let mut table = Table::new("a task, from the plan to the report, every write durable", "ms");
    let [least, .., most] = SIZES;
    for _ in 0..DURABLE_ROUNDS {
        for (size, stores) in [(least, Stores::Each), (least, Stores::One), (most, Stores::One)] {
            table.add(&stores.row(SHAPE, size), each_durable(size, stores));
        }
    }
    judge(&mut table, SHAPE, GROWTH);
    table.note(format!("{DURABLE_ROUNDS} rounds, each with new files; caps of eight"));
    report.add(table);
}

/// Sets the largest plans beside the smallest, with and without what was done before.
fn judge(table: &mut Table, shape: &str, bound: f64) {
    let [least, .., most] = SIZES;
    for stores in [Stores::One, Stores::Each] {
        let small = stores.row(shape, least);
        let grown = table.median(&Stores::One.row(shape, most)) / table.median(&small);
        table.judge(format!("a task of {most} beside {small}, times"), grown, Bound::AtMost(bound));
    }
}

/// Milliseconds for each task in plans of this size.
fn each_durable(size: usize, stores: Stores) -> f64 {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("threads");
    let home = tempfile::tempdir().expect("a temporary directory");
    let file =
        async |name: &str| Arc::new(Store::open(&home.path().join(name)).await.expect("a store"));
    runtime.block_on(async { work(size, size, stores, file).await.as_secs_f64() * 1e3 })
}

/// Works on plans of this many tasks in so many chains, and says what a task took.
pub(crate) fn one(size: &str, lanes: &str) {
    let number = |word: &str| word.parse().expect("a number");
    println!("{:.2} µs for each task", each(number(size), number(lanes), Stores::One));
}

/// Microseconds for each task in plans of this size.
fn each(size: usize, lanes: usize, stores: Stores) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a scheduler");
    let memory =
        async |_: &str| Arc::new(MemoryStore::new(Arc::new(SystemClock::default())).process());
    runtime.block_on(work(size, lanes, stores, memory)).as_secs_f64() * 1e6
}

/// Works on plans of this size, one after another. Answers what each task took.
async fn work<S: SessionStore + 'static>(
    size: usize,
    lanes: usize,
    stores: Stores,
    new: impl AsyncFn(&str) -> Arc<S>,
) -> Duration {
    let scene = Scene { tasks: size, lanes, caps: 8, takes: Duration::ZERO };
    let plans = TASKS.div_ceil(size);
    let mut store = None;
    let mut taken = Duration::ZERO;
    for plan in 0..plans {
        let name = format!("measured-{plan}");
        let kept = store.take().filter(|_| matches!(stores, Stores::One));
        let one = match kept {
            Some(kept) => kept,
            None => new(&name).await,
        };
        taken += scene.play(&name, Arc::clone(&one) as _, Arc::default(), Arc::new(|_| {})).await;
        store = Some(one);
    }
    taken / u32::try_from(plans * size).expect("not that many")
}
