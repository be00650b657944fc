use cyrus_executor::StopMode;
use tokio::sync::watch;

/// Makes a switch and the signal it gives.
pub fn stop_switch() -> (StopSwitch, StopSignal) {
    let (tx, rx) = watch::channel(None);
    (StopSwitch(tx), StopSignal(rx))
}

/// Stops a session. Dropping it stops nothing.
#[derive(Clone, Debug)]
pub struct StopSwitch(watch::Sender<Option<StopMode>>);

impl StopSwitch {
    /// Asks for a stop. Asking again changes nothing.
    pub fn stop(&self, mode: StopMode) {
        self.0.send_if_modified(|asked| {
            let first = asked.is_none();
            asked.get_or_insert(mode);
            first
        });
    }
}

/// Whether a session is to stop.
#[derive(Clone, Debug)]
pub struct StopSignal(watch::Receiver<Option<StopMode>>);

impl StopSignal {
    /// The stop that was asked for, if one was.
    pub fn asked(&self) -> Option<StopMode> {
        *self.0.borrow()
    }

    /// Waits for a stop; for ever, when nobody is left to ask for one.
    pub async fn wait(&mut self) -> StopMode {
        if let Ok(asked) = self.0.wait_for(Option::is_some).await
            && let Some(mode) = *asked
        {
            return mode;
        }
        std::future::pending().await
    }
}
