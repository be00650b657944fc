//! Everything that the command prints: lines of JSON for machines, live lines and a summary for people, and the log.

mod channel;
mod json;
mod lines;
mod log;
mod print;
mod summary;
mod table;
mod teller;
mod terminal;
mod time;
mod wrap;

pub(crate) use channel::Telling;
pub(crate) use json::Timed;
pub(crate) use lines::{in_full, piece};
pub(crate) use log::start_log;
pub(crate) use print::{
    add_line, is_at_a_terminal, note, output_failure, print, print_all, print_error,
    print_generated, print_interrupted, print_json, print_json_pretty, print_note, print_panic,
    print_removing, print_usage, say,
};
pub(crate) use summary::{summary, ways_on};
pub(crate) use table::table;
pub(crate) use teller::Teller;
pub(crate) use time::{clock_time, seconds, timestamp};
