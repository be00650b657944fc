//! What signals do to a program when it starts.
#![expect(unsafe_code, reason = "setting what a signal does is unsafe, for it may name a handler")]

use std::io;

use nix::sys::signal::{SigHandler, Signal, signal};

/// Gives every signal its default action in this process.
///
/// Ignored signals stay ignored across exec, and programs find it hard to undo: a shell cannot even trap them. So a
/// host would pass on what it was started with itself: without SIGHUP by `nohup`, without SIGINT as the background
/// job of a script. A supervisor without SIGCHLD would learn of no program's end.
///
/// May be called between fork and exec.
pub(crate) fn make_default() -> io::Result<()> {
    for number in Signal::iterator() {
        match number {
            // Nobody can change what the first two do. The third is ours to ignore, as every Rust program does, and
            // the standard library makes it the default in children.
            Signal::SIGKILL | Signal::SIGSTOP | Signal::SIGPIPE => {}
            _ => {
                // SAFETY: the default action is no handler, so none runs that could be unsafe.
                unsafe { signal(number, SigHandler::SigDfl) }?;
            }
        }
    }
    Ok(())
}

/// Ignores SIGCHLD, so that the kernel removes a child of this process as soon as it ends, without a wait.
#[cfg(target_os = "linux")]
pub(crate) fn ignore_ended_children() -> io::Result<()> {
    // SAFETY: to ignore a signal is no handler, so none runs that could be unsafe.
    unsafe { signal(Signal::SIGCHLD, SigHandler::SigIgn) }?;
    Ok(())
}
