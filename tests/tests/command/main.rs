//! The command, as its users have it: the real binary, the real components, a stand-in for `claude`, a simulated
//! Codegen.

#![expect(clippy::needless_pass_by_value, reason = "JSON is written where it is passed")]

mod again;
mod base;
mod checks;
mod codegen;
mod delivering;
mod demo;
mod failures;
mod fixtures;
mod floods;
mod following;
mod foreign_text;
mod hostile;
mod intake;
mod listings;
mod phases;
mod plugins;
mod prepared;
mod run;
mod simulate;
mod states;
mod stopping;
mod surroundings;
mod usage;
