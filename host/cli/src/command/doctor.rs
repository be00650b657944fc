mod here;
mod places;

use super::executor::survey;
use crate::{
    app::{App, Opening},
    args::DoctorArgs,
    exit::Exit,
    output::{print_all, print_json_pretty, say},
};
use anyhow::Result;
use cyrus_executor::Line;
use cyrus_sandbox::{
    AbsolutePath, Confinement, Containment, Launch, Launcher, Layer, Layers, Limits, MemoryLimit,
    PassedOver, Profile, find_program,
};
use serde::Serialize;
use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

/// One prerequisite.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    /// What it is.
    what: String,
    state: State,
    /// What was seen.
    seen: String,
    /// How to mend it. Empty when there is nothing to mend.
    mend: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    /// It holds.
    Good,
    /// Cyrus works without it, with less.
    Less,
    /// Cyrus cannot work.
    Missing,
}

impl Finding {
    fn new(what: &str, state: State, seen: impl Into<String>, mend: &str) -> Self {
        Self { what: what.to_owned(), state, seen: seen.into(), mend: mend.to_owned() }
    }

    fn good(what: &str, seen: impl Into<String>) -> Self {
        Self::new(what, State::Good, seen, "")
    }

    fn is_good(&self) -> bool {
        self.state == State::Good
    }
}

/// `cyrus doctor`
pub(crate) async fn doctor(opening: Opening, args: DoctorArgs) -> Result<Exit> {
    let launcher = opening.launcher();
    let mut findings =
        vec![places::home(&opening.home()?), git(&launcher).await, containment(&launcher).await];
    let opened = opening.app();
    let work = opened.as_ref().ok().map(|app| app.config().work_dir());
    findings.extend(work.map(places::work));
    findings.extend(sandbox(&launcher, work).await);
    match opened {
        Err(error) => {
            let mend = "correct the file; until then nothing that needs it works";
            findings.push(Finding::new(
                "configuration",
                State::Missing,
                format!("{error:#}"),
                mend,
            ));
        }
        Ok(app) => {
            app.sweep_launches();
            findings.extend(configuration(&app));
            findings.extend(search_path(&app));
            findings.extend(plugins(&app));
            findings.extend(executors(&app).await);
            findings.extend(here::repository(&app, args.try_checks).await);
        }
    }
    let missing = findings.iter().any(|finding| finding.state == State::Missing);
    if args.json.json {
        print_json_pretty(&findings)?;
    } else {
        findings.iter().for_each(show);
    }
    Ok(if missing { Exit::NotDone } else { Exit::Done })
}

fn show(finding: &Finding) {
    let mark = match finding.state {
        State::Good => "ok  ",
        State::Less => "warn",
        State::Missing => "fail",
    };
    let seen = format!("{mark}  {}: ", finding.what);
    print_all(&Line::block(&seen, "      | ", &finding.seen));
    if !finding.mend.is_empty() {
        say!("      -> {}", finding.mend);
    }
}

async fn git(launcher: &Launcher) -> Finding {
    const WHAT: &str = "git";
    const MEND: &str = "install git 2.33 or newer";
    let path = env::var_os("PATH").unwrap_or_default();
    let Some(git) = find_program("git", &path) else {
        return Finding::new(WHAT, State::Missing, "not found on PATH", MEND);
    };
    let version = async {
        let launch =
            Launch::trusted(git, AbsolutePath::parse("/")?, Some(&path), None).arg("--version");
        let done = launcher.run_to_end(launch, &Limits::within(Duration::from_secs(10))).await?;
        anyhow::Ok(done.stdout.text().trim().to_owned())
    };
    match version.await {
        Err(error) => Finding::new(WHAT, State::Missing, format!("{error:#}"), MEND),
        Ok(said) if recent(&said) => Finding::good(WHAT, said),
        Ok(said) => Finding::new(WHAT, State::Missing, said, MEND),
    }
}

/// Whether `git version 2.39.2 …` is one that Cyrus works with.
fn recent(said: &str) -> bool {
    let mut numbers =
        said.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(2), Some(33))
}

async fn containment(launcher: &Launcher) -> Finding {
    const WHAT: &str = Confinement::ROW;
    match launcher.probe().await {
        Err(error) => Finding::new(
            WHAT,
            State::Missing,
            format!("cannot be launched: {error}"),
            "see what it says",
        ),
        Ok(held) if held.containment == Containment::PidNamespace => {
            Finding::good(WHAT, format!("held by a {}: {}", held.containment, held.limits()))
        }
        Ok(held) => Finding::new(
            WHAT,
            State::Less,
            format!("held by a {} only: {}", held.containment, held.limits()),
            "on Linux, allow user namespaces (sysctl user.max_user_namespaces), or run Cyrus where they are allowed",
        ),
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether users other than its owner may pass to a directory, which need not be there yet.
fn others_may_pass_to(directory: &Path) -> bool {
    let mut there = directory.ancestors().skip(1).filter_map(|above| fs::metadata(above).ok());
    there.all(|above| above.permissions().mode() & 0o001 != 0)
}

/// A row for each layer of the sandbox, for programs that work below `work`.
async fn sandbox(launcher: &Launcher, work: Option<&Path>) -> Vec<Finding> {
    let layers = match launcher.probe_sandbox(Profile::Standard).await {
        Ok(Confinement { sandbox: Some(layers), refused, .. }) => (layers, refused),
        Ok(_) => return Vec::new(),
        Err(error) => {
            let seen = format!("cannot be made: {error}");
            let mend = "see what it says; the profile `off` launches programs without one";
            return vec![Finding::new("sandbox", State::Missing, seen, mend)];
        }
    };
    let (mut layers, refused) = layers;
    // Without a file system of its own a program finds its directory where it is, as the user that it is.
    if !layers.view && is_root() && !work.is_none_or(others_may_pass_to) {
        layers.user = 0;
    }
    let because = refused.map(|reason| format!(" ({reason})")).unwrap_or_default();
    let row = |layer: Layer, good: String, less: &str, mend: &str| {
        let what = layer.to_string();
        if layers.holds(layer) {
            Finding::good(&what, good)
        } else {
            Finding::new(&what, State::Less, less, mend)
        }
    };
    let user = |id: u32| format!("programs run as user {id}, without capabilities");
    let namespaces = "allow user namespaces (sysctl user.max_user_namespaces; on Ubuntu an AppArmor profile with \
                      `userns` for this program), or run Cyrus where they are allowed";
    let control_group = control_group(is_root());
    vec![
        row(
            Layer::Files,
            "programs have a file system of their own".to_owned(),
            &if layers.landlock > 0 {
                format!(
                    "Landlock alone keeps programs from other files: they see names and may change modes{because}"
                )
            } else {
                format!("nothing keeps programs from the files of the user that they are{because}")
            },
            namespaces,
        ),
        row(
            Layer::Network,
            "programs can have a network of their own".to_owned(),
            &format!("programs share the host's network{because}: {}", less_of_network(&layers)),
            namespaces,
        ),
        row(
            Layer::Landlock,
            format!("version {}", layers.landlock),
            "the kernel has none, or it is not among its security modules",
            "use Linux 5.13 or newer, with `landlock` in the kernel parameter `lsm`",
        ),
        row(
            Layer::SystemCalls,
            "are filtered".to_owned(),
            "are not filtered: no supervisor runs beside programs",
            "run Cyrus on Linux",
        ),
        row(Layer::Memory, memory(&layers), &memory(&layers), control_group),
        row(
            Layer::User,
            user(layers.user),
            "programs stay root's user, without capabilities: another user could not pass to where they work",
            "run Cyrus as an ordinary user, or set `workDir` to a directory that every user may pass to, such as one in \
             /var/lib",
        ),
    ]
}

/// What programs that share the host's network cannot do, so that tests which do it fail.
fn less_of_network(layers: &Layers) -> &'static str {
    /// The first version of Landlock that restricts connections.
    const CONNECTIONS: i32 = 4;
    if layers.landlock >= CONNECTIONS {
        "they make no Unix sockets, and connect to no port but the egress proxy's, so that tests fail which start a server of their own"
    } else {
        "they make no Unix sockets, so that tests fail which do"
    }
}

/// What gives programs control groups, by whether Cyrus runs as root.
fn control_group(is_root: bool) -> &'static str {
    if is_root {
        "root may make no control group here, or those below it do not have `memory`: mount control groups of version 2 \
         writable, with `memory` in the top's `cgroup.subtree_control` (a container needs a cgroup namespace of its own \
         and /sys/fs/cgroup writable)"
    } else {
        "no control group of version 2 is delegated to this user: run Cyrus in a user session of systemd, or with \
         `systemd-run --user --scope -p Delegate=yes`, or as root"
    }
}

/// What keeps programs from all of the machine's memory.
fn memory(layers: &Layers) -> String {
    match layers.memory {
        MemoryLimit::Kernel => "a control group limits the memory of programs",
        MemoryLimit::Measured => {
            "no control group limits the memory of programs: a supervisor measures it and ends them, and does not see \
             files without a name that nothing maps"
        }
        MemoryLimit::None => "nothing limits the memory of programs",
    }
    .to_owned()
}

fn configuration(app: &App) -> Vec<Finding> {
    const WHAT: &str = "configuration";
    let file = app.config().file();
    let seen = if file.exists() { "is good" } else { "is not there; defaults hold" };
    let mut all = vec![Finding::good(WHAT, format!("{} {seen}", file.display()))];
    all.extend(app.config().not_followed().iter().map(|problem| {
        let mend = "nothing has to be done: the key is kept as it is";
        Finding::new(WHAT, State::Less, problem.to_string(), mend)
    }));
    all.extend(app.config().warnings().iter().map(|warning| {
        Finding::new(
            WHAT,
            State::Less,
            warning.to_string(),
            "correct the key, or leave it: it is kept as it is",
        )
    }));
    all
}

/// The directories of `PATH` in which the host looks for no program.
fn search_path(app: &App) -> Vec<Finding> {
    let passed_over = app.search_path().passed_over().into_iter();
    let finding = |(directory, why): (PathBuf, PassedOver)| {
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { &directory };
        let seen = format!("no program is looked for in {}: {why}", directory.display());
        let mend = "take it out of PATH, or make it yours alone; to launch a program from there, name it by its absolute path";
        Finding::new("PATH", State::Less, seen, mend)
    };
    passed_over.map(finding).collect()
}

fn plugins(app: &App) -> Vec<Finding> {
    const WHAT: &str = "plugins";
    let found = app.discovery();
    let names: Vec<_> = found.plugins.keys().map(String::as_str).collect();
    let mut all = vec![Finding::good(WHAT, names.join(", "))];
    all.extend(found.broken.iter().map(|broken| {
        let seen = format!("{} cannot be used: {}", broken.name, broken.error);
        Finding::new(WHAT, State::Less, seen, "mend its directory, or remove it")
    }));
    all
}

/// The executors that a strategy may choose. One that works is enough.
async fn executors(app: &App) -> Vec<Finding> {
    let listed = survey(app, true).await;
    let mut all: Vec<_> = listed
        .iter()
        .filter(|listed| listed.enabled)
        .map(|listed| {
            let what = format!("executor {}", listed.name);
            let state = if listed.error.is_none() { State::Good } else { State::Less };
            Finding::new(&what, state, listed.state(), "")
        })
        .collect();
    let works = all.iter().any(|finding| finding.state == State::Good);
    let configured = app.repository(Path::new(".")).executors().into_iter();
    all.extend(configured.filter(|config| !config.gateway.enabled).map(|config| {
        Finding::new(
            &format!("model gateway of {}", config.name),
            State::Less,
            "is off: its programs hold their model's key, and say themselves what they spend",
            &format!("take \"gateway\": false out of executors.{}", config.name),
        )
    }));
    all.extend(given(app));
    if !works {
        all.push(Finding::new(
            "executors",
            State::Missing,
            "none of them can work right now",
            "install Claude Code and log in (`claude`), or configure another executor (docs/configuration.md)",
        ));
    }
    all
}

/// Which of the operator's variables the programs of each executor get now.
fn given(app: &App) -> Vec<Finding> {
    let mut all = Vec::new();
    let file = app.variables().file();
    let names: Vec<_> = file.names().collect();
    if !names.is_empty() {
        let seen = format!("{}: {}", file.path().display(), names.join(", "));
        all.push(if file.is_exposed() {
            let mend = format!("run `chmod 600 {}`: others can read it", file.path().display());
            Finding::new("environment file", State::Less, seen, &mend)
        } else {
            Finding::good("environment file", seen)
        });
    }
    for mut config in app.repository(Path::new(".")).executors() {
        let names = app.variables().give(&mut config);
        if !names.is_empty() {
            let what = format!("environment of {}", config.name);
            all.push(Finding::good(&what, format!("its programs get {}", names.join(", "))));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::recent;

    #[test]
    fn old_git_is_told_from_new() {
        for new in [
            "git version 2.33.0",
            "git version 2.47.3",
            "git version 3.0.0.rc1",
            "git version 2.39.2 (Apple Git-143)",
        ] {
            assert!(recent(new), "{new}");
        }
        for old in ["git version 2.32.9", "git version 1.99.0", "", "git"] {
            assert!(!recent(old), "{old}");
        }
    }
}
