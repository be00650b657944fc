//! How long the program takes to start and say what plugins it has.

use crate::report::{Bound, ROUNDS, Report, Table};
use std::{
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

/// Starts in one round; the least disturbed counts.
const STARTS: usize = 5;

/// What a start may take when nothing has to be made first, in milliseconds.
const MOST_MS: f64 = 100.0;

pub(crate) fn measure(report: &mut Report) {
    let cyrus = Path::new(env!("CARGO_BIN_EXE_cyrus-under-test"));
    let mut table = Table::new("start of the program", "ms");
    for _ in 0..ROUNDS {
        let home = tempfile::tempdir().expect("a temporary directory");
        let run = |words: &[&str]| start(cyrus, home.path(), words);
        table.add("cyrus plugin list, in a new home", run(&["plugin", "list"]));
        table.add("cyrus plugin list, again", quickest(|| run(&["plugin", "list"])));
        table.add("cyrus executor list, compiling plugins", run(&["executor", "list"]));
        table.add("cyrus executor list, from the cache", quickest(|| run(&["executor", "list"])));
        table.add("floor: cyrus --version", quickest(|| run(&["--version"])));
        table.add("floor: true", quickest(|| start(Path::new("true"), home.path(), &[])));
    }
    let warm = table.median("cyrus plugin list, again");
    table.judge("cyrus plugin list, again", warm, Bound::AtMost(MOST_MS));
    report.add(table);
}

fn quickest(start: impl Fn() -> f64) -> f64 {
    (0..STARTS).map(|_| start()).fold(f64::INFINITY, f64::min)
}

/// Milliseconds from launching a program to its end.
fn start(program: &Path, home: &Path, words: &[&str]) -> f64 {
    let begun = Instant::now();
    let status = Command::new(program)
        .args(words)
        .env("CYRUS_HOME", home)
        .env("HOME", home)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let milliseconds = begun.elapsed().as_secs_f64() * 1e3;
    // `executor list` says with its status that not every executor is ready, which none is here.
    assert!(status.expect("it starts").code().is_some_and(|code| code <= 1), "{words:?}");
    milliseconds
}
