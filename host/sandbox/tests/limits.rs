//! What programs may use of the machine: each limit is the system's error, in every environment, and what was asked
//! for is had without the limit.
#![cfg(target_os = "linux")]

mod common;

use std::io::Write as _;

use common::{PROGRAM, Place, SUPERVISED, launcher, limits, path, soon};
use cyrus_sandbox::{
    Containment, Exceeded, Exit, Finished, Input, Launch, Launcher, Profile, Resources,
};
use nix::libc::{EAGAIN, EFBIG, EMFILE, ENOMEM, ENOSPC, SIGXCPU};
use tokio::io::{AsyncBufReadExt as _, BufReader};

async fn attack(launcher: &Launcher, limits: Option<Resources>, attack: &[&str]) -> Finished {
    let place = Place::new();
    let program = path(PROGRAM);
    let sandbox = place.sandbox(Profile::Standard).program(&program, &[]);
    let mut launch = Launch::new(program, path(place.at("workspace")))
        .arg("attack")
        .args(attack)
        .sandbox(sandbox);
    if let Some(limits) = limits {
        launch = launch.limits(limits);
    }
    soon(launcher.run_to_end(launch, &self::limits())).await.unwrap()
}

/// With the limit it fails with this error, in every environment; without, it has what it is after.
async fn stopped(limits: Resources, tried: &[&str], error: i32) {
    for environment in SUPERVISED {
        let ended = attack(&launcher(environment), Some(limits), tried).await;
        let said = ended.stdout.text();
        assert_eq!(said, format!("refused {error}\n"), "{tried:?} with {environment}: {ended:?}");
    }
    let free = Some(Resources::UNLIMITED);
    let ended = attack(&launcher(Containment::PidNamespace), free, tried).await;
    assert!(ended.stdout.text().starts_with("gained "), "{tried:?} without a limit: {ended:?}");
}

#[tokio::test]
async fn a_fork_bomb_gets_no_more_processes_than_its_sandbox_may_have() {
    let limits = Resources { processes: Some(100), ..Resources::UNLIMITED };
    stopped(limits, &["fork-bomb", "200"], EAGAIN).await;
    stopped(limits, &["thread-bomb", "200"], EAGAIN).await;
}

/// The limit is that of one sandbox, whatever else its user has running.
#[tokio::test]
async fn processes_of_one_sandbox_do_not_count_for_another() {
    let launcher = launcher(Containment::PidNamespace);
    let limits = Some(Resources { processes: Some(100), ..Resources::UNLIMITED });
    let run = || attack(&launcher, limits, &["fork-bomb", "60"]);
    let (one, two, three) = tokio::join!(run(), run(), run());
    for ended in [one, two, three] {
        assert_eq!(ended.stdout.text(), "gained 60 processes\n", "{ended:?}");
    }
}

#[tokio::test]
async fn files_are_no_larger_and_no_more_than_allowed() {
    let limits = Resources { file_bytes: Some(1 << 20), ..Resources::UNLIMITED };
    stopped(limits, &["large-file", "large", "1048577"], EFBIG).await;
    let limits = Resources { open_files: Some(200), ..Resources::UNLIMITED };
    stopped(limits, &["open-files", "300"], EMFILE).await;
}

#[tokio::test]
async fn memory_that_a_process_maps_is_limited() {
    let limits = Resources { data_bytes: Some(512 << 20), ..Resources::UNLIMITED };
    stopped(limits, &["map", "1073741824"], ENOMEM).await;
}

#[tokio::test]
async fn a_process_that_spins_is_ended_by_its_time_of_a_processor() {
    let limits = Some(Resources { cpu_seconds: Some(1), ..Resources::UNLIMITED });
    let ended = attack(&launcher(Containment::PidNamespace), limits, &["spin"]).await;
    assert_eq!(ended.exit, Exit::Signal(SIGXCPU), "{ended:?}");
}

#[tokio::test]
async fn an_untrusted_program_is_limited_and_a_trusted_tool_is_not_unless_asked() {
    let said = async |launch: Launch| {
        let launcher = launcher(Containment::PidNamespace);
        let script = ["-c", "ulimit -H -f; ulimit -c"];
        let ended = soon(launcher.run_to_end(launch.args(script), &limits())).await.unwrap();
        ended.stdout.text()
    };
    let sh = || path("/bin/sh");
    let untrusted = said(Launch::new(sh(), path("/"))).await;
    // In blocks of 512 bytes.
    assert_eq!(untrusted, format!("{}\n0\n", (16_u64 << 30) / 512));
    let own =
        std::process::Command::new("/bin/sh").args(["-c", "ulimit -H -f; ulimit -c"]).output();
    let trusted = Launch::trusted(sh(), path("/"), None, None);
    assert_eq!(said(trusted).await.as_bytes(), own.unwrap().stdout);
    let trusted = Launch::trusted(sh(), path("/"), None, None);
    let one = Resources { file_bytes: Some(1 << 20), ..Resources::UNLIMITED };
    assert_eq!(said(trusted.limits(one)).await, "2048\n0\n");
}

/// The half of it is a child's.
#[tokio::test]
async fn a_program_that_uses_more_memory_than_it_may_is_ended() {
    let limits = Resources { memory_bytes: Some(100 << 20), ..Resources::UNLIMITED };
    for environment in SUPERVISED {
        let tried = ["hog-for-good", "134217728"];
        let ended = attack(&launcher(environment), Some(limits), &tried).await;
        assert_eq!(ended.exceeded, Some(Exceeded::Memory(100 << 20)), "{environment}: {ended:?}");
        assert!(!ended.success());
    }
    let launcher_of_namespaces = launcher(Containment::PidNamespace);
    let tried = ["hog-from-thread-for-good", "134217728"];
    let ended = attack(&launcher_of_namespaces, Some(limits), &tried).await;
    assert_eq!(ended.exceeded, Some(Exceeded::Memory(100 << 20)), "{ended:?}");
    let free = Some(Resources::UNLIMITED);
    let ended = attack(&launcher_of_namespaces, free, &["hog", "134217728"]).await;
    assert!(ended.success() && ended.exceeded.is_none(), "{ended:?}");
}

/// What two processes share is there once.
#[tokio::test]
async fn shared_memory_does_not_count_twice() {
    let limits = Resources { memory_bytes: Some(100 << 20), ..Resources::UNLIMITED };
    for environment in SUPERVISED {
        let ended = attack(&launcher(environment), Some(limits), &["share", "67108864"]).await;
        assert!(ended.success() && ended.exceeded.is_none(), "{environment}: {ended:?}");
    }
}

#[tokio::test]
async fn files_in_memory_are_memory() {
    let launcher = launcher(Containment::PidNamespace);
    let view = launcher.probe_sandbox(Profile::Standard).await.unwrap().sandbox.unwrap().view;
    for directory in ["/tmp", "/dev/shm"].iter().filter(|_| view) {
        let limits = Some(Resources { memory_bytes: Some(20 << 20), ..Resources::UNLIMITED });
        let ended = attack(&launcher, limits, &["fill-for-good", directory, "30"]).await;
        assert_eq!(ended.exceeded, Some(Exceeded::Memory(20 << 20)), "{directory}: {ended:?}");
    }
}

/// What the kernel keeps of a file takes memory when there is nothing in it, too.
#[tokio::test]
async fn empty_files_in_memory_are_memory() {
    let launcher = launcher(Containment::PidNamespace);
    let view = launcher.probe_sandbox(Profile::Standard).await.unwrap().sandbox.unwrap().view;
    for directory in ["/tmp", "/dev/shm"].iter().filter(|_| view) {
        let limits = Some(Resources { memory_bytes: Some(20 << 20), ..Resources::UNLIMITED });
        let ended = attack(&launcher, limits, &["empty-files-for-good", directory, "60000"]).await;
        assert_eq!(ended.exceeded, Some(Exceeded::Memory(20 << 20)), "{directory}: {ended:?}");
        let free = Some(Resources::UNLIMITED);
        let ended = attack(&launcher, free, &["empty-files", directory, "200000"]).await;
        assert_eq!(ended.stdout.text(), format!("refused {ENOSPC}\n"), "{directory}: {ended:?}");
    }
}

/// What becomes of a machine that has no memory left.
#[tokio::test]
async fn a_program_is_the_first_to_end_when_memory_is_short() {
    for environment in SUPERVISED {
        let script = "cat /proc/self/oom_score_adj; for process in self $$; do
                      { echo 0 >/proc/$process/oom_score_adj; } 2>/dev/null; done; cat /proc/$$/oom_score_adj";
        let launcher = launcher(environment);
        let ended = Place::new().run(&launcher, script).await;
        let said = ended.stdout.text();
        assert!(said.starts_with("500\n"), "{ended:?}");
        let sandbox = launcher.probe_sandbox(Profile::Standard).await.unwrap().sandbox.unwrap();
        // Without Landlock, one whose host lacks CAP_SYS_RESOURCE takes it back.
        if sandbox.landlock > 0 {
            assert_eq!(said, "500\n500\n", "{ended:?}");
        }
    }
}

#[tokio::test]
async fn a_program_that_takes_more_room_than_it_may_is_ended() {
    let limits = Resources { disk_bytes: Some(8 << 20), ..Resources::UNLIMITED };
    for environment in SUPERVISED {
        for tried in [
            ["fill-for-good", ".", "20"],
            ["hide-for-good", ".", "20"],
            ["unlink-from-thread-for-good", ".", "20"],
            ["in-flight-for-good", ".", "20"],
        ] {
            let ended = attack(&launcher(environment), Some(limits), &tried).await;
            let Some(Exceeded::Disk { place, bytes }) = &ended.exceeded else {
                panic!("{tried:?} with {environment}: {ended:?}")
            };
            // A file without a name lies in no place.
            let is_there = place.ends_with("workspace")
                || !tried[0].starts_with('f') && !tried[0].starts_with("hide");
            assert!(is_there && *bytes == 8 << 20, "{ended:?}");
            assert!(!ended.success());
        }
    }
}

/// Bit by bit, between two looks of the watch; and so much that no other program writes it meanwhile.
#[tokio::test]
async fn what_is_hidden_bit_by_bit_is_not_forgotten() {
    let limits = Resources { disk_bytes: Some(100 << 20), ..Resources::UNLIMITED };
    let tried = ["in-flight-slowly-for-good", ".", "20", "10"];
    let ended = attack(&launcher(Containment::PidNamespace), Some(limits), &tried).await;
    assert!(matches!(ended.exceeded, Some(Exceeded::Disk { .. })), "{ended:?}");
}

/// What measures a program is the one that ends it: however much there is to look at, it listens.
#[tokio::test]
async fn a_program_that_holds_much_is_ended_when_it_is_asked_to() {
    for environment in SUPERVISED {
        let place = Place::new();
        let program = path(PROGRAM);
        let sandbox = place.sandbox(Profile::Standard).program(&program, &[]);
        let launch = Launch::new(program, path(place.at("workspace")))
            .args(["attack", "hold-open-for-good", "60000", "1500"])
            .sandbox(sandbox)
            .limits(Resources { disk_bytes: Some(8 << 20), ..Resources::UNLIMITED });
        let launcher = launcher(environment);
        let mut child = launcher.spawn(launch).await.unwrap();
        let mut said = BufReader::new(child.take_stdout().unwrap());
        let mut line = String::new();
        soon(said.read_line(&mut line)).await.unwrap();
        assert_eq!(line, "held\n");
        child.kill();
        assert_eq!(soon(child.wait()).await, Ok(Exit::Signal(9)), "{environment}");
    }
}

/// It is no business of the program's whose room it was.
#[tokio::test]
async fn a_program_is_not_ended_for_what_others_write() {
    let limits = Resources { disk_bytes: Some(8 << 20), ..Resources::UNLIMITED };
    let other = tempfile::tempfile_in("/var/tmp").unwrap();
    let place = Place::new();
    let launch = place.script("read line; exit 1").sandbox(place.sandbox(Profile::Standard));
    let launcher = launcher(Containment::PidNamespace);
    let mut child = launcher.spawn(launch.limits(limits).stdin(Input::Pipe)).await.unwrap();
    (&other).write_all(&vec![1; 20 << 20]).unwrap();
    other.sync_all().unwrap();
    drop(child.take_stdin());
    assert_eq!(soon(child.wait()).await, Ok(Exit::Code(1)));
    assert_eq!(child.exceeded(), None);
}
