use cyrus_executor::{StopMode, TaskId};
use std::collections::BTreeSet;
use tokio::sync::watch;

/// Makes a switch and the signal it gives.
pub fn stop_switch() -> (StopSwitch, StopSignal) {
    let (tx, rx) = watch::channel(Asked::default());
    (StopSwitch(tx), StopSignal(rx))
}

/// What was asked for so far.
#[derive(Debug, Default)]
struct Asked {
    stop: Option<StopMode>,
    cancelled: BTreeSet<TaskId>,
}

/// Stops a session, or tasks of it. Dropping it stops nothing.
#[derive(Clone, Debug)]
pub struct StopSwitch(watch::Sender<Asked>);

impl StopSwitch {
    /// Asks for the session to stop. Asking again changes nothing.
    pub fn stop(&self, mode: StopMode) {
        self.0.send_if_modified(|asked| {
            let first = asked.stop.is_none();
            asked.stop.get_or_insert(mode);
            first
        });
    }

    /// Asks for one task to be cancelled. One whose result was accepted is not.
    pub fn cancel(&self, task: &TaskId) {
        self.0.send_if_modified(|asked| asked.cancelled.insert(task.clone()));
    }
}

/// Whether a session is to stop, or a task of it.
#[derive(Clone, Debug)]
pub struct StopSignal(watch::Receiver<Asked>);

impl StopSignal {
    /// The stop of the session that was asked for, if one was.
    pub fn asked(&self) -> Option<StopMode> {
        self.0.borrow().stop
    }

    /// Whether somebody wants this task cancelled.
    pub fn cancels(&self, task: &TaskId) -> bool {
        self.0.borrow().cancelled.contains(task)
    }

    /// Waits until the session is to stop; for ever, when nobody is left to ask for it.
    pub async fn stopped(&mut self) {
        if self.0.wait_for(|asked| asked.stop.is_some()).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until this task is to stop, by itself or with its session; for ever, when nobody is left to ask for it.
    pub async fn wait(&mut self, task: &TaskId) -> StopMode {
        let of_task = |asked: &Asked| {
            let cancelled = asked.cancelled.contains(task).then_some(StopMode::Cancel);
            asked.stop.or(cancelled)
        };
        if let Ok(asked) = self.0.wait_for(|asked| of_task(asked).is_some()).await
            && let Some(mode) = of_task(&asked)
        {
            return mode;
        }
        std::future::pending().await
    }
}
