//! What a hostile program tries. Each attack gains something, and says what; or fails, with the system's error number.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::mem;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{SocketAddr as UnixAddr, UnixStream};
use std::process::ExitCode;

use nix::libc;

/// Tries one attack: prints `gained WHAT` or `refused ERRNO`.
pub(crate) fn run(name: &str, args: &[&str]) -> ExitCode {
    match attack(name, args) {
        Ok(gain) => println!("gained {gain}"),
        Err(error) => println!("refused {}", error.raw_os_error().unwrap_or(0)),
    }
    ExitCode::SUCCESS
}

fn attack(name: &str, args: &[&str]) -> io::Result<String> {
    match (name, args) {
        ("read", [path]) => fs::read(path).map(|read| String::from_utf8_lossy(&read).into_owned()),
        ("list", [path]) => fs::read_dir(path).map(|entries| format!("{} names", entries.count())),
        ("write", [path]) => {
            OpenOptions::new().create(true).append(true).open(path)?.write_all(b"x")?;
            Ok("a write".into())
        }
        ("truncate", [path]) => {
            OpenOptions::new().write(true).truncate(true).open(path).map(|_| "a truncation".into())
        }
        ("remove", [path]) => fs::remove_file(path).map(|()| "a removal".into()),
        ("rename", [from, to]) => fs::rename(from, to).map(|()| "a move".into()),
        ("hard-link", [from, to]) => fs::hard_link(from, to).map(|()| "a link".into()),
        ("link-and-read", [to, at]) => {
            let _ = fs::remove_file(at);
            symlink(to, at)?;
            fs::read_to_string(at)
        }
        ("chmod", [path, mode]) => {
            let mode = u32::from_str_radix(mode, 8).expect("a mode");
            fs::set_permissions(path, Permissions::from_mode(mode)).map(|()| "a mode".into())
        }
        ("readlink", [path]) => fs::read_link(path).map(|to| to.display().to_string()),
        ("signal", [pid]) => {
            let pid = nix::unistd::Pid::from_raw(pid.parse().expect("a number"));
            Ok(nix::sys::signal::kill(pid, None).map(|()| "a target".into())?)
        }
        ("connect-unix", [path]) => UnixStream::connect(path).map(|_| "a service".into()),
        ("connect-abstract", [name]) => {
            UnixStream::connect_addr(&UnixAddr::from_abstract_name(name)?)
                .map(|_| "a service".into())
        }
        ("connect", [to]) => TcpStream::connect(address(to)).map(|_| "a connection".into()),
        ("udp", [to]) => {
            UdpSocket::bind("0.0.0.0:0")?.send_to(b"out", address(to)).map(|_| "a packet".into())
        }
        ("mptcp", [to]) => connect_with(libc::IPPROTO_MPTCP, address(to)),
        ("fastopen", [to]) => fast_open(address(to)),
        ("socket", [family]) => socket(family.parse().expect("a number"), libc::SOCK_DGRAM, 0)
            .map(|_| "a socket".into()),
        ("type-for-others", []) => type_for_others(),
        ("call", [call]) => system_call(call),
        _ => crate::exhaust::attack(name, args)
            .unwrap_or_else(|| Err(io::Error::other("there is no such attack"))),
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn checked(result: libc::c_long) -> io::Result<String> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(format!("{result}")) }
}

fn socket(family: i32, kind: i32, protocol: i32) -> io::Result<OwnedFd> {
    // SAFETY: numbers only; the descriptor that comes back is nobody else's.
    unsafe {
        let socket = libc::socket(family, kind, protocol);
        checked(socket.into())?;
        Ok(OwnedFd::from_raw_fd(socket))
    }
}

fn in_kernel_form(to: SocketAddr) -> libc::sockaddr_in {
    let SocketAddr::V4(to) = to else { panic!("an address of version 4") };
    // SAFETY: all bytes of the structure may be zero.
    let mut address: libc::sockaddr_in = unsafe { mem::zeroed() };
    address.sin_family = libc::AF_INET.try_into().expect("it is small");
    address.sin_port = to.port().to_be();
    address.sin_addr.s_addr = u32::from(*to.ip()).to_be();
    address
}

fn length() -> libc::socklen_t {
    size_of::<libc::sockaddr_in>().try_into().expect("it is small")
}

fn connect_with(protocol: i32, to: SocketAddr) -> io::Result<String> {
    let (socket, to) = (socket(libc::AF_INET, libc::SOCK_STREAM, protocol)?, in_kernel_form(to));
    // SAFETY: the address outlives the call, which reads as much of it as it is given.
    let done = unsafe { libc::connect(socket.as_raw_fd(), (&raw const to).cast(), length()) };
    checked(done.into()).map(|_| "a connection".into())
}

fn fast_open(to: SocketAddr) -> io::Result<String> {
    let (socket, to) = (socket(libc::AF_INET, libc::SOCK_STREAM, 0)?, in_kernel_form(to));
    // SAFETY: bytes and address outlive the call, which reads as much of them as it is given.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            b"out".as_ptr().cast(),
            3,
            libc::MSG_FASTOPEN,
            (&raw const to).cast(),
            length(),
        )
    };
    checked(i64::try_from(sent).expect("it is small")).map(|_| "data sent".into())
}

fn type_for_others() -> io::Result<String> {
    // SAFETY: the request reads one byte.
    checked(unsafe { libc::ioctl(0, libc::TIOCSTI, c"x".as_ptr()) }.into())
}

/// System calls that end here without an effect, also where they are allowed.
fn system_call(name: &str) -> io::Result<String> {
    let user = libc::c_long::from(libc::CLONE_NEWUSER);
    let parent = libc::c_long::from(nix::unistd::getppid().as_raw());
    let (number, first, second) = match name {
        "unshare-user" => (libc::SYS_unshare, user, 0),
        "unshare-network" => (libc::SYS_unshare, libc::CLONE_NEWNET.into(), 0),
        "clone-user" => return clone_user(),
        "starve-child" => return starve_child(),
        "clone3" => (libc::SYS_clone3, 0, 0),
        "io_uring" => return io_uring(),
        "userfaultfd" => (libc::SYS_userfaultfd, 1, 0),
        "secret-memory" => (libc::SYS_memfd_secret, -1, 0),
        "starve-by-number" => (libc::SYS_sched_setaffinity, 1, 0),
        "starve-by-class" => (libc::SYS_sched_setscheduler, 1, -1),
        "starve-parent" => (libc::SYS_sched_setaffinity, parent, 0),
        "starve-parents-class" => (libc::SYS_setpriority, 0, parent),
        "starve-by-user" => (libc::SYS_setpriority, 2, -1),
        "ptrace" => (libc::SYS_ptrace, libc::PTRACE_TRACEME.into(), 0),
        "keyring" => (libc::SYS_keyctl, 0, -3),
        "bpf" => (libc::SYS_bpf, 0, 0),
        "perf" => (libc::SYS_perf_event_open, 0, 0),
        "mount" => (libc::SYS_mount, 0, 0),
        "setns" => (libc::SYS_setns, 0, 0),
        "fsopen" => (libc::SYS_fsopen, c"tmpfs".as_ptr() as libc::c_long, 0),
        "handle" => (libc::SYS_open_by_handle_at, -1, 0),
        "kcmp" => (libc::SYS_kcmp, 1, 1),
        "reboot" => (libc::SYS_reboot, 0, 0),
        "x32" => (0x4000_0000 | libc::SYS_getpid, 0, 0),
        _ => return Err(io::Error::other("there is no such call")),
    };
    // SAFETY: with these arguments the calls read no more than a constant string, and change this process only.
    checked(unsafe { libc::syscall(number, first, second, 0, 0, 0) })
}

/// Another process of the same user, as a supervisor is where there is no view.
fn starve_child() -> io::Result<String> {
    let mut child = std::process::Command::new("/bin/sleep").arg("1000").spawn()?;
    // SAFETY: numbers only.
    let done = unsafe { libc::setpriority(libc::PRIO_PROCESS, child.id(), 5) };
    let done = checked(done.into());
    child.kill()?;
    child.wait()?;
    done
}

fn clone_user() -> io::Result<String> {
    let flags = libc::c_long::from(libc::CLONE_NEWUSER | libc::SIGCHLD);
    // SAFETY: without a stack of its own this forks; the child ends at once.
    let child = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    if child == 0 {
        std::process::exit(0);
    }
    checked(child)
}

fn io_uring() -> io::Result<String> {
    let mut parameters = [0_u8; 256];
    // SAFETY: the structure is smaller than what the call may write to.
    checked(unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, parameters.as_mut_ptr()) })
}
