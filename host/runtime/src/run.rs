//! What one execution holds on the host's side, from its first instance to its last.

use crate::{
    cap::log::LogBudget, executor::Shared, held::Held, pace::Pace, redact::Redactor, spending,
    state::Stderr,
};
use cyrus_executor::{Answer, ExecutionHost, ExecutionRequest, Usage};
use cyrus_gateway::Account;
use cyrus_plugin::{Denied, Digest, Policy};
use futures::future::{BoxFuture, Shared as SharedFuture};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long a program may take to be gone after it was killed.
const PROGRAM_END: Duration = Duration::from_secs(10);

/// Denials of one execution that are written to the host's log.
const DENIALS_LOGGED: u32 = 100;

/// What a component's answer to a question is, whoever waits for it.
pub(crate) type AnswerFuture = SharedFuture<BoxFuture<'static, Answer>>;

/// A question that was put.
pub(crate) struct AskedQuestion {
    /// The digest of what it asks.
    pub(crate) content: Digest,
    pub(crate) answer: AnswerFuture,
}

/// One execution, or one call of `describe` or `probe`. Shared by everything that serves it.
pub(crate) struct Run {
    /// The executor.
    pub(crate) executor: Arc<Shared>,
    /// What is asked. `None`: this is `describe` or `probe`.
    pub(crate) request: Option<ExecutionRequest>,
    /// Who answers for the durable parts.
    pub(crate) host: Arc<dyn ExecutionHost>,
    /// Whether anything is granted at all: not to `describe`.
    pub(crate) granted: bool,
    /// When it has to end.
    pub(crate) deadline: Option<Instant>,
    /// Cancelled when a stop was asked for.
    pub(crate) stopping: CancellationToken,
    /// Cancelled a moment later: what was begun before the stop is answered in its place.
    pub(crate) cut_off: CancellationToken,
    /// Knows the executor's secrets, and those in the files that its programs were given.
    pub(crate) redactor: Redactor,
    /// Lines it may still log.
    pub(crate) log: LogBudget,
    /// Denials that may still be written to the host's log; each is answered all the same.
    denials: LogBudget,
    /// How fast it may have the host write.
    pub(crate) pace: Pace,
    /// What the host keeps for its calls that are under way.
    pub(crate) held: Held,
    /// The end of what it wrote to its standard error.
    pub(crate) stderr: Stderr,
    /// Programs that are alive.
    pub(crate) processes: Arc<AtomicU32>,
    /// What waits for the end of each program, to clear up after it.
    pub(crate) programs: TaskTracker,
    /// HTTP requests that are under way.
    pub(crate) requests: Arc<AtomicU32>,
    /// What its programs spend at their models, where the gateway stands between.
    pub(crate) account: Option<Arc<Account>>,
    notes: Mutex<Notes>,
}

/// What the host noticed, for when the component cannot say it.
#[derive(Default)]
pub(crate) struct Notes {
    /// The last thing that was denied, unless something was allowed since.
    pub(crate) denied: Option<Denied>,
    /// The last that was told of the usage.
    pub(crate) usage: Option<Usage>,
    /// The last checkpoint that was saved.
    pub(crate) checkpoint: Option<String>,
    /// What its events took so far, in bytes.
    pub(crate) event_bytes: u64,
    /// Which limit of the host was passed, where the host itself did not trap on it.
    pub(crate) limit: Option<&'static str>,
    /// How long the questions that were put are, in bytes.
    pub(crate) question_bytes: usize,
    /// Questions by the digest of their id.
    pub(crate) questions: HashMap<Digest, AskedQuestion>,
}

impl Run {
    /// A run of this executor.
    pub(crate) fn new(
        executor: Arc<Shared>,
        request: Option<ExecutionRequest>,
        host: Arc<dyn ExecutionHost>,
        granted: bool,
        time: Option<Duration>,
    ) -> Self {
        let log = LogBudget::new(executor.config.limits.log_lines);
        let checkpoint = request.as_ref().and_then(|request| request.resume.clone());
        let most = request.as_ref().and_then(|request| request.limits.max_cost);
        let is_gated = !executor.models.is_empty();
        let account = is_gated.then(|| spending::account(request.is_some(), most));
        Self {
            account,
            redactor: executor.redactor.fork(),
            executor,
            request,
            host,
            granted,
            // A time too far away to be told is none.
            deadline: time.and_then(|time| Instant::now().checked_add(time)),
            stopping: CancellationToken::new(),
            cut_off: CancellationToken::new(),
            log,
            denials: LogBudget::new(DENIALS_LOGGED),
            pace: Pace::new(),
            held: Held::default(),
            stderr: Stderr::default(),
            processes: Arc::default(),
            programs: TaskTracker::new(),
            requests: Arc::default(),
            notes: Mutex::new(Notes { checkpoint, ..Notes::default() }),
        }
    }

    /// What was noticed so far.
    pub(crate) fn notes(&self) -> MutexGuard<'_, Notes> {
        // Every change of the notes is one assignment: they are whole even if a holder panicked.
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The policy as it is now; `None` where nothing is granted.
    pub(crate) fn policy(&self) -> Option<Arc<Policy>> {
        self.granted.then(|| self.executor.policy.current())
    }

    /// Takes note that something was denied, and gives the text for the component.
    pub(crate) fn deny(&self, denied: Denied) -> String {
        if self.denials.take().is_some() {
            tracing::warn!(executor = %self.executor.config.name, execution = self.id(), "denied: {denied}");
        }
        let text = denied.to_string();
        self.notes().denied = Some(denied);
        text
    }

    /// Takes note that something was allowed: an earlier denial is then not what the execution failed of.
    pub(crate) fn allow(&self) {
        self.notes().denied = None;
    }

    /// The execution's id, for people.
    pub(crate) fn id(&self) -> &str {
        self.request.as_ref().map_or("-", |request| &request.execution_id)
    }

    /// Waits until every program that was launched is gone and cleared up after. To be called when nothing holds on
    /// to them any more; one that even a kill does not end is not waited for.
    pub(crate) async fn programs_gone(&self) {
        self.programs.close();
        if tokio::time::timeout(PROGRAM_END, self.programs.wait()).await.is_err() {
            tracing::error!(execution = self.id(), "a program that was killed is still there");
        }
        self.programs.reopen();
    }

    /// What is left of the deadline.
    pub(crate) fn time_left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Waits for `work`, or answers in its place when the execution is stopped meanwhile. What begins after the
    /// stop is the component's way of stopping, and is not cut off.
    pub(crate) async fn unless_stopped<T>(&self, work: impl Future<Output = T>, stopped: T) -> T {
        if self.stopping.is_cancelled() {
            return work.await;
        }
        tokio::select! {
            biased;
            done = work => done,
            () = self.cut_off.cancelled() => stopped,
        }
    }
}

/// One of a limited number, given back when it is dropped.
pub(crate) struct Slot(Arc<AtomicU32>);

impl Slot {
    /// Takes one of `most`. `None`: there is none left.
    pub(crate) fn take(used: &Arc<AtomicU32>, most: u32) -> Option<Self> {
        let another = |used: u32| (used < most).then_some(used + 1);
        let taken = used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, another);
        taken.ok().map(|_| Self(Arc::clone(used)))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
