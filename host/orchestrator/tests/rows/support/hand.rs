//! An executor of a stage: simulated, with what it is given written down.

use cyrus_core::Billing;
use cyrus_executor::{
    Descriptor, ErrorKind, Execution, ExecutionControl, ExecutionError, ExecutionHandle,
    ExecutionHost, ExecutionRequest, ExecutorInfo, Health, MicroUsd, Outcome, Placement, StopMode,
    StopResult, Suspension, TaskExecutor,
};
use cyrus_fleet::{Attempt, Behaviour, Process, Script, SimExecutor, Spawner, World};
use cyrus_orchestrator::{Candidate, Member};
use futures::future::{BoxFuture, FutureExt as _};
use serde_json::Value;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

type Answers = Arc<dyn Fn(&ExecutionRequest) -> Option<Value> + Send + Sync>;
type Amend = Arc<dyn Fn(&mut ExecutionError) + Send + Sync>;

/// What it was asked for, in order.
pub(crate) type Requests = Arc<Mutex<Vec<ExecutionRequest>>>;

/// An executor to be.
#[derive(Clone)]
pub(crate) struct Hand {
    pub(crate) candidate: Candidate,
    pub(crate) requests: Requests,
    behaviour: Arc<dyn Behaviour>,
    amend: Amend,
    answers: Answers,
    lets_go: bool,
}

/// One that works on this machine, and does well.
pub(crate) fn local(name: &str) -> Hand {
    Hand::new(name, Placement::Local)
}

/// One that works in the cloud, and does well.
pub(crate) fn cloud(name: &str) -> Hand {
    Hand::new(name, Placement::Cloud)
}

impl Hand {
    fn new(name: &str, placement: Placement) -> Self {
        let info = ExecutorInfo {
            name: name.to_owned(),
            placement,
            plugin: "simulated".to_owned(),
            version: "0.1.0".to_owned(),
            digest: "sha256:0".to_owned(),
        };
        let candidate = Candidate {
            info,
            kinds: Vec::new(),
            billing: Billing::Metered,
            price: Some(MicroUsd(30_000)),
            isolated: false,
            max_per_day: None,
            ready: Ok(()),
        };
        Self {
            candidate,
            requests: Requests::default(),
            behaviour: Arc::new(|_: &Attempt| Script::default()),
            amend: Arc::new(|_| {}),
            answers: Arc::new(|_| None),
            lets_go: true,
        }
    }

    /// Does these, one after the other, whatever it is asked for; the last of them again and again.
    pub(crate) fn does(self, scripts: impl Into<Vec<Script>>) -> Self {
        let (scripts, next) = (scripts.into(), AtomicUsize::new(0));
        self.is(move |_: &Attempt| {
            let number = next.fetch_add(1, Ordering::Relaxed);
            scripts[number.min(scripts.len() - 1)].clone()
        })
    }

    /// Behaves like this.
    pub(crate) fn is(mut self, behaviour: impl Behaviour) -> Self {
        self.behaviour = Arc::new(behaviour);
        self
    }

    /// Its errors are changed like this.
    pub(crate) fn says(
        mut self,
        amend: impl Fn(&mut ExecutionError) + Send + Sync + 'static,
    ) -> Self {
        self.amend = Arc::new(amend);
        self
    }

    /// Answers these where an answer is asked for, one after the other.
    pub(crate) fn answers(mut self, answers: impl Into<Vec<Value>>) -> Self {
        let (answers, next) = (answers.into(), AtomicUsize::new(0));
        self.answers = Arc::new(move |request| {
            request.output_schema.as_ref()?;
            answers.get(next.fetch_add(1, Ordering::Relaxed)).cloned()
        });
        self
    }

    /// What it began elsewhere cannot be called back.
    pub(crate) fn cannot_cancel(mut self) -> Self {
        self.lets_go = false;
        self
    }

    pub(crate) fn priced(mut self, price: u64) -> Self {
        self.candidate.price = Some(MicroUsd(price));
        self
    }

    pub(crate) fn billed(mut self, billing: Billing) -> Self {
        self.candidate.billing = billing;
        self
    }

    /// As a process has it.
    pub(crate) fn member(&self, world: &World, process: &Process, spawner: &Spawner) -> Member {
        let info = &self.candidate.info;
        let behaviour = Arc::clone(&self.behaviour);
        let executor =
            SimExecutor::new(&info.name, info.placement, world, process, spawner, behaviour);
        let watched = Watched {
            inner: Arc::new(executor),
            requests: Arc::clone(&self.requests),
            amend: Arc::clone(&self.amend),
            answers: Arc::clone(&self.answers),
            lets_go: self.lets_go,
        };
        Member { candidate: self.candidate.clone(), executor: Some(Arc::new(watched)) }
    }

    /// What it was given each time.
    pub(crate) fn asked(&self) -> Vec<ExecutionRequest> {
        self.requests.lock().unwrap().clone()
    }
}

/// Writes down what an executor is given, and changes what it says.
struct Watched {
    inner: Arc<dyn TaskExecutor>,
    requests: Requests,
    amend: Amend,
    answers: Answers,
    lets_go: bool,
}

/// Leaves what it stops going on, and says so.
struct Clinging(ExecutionHandle);

impl ExecutionControl for Clinging {
    fn is_running(&self) -> bool {
        self.0.is_running()
    }

    fn stop(&self, _: StopMode) -> BoxFuture<'static, StopResult> {
        let handle = self.0.clone();
        async move { handle.stop(StopMode::Detach).await }.boxed()
    }
}

/// What is left going on, as an executor has it that was told to cancel it.
fn cancelled(ended: Result<Outcome, ExecutionError>) -> Result<Outcome, ExecutionError> {
    match ended {
        Ok(Outcome::Suspended(Suspension { checkpoint, usage, .. })) => Err(ExecutionError {
            usage: Some(Box::new(usage)),
            checkpoint: Some(checkpoint),
            ..ExecutionError::new(ErrorKind::Cancelled, "the run could not be called back")
        }),
        ended => ended,
    }
}

impl TaskExecutor for Watched {
    fn info(&self) -> &ExecutorInfo {
        self.inner.info()
    }

    fn describe(&self) -> BoxFuture<'_, Result<Descriptor, ExecutionError>> {
        self.inner.describe()
    }

    fn probe(&self) -> BoxFuture<'_, Result<Health, ExecutionError>> {
        self.inner.probe()
    }

    fn execute_streaming(
        &self,
        request: ExecutionRequest,
        host: Arc<dyn ExecutionHost>,
    ) -> BoxFuture<'_, Result<Execution, ExecutionError>> {
        self.requests.lock().unwrap().push(request.clone());
        let amend = Arc::clone(&self.amend);
        let lets_go = self.lets_go;
        let answer = (self.answers)(&request);
        async move {
            let execution = self.inner.execute_streaming(request, host).await?;
            let amended = move |mut error: ExecutionError| {
                amend(&mut error);
                error
            };
            let Execution { events, outcome, handle } = execution;
            let answered = |outcome| match (outcome, answer) {
                (Outcome::Completed(mut result), Some(answer)) => {
                    result.structured = Some(answer);
                    Outcome::Completed(result)
                }
                (outcome, _) => outcome,
            };
            let outcome = outcome.map(|ended| ended.map(answered).map_err(amended)).boxed();
            if lets_go {
                return Ok(Execution { events, outcome, handle });
            }
            let handle = ExecutionHandle::new(Arc::new(Clinging(handle)));
            Ok(Execution { events, outcome: outcome.map(cancelled).boxed(), handle })
        }
        .boxed()
    }
}
