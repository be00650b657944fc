//! What is written down, in memory: the model that a real store is compared with.

mod ledger;
mod listed;
mod memory;
mod record;
mod track;

pub use memory::{MemoryProcess, MemoryStore};
