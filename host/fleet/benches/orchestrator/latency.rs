//! From the moment a task can begin to the call of its executor, with every write durable.

use crate::{
    report::{Bound, ROUNDS, Report, Table},
    scene::Scene,
};
use cyrus_core::SessionEvent;
use cyrus_executor::TaskId;
use cyrus_store::Store;
use sqlx::{Connection as _, Executor as _, SqliteConnection};
use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

const TASKS: usize = 500;

/// Asked of both: milliseconds at p50 and at p99.
const ASKED: (f64, f64) = (3.0, 15.0);

/// Measures plans of which one task, or eight, can be worked on at once.
pub(crate) fn measure(report: &mut Report) {
    let mut table =
        Table::new("from \"task ready\" to the executor's call, every write durable", "ms");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("threads");
    for _ in 0..ROUNDS {
        let home = tempfile::tempdir().expect("a temporary directory");
        runtime.block_on(async {
            let floor = bare(&home.path().join("bare.db")).await;
            quantiles(&mut table, "one bare durable transaction", floor);
            for lanes in [1, 8] {
                let file = home.path().join(format!("{lanes}.db"));
                quantiles(&mut table, &row(lanes), waits(&file, lanes).await);
            }
        });
    }
    for (quantile, most) in [("p50", ASKED.0), ("p99", ASKED.1)] {
        let name = format!("{}, {quantile}", row(1));
        let median = table.median(&name);
        table.judge(name, median, Bound::AtMost(most));
    }
    table.note(format!(
        "{TASKS} tasks, and as many transactions, in each round; a new file for each"
    ));
    report.add(table);
}

fn row(lanes: usize) -> String {
    match lanes {
        1 => "one task at a time".to_owned(),
        lanes => format!("{lanes} tasks at a time"),
    }
}

/// How long each task waited for its executor's call, once all it comes after was merged.
async fn waits(file: &Path, lanes: usize) -> Vec<Duration> {
    let store = Store::open(file).await.expect("a store");
    let scene = Scene { tasks: TASKS, lanes, caps: lanes, takes: Duration::ZERO };
    let merged: Arc<Mutex<HashMap<TaskId, Instant>>> = Arc::default();
    let calls = Arc::default();
    let told = Arc::clone(&merged);
    let observer = move |event: SessionEvent| {
        // It is told once it is written down.
        if let SessionEvent::TaskMerged { task, .. } = event {
            told.lock().expect("nobody panics").insert(task, Instant::now());
        }
    };
    scene.play("measured", Arc::new(store), Arc::clone(&calls), Arc::new(observer)).await;
    let calls: HashMap<_, _> = calls.lock().expect("nobody panics").drain(..).collect();
    let merged = merged.lock().expect("nobody panics");
    let wait = |task: usize| {
        let ready = merged[&TaskId::numbered(scene.before(task)?)];
        Some(calls[&TaskId::numbered(task)].duration_since(ready))
    };
    (0..TASKS).filter_map(wait).collect()
}

/// How long transactions of one small row take, with the settings of the store and nothing of ours.
async fn bare(file: &Path) -> Vec<Duration> {
    let address = format!("sqlite://{}?mode=rwc", file.display());
    let mut connection = SqliteConnection::connect(&address).await.expect("a database");
    let settings = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                    CREATE TABLE rows (id INTEGER PRIMARY KEY, value TEXT NOT NULL)";
    connection.execute(settings).await.expect("a table");
    let mut taken = Vec::with_capacity(TASKS);
    for _ in 0..TASKS {
        let begun = Instant::now();
        let mut transaction =
            connection.begin_with("BEGIN IMMEDIATE").await.expect("a transaction");
        let insert = "INSERT INTO rows (value) VALUES ('as long as the state of a task')";
        transaction.execute(insert).await.expect("a row");
        transaction.commit().await.expect("it is on disk");
        taken.push(begun.elapsed());
    }
    connection.close().await.expect("it closes");
    taken
}

fn quantiles(table: &mut Table, row: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    for (name, permille) in [("p50", 500), ("p99", 990)] {
        let time = times[(times.len() - 1) * permille / 1000];
        table.add(&format!("{row}, {name}"), time.as_secs_f64() * 1e3);
    }
}
