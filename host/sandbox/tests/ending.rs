//! Everything that a program starts ends: with it, when killed, when dropped, and with the host.
#![cfg(target_os = "linux")]

mod common;

use std::process::{Child, Command, Stdio};

use common::{LITTER, PROGRAM, SUPERVISED, Wake, launcher, limits, litter, sh, soon};
use cyrus_sandbox::{Containment, Exit, Input, Launch, Launcher, Lost, Output, Signal};
use nix::sys::signal::kill;
use nix::unistd::Pid;
use tokio::io::AsyncWriteExt;

fn quiet(script: &str) -> Launch {
    sh(script).stdin(Input::Pipe).stdout(Output::Null).stderr(Output::Null)
}

#[tokio::test]
async fn all_ends_with_the_program() {
    for containment in SUPERVISED {
        let mut wake = Wake::new();
        let script = litter(&wake, "read line; exit 7");
        let mut child = launcher(containment).spawn(quiet(&script)).await.unwrap();
        wake.all_here(&LITTER).await;
        let mut stdin = child.take_stdin().unwrap();
        stdin.write_all(b"go\n").await.unwrap();
        assert_eq!(soon(child.wait()).await, Ok(Exit::Code(7)));
        assert_eq!(wake.all_gone().await, "");
    }
}

#[tokio::test]
async fn all_ends_with_a_kill() {
    for containment in SUPERVISED {
        let mut wake = Wake::new();
        let script = litter(&wake, "trap '' TERM INT; read line");
        let child = launcher(containment).spawn(quiet(&script)).await.unwrap();
        wake.all_here(&LITTER).await;
        child.kill();
        assert_eq!(soon(child.wait()).await, Ok(Exit::Signal(9)));
        assert_eq!(wake.all_gone().await, "");
    }
}

#[tokio::test]
async fn all_ends_with_the_last_hold_on_it() {
    for containment in SUPERVISED {
        let mut wake = Wake::new();
        let script = litter(&wake, "sleep 1000000");
        let child = launcher(containment).spawn(quiet(&script)).await.unwrap();
        let handle = child.handle();
        wake.all_here(&LITTER).await;
        drop(child);
        assert_eq!(handle.try_wait(), None, "there is a hold left");
        drop(handle);
        assert_eq!(wake.all_gone().await, "");
    }
}

#[test]
fn all_ends_with_the_runtime() {
    let seeing = tokio::runtime::Runtime::new().unwrap();
    for containment in SUPERVISED {
        let ending = tokio::runtime::Runtime::new().unwrap();
        let mut wake = seeing.block_on(async { Wake::new() });
        let script = litter(&wake, "sleep 1000000");
        let spawned = ending.block_on(launcher(containment).spawn(quiet(&script)));
        let child = spawned.unwrap();
        seeing.block_on(wake.all_here(&LITTER));
        drop(ending);
        assert_eq!(seeing.block_on(wake.all_gone()), "");
        assert_eq!(seeing.block_on(child.wait()), Err(Lost));
    }
}

/// A host that launches this script.
fn host(containment: Containment, script: &str) -> Child {
    let name = serde_json::to_value(containment).unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["host", name.as_str().unwrap(), script]).stdin(Stdio::null()).spawn().unwrap()
}

#[tokio::test]
async fn all_ends_with_a_host_that_is_killed() {
    for containment in SUPERVISED {
        let mut wake = Wake::new();
        let script = litter(&wake, "sleep 1000000");
        let mut host = host(containment, &script);
        wake.all_here(&LITTER).await;
        host.kill().unwrap();
        host.wait().unwrap();
        assert_eq!(wake.all_gone().await, "");
    }
}

/// The first process of the namespace listens to the host, and measures what the program made. However busy that keeps it,
/// the one above it ends all when the host is gone.
#[tokio::test]
async fn all_ends_with_a_host_that_is_killed_while_the_supervisor_is_busy() {
    let probed = launcher(Containment::PidNamespace).probe().await.unwrap();
    if probed.containment != Containment::PidNamespace {
        return;
    }
    let mut wake = Wake::new();
    let script = litter(&wake, "sleep 1000000");
    let mut host = host(Containment::PidNamespace, &script);
    wake.all_here(&LITTER).await;
    let child = |parent: u32| {
        let list = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
        list.unwrap().split_whitespace().next().unwrap().parse::<u32>().unwrap()
    };
    let inner = child(child(child(host.id())));
    let status = std::fs::read_to_string(format!("/proc/{inner}/status")).unwrap();
    assert!(status.lines().any(|line| line == format!("NSpid:\t{inner}\t1")), "{status}");
    // A process that does nothing any more is as busy as one can be.
    kill(Pid::from_raw(inner.cast_signed()), nix::sys::signal::Signal::SIGSTOP).unwrap();
    host.kill().unwrap();
    host.wait().unwrap();
    assert_eq!(wake.all_gone().await, "");
}

#[tokio::test]
async fn signals_reach_the_program_itself_and_nobody_else() {
    for containment in SUPERVISED {
        for (signal, word) in [(Signal::Interrupt, "INT"), (Signal::Terminate, "TERM")] {
            let mut wake = Wake::new();
            let script = format!(
                "exec 3>{fifo}
                 sh -c 'trap \"echo leaked >&3\" INT TERM; echo child >&3; sleep 1000000 & wait' &
                 trap 'echo got-{word} >&3; exit 3' {word}
                 echo program >&3
                 sleep 1000000 & wait; wait",
                fifo = wake.fifo().display()
            );
            let child = launcher(containment).spawn(quiet(&script)).await.unwrap();
            wake.all_here(&["program", "child"]).await;
            child.signal(signal);
            assert_eq!(soon(child.wait()).await, Ok(Exit::Code(3)));
            let rest = wake.all_gone().await;
            assert_eq!(rest, format!("got-{word}\n"));
        }
    }
}

#[tokio::test]
async fn waiting_and_signalling_go_together_and_waiting_again_is_allowed() {
    for containment in [SUPERVISED[0], SUPERVISED[1], Containment::ProcessGroup] {
        let mut wake = Wake::new();
        let script = format!("echo program >{}; exec sleep 1000000", wake.fifo().display());
        let child = launcher(containment).spawn(quiet(&script)).await.unwrap();
        wake.all_here(&["program"]).await;
        let handle = child.handle();
        let waiting = tokio::spawn(async move { handle.wait().await });
        let signal = async {
            child.signal(Signal::Terminate);
            child.wait().await
        };
        let (first, second) = soon(async { tokio::join!(waiting, signal) }).await;
        assert_eq!(first.unwrap(), Ok(Exit::Signal(15)));
        assert_eq!(second, Ok(Exit::Signal(15)));
        child.signal(Signal::Interrupt);
        child.kill();
        assert_eq!(child.wait().await, Ok(Exit::Signal(15)));
    }
}

/// Were the host's end of one socket open in another program's supervisor, the one would live as long as the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn programs_that_start_at_once_do_not_keep_each_other_alive() {
    for containment in SUPERVISED {
        let launcher = launcher(containment);
        let mut starting = Vec::new();
        for _ in 0..8 {
            let launcher = launcher.clone();
            let mut wake = Wake::new();
            starting.push(tokio::spawn(async move {
                let script = litter(&wake, "sleep 1000000");
                let child = launcher.spawn(quiet(&script)).await.unwrap();
                wake.all_here(&LITTER).await;
                (child, wake)
            }));
        }
        let mut running = Vec::new();
        for start in starting {
            running.push(start.await.unwrap());
        }
        while let Some((child, wake)) = running.pop() {
            drop(child);
            assert_eq!(wake.all_gone().await, "");
            assert!(running.iter().all(|(child, _)| child.handle().try_wait().is_none()));
        }
    }
}

#[tokio::test]
async fn a_program_that_goes_on_starting_others_is_caught_up_with() {
    for containment in SUPERVISED {
        let mut wake = Wake::new();
        let script = format!(
            "exec 3>{}; echo program >&3; while :; do setsid sleep 1000000 & done",
            wake.fifo().display()
        );
        let child = launcher(containment).spawn(quiet(&script)).await.unwrap();
        wake.all_here(&["program"]).await;
        child.kill();
        assert_eq!(soon(child.wait()).await, Ok(Exit::Signal(9)));
        assert_eq!(wake.all_gone().await, "");
    }
}

/// The system lists such a process as one that has ended.
#[tokio::test]
async fn a_program_that_outlives_its_main_thread_is_killed() {
    for containment in SUPERVISED {
        let mut wake = Wake::new();
        let script = format!("exec '{PROGRAM}' leaderless >{}", wake.fifo().display());
        let child = launcher(containment).spawn(quiet(&script)).await.unwrap();
        wake.all_here(&["leaderless"]).await;
        child.kill();
        assert_eq!(soon(child.wait()).await, Ok(Exit::Signal(9)));
        assert_eq!(wake.all_gone().await, "");
    }
}

/// In a namespace a program cannot reach its supervisor. Elsewhere it can, and then its own group is what ends.
#[tokio::test]
async fn a_program_that_attacks_its_supervisor_gains_no_life() {
    for containment in SUPERVISED {
        let mut wake = Wake::new();
        let script = format!(
            "exec 3>{}; echo program >&3; read line; kill -9 $PPID; echo attacked >&3; sleep 1000000",
            wake.fifo().display()
        );
        let mut child = launcher(containment).spawn(quiet(&script)).await.unwrap();
        wake.all_here(&["program"]).await;
        child.take_stdin().unwrap().write_all(b"go\n").await.unwrap();
        if child.confinement().containment == Containment::Subreaper {
            assert_eq!(soon(child.wait()).await, Err(Lost));
        } else {
            wake.all_here(&["attacked"]).await;
            assert_eq!(child.handle().try_wait(), None);
        }
        drop(child);
        let rest = wake.all_gone().await;
        assert!(rest.is_empty() || rest == "attacked\n", "{rest}");
    }
}

/// Without a supervisor the program's own group is what ends.
#[tokio::test]
async fn a_process_group_ends_with_its_leader_and_with_the_last_hold() {
    for leader_ends in [true, false] {
        let mut wake = Wake::new();
        let script = format!(
            "exec 3>{}; sh -c 'echo child >&3; exec sleep 1000000' & echo program >&3; read line",
            wake.fifo().display()
        );
        let launcher = Launcher::unsupervised();
        let mut child = launcher.spawn(quiet(&script)).await.unwrap();
        wake.all_here(&["program", "child"]).await;
        if leader_ends {
            let mut stdin = child.take_stdin().unwrap();
            stdin.write_all(b"go\n").await.unwrap();
            assert_eq!(soon(child.wait()).await, Ok(Exit::Code(0)));
        } else {
            drop(child);
        }
        assert_eq!(wake.all_gone().await, "");
    }
}

/// Without a process namespace there is the control group, where the system has them.
#[tokio::test]
async fn a_program_in_a_control_group_does_not_escape_by_killing_its_supervisor() {
    let launcher = launcher(Containment::Subreaper);
    let groups = soon(launcher.run_to_end(sh("cat /proc/self/cgroup"), &limits())).await.unwrap();
    if !groups.stdout.text().contains("cyrus-program-") {
        return;
    }
    let mut wake = Wake::new();
    let launch = quiet(&litter(&wake, "read line; kill -9 $PPID; exec sleep 1000000"));
    let mut child = launcher.spawn(launch.stdin(Input::Pipe)).await.unwrap();
    wake.all_here(&LITTER).await;
    drop(child.take_stdin());
    assert_eq!(soon(child.wait()).await, Err(Lost));
    assert_eq!(wake.all_gone().await, "");
}
