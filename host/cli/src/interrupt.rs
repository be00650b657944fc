use crate::output::print_interrupted;
use cyrus_executor::StopMode;
use cyrus_orchestrator::{StopSignal, StopSwitch, stop_switch};
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Whether there is a session that can be asked to stop.
static BEGUN: AtomicBool = AtomicBool::new(false);

/// Whether the command's result is printed, so that an interrupt loses nothing.
static DONE: AtomicBool = AtomicBool::new(false);

/// Ends the process at an interrupt for as long as no session has begun: executors are made and asked until then. What
/// was launched ends with it.
pub(crate) fn end_until_begun() -> std::io::Result<()> {
    let (mut int, mut term, mut hup) = signals()?;
    tokio::spawn(async move {
        tokio::select! {
            Some(()) = int.recv() => {}
            Some(()) = term.recv() => {}
            Some(()) = next(&mut hup) => {}
        }
        if !BEGUN.load(Ordering::Relaxed) && !DONE.load(Ordering::Relaxed) {
            std::process::exit(130);
        }
    });
    Ok(())
}

/// Runs work that the command's result does not depend on, until an interrupt.
pub(crate) async fn unless_interrupted(work: impl Future<Output = ()>) -> std::io::Result<()> {
    DONE.store(true, Ordering::Relaxed);
    let (mut int, mut term, mut hup) = signals()?;
    tokio::select! {
        () = work => {}
        Some(()) = int.recv() => {}
        Some(()) = term.recv() => {}
        Some(()) = next(&mut hup) => {}
    }
    Ok(())
}

/// The signals that interrupt. SIGHUP, which says that the terminal is closed, is not among them where this process was
/// started to ignore it, as `nohup` starts programs.
fn signals() -> std::io::Result<(Signal, Signal, Option<Signal>)> {
    let has_no_terminal = hangup_is_ignored();
    let hangup = if has_no_terminal { None } else { Some(signal(SignalKind::hangup())?) };
    Ok((signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, hangup))
}

/// The next of a signal; none ever comes of one that is ignored.
async fn next(signal: &mut Option<Signal>) -> Option<()> {
    match signal {
        Some(signal) => signal.recv().await,
        None => std::future::pending().await,
    }
}

/// Whether this process was started so, as far as the system says. Looked at once: to listen is to ignore no more.
fn hangup_is_ignored() -> bool {
    static AT_START: OnceLock<bool> = OnceLock::new();
    *AT_START.get_or_init(|| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let set = set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0);
        set & 1 << (SignalKind::hangup().as_raw_value() - 1) != 0
    })
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
        let (mut int, mut term, mut hup) = signals()?;
        BEGUN.store(true, Ordering::Relaxed);
        let (heard, pulled) = (Arc::clone(&interrupted), switch.clone());
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    Some(()) = int.recv() => {}
                    Some(()) = term.recv() => {}
                    Some(()) = next(&mut hup) => {}
                }
                if !DONE.load(Ordering::Relaxed) {
                    hear(&heard, &pulled);
                }
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
