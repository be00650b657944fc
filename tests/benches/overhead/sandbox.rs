//! How long a program takes to start and end: on its own, in our sandbox, and in bubblewrap's with the same mounts.

use crate::report::{Bound, ROUNDS, Report, Table};
use cyrus_sandbox::{
    AbsolutePath, Launch, Launcher, Limits, Profile, Sandbox, Supervisor, find_program,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

/// Starts of each kind in one round.
const STARTS: usize = 40;

/// What a sandbox may add to a start at p50, in milliseconds.
const MOST_MORE_MS: f64 = 5.0;

const BARE: &str = "floor: bare";
const OURS: &str = "in the sandbox";
const BWRAP: &str = "in bubblewrap, the same mounts";

pub(crate) fn measure(report: &mut Report) {
    let directory = tempfile::tempdir_in("/var/tmp").expect("a temporary directory");
    let place = Place::new(directory.path());
    let bwrap = std::env::var_os("PATH").and_then(|path| find_program("bwrap", &path));
    let (table, p99) = crate::on_tokio(async move { rounds(&place, bwrap.as_ref()).await });
    report.add(table);
    report.add(p99);
}

async fn rounds(place: &Place, bwrap: Option<&AbsolutePath>) -> (Table, Table) {
    let cyrus = path(env!("CARGO_BIN_EXE_cyrus-under-test"));
    let launcher = Launcher::supervised(Supervisor::at(cyrus));
    let mut table = Table::new("start and end of `true`, p50 of 40", "ms");
    let mut p99 = Table::new("start and end of `true`, p99 of 40", "ms");
    // What is found out once.
    place.ours(&launcher).await;
    for _ in 0..ROUNDS {
        let mut times: Vec<(&str, Vec<f64>)> =
            [BARE, OURS, BWRAP].map(|name| (name, Vec::new())).into();
        for _ in 0..STARTS {
            times[0].1.push(place.bare().await);
            times[1].1.push(place.ours(&launcher).await);
            if let Some(bwrap) = bwrap {
                times[2].1.push(place.bwrap(bwrap).await);
            }
        }
        for (name, mut figures) in times.into_iter().filter(|(_, figures)| !figures.is_empty()) {
            figures.sort_by(f64::total_cmp);
            table.add(name, figures[figures.len() / 2]);
            p99.add(name, figures[figures.len() - 1]);
        }
    }
    let more = table.median(OURS) - table.median(BARE);
    table.judge("more than bare", more, Bound::AtMost(MOST_MORE_MS));
    if bwrap.is_some() {
        let ratio = table.median(OURS) / table.median(BWRAP);
        table.judge("times bubblewrap", ratio, Bound::AtMost(1.0));
    } else {
        table.note("bubblewrap (`bwrap`) is not installed here and was not measured");
    }
    (table, p99)
}

/// A workspace and a home.
struct Place {
    workspace: AbsolutePath,
    home: AbsolutePath,
}

impl Place {
    fn new(directory: &Path) -> Self {
        let made = |name: &str| {
            let at = directory.join(name);
            fs::create_dir(&at).expect("a directory");
            path(at.canonicalize().expect("it is there"))
        };
        Self { workspace: made("workspace"), home: made("home") }
    }

    async fn bare(&self) -> f64 {
        timed(tokio::process::Command::new("/bin/true").env_clear().current_dir(&self.workspace))
            .await
    }

    async fn ours(&self, launcher: &Launcher) -> f64 {
        let sandbox = Sandbox::new(Profile::Standard)
            .read_write(self.workspace.clone())
            .read_write(self.home.clone());
        let launch = Launch::new(path("/bin/true"), self.workspace.clone()).sandbox(sandbox);
        let begun = Instant::now();
        let finished = launcher.run_to_end(launch, &Limits::within(Duration::from_mins(1))).await;
        let milliseconds = begun.elapsed().as_secs_f64() * 1e3;
        assert!(finished.expect("it starts").success());
        milliseconds
    }

    async fn bwrap(&self, bwrap: &AbsolutePath) -> f64 {
        let mut command = tokio::process::Command::new(bwrap.as_path());
        command.env_clear().args(["--unshare-all", "--die-with-parent", "--new-session"]);
        command.args(["--cap-drop", "ALL", "--proc", "/proc", "--dev", "/dev"]);
        command.args(["--tmpfs", "/tmp", "--tmpfs", "/var/tmp", "--dir", "/run"]);
        for system in SYSTEM.map(Path::new) {
            match fs::read_link(system) {
                Ok(target) => command.arg("--symlink").arg(target).arg(system),
                Err(_) => command.arg("--ro-bind-try").args([system, system]),
            };
        }
        for hidden in HIDDEN.map(Path::new).into_iter().filter(|hidden| hidden.exists()) {
            if hidden.is_dir() {
                command.arg("--tmpfs").arg(hidden);
            } else {
                command.arg("--ro-bind").args([Path::new("/dev/null"), hidden]);
            }
        }
        for own in [self.workspace.as_path(), self.home.as_path()] {
            command.arg("--bind").args([own, own]);
        }
        command.arg("--chdir").arg(self.workspace.as_path()).arg("/bin/true");
        timed(&mut command).await
    }
}

/// What our sandbox shows of a system.
const SYSTEM: [&str; 8] =
    ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/opt", "/etc", "/sys/devices/system/cpu"];

/// What it covers of that, on most systems.
const HIDDEN: [&str; 7] = [
    "/etc/fstab",
    "/etc/gshadow",
    "/etc/machine-id",
    "/etc/shadow",
    "/etc/ssh",
    "/etc/ssl/private",
    "/etc/sudoers.d",
];

async fn timed(command: &mut tokio::process::Command) -> f64 {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let begun = Instant::now();
    let status = command.status().await;
    let milliseconds = begun.elapsed().as_secs_f64() * 1e3;
    assert!(status.expect("it starts").success());
    milliseconds
}

fn path(path: impl Into<PathBuf>) -> AbsolutePath {
    AbsolutePath::parse(path.into()).expect("it is absolute")
}
