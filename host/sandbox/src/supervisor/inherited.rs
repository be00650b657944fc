//! Descriptors that somebody left open across our exec.
#![expect(
    unsafe_code,
    reason = "a descriptor known by its number only can be borrowed in no safe way"
)]

use std::fs;
use std::io;
use std::os::fd::{BorrowedFd, RawFd};

use rustix::io::{FdFlags, fcntl_setfd};

/// Sees to it that no descriptor but the standard three reaches what this process will launch. The host opens its
/// own so, but it may itself have been started with others: a shell's, a service manager's, a continuous
/// integration runner's.
pub(super) fn close_on_exec() -> io::Result<()> {
    for entry in fs::read_dir("/proc/self/fd")? {
        let number = entry?.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok());
        let Some(number) = number.filter(|&number| number > 2) else {
            continue;
        };
        // SAFETY: the kernel listed the number as open a moment ago, and this process has one thread, which closes
        // nothing before the borrow ends.
        let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
        fcntl_setfd(descriptor, FdFlags::CLOEXEC)?;
    }
    Ok(())
}
