//! What sessions take that wait on the cloud: as instances of a component that wait for an answer, or suspended. Each
//! figure comes from a fresh process, which does nothing else.

use crate::{
    common::{allow_many_files, mappings, most_mappings, ours::Ours, pss_kib},
    fresh_process,
    instant::InstantRepository,
    report::{Bound, Report, Table},
    setting::{ports, session, site, task},
    silent_server::{self, SilentServer},
};
use cyrus_core::SessionEvent;
use cyrus_executor::{Event, TaskId};
use cyrus_orchestrator::{Orchestrator, Scheduling, Site, stop_switch};
use cyrus_store::Store;
use serde::{Deserialize, Serialize};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// The word that makes this program the one that is measured.
pub(crate) const CHILD: &str = "--many";

/// Sessions that are begun at once: those that wait leave room for the next.
const AT_ONCE: usize = 64;

/// How often it is looked whether all of them wait.
const LOOK: Duration = Duration::from_millis(20);

/// What one process tells.
#[derive(Debug, Serialize, Deserialize)]
struct Taken {
    /// The whole process, in MiB: its share of what is resident (Pss), once all of them wait.
    mib: f64,
    /// Memory mappings of the whole process.
    mappings: f64,
    /// How long it took until all of them waited, in seconds.
    seconds: f64,
}

pub(crate) fn waiting(report: &mut Report) {
    measure(report, "wait for an answer", 10_000, "get", 1_536.0);
}

pub(crate) fn suspended(report: &mut Report) {
    measure(report, "are suspended", 100_000, "suspend", 2_048.0);
}

/// One round: what is measured is the same each time, and takes long.
fn measure(report: &mut Report, how: &str, count: usize, word: &str, most_mib: f64) {
    let taken = take(count, word);
    let row = "the whole process";
    for (what, unit, figure, most) in [
        ("memory", "MiB", taken.mib, Some(most_mib)),
        ("mappings", "in all", taken.mappings, Some(most_mappings())),
        ("until they do, durably", "s", taken.seconds, None),
    ] {
        let mut table = Table::new(format!("{count} sessions that {how}: {what}"), unit);
        table.add(row, figure);
        if let Some(most) = most {
            table.judge(row, figure, Bound::AtMost(most));
        }
        report.add(table);
    }
}

/// Measures one process.
fn take(count: usize, word: &str) -> Taken {
    let server = SilentServer::start();
    fresh_process::measure(&[CHILD, &count.to_string(), word, &server.port.to_string()])
}

/// The process that is measured.
pub(crate) fn child(count: &str, word: &str, port: &str) {
    allow_many_files();
    let (count, port) = (count.parse().expect("a number"), port.parse().expect("a port"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("threads");
    let home = tempfile::tempdir().expect("a temporary directory");
    let file = home.path().join("cyrus.db");
    let taken = runtime.block_on(async move {
        let store = Arc::new(Store::open(&file).await.expect("a store"));
        let orchestrator = ports(store, Arc::new(InstantRepository::default()));
        let orchestrator = Arc::new(Orchestrator::new(orchestrator, scheduling(count)));
        let site = Arc::new(site(Ours::with(Some(port), None).await.executor));
        wait(&orchestrator, &site, count, word, port).await
    });
    println!("{}", serde_json::to_string(&taken).expect("JSON"));
    drop(home);
    // What ending all of them takes is not measured.
    std::process::exit(0);
}

async fn wait(
    orchestrator: &Arc<Orchestrator>,
    site: &Arc<Site>,
    count: usize,
    word: &str,
    port: u16,
) -> Taken {
    let begun = Instant::now();
    let prompt = match word {
        "get" => format!("get http://127.0.0.1:{port}/never"),
        word => word.to_owned(),
    };
    let heard = Arc::new(AtomicUsize::new(0));
    let waiting = || match word {
        "get" => silent_server::waiting(port),
        _ => heard.load(Ordering::Relaxed),
    };
    for number in 0..count {
        while number >= waiting() + AT_ONCE {
            tokio::time::sleep(LOOK).await;
        }
        let (orchestrator, site) = (Arc::clone(orchestrator), Arc::clone(site));
        let (prompt, heard) = (prompt.clone(), Arc::clone(&heard));
        tokio::spawn(async move {
            let (_switch, stop) = stop_switch();
            // An issue of a usual length.
            let issue = format!("# Measure it\n\n{}", "As it is. ".repeat(90));
            let tasks = vec![task(TaskId::numbered(1), prompt)];
            let session = session(&format!("measured-{number:06}"), &issue, Some(tasks));
            // A component that suspends itself says so first.
            let observer = move |event: SessionEvent| {
                if let SessionEvent::ExecutionEvent { event: Event::Message(_), .. } = event {
                    heard.fetch_add(1, Ordering::Relaxed);
                }
            };
            let report = orchestrator.start(&session, &site, Arc::new(observer), stop);
            panic!("it waits for ever, and yet it ended: {:?}", Box::pin(report).await);
        });
    }
    while waiting() < count {
        tokio::time::sleep(LOOK).await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let (mib, mappings) = (settled_kib().await as f64 / 1024.0, mappings() as f64);
    Taken { mib, mappings, seconds }
}

/// Caps that keep nobody waiting.
pub(crate) fn scheduling(count: usize) -> Scheduling {
    Scheduling {
        total: count,
        per_session: 1,
        per_repository: count,
        local: count,
        cloud: count,
        ..Scheduling::default()
    }
}

/// What is resident once it changes no more: the last of those that wait may be writing it down.
async fn settled_kib() -> usize {
    let mut last = pss_kib();
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = pss_kib();
        if now.abs_diff(last) < 64 {
            return now;
        }
        last = now;
    }
}
