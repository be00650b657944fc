//! Removes one security control at a time and expects the test that holds it to fail.
//!
//! `controls.toml` names each control: the promise of `SECURITY.md` it keeps, the lines that are the control, what
//! stands there without it, and the test. For each, this program copies the tracked files into a directory of its
//! own, checks that the test passes, removes the control, and expects the same test to fail. A mutant that does not
//! compile, or whose test still passes, is an error: the promise is not held by the test that it names.
//!
//! ```console
//! $ cargo run -p cyrus-mutations -- --list
//! $ cargo run -p cyrus-mutations -- --all
//! $ cargo run -p cyrus-mutations -- --sample 3
//! $ cargo run -p cyrus-mutations -- check-origin grant-digest
//! ```

mod control;
mod tree;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use control::Control;
use std::{path::Path, process::ExitCode};
use tree::{Outcome, Tree};

/// Removes security controls one at a time and expects the tests that hold them to fail.
#[derive(Parser)]
struct Options {
    /// The controls to remove, by name.
    names: Vec<String>,
    /// Removes every control.
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// Removes this many of the controls whose tests build without the WebAssembly engine; which, the commit decides.
    #[arg(long, value_name = "N", conflicts_with_all = ["names", "all"])]
    sample: Option<usize>,
    /// Lists the controls and their tests, and does nothing.
    #[arg(long)]
    list: bool,
}

fn main() -> Result<ExitCode> {
    let options = Options::parse();
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).context("the repository")?;
    let controls = control::read(&root.join("tests/mutations/controls.toml"))?;
    if options.list {
        for Control { name, promise, test, .. } in &controls {
            println!("{name}\n  promise  {promise}\n  test     cargo test {}", test.join(" "));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let chosen = chosen(&options, &controls, root)?;
    let names: Vec<_> = chosen.iter().map(|control| control.name.as_str()).collect();
    println!("{} of {} controls: {}", chosen.len(), controls.len(), names.join(", "));
    let tree = Tree::copy(root)?;
    let mut held = 0;
    for control in &chosen {
        let outcome = tree.remove(control)?;
        println!("{:<28} {outcome}", control.name);
        held += usize::from(outcome == Outcome::Held);
    }
    println!("{held} passed, {} failed", chosen.len() - held);
    Ok(if held == chosen.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn chosen<'a>(options: &Options, controls: &'a [Control], root: &Path) -> Result<Vec<&'a Control>> {
    if options.all {
        return Ok(controls.iter().collect());
    }
    if let Some(count) = options.sample {
        let light: Vec<_> = controls.iter().filter(|control| !control.engine).collect();
        let start = tree::commit_number(root)? % light.len().max(1);
        return Ok(light
            .iter()
            .cycle()
            .skip(start)
            .take(count.min(light.len()))
            .copied()
            .collect());
    }
    if options.names.is_empty() {
        bail!("name controls, or use --all, --sample N or --list");
    }
    let find = |name: &String| {
        let found = controls.iter().find(|control| control.name == *name);
        found.with_context(|| format!("no control is called {name}; --list names them"))
    };
    options.names.iter().map(find).collect()
}
