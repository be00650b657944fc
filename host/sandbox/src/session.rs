//! What a supervisor would see to, for a program that none launches: a session of its own, and signals.
#![expect(
    unsafe_code,
    reason = "the standard library has no safe way to make a child lead a session, or to reset its signals"
)]

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::resources::Resources;
use crate::signals;

/// Makes the program the leader of a new session and process group: it has no terminal to ask on, and its group can
/// be killed. No signal is ignored in it because the host happens to ignore it. The processes of its user are not
/// limited: others are among them.
pub(crate) fn own_session(command: &mut Command, limits: Option<Resources>) -> &mut Command {
    let lead = move || {
        nix::unistd::setsid()?;
        signals::make_default()?;
        limits.map_or(Ok(()), |limits| limits.restrict_self(None))
    };
    // SAFETY: between fork and exec this makes system calls only, allocates nothing and takes no lock.
    unsafe { command.pre_exec(lead) }
}

/// Starts a program of the host's own that goes on when this process has ended: with these arguments, in a session of its
/// own, without variables, and with nothing to read from or write to.
///
/// # Errors
///
/// When it cannot be started.
pub fn leave_behind(
    program: &Path,
    arguments: impl Iterator<Item = PathBuf>,
) -> std::io::Result<()> {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    own_session(&mut command, None).spawn().map(drop)
}

/// Does something in the child between fork and exec. The calling process must have one thread.
#[cfg(target_os = "linux")]
pub(crate) fn before_exec(
    command: &mut Command,
    work: impl FnMut() -> std::io::Result<()> + Send + Sync + 'static,
) {
    // SAFETY: the process has one thread, so that nothing holds a lock which the child would wait for.
    unsafe { command.pre_exec(work) };
}
