//! What an execution takes that waits on the network: memory and memory mappings. Each figure comes from a fresh
//! process, which does nothing else.
//!
//! Memory is the process' proportional share of what is resident (Pss): instances share the pages of a component's
//! data that they have not written to, and the plain resident size counts those once for each.

use crate::{
    common::{
        NOTHING, allow_many_files, mappings, most_mappings, native::Native, ours::Ours, pss_kib,
        raw::Raw, request, workspace,
    },
    fresh_process, on_tokio,
    report::{Bound, ROUNDS, Report, Table},
    silent_server::{self, SilentServer},
};
use cyrus_executor::{TaskExecutor, Unattended};
use serde::{Deserialize, Serialize};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// The word that makes this program the one that is measured.
pub(crate) const CHILD: &str = "--waiting";

/// How many wait.
const COUNTS: [usize; 3] = [1_000, 5_000, 10_000];

/// Who waits.
const WHO: [(&str, &str); 3] = [
    ("ours", "our host"),
    ("raw", "floor: wasmtime alone"),
    ("native", "floor: native, behind the same trait"),
];

/// Descriptors of the process itself, generously counted.
const SPARE_FILES: usize = 64;

/// Memory that an execution may take, in kB of 1,000 bytes.
const MOST_KB: f64 = 120.0;

/// What one process tells.
#[derive(Debug, Serialize, Deserialize)]
struct Taken {
    /// Memory for each execution, in kB of 1,000 bytes.
    kb: f64,
    /// Memory mappings of the whole process.
    mappings: f64,
    /// How long it took until all of them waited, in seconds.
    seconds: f64,
    /// How many had to do without a workspace, because of the limit of open files.
    without_workspace: usize,
}

pub(crate) fn measure(report: &mut Report) {
    let allowed = most_mappings();
    for count in COUNTS {
        let mut memory = Table::new(format!("{count} executions waiting: memory"), "kB each");
        let mut mappings = Table::new(format!("{count} executions waiting: mappings"), "in all");
        let mut time = Table::new(format!("{count} executions waiting: until they are"), "s");
        let mut without_workspace = 0;
        for _ in 0..ROUNDS {
            for (who, row) in WHO {
                let taken = take(who, count);
                memory.add(row, taken.kb);
                mappings.add(row, taken.mappings);
                time.add(row, taken.seconds);
                without_workspace = without_workspace.max(taken.without_workspace);
            }
        }
        if without_workspace > 0 {
            memory.note(format!(
                "{without_workspace} of {count} without a workspace: no more files may be open"
            ));
        }
        memory.judge("our host", memory.median("our host"), Bound::AtMost(MOST_KB));
        mappings.judge("our host", mappings.median("our host"), Bound::AtMost(allowed));
        for table in [memory, mappings, time] {
            report.add(table);
        }
    }
}

/// Measures one process.
fn take(who: &str, count: usize) -> Taken {
    let server = SilentServer::start();
    fresh_process::measure(&[CHILD, who, &count.to_string(), &server.port.to_string()])
}

/// The process that is measured.
pub(crate) fn child(who: &str, count: &str, port: &str) {
    let files = allow_many_files();
    let (count, port) = (count.parse().expect("a number"), port.parse().expect("a port"));
    let all = All { count, port, workspaces: files.saturating_sub(count + SPARE_FILES).min(count) };
    let taken = match who {
        "ours" => {
            on_tokio(async move { wait(Arc::new(Ours::new(Some(port)).await.executor), all).await })
        }
        "native" => on_tokio(async move { wait(Arc::new(Native::new()), all).await }),
        "raw" => on_tokio(async move {
            let raw = Arc::new(Raw::new().expect("wasmtime"));
            let execute = move |prompt: String, has_workspace: bool| {
                let raw = Arc::clone(&raw);
                async move {
                    let workspace = has_workspace.then(workspace);
                    let ended = raw.execute_in(workspace, &prompt).await;
                    ended.map(|_| ()).map_err(|error| format!("{error:#}"))
                }
            };
            wait_each(execute, all).await
        }),
        other => panic!("nobody is called {other}"),
    };
    println!("{}", serde_json::to_string(&taken).expect("JSON"));
    // What ending all of them takes is not measured.
    std::process::exit(0);
}

/// All that are to wait.
struct All {
    count: usize,
    /// Of the server.
    port: u16,
    /// How many get a workspace: it takes a descriptor, and the connection takes another.
    workspaces: usize,
}

async fn wait(executor: Arc<dyn TaskExecutor>, all: All) -> Taken {
    let execute = move |prompt: String, has_workspace: bool| {
        let executor = Arc::clone(&executor);
        async move {
            let mut request = request(&prompt);
            request.workspace = request.workspace.filter(|_| has_workspace);
            let ended = executor.execute(request, Arc::new(Unattended)).await;
            ended.map(|_| ()).map_err(|error| error.to_string())
        }
    };
    wait_each(execute, all).await
}

async fn wait_each<F>(execute: impl Fn(String, bool) -> F, all: All) -> Taken
where
    F: Future<Output = Result<(), String>> + Send + 'static,
{
    // What is made once is made now.
    let All { count, port, workspaces } = all;
    execute(NOTHING.to_owned(), true).await.expect("the first succeeds");
    let before = pss_kib();
    let begun = Instant::now();
    let prompt = format!("get http://127.0.0.1:{port}/never");
    for number in 0..count {
        let execution = execute(prompt.clone(), number < workspaces);
        tokio::spawn(async move {
            let ended = execution.await;
            panic!("it is never answered, and yet it ended: {ended:?}");
        });
    }
    while silent_server::waiting(port) < count {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let (kb, mappings) = (pss_kib() - before, mappings());
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let (kb, mappings) = ((kb * 1024) as f64 / 1e3 / count as f64, mappings as f64);
    Taken { kb, mappings, seconds, without_workspace: count - workspaces }
}
