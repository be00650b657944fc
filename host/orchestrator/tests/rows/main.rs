//! The rows of `docs/selection.md`, each driven through the real orchestrator in a simulated world.

mod answers;
mod budget;
mod deadlines;
mod documented;
mod integration;
mod mended;
mod next;
mod reported;
mod scheduling;
mod sharing;
mod stopping;
mod strategies;
mod support;
mod wishes;
