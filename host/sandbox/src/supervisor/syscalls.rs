//! The system calls that no sandboxed program needs, and that have been ways out of sandboxes.
//!
//! A call is refused with an error, never by ending the program: many programs try, and have another way.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter, sock_filter,
};

/// Refused as not permitted, whatever their arguments.
const FORBIDDEN: &[libc::c_long] = &[
    // Namespaces and mounts.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    // The kernel's key rings, which are no namespace's.
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // Large interfaces of the kernel that attacks on it begin with.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    // Memory that counts as a file's.
    libc::SYS_memfd_secret,
    libc::SYS_fanotify_init,
    libc::SYS_lookup_dcookie,
    libc::SYS_vhangup,
    // The machine.
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    // Files by their number in a file system, past every path.
    libc::SYS_open_by_handle_at,
    libc::SYS_quotactl,
    QUOTACTL_FD,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_kexec_file_load,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
];

const QUOTACTL_FD: libc::c_long = 443;
const FCHMODAT2: libc::c_long = 452;

/// Refused as unknown to the kernel, so that programs take the way they have for older ones. `clone3` passes its flags
/// where no filter can read them, and `openat2` the mode of a file that it makes; `io_uring` does what other filters
/// forbid.
const UNKNOWN: &[libc::c_long] = &[
    libc::SYS_clone3,
    libc::SYS_openat2,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

/// Flags of `clone` that make namespaces.
const NAMESPACES: [libc::c_int; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// Terminal requests that type for others: `TIOCSTI` and `TIOCLINUX`.
const INJECTING: [u64; 2] = [libc::TIOCSTI, 0x541c];

/// Modes of files that give their owner's rights to others.
const SET_ID: [u64; 2] = [0o4000, 0o2000];

/// What `O_TMPFILE` has beside `O_DIRECTORY`: a file without a name.
const NAMELESS: libc::c_int = libc::O_TMPFILE & !libc::O_DIRECTORY;

/// The first process of a view's namespace: its supervisor.
const FIRST: u64 = 1;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// What the system calls of a process are asked against.
pub(super) struct Filters(Vec<BpfProgram>);

/// The filters of a program with a view. To write them takes longer than to fork, so a stem has them before.
static OF_VIEWS: LazyLock<Result<Filters, String>> =
    LazyLock::new(|| Filters::new(false, false).map_err(|error| error.to_string()));

impl Filters {
    /// `only_tcp`: only TCP streams are to be had, since nothing else keeps the program from the host's network.
    /// `no_view`: no sockets by path, since nothing else keeps it from the host's services.
    fn new(only_tcp: bool, no_view: bool) -> Result<Self, seccompiler::Error> {
        let mut programs = Vec::new();
        for (errno, rules) in [
            (libc::ENOSYS, unknown()),
            (libc::EAFNOSUPPORT, families(no_view)?),
            (libc::EPERM, forbidden(only_tcp, no_view)?),
        ] {
            let refuse = SeccompAction::Errno(errno.cast_unsigned());
            let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, architecture())?;
            programs.push(BpfProgram::try_from(filter)?);
        }
        programs.push(without_x32());
        Ok(Self(programs))
    }

    /// Filters this process's system calls. Later filters are asked as well as earlier ones, and the strictest answer
    /// counts.
    fn apply(&self) -> Result<(), seccompiler::Error> {
        self.0.iter().try_for_each(|program| apply_filter(program))
    }
}

/// Has the filters of views ready for what is forked from this process.
pub(super) fn prepare() {
    LazyLock::force(&OF_VIEWS);
}

/// Filters the system calls of a program with a view.
pub(super) fn restrict_in_view() -> Result<(), String> {
    let filters = OF_VIEWS.as_ref().map_err(Clone::clone)?;
    filters.apply().map_err(|error| error.to_string())
}

/// The same without a view. `isolated`: it is to have no network.
pub(super) fn restrict_without_view(isolated: bool) -> Result<(), String> {
    let filters = Filters::new(isolated, true).map_err(|error| error.to_string())?;
    filters.apply().map_err(|error| error.to_string())
}

fn architecture() -> TargetArch {
    #[cfg(target_arch = "x86_64")]
    return TargetArch::x86_64;
    #[cfg(target_arch = "aarch64")]
    return TargetArch::aarch64;
    #[cfg(target_arch = "riscv64")]
    return TargetArch::riscv64;
}

/// The calls of the 32-bit interface on 64 bits have numbers of their own, which the other filters do not know.
fn without_x32() -> BpfProgram {
    const LOAD: u16 = 0x20;
    const JUMP_IF_AT_LEAST: u16 = 0x35;
    const RETURN: u16 = 0x06;
    const ALLOW: u32 = 0x7fff_0000;
    const ERRNO: u32 = 0x0005_0000;
    let statement = |code, jt, k| sock_filter {
        code,
        jt,
        jf: u8::from(jt == 0 && code == JUMP_IF_AT_LEAST),
        k,
    };
    vec![
        statement(LOAD, 0, 0),
        statement(JUMP_IF_AT_LEAST, 0, 0x4000_0000),
        statement(RETURN, 0, ERRNO | libc::ENOSYS.cast_unsigned()),
        statement(RETURN, 0, ALLOW),
    ]
}

fn unknown() -> Rules {
    UNKNOWN.iter().map(|&call| (call, Vec::new())).collect()
}

/// Sockets of families that are neither local nor of the internet: virtual machines, the kernel's ciphers, packets.
fn families(no_view: bool) -> Result<Rules, seccompiler::Error> {
    let mut allowed = vec![libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];
    if !no_view {
        allowed.push(libc::AF_UNIX);
    }
    let none = |family: &libc::c_int| argument(0, SeccompCmpOp::Ne, unsigned(*family));
    let others = SeccompRule::new(allowed.iter().map(none).collect::<Result<_, _>>()?)?;
    // Of the kernel's own, only what asks for addresses and routes.
    let netlink = rule(&[
        (0, SeccompCmpOp::Eq, unsigned(libc::AF_NETLINK)),
        (2, SeccompCmpOp::Ne, unsigned(libc::NETLINK_ROUTE)),
    ])?;
    Ok([(libc::SYS_socket, vec![others, netlink])].into())
}

fn forbidden(only_tcp: bool, no_view: bool) -> Result<Rules, seccompiler::Error> {
    let mut rules: Rules = FORBIDDEN.iter().map(|&call| (call, Vec::new())).collect();
    for flag in NAMESPACES.map(unsigned) {
        add(&mut rules, libc::SYS_clone, &[(0, SeccompCmpOp::MaskedEq(flag), flag)])?;
    }
    for request in INJECTING {
        add(&mut rules, libc::SYS_ioctl, &[(1, SeccompCmpOp::Eq, request)])?;
    }
    for bit in SET_ID {
        let set = SeccompCmpOp::MaskedEq(bit);
        for (call, mode) in [(libc::SYS_fchmod, 1), (libc::SYS_fchmodat, 2), (FCHMODAT2, 2)] {
            add(&mut rules, call, &[(mode, set.clone(), bit)])?;
        }
        for call in [libc::SYS_mknodat, libc::SYS_mkdirat] {
            add(&mut rules, call, &[(2, set.clone(), bit)])?;
        }
        #[cfg(target_arch = "x86_64")]
        for call in [libc::SYS_chmod, libc::SYS_creat, libc::SYS_mknod, libc::SYS_mkdir] {
            add(&mut rules, call, &[(1, set.clone(), bit)])?;
        }
        // The mode counts only when a file may be made, with a name or without.
        for made in [libc::O_CREAT, NAMELESS].map(unsigned) {
            let creating = SeccompCmpOp::MaskedEq(made);
            let conditions = [(2, creating.clone(), made), (3, set.clone(), bit)];
            add(&mut rules, libc::SYS_openat, &conditions)?;
            #[cfg(target_arch = "x86_64")]
            add(&mut rules, libc::SYS_open, &[(1, creating, made), (2, set.clone(), bit)])?;
        }
    }
    // Limits of another process: what measures a program is one, of the same user.
    add(&mut rules, libc::SYS_prlimit64, &[(0, SeccompCmpOp::Ne, 0)])?;
    // How much of the processors others have: in a view the first process, of the same user; without one each process
    // of that user, those that measure and start programs among them.
    let others = if no_view { (SeccompCmpOp::Ne, 0) } else { (SeccompCmpOp::Eq, FIRST) };
    for call in [
        libc::SYS_sched_setaffinity,
        libc::SYS_sched_setattr,
        libc::SYS_sched_setparam,
        libc::SYS_sched_setscheduler,
    ] {
        add(&mut rules, call, &[(0, others.0.clone(), others.1)])?;
    }
    // By its number, or as one of its user.
    for (call, user) in [(libc::SYS_setpriority, 2), (libc::SYS_ioprio_set, 3)] {
        add(&mut rules, call, &[(1, others.0.clone(), others.1)])?;
        add(&mut rules, call, &[(0, SeccompCmpOp::Eq, user)])?;
    }
    if only_tcp {
        only_tcp_streams(&mut rules)?;
    }
    Ok(rules)
}

/// Nothing but TCP, connected to by `connect`: the ways past Landlock's rules of ports.
fn only_tcp_streams(rules: &mut Rules) -> Result<(), seccompiler::Error> {
    const KIND: u64 = 0xf;
    for family in [libc::AF_INET, libc::AF_INET6].map(unsigned) {
        for kind in (0..=KIND).filter(|&kind| kind != unsigned(libc::SOCK_STREAM)) {
            let is = [(0, SeccompCmpOp::Eq, family), (1, SeccompCmpOp::MaskedEq(KIND), kind)];
            add(rules, libc::SYS_socket, &is)?;
        }
        let other = [
            (0, SeccompCmpOp::Eq, family),
            (2, SeccompCmpOp::Ne, 0),
            (2, SeccompCmpOp::Ne, unsigned(libc::IPPROTO_TCP)),
        ];
        add(rules, libc::SYS_socket, &other)?;
    }
    let fast = unsigned(libc::MSG_FASTOPEN);
    for (call, flags) in [(libc::SYS_sendto, 3), (libc::SYS_sendmsg, 2), (libc::SYS_sendmmsg, 3)] {
        add(rules, call, &[(flags, SeccompCmpOp::MaskedEq(fast), fast)])?;
    }
    Ok(())
}

fn unsigned(value: libc::c_int) -> u64 {
    value.cast_unsigned().into()
}

fn argument(
    index: u8,
    operator: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, seccompiler::Error> {
    // The kernel reads these arguments as 32 bits, and so must the filter.
    Ok(SeccompCondition::new(index, SeccompCmpArgLen::Dword, operator, value)?)
}

fn rule(conditions: &[(u8, SeccompCmpOp, u64)]) -> Result<SeccompRule, seccompiler::Error> {
    let conditions = conditions
        .iter()
        .map(|(index, operator, value)| argument(*index, operator.clone(), *value));
    Ok(SeccompRule::new(conditions.collect::<Result<_, _>>()?)?)
}

fn add(
    rules: &mut Rules,
    call: libc::c_long,
    conditions: &[(u8, SeccompCmpOp, u64)],
) -> Result<(), seccompiler::Error> {
    rules.entry(call).or_default().push(rule(conditions)?);
    Ok(())
}
