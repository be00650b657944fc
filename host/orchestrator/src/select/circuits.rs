use crate::failure::{Ending, ending};
use cyrus_core::{Excluded, ExecutionReport};
use std::{collections::BTreeMap, time::Duration};

/// How long executors are left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CircuitSettings {
    /// The circuit opens at this many endings in a row that say "not there".
    pub failures: u32,
    /// For how long it opens the first time. Each probe that fails doubles it.
    pub open: Duration,
    /// For how long it opens at most.
    pub longest: Duration,
    /// For how long an executor is parked the first time that it was asked too much and did not say until when;
    /// doubled each time.
    pub park: Duration,
    /// When to look again at one whose probe is under way.
    pub probe: Duration,
}

impl Default for CircuitSettings {
    /// Four in a row are one attempt and its three retries: a task alone finds out that an executor is not there, and
    /// the others do not have to.
    fn default() -> Self {
        Self {
            failures: 4,
            open: Duration::from_secs(30),
            longest: Duration::from_mins(10),
            park: Duration::from_secs(10),
            probe: Duration::from_secs(5),
        }
    }
}

/// How each executor did lately, in this process. All times are [`Clock::elapsed`](cyrus_core::Clock::elapsed).
///
/// A circuit is *closed* at first. It *opens* at [`CircuitSettings::failures`] endings in a row that say "not there".
/// When its time is over it is *half-open*: one execution may probe, the others wait for what comes of it.
#[derive(Clone, Debug, Default)]
pub struct Circuits {
    settings: CircuitSettings,
    known: BTreeMap<String, Health>,
}

#[derive(Clone, Debug, Default)]
struct Health {
    /// Endings in a row that say "not there".
    failures: u32,
    /// Times in a row that the circuit opened.
    opened: u32,
    open_until: Option<Duration>,
    probing: bool,
    /// Times that it was parked since something was completed.
    parked: u32,
    parked_until: Option<Duration>,
    marked: Option<String>,
}

impl Circuits {
    /// All closed.
    pub fn new(settings: CircuitSettings) -> Self {
        Self { settings, known: BTreeMap::new() }
    }

    /// Takes note of how an execution by this executor ended. Answers what the operator has to be told, if this is
    /// news: the executor is marked, its circuit opened, or its plugin is at fault.
    pub fn note(
        &mut self,
        executor: &str,
        report: &ExecutionReport,
        now: Duration,
    ) -> Option<String> {
        let settings = self.settings;
        let health = self.known.entry(executor.to_owned()).or_default();
        let said = report.error.as_ref().map(ToString::to_string).unwrap_or_default();
        match ending(report) {
            Ending::Completed => {
                health.answered();
                (health.parked, health.marked) = (0, None);
                None
            }
            Ending::RateLimited { retry_after } => {
                health.answered();
                let own = doubled(settings.park, health.parked, settings.longest);
                let time = retry_after.unwrap_or(own);
                health.parked = health.parked.saturating_add(1);
                health.parked_until = health.parked_until.max(Some(now + time));
                None
            }
            Ending::Unauthorized | Ending::QuotaExhausted => {
                health.answered();
                let news = health.marked.is_none();
                let told =
                    format!("executor {executor} is not used until somebody looks into it: {said}");
                health.marked = Some(said);
                news.then_some(told)
            }
            Ending::Unavailable { retry_after } => {
                let time = health.failed(&settings, now, retry_after)?;
                Some(format!(
                    "executor {executor} failed too often and is left alone for {} s: {said}",
                    time.as_secs()
                ))
            }
            Ending::PluginFault => {
                health.probing = false;
                Some(format!("the plugin of executor {executor} is at fault: {}", fault(report)))
            }
            Ending::Interrupted | Ending::TimedOut | Ending::Uncertain => {
                health.probing = false;
                None
            }
            Ending::Unsupported
            | Ending::InvalidRequest
            | Ending::Refused
            | Ending::Denied
            | Ending::BudgetExceeded
            | Ending::TurnLimit
            | Ending::Failed => {
                health.answered();
                None
            }
        }
    }

    /// An execution by this executor begins. In a half-open circuit it is the probe; the next has to wait until
    /// [`Circuits::note`] or [`Circuits::release`].
    pub fn begin(&mut self, executor: &str, now: Duration) {
        if let Some(health) = self.known.get_mut(executor)
            && health.open_until.is_some_and(|until| until <= now)
        {
            health.probing = true;
        }
    }

    /// What was begun came to nothing that says anything of the executor.
    pub fn release(&mut self, executor: &str) {
        if let Some(health) = self.known.get_mut(executor) {
            health.probing = false;
        }
    }

    /// Why this executor may not be called now, if it may not.
    pub fn exclusion(&self, executor: &str, now: Duration) -> Option<Excluded> {
        let health = self.known.get(executor)?;
        if let Some(why) = &health.marked {
            return Some(Excluded::Marked { why: why.clone() });
        }
        let until = |time: Option<Duration>| time?.checked_sub(now).filter(|left| !left.is_zero());
        if let Some(retry_after) = until(health.parked_until) {
            return Some(Excluded::Parked { retry_after });
        }
        let probing = health.probing.then_some(self.settings.probe);
        let retry_after = until(health.open_until).or(probing)?;
        Some(Excluded::CircuitOpen { retry_after })
    }

    /// Forgets everything about an executor: somebody looked into it, or it was configured anew.
    pub fn clear(&mut self, executor: &str) {
        self.known.remove(executor);
    }
}

impl Health {
    /// It answered, whatever it said: it is there.
    fn answered(&mut self) {
        (self.failures, self.opened) = (0, 0);
        (self.open_until, self.probing) = (None, false);
    }

    /// It was not there. Answers for how long the circuit opens, if it does.
    fn failed(
        &mut self,
        settings: &CircuitSettings,
        now: Duration,
        retry_after: Option<Duration>,
    ) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        // One that began before the circuit opened says nothing new.
        let open = self.open_until.is_some_and(|until| until > now);
        if open || self.failures < settings.failures.max(1) {
            return None;
        }
        let own = doubled(settings.open, self.opened, settings.longest);
        let time = own.max(retry_after.unwrap_or_default());
        self.opened = self.opened.saturating_add(1);
        (self.open_until, self.probing) = (Some(now + time), false);
        Some(time)
    }
}

/// Twice the time for each time before, up to the longest.
fn doubled(first: Duration, before: u32, longest: Duration) -> Duration {
    first.saturating_mul(1 << before.min(16)).min(longest)
}

/// What the host saw of the plugin: who, which component, and where.
fn fault(report: &ExecutionReport) -> String {
    use cyrus_executor::HostVerdict::{Budget, Contract, Deadline, Killed, Limit, Trap};
    let error = report.error.as_deref();
    let message = error.map_or("", |error| error.message.as_str());
    match error.and_then(|error| error.host.as_deref()) {
        Some(Trap { plugin, digest, export }) => {
            format!("{plugin} ({digest}) trapped in {export}: {message}")
        }
        Some(Limit { plugin, digest, export, which }) => {
            format!("{plugin} ({digest}) passed the limit {which} in {export}: {message}")
        }
        Some(Contract { plugin, digest }) => {
            format!("{plugin} ({digest}) does not keep to the contract: {message}")
        }
        Some(Budget | Deadline | Killed) | None => message.to_owned(),
    }
}
