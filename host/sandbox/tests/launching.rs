//! What a program finds when it starts, and what is said when it does not.
#![cfg(target_os = "linux")]

mod common;

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{PROGRAM, SUPERVISED, Wake, launcher, path, sh, soon};
use cyrus_sandbox::{
    Confinement, Containment, Exit, Input, Launch, Launcher, Limits, Output, SpawnError, Supervisor,
};
use nix::sys::signal::kill;
use nix::unistd::Pid;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

const ALL: [Containment; 3] =
    [Containment::PidNamespace, Containment::Subreaper, Containment::ProcessGroup];

fn limits() -> Limits {
    Limits::within(std::time::Duration::from_mins(1))
}

async fn output_of(containment: Containment, launch: Launch) -> String {
    let finished = launcher(containment).run_to_end(launch, &limits()).await;
    let finished = finished.unwrap();
    assert!(finished.success(), "{finished:?}");
    finished.stdout.text()
}

#[tokio::test]
async fn the_environment_holds_what_was_named_and_nothing_else() {
    for containment in ALL {
        let launch = Launch::new(path("/usr/bin/env"), path("/"))
            .env("ONE", "1")
            .env("TWO", "two words\nand a line");
        assert_eq!(output_of(containment, launch).await, "ONE=1\nTWO=two words\nand a line\n");
    }
}

#[tokio::test]
async fn a_trusted_tool_gets_a_path_a_home_and_a_language() {
    let env = path("/usr/bin/env");
    let launch =
        Launch::trusted(env.clone(), path("/"), Some("/bin".as_ref()), Some("/h".as_ref()));
    let finished = launcher(Containment::PidNamespace).run_to_end(launch, &limits()).await.unwrap();
    assert_eq!(finished.stdout.text(), "HOME=/h\nLANG=C.UTF-8\nPATH=/bin\n");

    let launcher = launcher(Containment::PidNamespace);
    let child = launcher.spawn(Launch::trusted(env, path("/"), None, None)).await.unwrap();
    assert_eq!(child.confinement().containment, Containment::Subreaper);
    assert_eq!(child.confinement().refused, None);
}

#[tokio::test]
async fn arguments_and_directory_arrive_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let real = directory.path().canonicalize().unwrap();
    for containment in ALL {
        let mut launch = Launch::new(path("/bin/sh"), path(&real)).args([
            "-c",
            "pwd -P; printf '%s|' \"$@\"",
            "sh",
        ]);
        for arg in ["", "two words", "$HOME", "*", "ü\n"] {
            launch = launch.arg(arg);
        }
        let expected = format!("{}\n|two words|$HOME|*|ü\n|", real.display());
        assert_eq!(output_of(containment, launch).await, expected);
    }
}

#[tokio::test]
async fn a_program_keeps_its_user_and_the_files_it_makes_are_that_users() {
    let directory = tempfile::tempdir().unwrap();
    let (user, group) = {
        let own = directory.path().metadata().unwrap();
        (own.uid(), own.gid())
    };
    for containment in ALL {
        let file = directory.path().join(containment.to_string());
        let script = format!("touch '{}'; echo $(id -u) $(id -g)", file.display());
        assert_eq!(output_of(containment, sh(&script)).await, format!("{user} {group}\n"));
        let made = file.metadata().unwrap();
        assert_eq!((made.uid(), made.gid()), (user, group));
    }
}

/// Field 6 of `/proc/PID/stat` is the session. A shell's own number is `$$`.
#[tokio::test]
async fn a_program_has_a_session_without_a_terminal() {
    let ours = nix::unistd::getsid(None).unwrap();
    for containment in ALL {
        let launch = sh(
            "if (: </dev/tty) 2>/dev/null; then echo terminal; fi; cut -d ' ' -f 6 /proc/$$/stat",
        );
        let session = output_of(containment, launch).await;
        assert_ne!(session.trim().parse::<i32>().unwrap(), ours.as_raw());
    }
}

#[tokio::test]
async fn a_program_gets_no_descriptor_but_the_standard_three() {
    // One that a careless parent of the host left open across exec.
    let left_open = File::open("/dev/null").unwrap();
    rustix::io::fcntl_setfd(left_open.as_fd(), rustix::io::FdFlags::empty()).unwrap();
    for containment in SUPERVISED {
        let launch = Launch::new(path(PROGRAM), path("/")).arg("descriptors");
        assert_eq!(output_of(containment, launch).await, "0 1 2\n");
    }
}

/// As a host is started by `nohup`, or in the background by a script. A shell cannot trap what it was started
/// without, and a supervisor started without SIGCHLD would learn of no end.
#[tokio::test]
async fn a_program_gets_the_signals_that_its_host_was_started_without() {
    const SIGNALS: &str = "HUP INT QUIT USR1 USR2 PIPE ALRM TERM";
    for containment in ALL {
        let mut ignored = SIGNALS.to_owned();
        if containment != Containment::ProcessGroup {
            ignored.push_str(" CHLD");
        }
        let mut wake = Wake::new();
        let script = format!(
            "exec 3>{}; echo program >&3
             for name in {SIGNALS}; do trap \"echo $name >&3\" $name; kill -$name $$; done",
            wake.fifo().display()
        );
        let name = serde_json::to_value(containment).unwrap();
        let mut host = tokio::process::Command::new(PROGRAM)
            .args(["ignoring", &ignored, "host", name.as_str().unwrap(), &script])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        wake.all_here(&["program"]).await;
        assert_eq!(wake.all_gone().await, SIGNALS.replace(' ', "\n") + "\n");
        assert!(soon(host.wait()).await.unwrap().success());
    }
}

#[tokio::test]
async fn a_program_cannot_see_or_signal_what_is_outside_its_namespace() {
    let launcher = launcher(Containment::PidNamespace);
    let confinement = launcher.probe().await.unwrap();
    if confinement.containment != Containment::PidNamespace || !confinement.fresh_proc {
        assert!(!confinement.limits().is_empty());
        return;
    }
    let us = std::process::id();
    let script =
        format!("ls -d /proc/[0-9]* | wc -l; kill -0 {us} 2>/dev/null && echo seen; echo $$");
    let output = output_of(Containment::PidNamespace, sh(&script)).await;
    let lines: Vec<&str> = output.lines().collect();
    let [processes, own] = lines[..] else { panic!("{output}") };
    assert!(processes.parse::<u32>().unwrap() <= 5, "{output}");
    assert!(own.parse::<u32>().unwrap() <= 5, "{output}");
}

/// Set `CYRUS_TEST_REQUIRE_NAMESPACES` where the system is known to allow them.
#[tokio::test]
async fn namespaces_are_there_where_they_are_required() {
    let confinement = launcher(Containment::PidNamespace).probe().await.unwrap();
    let required = std::env::var_os("CYRUS_TEST_REQUIRE_NAMESPACES").is_some();
    match &confinement.refused {
        None => {
            assert_eq!(confinement.containment, Containment::PidNamespace);
            assert!(confinement.fresh_proc || !required);
        }
        Some(reason) => {
            assert!(!required, "process namespaces are required, and refused: {reason}");
            assert_eq!(confinement.containment, Containment::Subreaper);
            assert!(confinement.limits().contains(reason));
        }
    }
    let weaker = launcher(Containment::Subreaper).probe().await.unwrap();
    assert_eq!(weaker.containment, Containment::Subreaper);
    let weakest = Launcher::unsupervised().probe().await.unwrap();
    assert_eq!(weakest.containment, Containment::ProcessGroup);
}

/// With the host's own executable for a supervisor, as it is outside of tests.
#[tokio::test]
async fn an_executable_supervises_for_itself() {
    let output = Command::new(PROGRAM).arg("probe").output().unwrap();
    let own: Confinement = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(own, launcher(Containment::PidNamespace).probe().await.unwrap());
}

/// The numbers are bit masks; SIGPIPE is number 13.
#[tokio::test]
async fn no_signal_is_blocked_and_a_broken_pipe_ends_a_program() {
    for containment in ALL {
        let launch = sh("grep -E 'SigBlk|SigIgn' /proc/self/status | cut -f 2");
        let output = output_of(containment, launch).await;
        let masks: Vec<u64> =
            output.lines().map(|mask| u64::from_str_radix(mask, 16).unwrap()).collect();
        let [blocked, ignored] = masks[..] else { panic!("{output}") };
        assert_eq!(blocked, 0);
        assert_eq!(ignored & (1 << 12), 0);
    }
}

#[tokio::test]
async fn what_cannot_be_launched_is_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str, mode| {
        let file = directory.path().join(name);
        fs::write(&file, content).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        Launch::new(path(file), path("/"))
    };
    let true_in = |directory: &str| Launch::new(path("/bin/true"), path(directory));
    for containment in ALL {
        let launcher = launcher(containment);
        let error = async |launch| launcher.spawn(launch).await.unwrap_err();
        let nowhere = Launch::new(path("/no/such/program"), path("/"));
        assert!(matches!(error(nowhere).await, SpawnError::NotFound { .. }));
        let orphan = file("orphan", "#!/no/such/interpreter\n", 0o755);
        assert!(matches!(error(orphan).await, SpawnError::NotFound { .. }));
        let plain = file("plain", "#!/bin/sh\n", 0o644);
        assert!(matches!(error(plain).await, SpawnError::NotExecutable { .. }));
        // Without a supervisor the C library hands such a file to a shell.
        if containment != Containment::ProcessGroup {
            let noise = file("noise", "\u{1}\u{2}", 0o755);
            assert!(matches!(error(noise).await, SpawnError::NotExecutable { .. }));
        }
        for bad in ["/no/such/directory", "/dev/null"] {
            assert!(matches!(error(true_in(bad)).await, SpawnError::Directory { .. }));
        }
        let endless = true_in("/").arg("x".repeat(4 << 20));
        assert!(matches!(error(endless).await, SpawnError::TooLarge { .. }));
        let zero = true_in("/").arg("a\0b");
        assert!(matches!(error(zero).await, SpawnError::Invalid { .. }));
    }
}

#[tokio::test]
async fn an_executable_that_does_not_supervise_is_an_error() {
    for bad in ["/bin/true", "/bin/cat", "/no/such/supervisor"] {
        let launcher = Launcher::supervised(Supervisor::at(path(bad)));
        let error = soon(launcher.spawn(sh("echo unsupervised"))).await.unwrap_err();
        assert!(matches!(error, SpawnError::Supervisor { .. }), "{error}");
        assert!(error.to_string().contains(bad), "{error}");
    }
}

/// Far more than any pipe or socket holds, both ways at once.
#[tokio::test]
async fn input_streams_in_while_output_streams_out() {
    for containment in ALL {
        let launch =
            Launch::new(path("/bin/cat"), path("/")).stdin(Input::Pipe).stderr(Output::Null);
        let mut child = launcher(containment).spawn(launch).await.unwrap();
        let (mut stdin, mut stdout) = (child.take_stdin().unwrap(), child.take_stdout().unwrap());
        assert!(
            child.take_stdin().is_none()
                && child.take_stdout().is_none()
                && child.take_stderr().is_none()
        );
        // One byte there and back first: nothing waits for the end of the input.
        stdin.write_all(b"?").await.unwrap();
        assert_eq!(soon(stdout.read_u8()).await.unwrap(), b'?');

        let sent: Vec<u8> = (0..=255_u8).cycle().take(1 << 20).collect();
        let writing = async {
            stdin.write_all(&sent).await.unwrap();
            drop(stdin);
        };
        let mut received = Vec::new();
        let (read, ()) =
            soon(async { tokio::join!(stdout.read_to_end(&mut received), writing) }).await;
        read.unwrap();
        assert!(received == sent);
        assert!(soon(child.wait()).await.unwrap().success());
    }
}

/// A large order arrives whole, with its descriptors.
#[tokio::test]
async fn large_arguments_and_environments_arrive() {
    for containment in ALL {
        let (arg, value) = ("a".repeat(100_000), "\u{1}".repeat(100_000));
        let launch = sh("printf '%s %s %s' ${#0} ${#LARGE} \"$*\" | wc -c")
            .args([arg.as_str(), arg.as_str(), "b"])
            .env("LARGE", value);
        assert_eq!(output_of(containment, launch).await.trim(), "100016");
    }
}

#[tokio::test]
async fn a_set_user_id_bit_gains_nothing() {
    for containment in SUPERVISED {
        let launch = sh("grep NoNewPrivs /proc/self/status");
        assert_eq!(output_of(containment, launch).await, "NoNewPrivs:\t1\n");
    }
}

/// The real refusal cannot be had everywhere. This one is the kernel's, too: to a thread that may not ask for namespaces.
#[test]
fn where_a_namespace_is_refused_a_subreaper_takes_over_and_the_reason_is_kept() {
    let said = Warnings::default();
    let heard = said.clone();
    let refused = std::thread::spawn(move || {
        refuse(nix::libc::SYS_unshare, nix::libc::EPERM);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tracing::subscriber::with_default(heard, || {
            let launcher = launcher(Containment::PidNamespace);
            for _ in 0..2 {
                runtime.block_on(async {
                    let child = launcher.spawn(sh("exit 5")).await.unwrap();
                    let confinement = child.confinement();
                    assert_eq!(confinement.containment, Containment::Subreaper);
                    let reason = confinement.refused.as_deref().unwrap();
                    assert!(reason.contains("not permitted"), "{reason}");
                    let limits = confinement.limits();
                    assert!(limits.ends_with(&format!("No process namespace: {reason}.")));
                    assert_eq!(soon(child.wait()).await, Ok(Exit::Code(5)));
                });
            }
        });
    });
    refused.join().unwrap();
    // It is asked for once.
    assert_eq!(said.0.load(Ordering::Relaxed), 1);
}

/// A program is born in its control group, or joins it where the kernel has no call for that.
#[test]
fn a_program_is_in_its_control_group_without_the_newest_system_calls_too() {
    let group = |refused: bool| {
        std::thread::spawn(move || {
            if refused {
                refuse(nix::libc::SYS_clone3, nix::libc::ENOSYS);
            }
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let read = output_of(Containment::Subreaper, sh("cat /proc/self/cgroup"));
            runtime.block_on(read).contains("cyrus-program-")
        })
    };
    assert_eq!(group(true).join().unwrap(), group(false).join().unwrap());
}

/// Has the kernel refuse a system call to this thread and what it starts.
fn refuse(call: nix::libc::c_long, errno: nix::libc::c_int) {
    let refused = BTreeMap::from([(call, Vec::new())]);
    let errno = SeccompAction::Errno(errno.cast_unsigned());
    let architecture = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(refused, SeccompAction::Allow, errno, architecture).unwrap();
    seccompiler::apply_filter(&BpfProgram::try_from(filter).unwrap()).unwrap();
}

/// Counts the warnings of a thread.
#[derive(Clone, Debug, Default)]
struct Warnings(Arc<AtomicUsize>);

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

/// What supervisors are forked from is started once, and again when it was killed. What came from it stays.
#[tokio::test]
async fn supervisors_come_from_one_process_that_may_be_lost() {
    let launcher = launcher(Containment::Subreaper);
    let mut stems = Vec::new();
    for round in 0..4 {
        let script = "read -r _ _ _ stem _ </proc/$PPID/stat; echo $stem; read -r line; exit 5";
        let mut child = launcher.spawn(sh(script).stdin(Input::Pipe)).await.unwrap();
        let mut stdout = BufReader::new(child.take_stdout().unwrap());
        let mut stem = String::new();
        soon(stdout.read_line(&mut stem)).await.unwrap();
        let stem: i32 = stem.trim().parse().unwrap();
        if round == 1 {
            kill(Pid::from_raw(stem), nix::sys::signal::Signal::SIGKILL).unwrap();
        }
        stems.push(stem);
        drop(child.take_stdin());
        assert_eq!(soon(child.wait()).await, Ok(Exit::Code(5)));
    }
    assert_eq!(stems[0], stems[1]);
    assert_eq!(stems[2], stems[3]);
    assert_ne!(stems[1], stems[2]);
}

#[test]
fn a_supervisor_that_no_host_started_ends_by_itself() {
    for part in ["stem", "outer", "sandbox", "subreaper", "else"] {
        let null = File::options().read(true).write(true).open("/dev/null").unwrap();
        let status = Command::new(PROGRAM).args(["__supervise", part]).stdin(null).status();
        assert_eq!(status.unwrap().code(), Some(1), "{part}");
    }
}
