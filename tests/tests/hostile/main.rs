//! The corpus of attacks: what components, repositories and results, issues and plans have tried against Cyrus,
//! each by name with what has to stop it. The run says how many of each class were tried, and how many stopped.
//!
//! `cargo test -p cyrus-tests --test hostile` tries them all; a part of a name after `--` tries those, and
//! `--list` names them.

mod case;
mod components;
mod issues;
mod open;
mod repositories;

use case::{Case, Tally};
use libtest_mimic::{Arguments, Trial};
use open::OPEN;
use std::{collections::BTreeSet, process::ExitCode, sync::Arc};

/// The least number of attacks of each class: one that is taken out is noticed.
const LEAST: [(&str, usize); 3] = [("components", 120), ("repositories", 25), ("issues", 10)];

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let corpus: Vec<Case> = [components::cases(), repositories::cases(), issues::cases()]
        .into_iter()
        .flatten()
        .collect();
    let mut trials = vec![whole(&corpus)];
    let tally = Arc::new(Tally::default());
    trials.extend(corpus.into_iter().map(|case| case.trial(Arc::clone(&tally))));
    let conclusion = libtest_mimic::run(&args, trials);
    if !args.list {
        tally.print();
        println!("not tried, because nothing stops them yet: {}", OPEN.len());
    }
    conclusion.exit_code()
}

/// The corpus itself: every name once, and no class smaller than it was.
fn whole(corpus: &[Case]) -> Trial {
    let mut names = BTreeSet::new();
    let twice: Vec<_> =
        corpus.iter().map(Case::name).filter(|name| !names.insert(name.clone())).collect();
    let few: Vec<_> = LEAST
        .into_iter()
        .filter(|(class, least)| corpus.iter().filter(|case| case.class == *class).count() < *least)
        .collect();
    let gone: Vec<_> = OPEN.iter().filter(|name| !names.contains(**name)).collect();
    Trial::test("the_corpus_is_whole", move || {
        if twice.is_empty() && few.is_empty() && gone.is_empty() {
            return Ok(());
        }
        let problem = format!(
            "named twice: {twice:?}; fewer than there were: {few:?}; open and not there: {gone:?}"
        );
        Err(problem.into())
    })
}
