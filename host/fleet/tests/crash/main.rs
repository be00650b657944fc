//! A session of ten tasks whose process is killed, or frozen and taken for dead, immediately before and immediately
//! after every transaction of the store and every external effect: nothing is lost, done twice, half done or left
//! behind.

#[path = "../support/mod.rs"]
mod support;
#[path = "../support/whole.rs"]
mod whole;

mod frozen;
mod killed;
mod session;
mod uncertain;
