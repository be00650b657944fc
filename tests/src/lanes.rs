//! The lanes: tests that drive real programs of others. `tests/lanes/install` fetches those, `--features lanes` builds
//! the tests. What is missing fails them, unless the variable says that it is left out.

use std::{
    io::{Write as _, stderr},
    path::{Path, PathBuf},
};

/// Names what is left out, separated by commas.
const WITHOUT: &str = "CYRUS_LANES_WITHOUT";

/// Whether this was left out, which is then said.
pub fn left_out(name: &str) -> bool {
    let without = std::env::var(WITHOUT).unwrap_or_default();
    let left_out = without.split(',').any(|out| out.trim() == name);
    if left_out {
        say(&format!("left out: {name} ({WITHOUT} names it)"));
    }
    left_out
}

/// Says something that is seen although the test passes: unlike what is printed by a macro it is not kept back.
pub fn say(what: &str) {
    writeln!(stderr(), "{what}").expect("standard error is there");
}

/// Where the programs are.
pub fn directory() -> PathBuf {
    repository().join("target/lanes")
}

/// A program that `tests/lanes/install` fetched, by its path below [`directory`].
#[track_caller]
pub fn program(path: &str) -> PathBuf {
    let program = directory().join(path);
    assert!(program.exists(), "{} is not there: run tests/lanes/install", program.display());
    program
}

/// A script of `tests/lanes`.
pub fn script(name: &str) -> PathBuf {
    repository().join("tests/lanes").join(name)
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate is in the repository")
}
