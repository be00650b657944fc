//! What the tests share.
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::future::Future;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cyrus_sandbox::{
    AbsolutePath, Containment, Finished, Launch, Launcher, Limits, Profile, Sandbox, Supervisor,
};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::unix::pipe;

/// The containments that reach every descendant. Where the system refuses the stronger one, its tests run with the
/// weaker one, which has to pass them too; `namespaces_are_there_where_they_are_required` tells.
pub(crate) const SUPERVISED: [Containment; 2] = [Containment::PidNamespace, Containment::Subreaper];

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_sandbox-test-program");

pub(crate) fn path(path: impl Into<PathBuf>) -> AbsolutePath {
    AbsolutePath::parse(path).unwrap()
}

pub(crate) fn launcher(containment: Containment) -> Launcher {
    Launcher::supervised(Supervisor::at(path(PROGRAM))).at_most(containment)
}

pub(crate) fn sh(script: &str) -> Launch {
    Launch::new(path("/bin/sh"), path("/")).args(["-c", script]).env("PATH", "/usr/bin:/bin")
}

/// Fails a test that would hang. It decides nothing else: a minute is for ever here.
pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(1), work)
        .await
        .expect("this should have happened long ago")
}

/// A named pipe that processes hold open. Its end says that all of them are gone, in whatever session or namespace
/// they were.
pub(crate) struct Wake {
    directory: TempDir,
    /// Keeps the pipe from ending before anybody opened it.
    own: Option<File>,
    reader: BufReader<pipe::Receiver>,
}

impl Wake {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let fifo = directory.path().join("wake");
        mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        let reader = pipe::OpenOptions::new().open_receiver(&fifo).unwrap();
        let own = File::options().write(true).open(&fifo).unwrap();
        Self { directory, own: Some(own), reader: BufReader::new(reader) }
    }

    pub(crate) fn fifo(&self) -> PathBuf {
        self.directory.path().join("wake")
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Waits until each of these has written its name.
    pub(crate) async fn all_here(&mut self, names: &[&str]) {
        let mut missing: BTreeSet<&str> = names.iter().copied().collect();
        soon(async {
            while !missing.is_empty() {
                let mut line = String::new();
                self.reader.read_line(&mut line).await.unwrap();
                assert!(missing.remove(line.trim_end()), "unexpected {line:?}");
            }
        })
        .await;
        self.own = None;
    }

    /// Waits until nobody holds the pipe, and returns what was written meanwhile.
    pub(crate) async fn all_gone(mut self) -> String {
        let mut rest = String::new();
        soon(self.reader.read_to_string(&mut rest)).await.unwrap();
        rest
    }
}

/// Those who [`litter`] starts, by name.
pub(crate) const LITTER: [&str; 5] = ["session", "daemon", "stubborn", "grandchild", "program"];

/// A script that starts what is hard to kill, each holding the wake: a tool in its own session, a daemon that forked
/// twice, one that ignores every signal it can, one in the background of a shell of its own. Then it does `last`.
pub(crate) fn litter(wake: &Wake, last: &str) -> String {
    format!(
        "exec 3>{fifo}
         setsid sh -c 'echo session >&3; exec sleep 1000000' &
         sh -c '(setsid sh -c \"echo daemon >&3; exec sleep 1000000\" &)'
         (trap '' TERM INT HUP; echo stubborn >&3; while :; do sleep 1000000; done) &
         setsid sh -c 'sh -c \"echo grandchild >&3; exec sleep 1000000\" & wait' &
         echo program >&3
         {last}",
        fifo = wake.fifo().display()
    )
}

pub(crate) fn limits() -> Limits {
    Limits::within(Duration::from_mins(1))
}

/// A host's directory: a workspace and a home for a program, and what is none of its business.
pub(crate) struct Place {
    directory: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir_in("/var/tmp").unwrap();
        // As a directory that other users may enter, for where nothing but permissions can be had.
        fs::set_permissions(directory.path(), Permissions::from_mode(0o711)).unwrap();
        let place = Self { directory };
        for name in ["workspace", "home", "secret"] {
            fs::create_dir(place.at(name)).unwrap();
        }
        fs::set_permissions(place.at("workspace"), Permissions::from_mode(0o700)).unwrap();
        fs::write(place.at("secret/key"), "the key").unwrap();
        place
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.directory.path().canonicalize().unwrap().join(name)
    }

    pub(crate) fn sandbox(&self, profile: Profile) -> Sandbox {
        Sandbox::new(profile)
            .read_write(path(self.at("workspace")))
            .read_write(path(self.at("home")))
    }

    pub(crate) fn script(&self, script: &str) -> Launch {
        let workspace = path(self.at("workspace"));
        Launch::new(path("/bin/sh"), workspace)
            .args(["-c", script])
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.at("home"))
    }

    pub(crate) async fn run(&self, launcher: &Launcher, script: &str) -> Finished {
        let launch = self.script(script).sandbox(self.sandbox(Profile::Standard));
        soon(launcher.run_to_end(launch, &limits())).await.unwrap()
    }
}
