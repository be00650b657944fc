//! One instance from beginning to end: instantiate, call, stop, drop.
//!
//! A timer inside `run_concurrent` does not fire while the component computes, so deadline and grace are kept
//! outside of it, and what they end is the store.

use crate::{
    bindings::{ExecutorPlugin, types},
    bound::CHECKPOINT_BYTES,
    cap::context::Context,
    control::Control,
    convert::{self, Incoming},
    events::{EventSink, EventsEnd, Room},
    execution::note,
    outcome::{KnownOutcome, OutcomeConsumer, OutcomeSlot},
    run::Run,
    state::{State, new_store},
    verdict,
};
use cyrus_executor::{Event, ExecutionError, Outcome, StopMode, StopResult};
use futures::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep, sleep_until, timeout},
};
use wasmtime::{Result, component::Accessor};

/// The export that does the work.
const EXECUTE: &str = "execute-streaming";

/// How long a component may take to tidy up after its outcome is known.
const TIDY: Duration = Duration::from_millis(200);

/// How long a component that is stopped has before its waits are answered for it.
const HEAD_START: Duration = Duration::from_millis(25);

/// What a segment is given.
pub(crate) struct Segment {
    pub(crate) run: Arc<Run>,
    pub(crate) control: Arc<Control>,
    pub(crate) events: mpsc::Sender<Vec<Event>>,
    /// The checkpoint to go on from.
    pub(crate) resume: Option<String>,
}

/// What ended the wait for a component.
enum Ended {
    ByItself(Result<()>),
    /// Its outcome was known for a while, and it still computed.
    Interrupted,
    Killed,
    DeadlinePassed,
}

impl Segment {
    /// Calls the component once, and returns how that ended.
    pub(crate) async fn execute(self) -> std::result::Result<Outcome, ExecutionError> {
        let run = Arc::clone(&self.run);
        let mut store = new_store(Arc::clone(&run)).map_err(|e| verdict::of_host(&run, &e))?;
        let (slot, room) = (OutcomeSlot::default(), Room::new(self.events));
        let (stop, stops) = oneshot::channel();
        let work = {
            let (slot, store) = (slot.clone(), &mut store);
            let (run, control) = (Arc::clone(&run), Arc::clone(&self.control));
            let (room, resume) = (room.clone(), self.resume);
            async move {
                // In boxes: what is made for the instance is let go of, and what serves it is not copied about.
                let instance = run.executor.plugin.pre.instantiate_async(&mut *store);
                let instance = Box::pin(instance).await?;
                let calls = Calls { run, control, room, resume, slot };
                let serve = async |store: &Accessor<_>| {
                    Box::pin(calls.serve(store, &instance, stops)).await
                };
                store.run_concurrent(serve).await?
            }
        };
        // Polled beside the store, and not in it: see [`OutcomeSlot::overdue`].
        let work = async {
            tokio::select! {
                biased;
                done = Box::pin(work) => Ended::ByItself(done),
                () = slot.overdue(&room) => Ended::Interrupted,
            }
        };
        let ended = watch(&run, &self.control, stop, Box::pin(work)).await;
        let passed = store.data().limiter.passed();
        drop(store);
        run.programs_gone().await;
        settle(&run, &self.control, ended, slot.take(), passed)
    }
}

/// Waits for the component, until it was asked to stop and did not, or was told that its time is up and went on.
async fn watch(
    run: &Run,
    control: &Control,
    stop: oneshot::Sender<StopMode>,
    mut work: BoxFuture<'_, Ended>,
) -> Ended {
    let deadline = async {
        match run.deadline {
            Some(deadline) => sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    };
    // Control first: a component that always has something to do must not be heard before what ends it.
    let (mode, late) = tokio::select! {
        biased;
        mode = control.stop_asked() => (mode, false),
        () = deadline => (StopMode::Cancel, true),
        () = run.overspent() => (StopMode::Cancel, false),
        ended = &mut work => return ended,
    };
    run.stopping.cancel();
    let _received_or_over = stop.send(mode);
    // The component hears of the stop first, and then what it waits for is answered: otherwise it would take
    // the answer for a failure.
    let cut_off = async {
        sleep(HEAD_START).await;
        run.cut_off.cancel();
        std::future::pending().await
    };
    let work = async {
        tokio::select! {
            biased;
            done = cut_off => done,
            done = work => done,
        }
    };
    let grace = Duration::from_secs(run.executor.config.limits.stop_grace_seconds);
    let done = timeout(grace, work).await;
    match done {
        _ if late => Ended::DeadlinePassed,
        Ok(ended) => ended,
        Err(_) => Ended::Killed,
    }
}

fn settle(
    run: &Run,
    control: &Control,
    ended: Ended,
    known: Option<KnownOutcome>,
    passed: Option<&'static str>,
) -> std::result::Result<Outcome, ExecutionError> {
    let most = run.executor.config.limits.outcome_kib as usize * 1024;
    let (reported, stopping) = match known {
        Some(KnownOutcome { reported, stopping }) => (Some(reported), stopping),
        None => (None, false),
    };
    if reported.as_ref().is_some_and(|reported| convert::outcome_size(reported) > most) {
        return Err(too_long(run, format!("its outcome is longer than {} KiB", most / 1024)));
    }
    if reported.as_ref().is_some_and(|one| convert::checkpoint_size(one) > CHECKPOINT_BYTES) {
        let most = CHECKPOINT_BYTES / 1024;
        return Err(too_long(run, format!("its outcome's checkpoint is longer than {most} KiB")));
    }
    let incoming = Incoming::of(run);
    let reported = reported.map(|reported| match reported {
        Ok(outcome) => incoming.outcome(outcome).map(|outcome| counted(run, outcome)),
        Err(error) => Err(incoming.error(error)),
    });
    match ended {
        Ended::Killed => control.stopped(StopResult::Stopped),
        Ended::Interrupted => {
            let plugin = &run.executor.info.plugin;
            tracing::warn!(%plugin, execution = run.id(), "it still computed after its outcome, and was interrupted");
        }
        Ended::ByItself(_) | Ended::DeadlinePassed => {}
    }
    match (ended, reported) {
        (Ended::DeadlinePassed, Some(Ok(Outcome::Completed(result)))) => {
            Ok(Outcome::Completed(result))
        }
        (Ended::DeadlinePassed, Some(Ok(Outcome::Suspended(suspension)))) => {
            note(run, &suspension);
            Err(verdict::of_deadline(run, None))
        }
        (Ended::DeadlinePassed, said) => {
            Err(verdict::of_deadline(run, said.and_then(std::result::Result::err)))
        }
        (_, Some(Ok(outcome))) => Ok(outcome),
        (_, Some(Err(error))) => Err(verdict::of_report(run, error, stopping)),
        (Ended::Killed, None) => Err(verdict::of_kill(run)),
        (Ended::ByItself(Err(error)), None) => Err(verdict::of_trap(run, EXECUTE, &error, passed)),
        (Ended::ByItself(Ok(())) | Ended::Interrupted, None) => {
            Err(verdict::of_contract(run, "ended without an outcome"))
        }
    }
}

fn too_long(run: &Run, problem: String) -> ExecutionError {
    run.notes().limit = Some("outcome");
    verdict::of_trap(run, EXECUTE, &wasmtime::Error::msg(problem), None)
}

/// An outcome with what the gateway counted in place of what the plugin says.
fn counted(run: &Run, mut outcome: Outcome) -> Outcome {
    let used = match &mut outcome {
        Outcome::Completed(result) => &mut result.usage,
        Outcome::Suspended(suspension) => &mut suspension.usage,
    };
    *used = run.counted(std::mem::take(used));
    outcome
}

/// Serves one instance.
struct Calls {
    run: Arc<Run>,
    control: Arc<Control>,
    room: Room,
    resume: Option<String>,
    slot: OutcomeSlot,
}

impl Calls {
    async fn serve(
        self,
        store: &Accessor<State>,
        instance: &ExecutorPlugin,
        mut stops: oneshot::Receiver<StopMode>,
    ) -> Result<()> {
        let (gone, is_gone) = oneshot::channel();
        let result = OutcomeConsumer::new(Arc::clone(&self.run), self.slot.clone());
        let mut start = Box::pin(self.start(store, instance, gone, result));
        let mut stopping = FuturesUnordered::new();
        let mut events = None;
        loop {
            tokio::select! {
                biased;
                () = self.slot.settled() => break,
                started = &mut start, if events.is_none() => events = Some(started?),
                Some(done) = stopping.next() => { let () = done?; }
                // Before it has begun there is nothing to stop: it would answer so, and then begin.
                Ok(mode) = &mut stops, if events.is_some() && !stops.is_terminated() => {
                    stopping.push(self.stop(store, instance, mode));
                }
            }
        }
        let tidy = async {
            while let Some(done) = stopping.next().await {
                done?;
            }
            let _dropped = is_gone.await;
            Result::Ok(())
        };
        if let Some(events) = events {
            let (drain, tidy) = (Box::pin(drain(events)), Box::pin(timeout(TIDY, tidy)));
            let (events, tidied) = tokio::join!(drain, tidy);
            if events && let Ok(Err(error)) = tidied {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Calls `execute-streaming`, and connects what it returns.
    async fn start(
        &self,
        store: &Accessor<State>,
        instance: &ExecutorPlugin,
        gone: oneshot::Sender<()>,
        outcome: OutcomeConsumer,
    ) -> Result<EventsEnd> {
        let run = &self.run;
        let task = run.request.as_ref().map(|request| convert::task(&request.task));
        let task = task.ok_or_else(|| wasmtime::format_err!("an execution without a task"))?;
        let context = Context::new(Arc::clone(run), self.resume.clone(), gone);
        let context = store.with(|mut store| store.get().table.push(context))?;
        let guest = instance.cyrus_executor_task_executor();
        let (events, result) = guest.call_execute_streaming(store, task, context).await?;
        let (sink, end) = EventSink::new(Arc::clone(run), self.room.clone());
        store.with(|mut store| {
            result.pipe(&mut store, outcome)?;
            events.pipe(&mut store, sink)
        })?;
        Ok(end)
    }

    async fn stop(
        &self,
        store: &Accessor<State>,
        instance: &ExecutorPlugin,
        mode: StopMode,
    ) -> Result<()> {
        let mode = match mode {
            StopMode::Cancel => types::StopMode::Cancel,
            StopMode::Detach => types::StopMode::Detach,
        };
        let done = instance.cyrus_executor_task_executor().call_stop(store, mode).await?;
        self.control.stopped(match done {
            types::StopResult::Stopped => StopResult::Stopped,
            types::StopResult::StillRunningRemotely => StopResult::StillRunningRemotely,
            types::StopResult::AlreadyFinished => StopResult::AlreadyFinished,
        });
        Ok(())
    }
}

/// Waits until the events have ended: as long as the reader takes, but not for a component that forgets to end
/// them. Whether they have.
async fn drain(mut events: EventsEnd) -> bool {
    loop {
        if timeout(TIDY, &mut events.ended).await.is_ok() {
            return true;
        }
        if !events.waits_for_reader() {
            return false;
        }
    }
}

/// Calls an export that answers by itself, on an instance of its own.
pub(crate) async fn call<R: Send + 'static>(
    run: Arc<Run>,
    export: &'static str,
    call: impl for<'a> FnOnce(
        &'a Accessor<State>,
        &'a ExecutorPlugin,
    )
        -> BoxFuture<'a, Result<std::result::Result<R, types::ExecutionError>>>
    + Send
    + 'static,
) -> std::result::Result<R, ExecutionError> {
    let mut store = new_store(Arc::clone(&run)).map_err(|e| verdict::of_host(&run, &e))?;
    let time = Duration::from_secs(run.executor.config.limits.probe_seconds);
    let answered = {
        let (run, store) = (Arc::clone(&run), &mut store);
        let work = async move {
            let instance = run.executor.plugin.pre.instantiate_async(&mut *store).await?;
            store.run_concurrent(async |store| call(store, &instance).await).await?
        };
        tokio::select! {
            biased;
            () = sleep(time) => None,
            answered = Box::pin(work) => Some(answered),
        }
    };
    let passed = store.data().limiter.passed();
    drop(store);
    run.programs_gone().await;
    match answered {
        None => Err(verdict::of_deadline(&run, None)),
        Some(Err(error)) => Err(verdict::of_trap(&run, export, &error, passed)),
        Some(Ok(Err(error))) => {
            let error = Incoming::of(&run).error(error);
            Err(verdict::of_report(&run, error, false))
        }
        Some(Ok(Ok(answer))) => Ok(answer),
    }
}
