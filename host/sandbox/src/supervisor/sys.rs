//! System calls that neither nix nor rustix, as they are built here, offers: the descriptors of mounts, and the state
//! of a network interface.
#![expect(unsafe_code, reason = "these system calls have no safe wrapper among the dependencies")]

use std::ffi::{CStr, CString};
use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::libc;

/// Attributes of a mount, as `mount_setattr(2)` and `fsmount(2)` spell them.
pub(super) mod attr {
    pub(in super::super) const RDONLY: u64 = 0x1;
    pub(in super::super) const NOSUID: u64 = 0x2;
    pub(in super::super) const NODEV: u64 = 0x4;
    pub(in super::super) const NOEXEC: u64 = 0x8;
    pub(in super::super) const IDMAP: u64 = 0x0010_0000;
}

const OPEN_TREE_CLONE: libc::c_uint = 1;
const OPEN_TREE_CLOEXEC: libc::c_uint = libc::O_CLOEXEC as libc::c_uint;
const AT_RECURSIVE: libc::c_uint = 0x8000;
const MOVE_MOUNT_EMPTY_PATHS: libc::c_uint = 0x4 | 0x40;
const CLOEXEC: libc::c_uint = 1;
const SET_STRING: libc::c_uint = 1;
const CREATE: libc::c_uint = 6;
const EMPTY: &CStr = c"";

/// The stack of a [`Holder`], in bytes: far more than two system calls take.
const HOLDER_STACK: usize = 16 << 10;

/// `struct mount_attr`.
#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns: u64,
}

fn checked(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn descriptor(result: libc::c_long) -> io::Result<OwnedFd> {
    let number = i32::try_from(checked(result)?).map_err(io::Error::other)?;
    // SAFETY: the system call that returned this number opened it for this process, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Copies the mount that an `O_PATH` descriptor is in, from there down, without attaching the copy anywhere.
pub(super) fn clone_tree(at: BorrowedFd<'_>, recursive: bool) -> io::Result<OwnedFd> {
    let flags = OPEN_TREE_CLONE
        | OPEN_TREE_CLOEXEC
        | libc::AT_EMPTY_PATH.cast_unsigned()
        | if recursive { AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a constant with its end, and the call writes to no memory of this process.
    descriptor(unsafe { libc::syscall(libc::SYS_open_tree, at.as_raw_fd(), EMPTY.as_ptr(), flags) })
}

/// Adds attributes to a mount, and with `recursive` to those below it. `users` is the user namespace of an id map.
pub(super) fn set_attributes(
    mount: BorrowedFd<'_>,
    set: u64,
    recursive: bool,
    users: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let users_number = users.map_or(0, |users| users.as_raw_fd().cast_unsigned().into());
    let attributes = MountAttr {
        set: set | if users.is_some() { attr::IDMAP } else { 0 },
        clear: 0,
        propagation: 0,
        userns: users_number,
    };
    let flags = libc::AT_EMPTY_PATH.cast_unsigned() | if recursive { AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a constant with its end, and the kernel reads as many bytes of the attributes as it is given.
    checked(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            EMPTY.as_ptr(),
            flags,
            &raw const attributes,
            size_of::<MountAttr>(),
        )
    })?;
    Ok(())
}

/// Attaches a mount that is attached nowhere.
pub(super) fn attach(mount: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: both paths are constants with their end, and the call writes to no memory of this process.
    checked(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount.as_raw_fd(),
            EMPTY.as_ptr(),
            to.as_raw_fd(),
            EMPTY.as_ptr(),
            MOVE_MOUNT_EMPTY_PATHS,
        )
    })?;
    Ok(())
}

/// Makes a file system of a kind, attached nowhere.
pub(super) fn new_filesystem(
    kind: &CStr,
    options: &[(&CStr, String)],
    attributes: u64,
) -> io::Result<OwnedFd> {
    // SAFETY: the kind has its end, and the call writes to no memory of this process.
    let context = descriptor(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), CLOEXEC) })?;
    for (key, value) in options {
        let value = CString::new(value.as_str())?;
        // SAFETY: key and value have their ends and outlive the call, which only reads them.
        checked(unsafe {
            libc::syscall(
                libc::SYS_fsconfig,
                context.as_raw_fd(),
                SET_STRING,
                key.as_ptr(),
                value.as_ptr(),
                0,
            )
        })?;
    }
    let none = std::ptr::null::<libc::c_char>();
    // SAFETY: this command takes neither key nor value.
    checked(unsafe {
        libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), CREATE, none, none, 0)
    })?;
    // SAFETY: numbers only.
    descriptor(unsafe {
        libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), CLOEXEC, attributes)
    })
}

/// Forks. This process must have one thread.
pub(super) fn fork() -> io::Result<Option<nix::unistd::Pid>> {
    // SAFETY: a supervisor has one thread, so that nothing holds a lock which the child would wait for.
    match unsafe { nix::unistd::fork() }? {
        nix::unistd::ForkResult::Parent { child } => Ok(Some(child)),
        nix::unistd::ForkResult::Child => Ok(None),
    }
}

/// Ends this process, which was forked: what its parent has to do at its own end is not done.
pub(super) fn exit(code: i32) -> ! {
    // SAFETY: it does not return, and runs nothing of this process.
    unsafe { libc::_exit(code) }
}

/// A process in a user namespace of its own that does nothing, for others to have the namespace from.
#[derive(Debug)]
pub(super) struct Holder {
    process: nix::unistd::Pid,
    /// What it runs on, in this process's memory.
    _stack: Vec<u8>,
}

impl Holder {
    /// Starts one. This process must have one thread, and root's rights.
    pub(super) fn new() -> io::Result<Self> {
        extern "C" fn hold(parent: *mut libc::c_void) -> libc::c_int {
            // The parent's number, which is no address.
            let parent = i32::try_from(parent.addr()).unwrap_or_default();
            // SAFETY: numbers only, and no call of these fails, so that nothing is written where the parent reads.
            unsafe {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                // When it is another's already, that signal was missed.
                while libc::getppid() == parent {
                    libc::pause();
                }
            }
            0
        }
        let mut stack = vec![0_u8; HOLDER_STACK];
        let flags = libc::CLONE_VM | libc::CLONE_NEWUSER | libc::SIGCHLD;
        let parent = std::ptr::without_provenance_mut(std::process::id() as usize);
        let top = stack.as_mut_ptr_range().end;
        // SAFETY: the child runs a function that touches nothing but its stack, which outlives it: the holder is dropped
        // first. The stack's end is rounded down to what the architecture asks.
        let child = checked(
            unsafe { libc::clone(hold, top.map_addr(|top| top & !0xf).cast(), flags, parent) }
                .into(),
        )?;
        let process = nix::unistd::Pid::from_raw(i32::try_from(child).map_err(io::Error::other)?);
        Ok(Self { process, _stack: stack })
    }

    pub(super) fn process(&self) -> nix::unistd::Pid {
        self.process
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = nix::sys::signal::kill(self.process, nix::sys::signal::Signal::SIGKILL);
        let _ = nix::sys::wait::waitpid(self.process, None);
    }
}

/// Forks into a control group. This process must have one thread.
///
/// The C library knows nothing of it, so that in the child the number of the thread that it keeps for itself is the parent's.
/// With one thread it is used for nothing.
pub(super) fn fork_into(group: BorrowedFd<'_>) -> io::Result<Option<nix::unistd::Pid>> {
    /// `struct clone_args`.
    #[derive(Default)]
    #[repr(C)]
    struct Arguments {
        flags: u64,
        pidfd: u64,
        child_tid: u64,
        parent_tid: u64,
        exit_signal: u64,
        stack: u64,
        stack_size: u64,
        tls: u64,
        set_tid: u64,
        set_tid_size: u64,
        cgroup: u64,
    }
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    let arguments = Arguments {
        flags: CLONE_INTO_CGROUP,
        exit_signal: u64::from(libc::SIGCHLD.cast_unsigned()),
        cgroup: u64::from(group.as_raw_fd().cast_unsigned()),
        ..Arguments::default()
    };
    // SAFETY: without a stack of its own and without shared memory this is a fork, for which one thread is enough; the
    // kernel reads as many bytes of the arguments as it is given.
    let child = checked(unsafe {
        libc::syscall(libc::SYS_clone3, &raw const arguments, size_of::<Arguments>())
    })?;
    let child = i32::try_from(child).map_err(io::Error::other)?;
    Ok((child != 0).then(|| nix::unistd::Pid::from_raw(child)))
}

/// Brings the loopback interface of this process's network namespace up.
pub(super) fn loopback_up(socket: impl AsFd) -> io::Result<()> {
    // SAFETY: all bytes of the structure may be zero.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = i16::try_from(libc::IFF_UP).map_err(io::Error::other)?;
    // SAFETY: the request names an interface and its flags, as this command reads them.
    let done =
        unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    checked(done.into())?;
    Ok(())
}

/// Names this process's own host name, in its own namespace.
pub(super) fn set_host_name(name: &str) -> io::Result<()> {
    // SAFETY: the kernel reads as many bytes of the name as it is given.
    checked(unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) }.into())?;
    Ok(())
}

/// The version of Landlock that the kernel offers; 0 when it offers none.
pub(super) fn landlock_version() -> i32 {
    let none = std::ptr::null::<libc::c_void>();
    // SAFETY: with this flag the call reads nothing and returns a number.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, none, 0_usize, 1_u32) };
    i32::try_from(version.max(0)).unwrap_or(0)
}
