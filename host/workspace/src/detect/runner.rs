//! Task runners, which stand in where no ecosystem is known.

use super::{Check, Directory, Ecosystem, content, has};

/// The names of a target that tests, the best first.
const TARGETS: [&str; 2] = ["test", "check"];

pub(super) fn check(here: &Directory) -> Option<Check> {
    make(here).or_else(|| just(here)).or_else(|| task(here)).or_else(|| pre_commit(here))
}

/// GNU make reads the first of these that is there.
fn make(here: &Directory) -> Option<Check> {
    let file = ["GNUmakefile", "makefile", "Makefile"]
        .into_iter()
        .find(|name| content(here, name).is_some())?;
    let text = content(here, file)?;
    let target =
        TARGETS.into_iter().find(|target| text.lines().any(|line| is_target(line, target)))?;
    Some(super::check(Ecosystem::Runner, format!("make {target}"), file))
}

/// Whether a line of a makefile is a rule for this target: `test:`, `all test: deps`, and no variable (`test := x`).
fn is_target(line: &str, target: &str) -> bool {
    if line.starts_with(['\t', '#', '.']) {
        return false;
    }
    let Some((targets, rest)) = line.split_once(':') else { return false };
    // `test::` is a rule, and `test ::= x` a variable.
    !rest.trim_start_matches(':').starts_with('=')
        && targets.split_whitespace().any(|word| word == target)
}

fn just(here: &Directory) -> Option<Check> {
    let file = ["justfile", "Justfile", ".justfile"]
        .into_iter()
        .find(|name| content(here, name).is_some())?;
    let text = content(here, file)?;
    let is_recipe = |line: &str, recipe: &str| {
        let line = line.strip_prefix('@').unwrap_or(line);
        let rest = line.strip_prefix(recipe);
        let head =
            rest.filter(|rest| rest.starts_with([' ', ':'])).and_then(|rest| rest.split_once(':'));
        head.is_some_and(|(_, after)| !after.starts_with('='))
    };
    let recipe =
        TARGETS.into_iter().find(|recipe| text.lines().any(|line| is_recipe(line, recipe)))?;
    Some(super::check(Ecosystem::Runner, format!("just {recipe}"), file))
}

fn task(here: &Directory) -> Option<Check> {
    let file =
        ["Taskfile.yml", "Taskfile.yaml"].into_iter().find(|name| content(here, name).is_some())?;
    let text = content(here, file)?;
    let within = text.split("\ntasks:").nth(1).or_else(|| text.strip_prefix("tasks:"))?;
    let is_task = |line: &str, name: &str| {
        line.trim_end()
            .strip_prefix("  ")
            .and_then(|line| line.strip_prefix(name))
            .is_some_and(|rest| rest.starts_with(':'))
    };
    let name = TARGETS.into_iter().find(|name| within.lines().any(|line| is_task(line, name)))?;
    Some(super::check(Ecosystem::Runner, format!("task {name}"), file))
}

fn pre_commit(here: &Directory) -> Option<Check> {
    const FILE: &str = ".pre-commit-config.yaml";
    has(here, FILE).then(|| super::check(Ecosystem::Runner, "pre-commit run --all-files", FILE))
}
