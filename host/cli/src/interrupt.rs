use crate::output::print_interrupted;
use cyrus_executor::StopMode;
use cyrus_orchestrator::{StopSignal, StopSwitch, stop_switch};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::signal::unix::{SignalKind, signal};

/// Ctrl-C, and what a terminal or an init system sends instead: the first asks the session to stop and leave
/// nothing running, the second ends the process at once. What was launched ends with it.
#[derive(Clone, Debug)]
pub(crate) struct Interrupts {
    heard: Arc<AtomicBool>,
    switch: StopSwitch,
    signal: StopSignal,
}

impl Interrupts {
    /// Listens from now on.
    pub(crate) fn listen() -> std::io::Result<Self> {
        let (switch, signal_of_stop) = stop_switch();
        let interrupted = Arc::new(AtomicBool::new(false));
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [mut int, mut term, mut hup] =
            [signal(kinds[0])?, signal(kinds[1])?, signal(kinds[2])?];
        let (heard, pulled) = (Arc::clone(&interrupted), switch.clone());
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    Some(()) = int.recv() => {}
                    Some(()) = term.recv() => {}
                    Some(()) = hup.recv() => {}
                }
                hear(&heard, &pulled);
            }
        });
        Ok(Self { heard: interrupted, switch, signal: signal_of_stop })
    }

    /// What a session listens to.
    pub(crate) fn signal(&self) -> StopSignal {
        self.signal.clone()
    }

    /// What stops it.
    pub(crate) fn switch(&self) -> StopSwitch {
        self.switch.clone()
    }

    /// Whether an interrupt came.
    pub(crate) fn came(&self) -> bool {
        self.heard.load(Ordering::Relaxed)
    }
}

fn hear(heard: &AtomicBool, switch: &StopSwitch) {
    if heard.swap(true, Ordering::Relaxed) {
        std::process::exit(130);
    }
    print_interrupted();
    switch.stop(StopMode::Cancel);
}
