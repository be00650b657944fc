use super::{
    AttemptPolicy, Step,
    ending::{Ending, ending},
};
use crate::budget::WhenOver;
use cyrus_core::{
    EMPTY_DIFF, ExecutionRecord, FAILS_ON_BASE, PlannedTask, Receipt, TaskOrigin, ValidationReport,
    ValidationVerdict,
};
use cyrus_executor::{Finding, MicroUsd, TaskKind, text::Line};
use std::time::Duration;

/// The most of an executor's summary that the reason quotes when it changed nothing, in characters.
pub(super) const LONGEST_WORDS: usize = 300;

/// An executor that is out for a task, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Its name.
    pub executor: String,
    /// How it failed.
    pub error: String,
    /// It was not there, which may pass: what to do when nobody else can have the task.
    pub outage: Option<Outage>,
}

/// What to do about an executor that was not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// Ask again after this time.
    Wait(Duration),
    /// It was asked often enough.
    Over,
}

/// What comes next for a task after these attempts at it, which are all there were, in order. It depends on nothing
/// else, so that after a crash the same comes next as before.
pub fn decide(task: &PlannedTask, attempts: &[ExecutionRecord], policy: &AttemptPolicy) -> Step {
    History::new(task, attempts, policy, false).step()
}

/// What comes next for a task that was held, once somebody has looked at it and said to go on. Who was not there, not
/// let in or without credit is not out any more; what ran out of money or may have been created remotely is taken up
/// from its checkpoint.
pub fn released(task: &PlannedTask, attempts: &[ExecutionRecord], policy: &AttemptPolicy) -> Step {
    History::new(task, attempts, policy, true).step()
}

/// The last checkpoint of this executor in these attempts at a task. Nobody ever goes on from another's.
pub fn checkpoint_of(attempts: &[ExecutionRecord], executor: &str) -> Option<String> {
    let own = |record: &&ExecutionRecord| record.executor == executor;
    attempts.iter().rev().filter(own).find_map(|record| {
        let report = record.report.as_ref();
        let ended = report.and_then(|report| report.checkpoint.clone());
        let failed = report.and_then(|report| report.error.as_ref()?.checkpoint.clone());
        ended.or(failed).or_else(|| record.checkpoint.clone())
    })
}

/// How many of these attempts count against [`AttemptPolicy::most_attempts`]: those that were worked on. One that was
/// interrupted, put off, or turned away before the work does not; each of those has a bound of its own.
pub fn counted(attempts: &[ExecutionRecord]) -> u32 {
    let worked = attempts.iter().filter(|record| came(record).is_work()).count();
    u32::try_from(worked).unwrap_or(u32::MAX)
}

/// Whether a result that changes nothing is wrong. A builder and a debugger have failed then, and whoever resolves a
/// conflict or mends checks; others may well answer in words.
pub fn must_change(task: &PlannedTask) -> bool {
    match task.origin {
        TaskOrigin::Conflict { .. } | TaskOrigin::Mend { .. } => true,
        TaskOrigin::Planning | TaskOrigin::Review { .. } => false,
        TaskOrigin::Planned => {
            *task.kind() == TaskKind::BUILDER || *task.kind() == TaskKind::DEBUGGER
        }
    }
}

/// Whether the task's result is the answer itself, and nothing that it leaves in the workspace.
fn answers(task: &PlannedTask) -> bool {
    matches!(task.origin, TaskOrigin::Planning | TaskOrigin::Review { .. })
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    /// It was cut off with the process that held it.
    CutOff,
    /// It finished, and its result failed the checks.
    Rejected,
    /// Anything else.
    Ended(Ending),
}

fn came(record: &ExecutionRecord) -> Came {
    let Some(report) = &record.report else { return Came::CutOff };
    let failed = |verdict: &ValidationReport| verdict.verdict == ValidationVerdict::Failed;
    match ending(report) {
        Ending::Completed if record.verdict.as_ref().is_some_and(failed) => Came::Rejected,
        other => Came::Ended(other),
    }
}

impl Came {
    /// Whether it was worked on.
    fn is_work(self) -> bool {
        match self {
            Self::Rejected => true,
            Self::CutOff => false,
            Self::Ended(ending) => match ending {
                Ending::Completed
                | Ending::Uncertain
                | Ending::InvalidRequest
                | Ending::Refused
                | Ending::Denied
                | Ending::BudgetExceeded
                | Ending::TurnLimit
                | Ending::TimedOut
                | Ending::PluginFault
                | Ending::Failed => true,
                Ending::Interrupted
                | Ending::Unavailable { .. }
                | Ending::RateLimited { .. }
                | Ending::Unauthorized
                | Ending::QuotaExhausted
                | Ending::Unsupported => false,
            },
        }
    }

    /// Whether it says nothing of the executor.
    fn is_neutral(self) -> bool {
        matches!(self, Self::CutOff | Self::Ended(Ending::Interrupted))
    }

    /// Whether it only put the task off.
    fn is_delay(self) -> bool {
        self.is_neutral() || matches!(self, Self::Ended(Ending::RateLimited { .. }))
    }

    /// Whether somebody who looks into it can mend it.
    fn can_be_mended(self) -> bool {
        matches!(
            self,
            Self::Ended(
                Ending::Unavailable { .. }
                    | Ending::Unauthorized
                    | Ending::QuotaExhausted
                    | Ending::BudgetExceeded
            )
        )
    }

    /// Whether its executor gets its work back with what was found.
    fn is_sent_back(self) -> bool {
        matches!(self, Self::Rejected | Self::Ended(Ending::Failed))
    }

    /// Whether it ran into a limit that a second go from the checkpoint may stay under.
    fn is_cut_short(self) -> bool {
        matches!(self, Self::Ended(Ending::TimedOut | Ending::TurnLimit))
    }
}

struct History<'a> {
    task: &'a PlannedTask,
    /// All there were.
    all: &'a [ExecutionRecord],
    /// Those since the task was last retried by the operator.
    attempts: &'a [ExecutionRecord],
    policy: &'a AttemptPolicy,
    /// Somebody has looked at it and said to go on.
    looked_at: bool,
}

impl<'a> History<'a> {
    fn new(
        task: &'a PlannedTask,
        all: &'a [ExecutionRecord],
        policy: &'a AttemptPolicy,
        looked_at: bool,
    ) -> Self {
        let first = all.iter().position(|record| record.attempt > task.retried_after);
        Self { task, all, attempts: &all[first.unwrap_or(all.len())..], policy, looked_at }
    }
}

impl History<'_> {
    /// The failure table, one arm for each row.
    fn step(&self) -> Step {
        let Some(last) = self.attempts.last() else { return self.choose(None) };
        let said = said(last);
        match came(last) {
            Came::CutOff => {
                self.interrupted(last, "it was cut off with the process that it ran in")
            }
            Came::Rejected if fails_on_base(last) => Step::Fail { reason: said },
            Came::Rejected => self.send_back(last, &said),
            Came::Ended(ending) => match ending {
                Ending::Completed => self.completed(last),
                Ending::Interrupted => self.interrupted(last, "it was stopped before it was done"),
                Ending::Uncertain if self.looked_at => self.again(last, Duration::ZERO, &said),
                Ending::Uncertain => Step::Hold {
                    reason: format!(
                        "nobody can know whether {} began the work remotely ({said}); look there, then resume the session",
                        last.executor
                    ),
                },
                Ending::Unavailable { retry_after } => self.unavailable(last, retry_after, &said),
                Ending::RateLimited { retry_after } => self.rate_limited(last, retry_after, &said),
                Ending::Unauthorized | Ending::QuotaExhausted | Ending::Unsupported => {
                    self.choose(Some(said))
                }
                Ending::PluginFault => self.next(&said),
                Ending::TimedOut | Ending::TurnLimit => self.cut_short(last, &said),
                Ending::BudgetExceeded => self.over_budget(last, &said),
                Ending::InvalidRequest | Ending::Refused | Ending::Denied => {
                    Step::Fail { reason: said }
                }
                Ending::Failed => self.send_back(last, &said),
            },
        }
    }

    fn completed(&self, last: &ExecutionRecord) -> Step {
        let execution = last.id.clone();
        if answers(self.task) {
            return Step::Accept { execution };
        }
        let Some(collected) = &last.collected else { return Step::Collect { execution } };
        let in_words = collected.diff.files == 0 && !must_change(self.task);
        if in_words || last.verdict.is_some() {
            Step::Accept { execution }
        } else {
            Step::Validate { execution }
        }
    }

    fn interrupted(&self, last: &ExecutionRecord, why: &str) -> Step {
        self.held_for_ever(why).unwrap_or_else(|| self.again(last, Duration::ZERO, why))
    }

    fn unavailable(
        &self,
        last: &ExecutionRecord,
        retry_after: Option<Duration>,
        said: &str,
    ) -> Step {
        let times = self.in_a_row(|record| {
            let unavailable = matches!(came(record), Came::Ended(Ending::Unavailable { .. }));
            record.executor == last.executor && unavailable
        });
        let near = retry_after.is_none_or(|wait| wait <= self.policy.near);
        if self.looked_at || times > self.policy.retries || !near {
            return self.choose(Some(said.to_owned()));
        }
        self.again(last, self.pause(times).max(retry_after.unwrap_or_default()), said)
    }

    /// How long to wait for one that was not there so many times in a row.
    fn pause(&self, times: u32) -> Duration {
        let doubled = self.policy.backoff.saturating_mul(1 << times.saturating_sub(1).min(16));
        doubled.min(self.policy.near)
    }

    /// What to do about an executor whose last attempt this was, if it was not there.
    fn outage(&self, last: &ExecutionRecord) -> Option<Outage> {
        let Came::Ended(Ending::Unavailable { retry_after }) = came(last) else { return None };
        let gone = |record: &ExecutionRecord| {
            matches!(came(record), Came::Ended(Ending::Unavailable { .. }))
        };
        let own = self.by(last).filter(|record| !came(record).is_neutral());
        let own: Vec<_> = own.collect();
        let times = own.iter().rev().take_while(|record| gone(record)).count();
        let times = u32::try_from(times).unwrap_or(u32::MAX);
        let most = self.policy.retries.saturating_add(self.policy.outage);
        Some(if times > most {
            Outage::Over
        } else {
            Outage::Wait(self.pause(times).max(retry_after.unwrap_or_default()))
        })
    }

    fn rate_limited(
        &self,
        last: &ExecutionRecord,
        retry_after: Option<Duration>,
        said: &str,
    ) -> Step {
        if let Some(held) = self.held_for_ever(said) {
            return held;
        }
        let times = self.in_a_row(|record| {
            let limited = matches!(came(record), Came::Ended(Ending::RateLimited { .. }));
            record.executor == last.executor && limited
        });
        match retry_after {
            Some(wait) if wait <= self.policy.near && times <= self.policy.retries.max(1) => {
                self.again(last, wait.max(self.policy.backoff), said)
            }
            _ => self.choose(Some(said.to_owned())),
        }
    }

    fn cut_short(&self, last: &ExecutionRecord, said: &str) -> Step {
        let before = self.by(last).filter(|record| came(record).is_cut_short()).count();
        let resumable = checkpoint_of(self.all, &last.executor).is_some();
        match self.exhausted(said) {
            Some(end) => end,
            None if before <= 1 && resumable => self.again(last, Duration::ZERO, said),
            None => self.choose(Some(said.to_owned())),
        }
    }

    fn send_back(&self, last: &ExecutionRecord, said: &str) -> Step {
        let times = self.by(last).filter(|record| came(record).is_sent_back()).count();
        // An executor that was sent back because it changed nothing, and changes nothing again, finds nothing to do.
        let rounds =
            if changed_nothing(last) { self.policy.rounds.min(1) } else { self.policy.rounds };
        // Nor does one that leaves what was rejected as it was.
        let is_same = self.was_rejected_before(last);
        let more = u32::try_from(times).is_ok_and(|times| times <= rounds) && !is_same;
        let said = if is_same { left_as_it_was(last, said) } else { said.to_owned() };
        match self.exhausted(&said) {
            Some(end) => end,
            None if more => self.again(last, Duration::ZERO, &said),
            None => self.choose(Some(said)),
        }
    }

    /// Whether an earlier attempt left the very result that was rejected now, and had it rejected too.
    fn was_rejected_before(&self, last: &ExecutionRecord) -> bool {
        let commit_of = |record: &ExecutionRecord| {
            let collected = record.collected.as_ref().filter(|_| came(record) == Came::Rejected);
            collected.map(|collected| collected.commit.clone())
        };
        let Some(commit) = commit_of(last) else { return false };
        let mut earlier = self.attempts.iter().filter(|record| record.attempt < last.attempt);
        earlier.any(|record| commit_of(record).as_ref() == Some(&commit))
    }

    fn over_budget(&self, last: &ExecutionRecord, said: &str) -> Step {
        let left = counted(self.attempts) < self.policy.most_attempts;
        match self.policy.when_over {
            _ if self.looked_at => self.again(last, Duration::ZERO, said),
            WhenOver::Cheaper if left => self.choose(Some(said.to_owned())),
            WhenOver::Cheaper | WhenOver::Pause => Step::Hold {
                reason: format!(
                    "the money for this task ran out ({said}); raise the cap, with --max-cost or in `budget` of the configuration, then resume the session"
                ),
            },
        }
    }

    fn next(&self, said: &str) -> Step {
        self.exhausted(said).unwrap_or_else(|| self.choose(Some(said.to_owned())))
    }

    /// The end of a task that used up its attempts.
    fn exhausted(&self, said: &str) -> Option<Step> {
        let attempts = counted(self.attempts);
        (attempts >= self.policy.most_attempts).then(|| Step::Fail {
            reason: if attempts == 1 {
                format!("the one attempt came to nothing: {said}")
            } else {
                format!("{attempts} attempts came to nothing; the last: {said}")
            },
        })
    }

    /// Holds a task that comes to no work again and again.
    fn held_for_ever(&self, why: &str) -> Option<Step> {
        let idle = self.attempts.iter().rev().take_while(|record| !came(record).is_work()).count();
        let idle = u32::try_from(idle).unwrap_or(u32::MAX);
        (idle > self.policy.patience && !self.looked_at).then(|| Step::Hold {
            reason: format!(
                "it was interrupted or put off {idle} times in a row; the last time: {why}; resume the session to go on"
            ),
        })
    }

    fn again(&self, last: &ExecutionRecord, wait: Duration, because: &str) -> Step {
        let others = |tried: &Tried| tried.executor != last.executor;
        Step::Again {
            executor: last.executor.clone(),
            wait,
            resume: checkpoint_of(self.all, &last.executor),
            tried: self.tried().into_iter().filter(others).collect(),
            cheaper_than: self.ceiling(),
            findings: self.findings(),
            because: because.to_owned(),
        }
    }

    fn choose(&self, because: Option<String>) -> Step {
        Step::Choose {
            tried: self.tried(),
            cheaper_than: self.ceiling(),
            findings: self.findings(),
            because,
        }
    }

    /// What the next has to stay under, once money ran out.
    fn ceiling(&self) -> Option<MicroUsd> {
        let over = |record: &&ExecutionRecord| came(record) == Came::Ended(Ending::BudgetExceeded);
        self.attempts.iter().rfind(over).filter(|_| !self.looked_at).map(price)
    }

    /// Who is out, by the last that each had to say.
    fn tried(&self) -> Vec<Tried> {
        let mut out: Vec<&ExecutionRecord> = Vec::new();
        for record in self.attempts.iter().filter(|record| !came(record).is_neutral()) {
            out.retain(|earlier| earlier.executor != record.executor);
            let mended = self.looked_at && came(record).can_be_mended();
            if !came(record).is_delay() && !mended {
                out.push(record);
            }
        }
        let tried = |record: &ExecutionRecord| Tried {
            executor: record.executor.clone(),
            error: said(record),
            outage: self.outage(record),
        };
        out.into_iter().map(tried).collect()
    }

    /// What was wrong with the last result that was checked.
    fn findings(&self) -> Vec<Finding> {
        let verdict = self.all.iter().rev().find_map(|record| record.verdict.as_ref());
        verdict.map(|verdict| verdict.findings.clone()).unwrap_or_default()
    }

    fn by<'a>(&'a self, last: &'a ExecutionRecord) -> impl Iterator<Item = &'a ExecutionRecord> {
        self.attempts.iter().filter(|record| record.executor == last.executor)
    }

    /// How many of these there were in a row until now; what says nothing of the executor does not interrupt it.
    fn in_a_row(&self, like: impl Fn(&ExecutionRecord) -> bool) -> u32 {
        let telling = self.attempts.iter().rev().filter(|record| !came(record).is_neutral());
        u32::try_from(telling.take_while(|record| like(record)).count()).unwrap_or(u32::MAX)
    }
}

/// Whether nothing was found of a result but that its checks fail on the base commit too, which the operator does not
/// accept. No attempt can do anything about that.
fn fails_on_base(record: &ExecutionRecord) -> bool {
    let findings = record.verdict.as_ref().map(|verdict| &verdict.findings[..]).unwrap_or_default();
    !findings.is_empty() && findings.iter().all(|finding| finding.code == FAILS_ON_BASE)
}

/// Whether the attempt completed without a change, where the task asks for one.
fn changed_nothing(record: &ExecutionRecord) -> bool {
    let findings = record.verdict.as_ref().map(|verdict| &verdict.findings[..]).unwrap_or_default();
    findings.iter().any(|finding| finding.code == EMPTY_DIFF)
}

/// What an attempt was expected to cost, or what it cost by the time its money ran out, if that is more.
fn price(record: &ExecutionRecord) -> MicroUsd {
    let expected = record.receipt.as_ref().and_then(Receipt::cost).unwrap_or_default();
    let cost = record.report.as_ref().and_then(|report| report.cost);
    cost.map_or(expected, |cost| cost.amount.max(expected))
}

/// What an attempt had to say for itself.
fn said(record: &ExecutionRecord) -> String {
    let Some(report) = &record.report else { return "it was cut off".to_owned() };
    if let Some(error) = &report.error {
        return error.to_string();
    }
    let first = record.verdict.as_ref().and_then(|verdict| verdict.findings.first());
    match first {
        Some(finding) if changed_nothing(record) => with_its_words(record, &finding.message),
        Some(finding) => format!("its result failed the checks: {}", finding.message),
        None if came(record) == Came::Rejected => "its result failed the checks".to_owned(),
        None => "it failed and did not say why".to_owned(),
    }
}

/// What is to be said of an attempt that left a result as it was which had been rejected.
fn left_as_it_was(record: &ExecutionRecord, said: &str) -> String {
    if changed_nothing(record) {
        return said.to_owned();
    }
    with_its_words(record, &format!("{said}; {} changed nothing about it", record.executor))
}

/// What is to be said of an attempt, with what its executor says of it.
fn with_its_words(record: &ExecutionRecord, said: &str) -> String {
    let words = record.report.as_ref().map(|report| report.summary.trim()).unwrap_or_default();
    if words.is_empty() {
        return said.to_owned();
    }
    format!("{said}; {} says: {}", record.executor, Line::excerpt(words, LONGEST_WORDS))
}
