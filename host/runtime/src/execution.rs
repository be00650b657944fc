//! An execution from beginning to end: one instance after the other, with sleep between them.

use crate::{control::Control, run::Run, segment::Segment, verdict};
use cyrus_executor::{
    ErrorKind, Event, ExecutionError, HostError, Outcome, StopMode, StopResult, Suspension,
};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{sleep, sleep_until},
};

/// The shortest sleep: a component that asks for none at all gets this much.
const SHORTEST_SLEEP: Duration = Duration::from_millis(20);

/// How a sleep ended.
enum Woken {
    /// It is time to go on, or the component has to be stopped, which only an instance of it can do.
    GoOn,
    /// Remote work is to be left alone.
    Detach,
}

/// Does the work of an execution, sleeping through its suspensions.
pub(crate) async fn drive(
    run: Arc<Run>,
    control: Arc<Control>,
    events: mpsc::Sender<Vec<Event>>,
) -> Result<Outcome, ExecutionError> {
    let mut resume = run.request.as_ref().and_then(|request| request.resume.clone());
    loop {
        let asked_before = control.asked().is_some();
        let late = run.time_left() == Some(Duration::ZERO);
        let segment = Segment {
            run: Arc::clone(&run),
            control: Arc::clone(&control),
            events: events.clone(),
            resume: resume.take(),
        };
        // In a place of its own: nothing is kept for an instance while there is none.
        let suspension = match Box::pin(segment.execute()).await? {
            Outcome::Suspended(suspension) => suspension,
            completed @ Outcome::Completed(_) => return Ok(completed),
        };
        if late {
            note(&run, &suspension);
            return Err(verdict::of_deadline(&run, None));
        }
        // A cancel that came when the instance had already let go reached nothing: the next one gets it.
        let missed = !asked_before && control.asked() == Some(StopMode::Cancel);
        if run.stopping.is_cancelled() && !missed {
            return let_go(&run, &control, suspension);
        }
        save(&run, &suspension).await?;
        match rest(&run, &control, suspension.wake_after).await {
            Woken::GoOn => resume = Some(suspension.checkpoint),
            Woken::Detach => {
                control.stopped(StopResult::StillRunningRemotely);
                return Ok(Outcome::Suspended(suspension));
            }
        }
    }
}

/// A component suspended itself while it was being stopped.
fn let_go(run: &Run, control: &Control, suspension: Suspension) -> Result<Outcome, ExecutionError> {
    if control.asked() == Some(StopMode::Detach) {
        control.stopped(StopResult::StillRunningRemotely);
        return Ok(Outcome::Suspended(suspension));
    }
    let problem = "it was stopped, but what it does elsewhere goes on";
    let mut error = ExecutionError::new(ErrorKind::Cancelled, problem);
    error.usage = Some(Box::new(suspension.usage));
    error.checkpoint = Some(suspension.checkpoint);
    Err(verdict::of_report(run, error, true))
}

/// Makes the checkpoint durable: from here on nothing else knows of the work.
async fn save(run: &Run, suspension: &Suspension) -> Result<(), ExecutionError> {
    let token = suspension.checkpoint.clone();
    let saved = tokio::spawn(run.host.checkpoint(token)).await;
    note(run, suspension);
    match saved {
        Ok(Ok(())) => Ok(()),
        Ok(Err(HostError::Stopped)) => {
            let error = ExecutionError::new(ErrorKind::Cancelled, "it was stopped");
            Err(verdict::of_report(run, error, true))
        }
        Ok(Err(error)) => Err(verdict::of_host(run, &error)),
        Err(error) => Err(verdict::of_host(run, &error)),
    }
}

/// Takes note of how far the work is, for the error that may come of it.
pub(crate) fn note(run: &Run, suspension: &Suspension) {
    let mut notes = run.notes();
    notes.usage = Some(suspension.usage.clone());
    notes.checkpoint = Some(suspension.checkpoint.clone());
}

/// Sleeps until it is time to look again, without an instance.
async fn rest(run: &Run, control: &Control, wake_after: Duration) -> Woken {
    let deadline = async {
        match run.deadline {
            Some(deadline) => sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        mode = control.stop_asked() => match mode {
            // The component is called again at once, and stopped: only it can reach what it left running.
            StopMode::Cancel => Woken::GoOn,
            StopMode::Detach => Woken::Detach,
        },
        () = deadline => Woken::GoOn,
        () = sleep(wake_after.max(SHORTEST_SLEEP)) => Woken::GoOn,
    }
}
