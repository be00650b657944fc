//! What a session takes of the process while its execution waits: under way in the cloud, or suspended. Each figure
//! comes from a fresh process, which does nothing else, with the real store in a file.

use crate::{
    fresh_process,
    instant::InstantRepository,
    patient::{Patience, patient},
    report::{Bound, ROUNDS, Report, Table},
    setting::{ports, session, site},
};
use cyrus_core::{Session, Strategy};
use cyrus_orchestrator::{Orchestrator, Scheduling, stop_switch};
use cyrus_store::Store;
use serde::{Deserialize, Serialize};
use std::{fs, sync::Arc, time::Instant};
use tokio::sync::Semaphore;

/// The word that makes this program the one that is measured.
pub(crate) const CHILD: &str = "--waiting";

/// How the executions wait, how many do, and what a session may take at most, in kB of 1024 bytes.
///
/// Of the 1.5 GiB that 10,000 may take in the cloud, which is 157 kB each, their components have some
/// 110 (`docs/performance.md`). Of the suspended ones no component is left: the 2 GiB are the sessions' own.
const ALL: [(Patience, &str, usize, f64); 2] = [
    (Patience::InCloud, "in the cloud", 10_000, 30.0),
    (Patience::Suspended, "suspended", 100_000, 20.9),
];

/// Sessions that are taken in at once: those that wait leave room for the next.
const AT_ONCE: usize = 64;

/// What one process tells.
#[derive(Debug, Serialize, Deserialize)]
struct Taken {
    /// Memory for each session, in kB of 1024 bytes.
    kb: f64,
    /// The most that the whole process ever had, in MiB.
    peak_mb: f64,
    /// How long it took until all of them waited, in seconds.
    seconds: f64,
}

pub(crate) fn measure(report: &mut Report) {
    for (patience, how, count, most_kb) in ALL {
        let mut memory = Table::new(format!("{count} sessions {how}: resident memory"), "kB each");
        let mut peak =
            Table::new(format!("{count} sessions {how}: the whole process, at its peak"), "MiB");
        let mut time = Table::new(format!("{count} sessions {how}: until they are, durably"), "s");
        // What is measured is the same each time, and takes long.
        for _ in 0..ROUNDS.min(if count > 10_000 { 1 } else { 3 }) {
            let taken = take(patience, count);
            memory.add("a session", taken.kb);
            peak.add("the process", taken.peak_mb);
            time.add("all", taken.seconds);
        }
        memory.judge("a session", memory.median("a session"), Bound::AtMost(most_kb));
        for table in [memory, peak, time] {
            report.add(table);
        }
    }
}

/// Measures one process.
fn take(patience: Patience, count: usize) -> Taken {
    fresh_process::measure(&[CHILD, patience.word(), &count.to_string()])
}

/// The process that is measured.
pub(crate) fn child(patience: &str, count: &str) {
    let patience = Patience::of(patience).expect("one of those there are");
    let count = count.parse().expect("a number");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("threads");
    let home = tempfile::tempdir().expect("a temporary directory");
    let file = home.path().join("cyrus.db");
    let taken = runtime.block_on(async move {
        let store = Arc::new(Store::open(&file).await.expect("a store"));
        wait(store, patience, count).await
    });
    println!("{}", serde_json::to_string(&taken).expect("JSON"));
    drop(home);
    // What ending all of them takes is not measured.
    std::process::exit(0);
}

async fn wait(store: Arc<Store>, patience: Patience, count: usize) -> Taken {
    let caps = count + 1;
    let scheduling = Scheduling {
        total: caps,
        per_session: 1,
        per_repository: caps,
        cloud: caps,
        ..Scheduling::default()
    };
    let waits = Arc::new(Semaphore::new(AT_ONCE));
    let site = Arc::new(site(patient(patience, Arc::clone(&waits))));
    let repository = Arc::new(InstantRepository::default());
    let orchestrator = Arc::new(Orchestrator::new(ports(store, repository), scheduling));
    let take_in = |number: usize| {
        let (orchestrator, site) = (Arc::clone(&orchestrator), Arc::clone(&site));
        tokio::spawn(async move {
            let (_switch, stop) = stop_switch();
            let session = session(&format!("measured-{number:06}"), ISSUE, None);
            let session = Session { strategy: Some(Strategy::CloudOnly), ..session };
            let work = orchestrator.start(&session, &site, Arc::new(|_| {}), stop);
            panic!("it waits for ever, and yet it ended: {:?}", Box::pin(work).await);
        });
    };
    let room = async |wanted: usize| {
        let wanted = u32::try_from(wanted).expect("a few");
        waits.acquire_many(wanted).await.expect("it is never closed").forget();
    };
    // What is made once is made now.
    room(1).await;
    take_in(0);
    room(AT_ONCE).await;
    waits.add_permits(AT_ONCE);
    let before = memory_kb();
    let begun = Instant::now();
    for number in 1..=count {
        room(1).await;
        take_in(number);
    }
    room(AT_ONCE).await;
    let seconds = begun.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let (kb, peak_mb) =
        ((memory_kb() - before) as f64 / count as f64, status_kb("VmHWM:") as f64 / 1024.0);
    Taken { kb, peak_mb, seconds }
}

/// An issue of a usual length, which is one task.
const ISSUE: &str = "\
# Export fails for accounts with more than one thousand invoices

Since the last release the CSV export of the billing page ends with \"something went wrong\" for large accounts. The \
log has a timeout of the database at the same moment. Small accounts are not affected.

To see it: log in to the staging system as a customer with many invoices, open Billing, press Export and wait for half \
a minute. The page then shows the message, and no file is downloaded.

The export reads all invoices with one statement and keeps them in memory. It should read them in pages and write \
each page to the response as it comes, so that neither the statement nor the memory grows with the account.

What we want:

* The export of an account with one hundred thousand invoices works, and begins within a second.
* The file is the same as before, byte for byte, for accounts for which it worked.
* There is a test for the boundary between two pages.
";

/// What of the process is resident.
fn memory_kb() -> usize {
    status_kb("VmRSS:")
}

fn status_kb(name: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
