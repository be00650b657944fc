use crate::SessionId;
use cyrus_executor::{CostSource, MicroUsd, TaskId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A day in the operator's time zone, as days since 1970-01-01 there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Day(pub i64);

/// Whether what an executor reports counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Billing {
    /// Reported money is a bill.
    #[default]
    Metered,
    /// Reported money is notional: a flat rate is paid. It is shown and never held against a cap.
    Subscription,
    /// It costs nothing.
    None,
}

/// What a cap is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CapKind {
    /// `maxCostPerTask`.
    Task,
    /// `maxCostPerSession`.
    Session,
    /// An executor's own `maxCostPerDay`.
    Executor,
    /// `maxCostPerDay`.
    Day,
}

impl CapKind {
    /// The key in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Task => "maxCostPerTask",
            Self::Session => "maxCostPerSession",
            Self::Executor => "executors.<name>.maxCostPerDay",
            Self::Day => "maxCostPerDay",
        }
    }
}

impl fmt::Display for CapKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What may be spent, in all executions together. `None` is no cap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Caps {
    /// On one task, all its executions together.
    pub task: Option<MicroUsd>,
    /// On one session.
    pub session: Option<MicroUsd>,
    /// By one executor in a day.
    pub executor: Option<MicroUsd>,
    /// By all in a day.
    pub day: Option<MicroUsd>,
}

/// Money set aside for an execution before it begins. It belongs to the day it was made on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reservation {
    /// For which execution; one each.
    pub execution: String,
    /// Its session.
    pub session: SessionId,
    /// Its task.
    pub task: TaskId,
    /// Its executor.
    pub executor: String,
    /// The day it counts to.
    pub day: Day,
    /// How much.
    pub amount: MicroUsd,
    /// It is made only if settled + reserved + this fits under each of these.
    pub caps: Caps,
}

/// What an execution came to cost. Takes the place of its reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settlement {
    /// How much counts against the caps.
    pub amount: MicroUsd,
    /// Whether that was reported or is our estimate.
    pub source: CostSource,
}

/// What was spent and is set aside under one heading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spending {
    /// Set aside.
    pub reserved: MicroUsd,
    /// Settled as reported.
    pub reported: MicroUsd,
    /// Settled at our estimate.
    pub estimated: MicroUsd,
}

impl Spending {
    /// All of it.
    pub fn total(&self) -> MicroUsd {
        self.reserved + self.reported + self.estimated
    }
}

/// What [`Spending`] is asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Heading {
    /// One task of a session.
    Task(SessionId, TaskId),
    /// One session.
    Session(SessionId),
    /// One executor on one day.
    Executor(String, Day),
    /// One day.
    Day(Day),
}
