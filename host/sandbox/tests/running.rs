//! Programs that run to their end: their output is bounded, and so is their time.
#![cfg(target_os = "linux")]

mod common;

use std::time::Duration;

use common::{LITTER, SUPERVISED, Wake, launcher, litter, sh, soon};
use cyrus_sandbox::{Containment, Exit, Input, Limits, RunError, SpawnError, Stream};

const ALL: [Containment; 3] = [SUPERVISED[0], SUPERVISED[1], Containment::ProcessGroup];

fn limits() -> Limits {
    Limits::within(Duration::from_mins(1))
}

#[tokio::test]
async fn an_exit_is_reported_exactly() {
    for containment in ALL {
        for (script, exit) in [
            ("exit 0", Exit::Code(0)),
            ("exit 255", Exit::Code(255)),
            ("kill -9 $$", Exit::Signal(9)),
            ("kill -15 $$", Exit::Signal(15)),
            // A real-time signal: not every library can name it.
            ("kill -40 $$", Exit::Signal(40)),
            // The exit code of a shell whose program was killed is a code.
            ("sh -c 'kill -9 $$'; exit $?", Exit::Code(137)),
        ] {
            let finished = launcher(containment).run_to_end(sh(script), &limits()).await.unwrap();
            assert_eq!(finished.exit, exit, "{containment}: {script}");
            assert_eq!(finished.success(), exit == Exit::Code(0));
            assert!(!finished.timed_out);
        }
    }
}

#[tokio::test]
async fn output_is_kept_within_bounds_and_never_holds_the_program_up() {
    let limits = Limits { head: 100, tail: 50, ..limits() };
    for containment in ALL {
        let script = "echo first; head -c 3000000 /dev/zero; echo last; echo problem >&2";
        let finished = soon(launcher(containment).run_to_end(sh(script), &limits)).await.unwrap();
        assert!(finished.success());
        let kept = finished.stdout.bytes();
        assert_eq!(kept.len(), 150);
        assert!(kept.starts_with(b"first\n\0") && kept.ends_with(b"\0last\n"));
        assert_eq!(finished.stdout.dropped(), 3_000_000 + 11 - 150);
        assert_eq!(finished.stderr.text(), "problem\n");
    }
}

#[tokio::test]
async fn input_is_given_and_a_program_may_leave_it_unread() {
    for containment in ALL {
        let launch = sh("tr a-z A-Z").stdin(Input::Bytes(b"some text".to_vec()));
        let finished = launcher(containment).run_to_end(launch, &limits()).await.unwrap();
        assert_eq!(finished.stdout.text(), "SOME TEXT");

        let unread = sh("exit 4").stdin(Input::Bytes(vec![0; 1 << 20]));
        let finished = soon(launcher(containment).run_to_end(unread, &limits())).await.unwrap();
        assert_eq!(finished.exit, Exit::Code(4));

        let finished = launcher(containment).run_to_end(sh("wc -c"), &limits()).await.unwrap();
        assert_eq!(finished.stdout.text().trim(), "0", "no input is an empty one");
    }
}

#[tokio::test]
async fn lines_are_handed_out_as_they_come() {
    let mut seen = Vec::new();
    let launch = sh("echo one; echo problem >&2; printf 'two\nthree'");
    let finished = launcher(Containment::PidNamespace)
        .run_watched(launch, &limits(), |stream, line| seen.push((stream, line.to_owned())))
        .await
        .unwrap();
    assert!(finished.success());
    let of = |wanted| {
        let lines = seen.iter().filter(move |(stream, _)| *stream == wanted);
        lines.map(|(_, line)| line.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(of(Stream::Stdout), ["one", "two", "three"]);
    assert_eq!(of(Stream::Stderr), ["problem"]);
}

/// It is asked first. Who does not listen is killed, and so is what it started.
#[tokio::test]
async fn time_is_up_for_all() {
    let short = Duration::from_millis(50);
    for containment in SUPERVISED {
        let limits = Limits { time: short, grace: Duration::from_mins(1), ..limits() };
        let listens = sh("trap 'echo bye; exit 6' TERM; sleep 1000000 & wait; wait");
        let finished = soon(launcher(containment).run_to_end(listens, &limits)).await.unwrap();
        assert!(finished.timed_out && !finished.success());
        // A machine under load may be slow to set the trap.
        assert!([Exit::Code(6), Exit::Signal(15)].contains(&finished.exit), "{finished:?}");

        let mut wake = Wake::new();
        let deaf = sh(&litter(&wake, "trap '' TERM; sleep 1000000"));
        let limits = Limits { time: Duration::from_secs(1), grace: short, ..limits };
        let launcher = launcher(containment);
        let (finished, ()) = soon(async {
            tokio::join!(launcher.run_to_end(deaf, &limits), wake.all_here(&LITTER))
        })
        .await;
        let finished = finished.unwrap();
        assert!(finished.timed_out);
        assert_eq!(finished.exit, Exit::Signal(9));
        assert!(finished.duration >= limits.time);
        assert_eq!(wake.all_gone().await, "");
    }
}

#[tokio::test]
async fn a_run_that_is_dropped_is_killed() {
    for containment in ALL {
        let mut wake = Wake::new();
        let script = format!("exec 3>{}; echo program >&3; sleep 1000000", wake.fifo().display());
        let launcher = launcher(containment);
        let run = tokio::spawn(async move { launcher.run_to_end(sh(&script), &limits()).await });
        wake.all_here(&["program"]).await;
        run.abort();
        assert_eq!(wake.all_gone().await, "");
    }
}

/// Where only the group is killed somebody may live on and hold the output open: that holds nobody up.
#[tokio::test]
async fn an_output_that_somebody_holds_open_is_not_waited_for() {
    let mut wake = Wake::new();
    let script = format!(
        "setsid sh -c 'echo holder; exec 3>{fifo}; echo holder >&3; read line <{fifo}.end' & echo program; read line",
        fifo = wake.fifo().display()
    );
    nix::unistd::mkfifo(&wake.directory().join("wake.end"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let launcher = launcher(Containment::ProcessGroup);
    let mut child = launcher.spawn(sh(&script).stdin(Input::Pipe)).await.unwrap();
    wake.all_here(&["holder"]).await;
    drop(child.take_stdin());
    assert!(soon(child.wait()).await.is_ok());
    // Lets the survivor go.
    let end = wake.directory().join("wake.end");
    tokio::task::spawn_blocking(move || std::fs::write(end, "\n")).await.unwrap().unwrap();
    assert_eq!(wake.all_gone().await, "");
}

#[tokio::test]
async fn what_cannot_start_cannot_run() {
    let launch = cyrus_sandbox::Launch::new(common::path("/no/such/program"), common::path("/"));
    let error =
        launcher(Containment::PidNamespace).run_to_end(launch, &limits()).await.unwrap_err();
    assert!(matches!(error, RunError::Spawn(SpawnError::NotFound { .. })), "{error}");
}
