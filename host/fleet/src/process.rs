use crate::simulation::Queue;
use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// What may be cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// A transaction of the store.
    Transaction,
    /// An execution is started.
    Spawn,
    /// A run is ordered in the cloud.
    CloudCreate,
    /// A clone is made.
    Clone,
    /// A result is committed.
    Commit,
    /// A result is fetched.
    Fetch,
    /// Two commits are merged.
    Merge,
    /// The session's branch is moved.
    RefUpdate,
    /// What a task starts from is put where the cloud can have it.
    Share,
    /// And taken away from there.
    Unshare,
    /// The session's branch is pushed.
    Push,
    /// A pull request is opened.
    PullRequest,
    /// A clone is removed.
    Discard,
}

impl Step {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Transaction,
        Self::Spawn,
        Self::CloudCreate,
        Self::Clone,
        Self::Commit,
        Self::Fetch,
        Self::Merge,
        Self::RefUpdate,
        Self::Share,
        Self::Unshare,
        Self::Push,
        Self::PullRequest,
        Self::Discard,
    ];
}

/// Immediately before a step, or immediately after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Moment {
    /// Nothing of it has happened.
    Before,
    /// All of it has happened, and nobody was told.
    After,
}

/// A point at which a process can be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Point {
    /// Before or after.
    pub moment: Moment,
    /// What.
    pub step: Step,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = if self.moment == Moment::Before { "before" } else { "after" };
        write!(f, "{moment} {:?}", self.step)
    }
}

/// Counts the points that processes pass, and says at which one the process dies. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct CrashPlan(Arc<Mutex<Plan>>);

#[derive(Debug, Default)]
struct Plan {
    passed: u64,
    at: Vec<u64>,
    seen: Vec<Point>,
}

impl CrashPlan {
    /// Kills whoever passes these points, counted from 1 over the whole run.
    pub fn at(points: impl IntoIterator<Item = u64>) -> Self {
        let plan = Plan { at: points.into_iter().collect(), ..Plan::default() };
        Self(Arc::new(Mutex::new(plan)))
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many points were passed.
    pub fn passed(&self) -> u64 {
        self.plan().passed
    }

    /// The points at which somebody was killed.
    pub fn kills(&self) -> Vec<Point> {
        self.plan().seen.clone()
    }

    /// Whether this is where somebody dies.
    fn strikes(&self, point: Point) -> bool {
        let mut plan = self.plan();
        plan.passed += 1;
        let strikes = plan.at.contains(&plan.passed);
        if strikes {
            plan.seen.push(point);
        }
        strikes
    }
}

/// A process of the simulated world. What it runs ends with it. Clones are the same process.
#[derive(Clone)]
pub struct Process(Arc<Inner>);

struct Inner {
    number: u64,
    dead: AtomicBool,
    plan: CrashPlan,
    queue: Arc<Queue>,
}

impl Process {
    pub(crate) fn new(number: u64, plan: CrashPlan, queue: Arc<Queue>) -> Self {
        Self(Arc::new(Inner { number, dead: AtomicBool::new(false), plan, queue }))
    }

    /// Its number, from 1, unique within the simulation.
    pub fn number(&self) -> u64 {
        self.0.number
    }

    /// Whether it was not killed.
    pub fn is_alive(&self) -> bool {
        !self.0.dead.load(Ordering::Relaxed)
    }

    /// Ends it at once: none of its futures is polled again.
    pub fn kill(&self) {
        if !self.0.dead.swap(true, Ordering::Relaxed) {
            self.0.queue.killed(self.number());
        }
    }

    /// Passes a point, if the crash plan lets it: else the process dies and this never returns.
    pub async fn pass(&self, moment: Moment, step: Step) {
        if self.is_alive() && self.0.plan.strikes(Point { moment, step }) {
            self.kill();
        }
        if !self.is_alive() {
            std::future::pending::<()>().await;
        }
    }

    /// Does a step between its two points.
    pub async fn step<T>(&self, step: Step, act: impl FnOnce() -> T) -> T {
        self.pass(Moment::Before, step).await;
        let done = act();
        self.pass(Moment::After, step).await;
        done
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("number", &self.number())
            .field("is_alive", &self.is_alive())
            .finish()
    }
}
