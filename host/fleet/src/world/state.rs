use super::{
    Violation,
    book::Book,
    git::{Content, Git},
    ports::{SimForge, SimIntegration, SimValidator, SimWorkspaces},
    remote::{Lookup, RemoteRun},
};
use crate::{Process, Random, SimClock, Step};
use cyrus_core::{Base, Clock as _, SessionId, WorkspaceSpec};
use cyrus_executor::{Placement, Repository, TaskId};
use cyrus_orchestrator::Scheduling;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How long things outside take. Each takes between half and one and a half times as long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// To make a clone and set it up.
    pub clone: Duration,
    /// To commit, fetch or merge.
    pub git: Duration,
    /// To run one check.
    pub check: Duration,
    /// To push, or to ask the forge.
    pub network: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            clone: Duration::from_secs(2),
            git: Duration::from_millis(200),
            check: Duration::from_secs(30),
            network: Duration::from_secs(1),
        }
    }
}

/// Everything outside the orchestrator. Clones are the same world.
#[derive(Clone)]
pub struct World {
    outside: Arc<Mutex<Outside>>,
    clock: SimClock,
    seed: u64,
    pace: Pace,
}

/// The ports of one process on a world.
#[derive(Clone)]
pub struct WorldPorts {
    pub(crate) world: World,
    pub(crate) process: Process,
}

/// A clone that is there.
#[derive(Clone, Debug)]
pub(crate) struct CloneAt {
    pub(crate) spec: WorkspaceSpec,
    /// The commit it is at.
    pub(crate) head: Arc<str>,
    /// What is changed and not committed.
    pub(crate) edits: BTreeMap<Arc<str>, Content>,
}

/// An execution under way.
#[derive(Clone, Debug)]
pub(crate) struct LiveExecution {
    pub(crate) session: SessionId,
    pub(crate) task: TaskId,
    pub(crate) executor: String,
    pub(crate) placement: Placement,
    pub(crate) repository: PathBuf,
    pub(crate) process: Process,
}

/// What the world consists of.
#[derive(Default)]
pub(crate) struct Outside {
    pub(crate) repositories: BTreeMap<PathBuf, Git>,
    /// The commands that results in a repository have to pass.
    pub(crate) checks: BTreeMap<PathBuf, Vec<String>>,
    pub(crate) clones: BTreeMap<PathBuf, CloneAt>,
    pub(crate) runs: BTreeMap<String, Vec<RemoteRun>>,
    pub(crate) lookup: Lookup,
    pub(crate) live: BTreeMap<String, LiveExecution>,
    /// Pull requests by repository and head.
    pub(crate) pull_requests: BTreeMap<(PathBuf, String), String>,
    /// Commits that validation let pass as they are.
    pub(crate) validated: HashSet<String>,
    pub(crate) published: HashMap<SessionId, String>,
    pub(crate) tries: HashMap<String, u32>,
    pub(crate) scheduling: Option<Scheduling>,
    pub(crate) book: Book,
    pub(crate) violations: Vec<Violation>,
    pub(crate) origins_are_closed: bool,
    pub(crate) effects: u64,
    /// What was under way when its process was frozen, and was done when others had taken over.
    pub(crate) late: Vec<Step>,
}

impl World {
    /// An empty one whose chances follow from this seed.
    pub fn new(clock: SimClock, seed: u64, pace: Pace) -> Self {
        Self { outside: Arc::default(), clock, seed, pace }
    }

    /// Adds a repository with so many files, and the commands that results have to pass.
    pub fn add_repository(&self, path: &Path, files: u32, checks: &[&str]) {
        let mut outside = self.outside();
        let git = Git::new(&path.display().to_string(), files);
        outside.repositories.insert(path.to_owned(), git);
        let checks = checks.iter().map(ToString::to_string).collect();
        outside.checks.insert(path.to_owned(), checks);
    }

    /// Where work in a repository starts from, for a session whose result goes to this branch.
    pub fn base(&self, path: &Path, work_branch: &str) -> Option<Base> {
        let outside = self.outside();
        let main = outside.repositories.get(path)?.refs.get("refs/heads/main")?;
        let repository = Repository {
            remote: Some(format!("https://forge.example{}", path.display())),
            base_branch: Some("main".to_owned()),
            base_commit: main.to_string(),
            work_branch: work_branch.to_owned(),
        };
        Some(Base { path: path.to_owned(), repository, dirty: false })
    }

    /// The ports of a process.
    pub fn ports(&self, process: &Process) -> WorldPorts {
        WorldPorts { world: self.clone(), process: process.clone() }
    }

    /// From now on the origins take nothing.
    pub fn close_origins(&self) {
        self.outside().origins_are_closed = true;
    }

    /// Says how many executions may be under way at once. That more are is a violation.
    pub fn set_scheduling(&self, scheduling: &Scheduling) {
        self.outside().scheduling = Some(scheduling.clone());
    }

    /// Says whether runs in the cloud can be looked for.
    pub fn set_lookup(&self, lookup: Lookup) {
        self.outside().lookup = lookup;
    }

    /// Somebody has looked into what could not be known, and mended it where it can be.
    pub(crate) fn mend(&self) {
        let mut outside = self.outside();
        if outside.lookup == Lookup::OnceMended {
            outside.lookup = Lookup::Always;
        }
    }

    /// How many runs were ordered in the cloud with each key.
    pub fn orders(&self) -> BTreeMap<String, usize> {
        let outside = self.outside();
        outside.runs.iter().map(|(key, runs)| (key.clone(), runs.len())).collect()
    }

    /// What went wrong so far.
    pub fn violations(&self) -> Vec<Violation> {
        self.outside().violations.clone()
    }

    /// How many things were done outside so far.
    pub fn effects(&self) -> u64 {
        self.outside().effects
    }

    /// What was under way when its process was frozen, and was done when others had taken over.
    pub fn late(&self) -> Vec<Step> {
        self.outside().late.clone()
    }

    /// The clones that are there, by their paths.
    pub fn clones(&self) -> Vec<PathBuf> {
        self.outside().clones.keys().cloned().collect()
    }

    /// Its clock.
    pub fn clock(&self) -> &SimClock {
        &self.clock
    }

    pub(crate) fn violated(&self, violation: Violation) {
        self.outside().violated(violation);
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    pub(crate) fn pace(&self) -> Pace {
        self.pace
    }

    pub(crate) fn outside(&self) -> MutexGuard<'_, Outside> {
        self.outside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets about this long pass; how long exactly follows from what it is for.
    pub(crate) async fn takes(&self, about: Duration, what: &[&str]) {
        let permille = Random::of(self.seed, what).between(500, 1500);
        let time = about * u32::try_from(permille).unwrap_or(1000) / 1000;
        self.clock.sleep(time).await;
    }
}

impl WorldPorts {
    /// Changes a file in a clone, as an executor would. `false`: there is no such clone.
    pub fn edit(&self, root: &Path, file: u32, id: u64) -> bool {
        let mut outside = self.world.outside();
        let clone = outside.clones.get_mut(root);
        clone.map(|clone| clone.edits.insert(Git::path(file), Content::good(id))).is_some()
    }

    /// Clones.
    pub fn workspaces(&self) -> SimWorkspaces {
        SimWorkspaces(self.clone())
    }

    /// Merges and branches.
    pub fn integration(&self) -> SimIntegration {
        SimIntegration(self.clone())
    }

    /// Pull requests.
    pub fn forge(&self) -> SimForge {
        SimForge(self.clone())
    }

    /// Checks.
    pub fn validator(&self) -> SimValidator {
        SimValidator(self.clone())
    }
}

impl Outside {
    pub(crate) fn violated(&mut self, violation: Violation) {
        self.violations.push(violation);
    }

    /// Counts one more try at something and answers which it is, from 1.
    pub(crate) fn try_number(&mut self, of: &str) -> u32 {
        let tries = self.tries.entry(of.to_owned()).or_default();
        *tries += 1;
        *tries
    }

    /// The executions that are under way in processes that live and that nobody has taken over from, by their ids.
    pub(crate) fn under_way(&self) -> impl Iterator<Item = (&String, &LiveExecution)> {
        let counts = |process: &Process| process.is_alive() && !process.is_overtaken();
        self.live.iter().filter(move |(_, execution)| counts(&execution.process))
    }

    /// Takes note of a step when others have taken over from its process. What was under way by then, nobody could
    /// call back any more; all else is a violation. Answers whether it is late.
    pub(crate) fn note_late(&mut self, step: Step, process: &Process, was_overtaken: bool) -> bool {
        if was_overtaken {
            self.violated(Violation::Late(format!("{step:?}")));
        } else if process.is_overtaken() {
            self.late.push(step);
        }
        process.is_overtaken()
    }

    /// Takes note that an execution is under way: the only one of its task, with no run of its task in the cloud but
    /// one with its own key, and under every cap.
    pub(crate) fn enter(&mut self, execution: &str, key: &str, live: LiveExecution, now: Duration) {
        let same =
            |session: &SessionId, task: &TaskId| *session == live.session && *task == live.task;
        let here = self.under_way().find(|(_, other)| same(&other.session, &other.task));
        let runs = self.runs.iter().filter(|(other, _)| *other != key).flat_map(|(_, runs)| runs);
        let elsewhere =
            runs.filter(|run| !run.is_over(now)).find(|run| same(&run.session, &run.task));
        let first = here.map(|(id, _)| id.clone()).or_else(|| elsewhere.map(RemoteRun::name));
        if let Some(first) = first {
            let (session, task) = (live.session.clone(), live.task.clone());
            let second = execution.to_owned();
            self.violated(Violation::DoubleExecution { session, task, first, second });
        }
        self.live.insert(execution.to_owned(), live);
        let over = self.live.get(execution).map(|newest| self.passed(newest));
        self.violations.extend(over.into_iter().flatten());
    }

    /// The caps that are passed now that this execution is under way.
    fn passed(&self, newest: &LiveExecution) -> Vec<Violation> {
        let Some(caps) = &self.scheduling else { return Vec::new() };
        let count = |like: &dyn Fn(&LiveExecution) -> bool| {
            self.under_way().filter(|(_, live)| like(live)).count()
        };
        let placement = match newest.placement {
            Placement::Local => caps.local,
            Placement::Cloud => caps.cloud,
        };
        let of_executor = caps.per_executor.get(&newest.executor).copied();
        let same_executor = count(&|live| live.executor == newest.executor);
        [
            ("total", caps.total, count(&|_| true)),
            ("perSession", caps.per_session, count(&|live| live.session == newest.session)),
            ("perRepository", caps.per_repository, count(&|l| l.repository == newest.repository)),
            ("perExecutor", of_executor.unwrap_or(usize::MAX), same_executor),
            ("placement", placement, count(&|live| live.placement == newest.placement)),
        ]
        .into_iter()
        .filter(|(_, limit, running)| running > limit)
        .map(|(cap, limit, running)| Violation::OverCap { cap: cap.to_owned(), running, limit })
        .collect()
    }
}
