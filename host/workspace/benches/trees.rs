//! What it costs that each check has a fresh tree of the result, beside what git takes to write the same files. Fails
//! when it is more.
//!
//! `cargo bench -p cyrus-workspace --bench trees`

#[path = "../tests/common/mod.rs"]
mod common;

use common::{TIMEOUT, World};
use cyrus_core::{Check, CommandOrigin, Subject, Validator};
use cyrus_workspace::{CheckSettings, CommandValidator};
use std::{fmt::Write as _, process::ExitCode, time::Instant};

const DIRECTORIES: usize = 100;
/// Files in each directory, of 4 to 5 kB.
const FILES: usize = 50;
/// How often each is measured; the median counts.
const ROUNDS: usize = 15;
/// What a fresh tree may take, in times of what git takes to write the files.
const MOST: f64 = 1.0;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("threads").block_on(measure())
}

async fn measure() -> ExitCode {
    let world = World::new();
    fill(&world);
    let prepared = world.prepare().await;
    world.write(&prepared.workspace.root, &[("README.md", "changed\n")]);
    let collected = world.collect(&prepared).await;
    let subject = Subject {
        spec: &prepared.spec,
        commit: &collected.commit,
        must_change: true,
        had_conflict: false,
        notes: &collected.notes,
    };
    let settings = (common::settings(), CheckSettings::default());
    let validator =
        CommandValidator::new(world.roots.clone(), world.git.clone(), settings.0, settings.1);
    let check = Check { command: "true".into(), origin: CommandOrigin::Operator, timeout: TIMEOUT };
    let validate = async |checks: &[Check]| {
        let begun = Instant::now();
        let report = validator.validate(&subject, checks, &|_| {}).await.expect("it is validated");
        let time = begun.elapsed().as_secs_f64() * 1e3;
        assert!(report.checks.iter().all(|check| check.passed), "{report:?}");
        time
    };
    let (mut without, mut with, mut written) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let times = [
            validate(&[]).await,
            validate(std::slice::from_ref(&check)).await,
            write(&world, &collected.commit),
        ];
        // The first finds out what is remembered.
        if round > 0 {
            for (all, time) in [&mut without, &mut with, &mut written].into_iter().zip(times) {
                all.push(time);
            }
        }
    }
    let (without, with, written) = (median(without), median(with), median(written));
    let ratio = (with - without) / written;
    println!("{} files; medians of {ROUNDS}", DIRECTORIES * FILES);
    println!("a result without a check    {without:8.1} ms");
    println!("the same with one, `true`   {with:8.1} ms");
    println!("git writes the files        {written:8.1} ms");
    println!("a check's tree: {ratio:.2} times what git takes, at most {MOST}");
    if ratio <= MOST { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn fill(world: &World) {
    let mut text = String::new();
    for directory in 0..DIRECTORIES {
        let names: Vec<_> =
            (0..FILES).map(|file| format!("src/part-{directory}/file-{file}.txt")).collect();
        let contents: Vec<_> = names
            .iter()
            .map(|name| {
                text.clear();
                for line in 0..100 {
                    let _ = writeln!(text, "{name}: line {line} of this file");
                }
                text.clone()
            })
            .collect();
        let files: Vec<_> = names
            .iter()
            .zip(&contents)
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect();
        world.write("main", &files);
    }
    world.run("main", &["add", "--all"]);
    world.run("main", &["commit", "--quiet", "-m", "many files"]);
}

/// How long git takes for a working tree of this commit, in milliseconds.
fn write(world: &World, commit: &str) -> f64 {
    let begun = Instant::now();
    world.run("main", &["worktree", "add", "--quiet", "--detach", "../floor", commit]);
    let time = begun.elapsed().as_secs_f64() * 1e3;
    world.run("main", &["worktree", "remove", "--force", "../floor"]);
    time
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
