use super::{
    Attempt, Behaviour, cloud, local,
    run::{Run, State, stopped},
};
use crate::{Moment, Process, Spawner, Step, Violation, World, world::LiveExecution};
use cyrus_core::Clock as _;
use cyrus_executor::{
    Descriptor, ErrorKind, Execution, ExecutionControl, ExecutionError, ExecutionHandle,
    ExecutionHost, ExecutionRequest, ExecutorInfo, Health, Outcome, Placement, StopMode,
    StopResult, Suspension, TaskExecutor, event_channel,
};
use futures::{
    channel::oneshot,
    future::{BoxFuture, Either, FutureExt as _, select},
};
use std::{
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::watch;

/// An executor of one process that does what its behaviour says. A local one works in its clone and dies with its
/// process; one in the cloud orders runs that outlive it.
pub struct SimExecutor {
    info: ExecutorInfo,
    world: World,
    process: Process,
    spawner: Spawner,
    behaviour: Arc<dyn Behaviour>,
}

impl SimExecutor {
    /// An executor of this name.
    pub fn new(
        name: &str,
        placement: Placement,
        world: &World,
        process: &Process,
        spawner: &Spawner,
        behaviour: Arc<dyn Behaviour>,
    ) -> Self {
        let info = ExecutorInfo {
            name: name.to_owned(),
            placement,
            plugin: "simulated".to_owned(),
            version: "0.1.0".to_owned(),
            digest: "sha256:0".to_owned(),
        };
        let (world, process, spawner) = (world.clone(), process.clone(), spawner.clone());
        Self { info, world, process, spawner, behaviour }
    }

    /// Which try at what this is; an error when nobody wrote it down. One that is late may have ended already.
    fn attempt(&self, request: &ExecutionRequest, late: bool) -> Result<Attempt, ExecutionError> {
        let mut outside = self.world.outside();
        let begun = outside.book.begun(&request.execution_id, late);
        let Some((session, task)) = begun.map(|(session, task)| (session.clone(), task.clone()))
        else {
            outside.violated(Violation::Unwritten(request.execution_id.clone()));
            let message = "there is no record of this execution";
            return Err(ExecutionError::new(ErrorKind::InvalidRequest, message));
        };
        let number = outside.try_number(&format!("{session}/{task}/{}", self.info.name));
        Ok(Attempt {
            seed: self.world.seed(),
            session,
            task,
            executor: self.info.name.clone(),
            number,
            has_findings: !request.findings.is_empty(),
        })
    }

    /// Writes down that an execution is under way, and looks whether it may be.
    fn enter(&self, attempt: &Attempt, request: &ExecutionRequest, late: bool) -> Entered {
        let now = self.world.clock().elapsed();
        let mut outside = self.world.outside();
        let repository = outside.book.repository(&attempt.session);
        let live = LiveExecution {
            session: attempt.session.clone(),
            task: attempt.task.clone(),
            executor: self.info.name.clone(),
            placement: self.info.placement,
            repository,
            process: self.process.clone(),
        };
        outside.effects += 1;
        if late {
            outside.live.insert(request.execution_id.clone(), live);
        } else {
            outside.enter(&request.execution_id, &request.idempotency_key, live, now);
        }
        Entered { world: self.world.clone(), execution: request.execution_id.clone() }
    }

    async fn begin(
        &self,
        request: ExecutionRequest,
        host: Arc<dyn ExecutionHost>,
    ) -> Result<Execution, ExecutionError> {
        let was_overtaken = self.process.is_overtaken();
        self.process.pass(Moment::Before, Step::Spawn).await;
        let late = self.world.outside().note_late(Step::Spawn, &self.process, was_overtaken);
        let attempt = self.attempt(&request, late)?;
        let entered = self.enter(&attempt, &request, late);
        let script = self.behaviour.script(&attempt);
        let (events, receiver) = event_channel();
        let (stop, asked) = watch::channel(None);
        let (ended, over) = watch::channel(None);
        let (tx, rx) = oneshot::channel();
        let name = format!("{} at {}", self.info.name, request.execution_id);
        let run = Run {
            world: self.world.clone(),
            process: self.process.clone(),
            spawner: self.spawner.clone(),
            host,
            request,
            attempt,
            script,
            events,
            state: Arc::new(Mutex::new(State::default())),
        };
        let placement = self.info.placement;
        let body = perform(run, placement, asked, entered, ended, tx);
        drop(self.spawner.spawn(&self.process, name, body));
        self.process.pass(Moment::After, Step::Spawn).await;
        let outcome = async move {
            let dropped = || ExecutionError::new(ErrorKind::Cancelled, "the execution was dropped");
            rx.await.unwrap_or_else(|_| Err(dropped()))
        };
        let handle = ExecutionHandle::new(Arc::new(Control { stop, over, placement }));
        Ok(Execution { events: receiver, outcome: outcome.boxed(), handle })
    }
}

type Ended = Result<Outcome, ExecutionError>;

/// An execution from its first turn to its end, or to a stop, or until nobody waits for it any more.
async fn perform(
    run: Run,
    placement: Placement,
    asked: watch::Receiver<Option<StopMode>>,
    entered: Entered,
    ended: watch::Sender<Option<StopResult>>,
    mut tx: oneshot::Sender<Ended>,
) {
    let outcome = {
        let work = pin!(async {
            match placement {
                Placement::Local => local::execute(&run).await,
                Placement::Cloud => cloud::execute(&run).await,
            }
        });
        let given_up = pin!(tx.cancellation());
        let stop = pin!(stopped(asked));
        match select(work, select(stop, given_up)).await {
            Either::Left((outcome, _)) => Some((outcome, StopResult::AlreadyFinished)),
            Either::Right((Either::Left((mode, _)), _)) => Some(stop_with(&run, placement, mode)),
            Either::Right((Either::Right(_), _)) => None,
        }
    };
    drop(entered);
    let Some((outcome, result)) = outcome else { return };
    // Neither has to be waited for by anybody.
    drop(tx.send(outcome));
    ended.send_replace(Some(result));
}

/// What becomes of an execution that is stopped.
fn stop_with(run: &Run, placement: Placement, mode: StopMode) -> (Ended, StopResult) {
    if placement == Placement::Cloud {
        let now = run.world.clock().elapsed();
        let mut outside = run.world.outside();
        let last = outside.runs.get_mut(&run.request.idempotency_key).and_then(|r| r.last_mut());
        if let Some(last) = last.filter(|last| !last.is_over(now)) {
            match (mode, run.checkpoint_now()) {
                (StopMode::Cancel, _) | (_, None) => {
                    last.cancelled = Some(now);
                    let what = format!("{} was cancelled", last.name());
                    if run.process.is_overtaken() {
                        outside.violated(Violation::Late(what));
                    }
                }
                (StopMode::Detach, Some(checkpoint)) => {
                    let wake_after = Duration::from_mins(1);
                    let usage = run.usage();
                    let suspension = Suspension { checkpoint, wake_after, usage };
                    return (Ok(Outcome::Suspended(suspension)), StopResult::StillRunningRemotely);
                }
            }
        }
    }
    (Err(run.error(ErrorKind::Cancelled, "it was asked to stop")), StopResult::Stopped)
}

/// Says that an execution is under way, for as long as it is kept.
struct Entered {
    world: World,
    execution: String,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.world.outside().live.remove(&self.execution);
    }
}

struct Control {
    stop: watch::Sender<Option<StopMode>>,
    over: watch::Receiver<Option<StopResult>>,
    placement: Placement,
}

impl ExecutionControl for Control {
    fn is_running(&self) -> bool {
        self.over.borrow().is_none() && self.over.has_changed().is_ok()
    }

    fn stop(&self, mode: StopMode) -> BoxFuture<'static, StopResult> {
        let was_over = !self.is_running();
        self.stop.send_if_modified(|asked| asked.replace(mode).is_none());
        let (mut over, placement) = (self.over.clone(), self.placement);
        async move {
            if was_over {
                return StopResult::AlreadyFinished;
            }
            // Who is gone without a word has stopped, on this machine; elsewhere the work goes on.
            let gone = match placement {
                Placement::Local => StopResult::Stopped,
                Placement::Cloud => StopResult::StillRunningRemotely,
            };
            over.wait_for(Option::is_some).await.ok().and_then(|over| *over).unwrap_or(gone)
        }
        .boxed()
    }
}

impl TaskExecutor for SimExecutor {
    fn info(&self) -> &ExecutorInfo {
        &self.info
    }

    fn describe(&self) -> BoxFuture<'_, Result<Descriptor, ExecutionError>> {
        let name = self.info.name.clone();
        async move { Ok(Descriptor { name, ..Descriptor::default() }) }.boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<Health, ExecutionError>> {
        let summary = "simulated".to_owned();
        async move { Ok(Health { summary, version: None, details: Vec::new() }) }.boxed()
    }

    fn execute_streaming(
        &self,
        request: ExecutionRequest,
        host: Arc<dyn ExecutionHost>,
    ) -> BoxFuture<'_, Result<Execution, ExecutionError>> {
        self.begin(request, host).boxed()
    }
}
