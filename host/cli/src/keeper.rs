//! What goes on beside a session: its lease is kept, and stops that others ask for, of all of it or of a task, are heard.

use cyrus_core::{SessionId, SessionStore};
use cyrus_executor::StopMode;
use cyrus_orchestrator::StopSwitch;
use std::{sync::Arc, time::Duration};
use tokio::{
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval},
};

/// How often stops are looked for.
const LOOK: Duration = Duration::from_millis(500);

/// Keeps a session until it is dropped.
pub(crate) struct Keeper(JoinHandle<()>);

impl Keeper {
    pub(crate) fn keep(store: Arc<dyn SessionStore>, id: SessionId, switch: StopSwitch) -> Self {
        Self(tokio::spawn(keep(store, id, switch)))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn keep(store: Arc<dyn SessionStore>, id: SessionId, switch: StopSwitch) {
    let every = store.lease_time() / 3;
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut renewed = Instant::now();
    loop {
        look.tick().await;
        match store.requests().await {
            Ok(requests) => {
                for (_, mode) in requests.iter().filter(|(session, _)| *session == id) {
                    switch.stop(*mode);
                }
            }
            Err(error) => tracing::warn!("stops cannot be looked for: {error}"),
        }
        match store.cancelled().await {
            Ok(cancelled) => {
                for (_, task) in cancelled.iter().filter(|(session, _)| *session == id) {
                    switch.cancel(task);
                }
            }
            Err(error) => tracing::warn!("cancelled tasks cannot be looked for: {error}"),
        }
        if renewed.elapsed() >= every {
            match store.renew().await {
                Ok(lost) => {
                    renewed = Instant::now();
                    if lost.contains(&id) {
                        tracing::warn!("session {id} was taken over by another process");
                        switch.stop(StopMode::Detach);
                    }
                }
                Err(error) => {
                    tracing::warn!("the lease on session {id} cannot be renewed: {error}");
                }
            }
        }
    }
}
