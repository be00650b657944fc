//! One module a command.

mod doctor;
mod executor;
mod init;
mod plugin;
mod run;
mod session;
mod simulate;

pub(crate) use doctor::doctor;
pub(crate) use executor::executor;
pub(crate) use init::init;
pub(crate) use plugin::plugin;
pub(crate) use run::{plan, run};
pub(crate) use session::{logs, session};
pub(crate) use simulate::simulate;
