//! A session of one's own for a program that no supervisor launches.
#![expect(
    unsafe_code,
    reason = "the standard library has no safe way to make a child lead a session"
)]

use std::os::unix::process::CommandExt;
use std::process::Command;

/// Makes the program the leader of a new session and process group: it has no terminal to ask on, and its group can
/// be killed.
pub(crate) fn own_session(command: &mut Command) -> &mut Command {
    let lead = || nix::unistd::setsid().map(drop).map_err(Into::into);
    // SAFETY: between fork and exec this makes one system call, allocates nothing and takes no lock.
    unsafe { command.pre_exec(lead) }
}
