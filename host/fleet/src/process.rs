use crate::simulation::Queue;
use std::{
    fmt,
    future::poll_fn,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Poll, Waker},
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

/// Counts the points that processes pass, and says at which one the process dies or freezes. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct CrashPlan(Arc<Mutex<Plan>>);

#[derive(Debug, Default)]
struct Plan {
    passed: u64,
    at: Vec<u64>,
    seen: Vec<Point>,
    /// The point at which the process is frozen, and what it turned out to be.
    freezes: Option<u64>,
    frozen: Option<Point>,
}

/// What happens to whoever passes a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blow {
    Nothing,
    Killed,
    Frozen,
}

impl CrashPlan {
    /// Kills whoever passes these points, counted from 1 over the whole run.
    pub fn at(points: impl IntoIterator<Item = u64>) -> Self {
        let plan = Plan { at: points.into_iter().collect(), ..Plan::default() };
        Self(Arc::new(Mutex::new(plan)))
    }

    /// Freezes whoever passes this point.
    pub fn freezing(point: u64) -> Self {
        let plan = Plan { freezes: Some(point), ..Plan::default() };
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

    /// The point at which somebody was frozen.
    pub fn frozen(&self) -> Option<Point> {
        self.plan().frozen
    }

    /// Whether this is where somebody dies or freezes.
    fn strikes(&self, point: Point) -> Blow {
        let mut plan = self.plan();
        plan.passed += 1;
        if plan.at.contains(&plan.passed) {
            plan.seen.push(point);
            Blow::Killed
        } else if plan.freezes == Some(plan.passed) {
            plan.frozen = Some(point);
            Blow::Frozen
        } else {
            Blow::Nothing
        }
    }
}

/// A process of the simulated world. What it runs ends with it. Clones are the same process.
#[derive(Clone)]
pub struct Process(Arc<Inner>);

struct Inner {
    number: u64,
    dead: AtomicBool,
    frozen: AtomicBool,
    /// Who waits to be thawed.
    waiting: Mutex<Vec<Waker>>,
    overtaken: AtomicBool,
    plan: CrashPlan,
    queue: Arc<Queue>,
}

impl Process {
    pub(crate) fn new(number: u64, plan: CrashPlan, queue: Arc<Queue>) -> Self {
        let [dead, frozen, overtaken] = [(); 3].map(|()| AtomicBool::new(false));
        Self(Arc::new(Inner {
            number,
            dead,
            frozen,
            waiting: Mutex::default(),
            overtaken,
            plan,
            queue,
        }))
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

    /// Whether it does nothing until it is thawed.
    pub fn is_frozen(&self) -> bool {
        self.0.frozen.load(Ordering::Relaxed)
    }

    /// Lets it go on where it was frozen.
    pub fn thaw(&self) {
        if self.0.frozen.swap(false, Ordering::Relaxed) {
            self.0.queue.thawed(self.number());
            let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.drain(..).for_each(Waker::wake);
        }
    }

    /// Says that others have taken over what it works on.
    pub fn overtake(&self) {
        self.0.overtaken.store(true, Ordering::Relaxed);
    }

    /// Whether others have taken over what it works on: nothing that it does counts any more.
    pub fn is_overtaken(&self) -> bool {
        self.0.overtaken.load(Ordering::Relaxed)
    }

    /// Passes a point, if the crash plan lets it: else the process dies and this never returns, or it is frozen and
    /// this returns once it is thawed.
    pub async fn pass(&self, moment: Moment, step: Step) {
        if self.is_alive() {
            match self.0.plan.strikes(Point { moment, step }) {
                Blow::Nothing => {}
                Blow::Killed => self.kill(),
                Blow::Frozen => {
                    self.0.frozen.store(true, Ordering::Relaxed);
                    self.0.queue.frozen(self.number());
                }
            }
        }
        poll_fn(|context| {
            if self.is_alive() && !self.is_frozen() {
                return Poll::Ready(());
            }
            let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.push(context.waker().clone());
            Poll::Pending
        })
        .await;
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
