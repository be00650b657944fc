use crate::output::print_interrupted;
use cyrus_executor::StopMode;
use cyrus_orchestrator::{StopSignal, StopSwitch, stop_switch};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Whether there is a session that can be asked to stop.
static BEGUN: AtomicBool = AtomicBool::new(false);

/// Ends the process at an interrupt for as long as no session has begun: executors are made and asked until then. What
/// was launched ends with it.
pub(crate) fn end_until_begun() -> std::io::Result<()> {
    let [mut int, mut term, mut hup] = signals()?;
    tokio::spawn(async move {
        tokio::select! {
            Some(()) = int.recv() => {}
            Some(()) = term.recv() => {}
            Some(()) = hup.recv() => {}
        }
        if !BEGUN.load(Ordering::Relaxed) {
            std::process::exit(130);
        }
    });
    Ok(())
}

fn signals() -> std::io::Result<[Signal; 3]> {
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    Ok([signal(kinds[0])?, signal(kinds[1])?, signal(kinds[2])?])
}

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
        let [mut int, mut term, mut hup] = signals()?;
        BEGUN.store(true, Ordering::Relaxed);
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
