//! How a session is told of: lines of JSON for machines, live lines and a summary for people.

mod channel;
mod json;
mod lines;
mod summary;
mod table;
mod teller;
mod terminal;

pub(crate) use channel::Telling;
pub(crate) use lines::{piece, told};
pub(crate) use summary::summary;
pub(crate) use table::table;
pub(crate) use teller::Teller;
