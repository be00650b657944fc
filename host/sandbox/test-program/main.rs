//! What the sandbox's tests launch, and launch with. Its first argument says what to do.
#![expect(
    unsafe_code,
    reason = "ignoring a signal, ending one thread and what attackers do have no safe way in a library"
)]

mod attack;
mod exhaust;

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use cyrus_sandbox::{AbsolutePath, Containment, Input, Launch, Launcher, Output, Supervisor};
use nix::sys::signal::{self, SigHandler};

fn main() -> ExitCode {
    let supervisor = cyrus_sandbox::supervise_if_asked();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["host", containment, script] => host(supervisor, containment, script),
        ["ignoring", signals, ref rest @ ..] => ignoring(signals, rest),
        ["leaderless"] => leaderless(),
        ["probe"] => probe(supervisor),
        ["descriptors"] => descriptors(),
        ["talk-to-itself"] => talk_to_itself(),
        ["attack", name, ref args @ ..] => attack::run(name, args),
        _ => {
            eprintln!("usage: sandbox-test-program [ignoring SIGNALS] host CONTAINMENT SCRIPT");
            eprintln!("       sandbox-test-program leaderless | probe | descriptors | attack NAME");
            ExitCode::from(2)
        }
    }
}

/// A host: launches a shell script, and waits for its end.
fn host(supervisor: Supervisor, containment: &str, script: &str) -> ExitCode {
    let containment: Containment =
        serde_json::from_value(containment.into()).expect("a containment's name");
    let path = |path| AbsolutePath::parse(path).expect("absolute");
    let launch = Launch::new(path("/bin/sh"), path("/"))
        .args(["-c", script])
        .env("PATH", "/usr/bin:/bin")
        .stdin(Input::Pipe)
        .stdout(Output::Null)
        .stderr(Output::Null);
    runtime().block_on(async {
        let launcher = Launcher::supervised(supervisor).at_most(containment);
        let child = launcher.spawn(launch).await.expect("the script starts");
        child.wait().await.expect("the script ends");
    });
    ExitCode::SUCCESS
}

/// Becomes this program again, started by somebody who ignores these signals.
fn ignoring(signals: &str, rest: &[&str]) -> ExitCode {
    for name in signals.split(' ') {
        let ignored: signal::Signal = format!("SIG{name}").parse().expect("a signal's name");
        // SAFETY: ignoring is no handler, so none runs that could be unsafe.
        unsafe { signal::signal(ignored, SigHandler::SigIgn) }.expect("it can be ignored");
    }
    let error = Command::new("/proc/self/exe").args(rest).exec();
    eprintln!("cannot become itself again: {error}");
    ExitCode::FAILURE
}

/// Ends its main thread and goes on in another, which says so and never ends.
fn leaderless() -> ExitCode {
    std::thread::spawn(|| {
        let main_ended = || {
            let stat = std::fs::read_to_string("/proc/self/stat").expect("a /proc");
            stat.contains(") Z ")
        };
        while !main_ended() {
            std::thread::yield_now();
        }
        println!("leaderless");
        loop {
            std::thread::park();
        }
    });
    // SAFETY: nothing on this thread's stack is borrowed by the other one.
    unsafe { nix::libc::syscall(nix::libc::SYS_exit, 0) };
    unreachable!("this thread has ended");
}

/// Prints the confinement that programs get from this executable.
fn probe(supervisor: Supervisor) -> ExitCode {
    let launcher = Launcher::supervised(supervisor);
    let confinement = runtime().block_on(launcher.probe()).expect("an answer");
    println!("{}", serde_json::to_string(&confinement).expect("JSON"));
    ExitCode::SUCCESS
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().expect("a runtime")
}

/// Prints the numbers of its open descriptors.
fn descriptors() -> ExitCode {
    let listing = std::fs::read_dir("/proc/self/fd").expect("a /proc");
    // The listing has one of its own.
    let mut open: Vec<String> = listing
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let target = std::fs::read_link(entry.path()).ok()?;
            let own = target.starts_with("/proc");
            (!own).then(|| entry.file_name().to_string_lossy().into_owned())
        })
        .collect();
    open.sort_unstable();
    println!("{}", open.join(" "));
    ExitCode::SUCCESS
}

/// Serves on a loopback port and connects to it, by TCP and UDP.
fn talk_to_itself() -> ExitCode {
    let server = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let to = server.local_addr().expect("an address");
    std::net::TcpStream::connect(to).expect("a connection");
    server.accept().expect("the connection");
    let names = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    names.send_to(b"x", names.local_addr().expect("an address")).expect("a packet");
    names.recv(&mut [0; 8]).expect("the packet");
    ExitCode::SUCCESS
}
