//! Components that attack their host. All but those whose boundary is the command are run in this process, through
//! the harness of the runtime's tests.

mod attack;
mod binaries;
mod crashes;
mod echo;
mod events;
mod files;
mod network;
mod outcomes;
mod programs;
mod raw;
mod samples;
mod session;
mod terminal;

#[path = "../../runtime/harness.rs"]
#[expect(dead_code, reason = "the tests of the runtime use the rest")]
mod harness;
#[path = "../../runtime/server.rs"]
#[expect(dead_code, reason = "the tests of the runtime use the rest, and have it so")]
mod server;

use crate::case::Case;
pub(crate) use terminal::{MANIFEST, install, is_plain};

/// The component that attacks: a verb for each attack.
pub(crate) const HOSTILE: &[u8] = include_bytes!(env!("CYRUS_GUEST_HOSTILE"));

pub(crate) fn cases() -> Vec<Case> {
    [
        binaries::cases(),
        crashes::cases(),
        events::cases(),
        files::cases(),
        network::cases(),
        outcomes::cases(),
        programs::cases(),
        samples::cases(),
        session::cases(),
        terminal::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
