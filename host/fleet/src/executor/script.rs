use crate::Random;
use cyrus_core::SessionId;
use cyrus_executor::{ErrorKind, MicroUsd, TaskId};
use std::time::Duration;

/// Which try at what is to be scripted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The world's seed.
    pub seed: u64,
    /// The session.
    pub session: SessionId,
    /// The task.
    pub task: TaskId,
    /// The executor.
    pub executor: String,
    /// Counts how often this executor was started for this task, from 1.
    pub number: u32,
    /// Whether it is told what validation found wrong.
    pub has_findings: bool,
}

impl Attempt {
    /// Chances that depend on nothing but which try this is.
    pub fn random(&self) -> Random {
        let words = [self.session.as_str(), self.task.as_str(), &self.executor];
        Random::of(self.seed ^ u64::from(self.number) << 32, &words)
    }
}

/// How an execution ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// With its work done.
    #[default]
    Completes,
    /// With an answer in words.
    Answers,
    /// With an error of this kind, and when a retry makes sense.
    Fails(ErrorKind, Option<Duration>),
    /// The component traps.
    Traps,
    /// Not by itself, and without another word.
    Hangs,
}

/// What an execution does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Turns before it ends.
    pub turns: u32,
    /// How long each takes.
    pub turn: Duration,
    /// What each costs.
    pub cost: MicroUsd,
    /// Whether it says what it cost.
    pub priced: bool,
    /// Whether it keeps to its limit on cost, and ends when it is told to.
    pub honours: bool,
    /// How many files it changes.
    pub changes: u32,
    /// Whether what it writes is wrong, unless it has findings to go by.
    pub wrong: bool,
    /// What it writes is wrong together with what others with the same number write elsewhere.
    pub clash: Option<u32>,
    /// How it ends.
    pub ending: Ending,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            turns: 3,
            turn: Duration::from_mins(1),
            cost: MicroUsd(10_000),
            priced: true,
            honours: true,
            changes: 1,
            wrong: false,
            clash: None,
            ending: Ending::Completes,
        }
    }
}

impl Script {
    /// What all turns cost.
    pub fn total(&self) -> MicroUsd {
        MicroUsd(self.cost.0.saturating_mul(u64::from(self.turns)))
    }

    /// How long all turns take.
    pub fn length(&self) -> Duration {
        self.turn.saturating_mul(self.turns)
    }
}

/// What an executor does with each try.
pub trait Behaviour: Send + Sync + 'static {
    /// The script of this try.
    fn script(&self, attempt: &Attempt) -> Script;
}

impl<F: Fn(&Attempt) -> Script + Send + Sync + 'static> Behaviour for F {
    fn script(&self, attempt: &Attempt) -> Script {
        self(attempt)
    }
}

/// An ending and how often it comes, in a thousand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weighted {
    /// How often, in a thousand.
    pub permille: u64,
    /// What.
    pub ending: Ending,
}

/// What an executor is like. Each try is drawn from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Temper {
    /// Fewest and most turns.
    pub turns: (u32, u32),
    /// How long a turn takes, at least and at most.
    pub turn: (Duration, Duration),
    /// What a turn costs, at least and at most.
    pub cost: (MicroUsd, MicroUsd),
    /// How often it does not say what it cost, in a thousand.
    pub unpriced: u64,
    /// How often it does not keep to its limit on cost, in a thousand.
    pub overspends: u64,
    /// How often its first result is wrong, in a thousand.
    pub wrong: u64,
    /// How often its result is right only by itself, in a thousand.
    pub clashes: u64,
    /// How it ends when not with its work done. Together at most 1000.
    pub endings: Vec<Weighted>,
}

impl Default for Temper {
    fn default() -> Self {
        Self {
            turns: (1, 4),
            turn: (Duration::from_secs(20), Duration::from_mins(2)),
            cost: (MicroUsd(2_000), MicroUsd(40_000)),
            unpriced: 0,
            overspends: 0,
            wrong: 0,
            clashes: 0,
            endings: Vec::new(),
        }
    }
}

impl Behaviour for Temper {
    fn script(&self, attempt: &Attempt) -> Script {
        let mut random = attempt.random();
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let turns = random.between(self.turns.0.into(), self.turns.1.into());
        let turn = random.between(millis(self.turn.0), millis(self.turn.1));
        let drawn = random.below(1000);
        let mut sum = 0;
        let ending = self.endings.iter().find(|weighted| {
            sum += weighted.permille;
            drawn < sum
        });
        Script {
            turns: u32::try_from(turns).unwrap_or(u32::MAX),
            turn: Duration::from_millis(turn),
            cost: MicroUsd(random.between(self.cost.0.0, self.cost.1.0)),
            priced: !random.chance(self.unpriced),
            honours: !random.chance(self.overspends),
            changes: u32::try_from(random.between(1, 3)).unwrap_or(1),
            wrong: random.chance(self.wrong),
            clash: random.chance(self.clashes).then_some(1),
            ending: ending.map(|weighted| weighted.ending.clone()).unwrap_or_default(),
        }
    }
}
