//! Hostile programs: each is stopped in every environment, with the system's error and without an effect, and gains
//! what it is after without a sandbox.
#![cfg(target_os = "linux")]

mod common;

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use common::{PROGRAM, Place, launcher, limits, path, soon};
use cyrus_sandbox::{Containment, Input, Launch, Launcher, Profile};
use nix::libc::{
    EACCES, EAFNOSUPPORT, ECONNREFUSED, ENETUNREACH, ENOENT, ENOPROTOOPT, ENOSPC, ENOSYS, EPERM,
    EROFS, ESRCH, EXDEV,
};

/// With namespaces, where the system gives them; and without.
const ENVIRONMENTS: [Containment; 2] = [Containment::PidNamespace, Containment::Subreaper];

/// What came of an attack.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Gained(String),
    Refused(i32),
}

struct Arena {
    place: Place,
    tried: u32,
}

impl Arena {
    fn new() -> Self {
        Self { place: Place::new(), tried: 0 }
    }

    async fn run(&self, launcher: &Launcher, attack: &[&str], confined: bool) -> Outcome {
        let workspace = path(self.place.at("workspace"));
        let mut launch = Launch::new(path(PROGRAM), workspace)
            .arg("attack")
            .args(attack)
            .env("HOME", self.place.at("home"));
        if confined {
            let sandbox = self.place.sandbox(Profile::Standard).tmp_bytes(8 << 20);
            launch = launch.sandbox(sandbox.program(&path(PROGRAM), &[]));
        }
        let ended = soon(launcher.run_to_end(launch, &limits())).await.unwrap();
        let said = ended.stdout.text();
        match said.trim_end().split_once(' ') {
            Some(("refused", number)) => Outcome::Refused(number.parse().unwrap()),
            Some(("gained", what)) => Outcome::Gained(what.to_owned()),
            None if said.starts_with("gained") => Outcome::Gained(String::new()),
            _ => panic!("{attack:?}: {ended:?}"),
        }
    }

    /// An attack that has to fail with one of these errors wherever it is tried, and to succeed without a sandbox.
    async fn stopped(&mut self, attack: &[&str], errors: &[i32]) {
        self.stopped_everywhere(attack, errors).await;
        let gained = self.run(&Launcher::unsupervised(), attack, false).await;
        assert!(matches!(gained, Outcome::Gained(_)), "without a sandbox, {attack:?}: {gained:?}");
    }

    /// The same for what not every system allows, or what would do harm.
    async fn stopped_everywhere(&mut self, attack: &[&str], errors: &[i32]) {
        for environment in ENVIRONMENTS {
            self.stopped_in(environment, attack, errors).await;
        }
    }

    async fn stopped_in(&mut self, environment: Containment, attack: &[&str], errors: &[i32]) {
        match self.run(&launcher(environment), attack, true).await {
            Outcome::Refused(error) if errors.contains(&error) => self.tried += 1,
            outcome => panic!("{attack:?} with {environment}: {outcome:?}"),
        }
    }

    async fn has_view(&self) -> bool {
        let confinement =
            launcher(Containment::PidNamespace).probe_sandbox(Profile::Standard).await;
        confinement.unwrap().sandbox.unwrap().view
    }

    fn secret(&self, name: &str) -> String {
        self.place.at("secret").join(name).display().to_string()
    }

    fn own(&self, name: &str) -> String {
        self.place.at("workspace").join(name).display().to_string()
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        println!("hostile programs tried and stopped: {}", self.tried);
    }
}

/// Not there where there is a view, refused where there is none.
const HIDDEN: [i32; 2] = [ENOENT, EACCES];

/// Read-only where there is a view.
const SEALED: [i32; 3] = [ENOENT, EACCES, EROFS];

#[tokio::test]
async fn files_outside_are_neither_read_nor_changed() {
    let mut arena = Arena::new();
    let (key, made) = (arena.secret("key"), arena.secret("made"));
    arena.stopped(&["read", &key], &HIDDEN).await;
    arena.stopped(&["list", &arena.secret("")], &HIDDEN).await;
    arena.stopped(&["write", &made], &HIDDEN).await;
    fs::remove_file(&made).unwrap();
    arena.stopped_everywhere(&["write", &made], &HIDDEN).await;
    arena.stopped_everywhere(&["truncate", &key], &HIDDEN).await;
    arena.stopped_everywhere(&["remove", &key], &HIDDEN).await;
    arena.stopped_everywhere(&["rename", &key, &arena.own("key")], &[ENOENT, EACCES, EXDEV]).await;
    arena
        .stopped_everywhere(
            &["hard-link", &key, &arena.own("key")],
            &[ENOENT, EACCES, EXDEV, EPERM],
        )
        .await;
    arena.stopped(&["link-and-read", &key, &arena.own("link")], &HIDDEN).await;
    assert_eq!(fs::read_to_string(&key).unwrap(), "the key");
    assert!(!fs::exists(&made).unwrap() && !fs::exists(arena.own("key")).unwrap());
    assert_eq!(arena.tried, 18);
}

#[tokio::test]
async fn the_system_and_the_root_are_not_written() {
    let mut arena = Arena::new();
    for place in ["/usr", "/etc", "/", "/dev", "/home", "/root", "/proc", "/opt"] {
        arena.stopped_everywhere(&["write", &format!("{place}/.cyrus-attack")], &SEALED).await;
    }
    for file in
        ["/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/etc/passwd", "/etc/ld.so.cache"]
    {
        arena.stopped_everywhere(&["truncate", file], &SEALED).await;
    }
    for secret in ["/proc/kcore", "/dev/mem", "/dev/kmsg", "/dev/port"] {
        arena.stopped_everywhere(&["read", secret], &[ENOENT, EACCES, EPERM]).await;
    }
}

/// What the program may read of such a file is nothing: an empty one is in its place.
#[tokio::test]
async fn hidden_files_of_the_system_are_empty() {
    let arena = Arena::new();
    for hidden in ["/etc/machine-id", "/etc/shadow"] {
        if fs::read(hidden).is_err() {
            continue;
        }
        let seen = arena.run(&launcher(Containment::PidNamespace), &["read", hidden], true).await;
        if arena.has_view().await {
            assert_eq!(seen, Outcome::Gained(String::new()));
        }
        let seen = arena.run(&launcher(Containment::Subreaper), &["read", hidden], true).await;
        assert_eq!(seen, Outcome::Refused(EACCES));
    }
}

#[tokio::test]
async fn modes_outside_are_not_changed_and_rights_are_not_left_behind() {
    let mut arena = Arena::new();
    let (key, own) = (arena.secret("key"), arena.own("own"));
    fs::write(&own, "").unwrap();
    if arena.has_view().await {
        arena.stopped_in(Containment::PidNamespace, &["chmod", &key, "777"], &HIDDEN).await;
    } else {
        // Landlock alone keeps nobody from the mode of a file that is their own: only another user does.
        assert!(!nix::unistd::geteuid().is_root());
    }
    for mode in ["4755", "2755", "6755"] {
        arena.stopped(&["chmod", &own, mode], &[EPERM]).await;
        fs::remove_file(&own).unwrap();
        fs::write(&own, "").unwrap();
    }
}

#[tokio::test]
async fn other_processes_are_neither_seen_nor_signalled() {
    let mut arena = Arena::new();
    let host = std::process::id();
    for file in ["environ", "maps", "mem"] {
        arena
            .stopped_everywhere(
                &["read", &format!("/proc/{host}/{file}")],
                &[ENOENT, EACCES, EPERM, ESRCH],
            )
            .await;
    }
    for link in ["root", "cwd", "exe"] {
        arena.stopped(&["readlink", &format!("/proc/{host}/{link}")], &[ENOENT, EACCES]).await;
    }
    arena.stopped(&["signal", &host.to_string()], &[ESRCH, EPERM]).await;
    // The first process of its namespace is no way out either; without one it is the system's.
    for file in ["/proc/1/environ", "/proc/1/mem", "/proc/1/maps"] {
        arena.stopped_everywhere(&["read", file], &[EACCES, EPERM]).await;
    }
    for link in ["/proc/1/root", "/proc/1/cwd", "/proc/1/exe", "/proc/1/fd/0"] {
        arena.stopped_everywhere(&["readlink", link], &[EACCES, EPERM]).await;
    }
}

#[tokio::test]
async fn sockets_of_the_machines_services_are_not_reached() {
    let mut arena = Arena::new();
    let docker = arena.secret("docker.sock");
    let _docker = UnixListener::bind(&docker).unwrap();
    let name = format!("cyrus-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let _bus = UnixListener::bind_addr(&address).unwrap();
    arena.stopped(&["connect-unix", &docker], &[ENOENT, EACCES, EAFNOSUPPORT]).await;
    arena.stopped(&["connect-abstract", &name], &[ECONNREFUSED, EPERM, EAFNOSUPPORT]).await;
}

#[tokio::test]
async fn nothing_is_reached_but_what_the_host_serves() {
    let mut arena = Arena::new();
    let service = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = service.local_addr().unwrap().to_string();
    let refused = [ECONNREFUSED, EACCES, ENETUNREACH, EPERM];
    arena.stopped(&["connect", &to], &refused).await;
    arena
        .stopped_everywhere(&["mptcp", &to], &[ECONNREFUSED, EPERM, ENETUNREACH, ENOPROTOOPT])
        .await;
    arena.stopped_everywhere(&["fastopen", &to], &[ECONNREFUSED, EPERM]).await;
    arena.stopped_everywhere(&["connect", "169.254.169.254:80"], &refused).await;
    arena.stopped_everywhere(&["connect", "192.0.2.1:443"], &refused).await;

    let names = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = names.local_addr().unwrap().to_string();
    arena.stopped_in(Containment::Subreaper, &["udp", &to], &[EPERM]).await;
    // On a loopback interface of its own it may send what it likes: nothing of it arrives.
    let _ = arena.run(&launcher(Containment::PidNamespace), &["udp", &to], true).await;
    arena.stopped_everywhere(&["udp", "192.0.2.1:53"], &[ENETUNREACH, EPERM]).await;
    names.set_nonblocking(true).unwrap();
    assert!(names.recv(&mut [0; 8]).is_err(), "a packet got out");
    let gained = arena.run(&Launcher::unsupervised(), &["udp", &to], false).await;
    assert!(matches!(gained, Outcome::Gained(_)) && names.recv(&mut [0; 8]).is_ok());
    // Two came by TCP: without a sandbox.
    service.set_nonblocking(true).unwrap();
    assert!(service.accept().is_ok() && service.accept().is_err());
}

/// A token of one execution is of no use in another one, and the port that it goes with is not to be had there.
#[tokio::test]
async fn the_ports_of_another_sandbox_are_not_reached() {
    for environment in ENVIRONMENTS {
        let mut arena = Arena::new();
        let launcher = launcher(environment);
        let outlets = launcher.outlets(1).await.unwrap();
        let to = format!("127.0.0.1:{}", outlets.ports()[0]);
        let sandbox = arena.place.sandbox(Profile::Standard).outlets(outlets);
        let other = arena.place.script("read line").stdin(Input::Pipe).sandbox(sandbox);
        let mut other = launcher.spawn(other).await.unwrap();
        let port = other.take_outlets().remove(0);
        arena.stopped_in(environment, &["connect", &to], &[ECONNREFUSED, EACCES]).await;
        assert!(port.accept().is_err(), "it was reached");
        other.kill();
        assert!(soon(other.wait()).await.is_ok());
    }
}

/// Virtual machines, the kernel's ciphers, packets, Bluetooth, the kernel's own messages.
#[tokio::test]
async fn sockets_of_odd_families_are_not_made() {
    let mut arena = Arena::new();
    for family in ["40", "38", "17", "31", "44", "29", "21"] {
        arena.stopped_everywhere(&["socket", family], &[EAFNOSUPPORT]).await;
    }
}

#[tokio::test]
async fn system_calls_that_lead_out_of_sandboxes_are_refused() {
    let mut arena = Arena::new();
    for call in ["clone3", "io_uring", "x32"] {
        arena.stopped_everywhere(&["call", call], &[ENOSYS]).await;
    }
    for call in [
        "unshare-user",
        "unshare-network",
        "clone-user",
        "userfaultfd",
        "secret-memory",
        "starve-by-number",
        "starve-by-class",
        "starve-by-user",
        "starve-parent",
        "starve-parents-class",
        "ptrace",
        "keyring",
        "bpf",
        "perf",
        "mount",
        "setns",
        "fsopen",
        "handle",
        "kcmp",
        "reboot",
    ] {
        arena.stopped_everywhere(&["call", call], &[EPERM]).await;
    }
    arena.stopped_everywhere(&["type-for-others"], &[EPERM]).await;
    // These are there for everybody otherwise.
    for call in ["ptrace", "keyring"] {
        let gained = arena.run(&Launcher::unsupervised(), &["call", call], false).await;
        assert!(matches!(gained, Outcome::Gained(_)), "{call}: {gained:?}");
    }
}

#[tokio::test]
async fn memory_is_not_filled_with_files() {
    let mut arena = Arena::new();
    if arena.has_view().await {
        arena.stopped_in(Containment::PidNamespace, &["fill", "/tmp"], &[ENOSPC]).await;
        arena.stopped_in(Containment::PidNamespace, &["fill", "/var/tmp"], &[ENOSPC]).await;
    }
    // Without a view `/tmp` is the machine's.
    arena.stopped_in(Containment::Subreaper, &["fill", "/tmp"], &[EACCES]).await;
}
