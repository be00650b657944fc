use crate::{Config, RepositoryConfig, reader::At};
use cyrus_core::Caps;
use cyrus_executor::MicroUsd;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// What work may cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// The caps on a task, a session and a day. That on an executor is in its [`Terms`](crate::Terms).
    pub caps: Caps,
    /// What happens when the next execution does not fit.
    pub when_over: WhenOver,
}

/// What happens when the next execution does not fit under a cap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhenOver {
    /// The session pauses, and says so. It can be resumed.
    #[default]
    Pause,
    /// The next cheaper executor that fits has the task; the session pauses when there is none.
    Cheaper,
}

/// The section `budget`.
#[derive(Clone, Debug, Default)]
pub(crate) struct BudgetSection {
    task: Option<MicroUsd>,
    session: Option<MicroUsd>,
    day: Option<MicroUsd>,
    when_over: Option<WhenOver>,
}

impl BudgetSection {
    pub(crate) fn read(at: &At<'_>) -> Self {
        at.object();
        Self {
            task: at.get("maxCostPerTask").money(),
            session: at.get("maxCostPerSession").money(),
            day: at.get("maxCostPerDay").money(),
            when_over: at.get("whenOver").read(),
        }
    }
}

/// The time zone of this name.
pub(crate) fn time_zone(at: &At<'_>) -> Option<TimeZone> {
    let name = at.text()?;
    let zone = TimeZone::get(name).ok();
    if zone.is_none() {
        at.wrong(format!(
            "{name:?} is not a time zone: write a name such as \"Europe/Berlin\" or \"UTC\""
        ));
    }
    zone
}

impl Config {
    /// Where a day begins and ends for `maxCostPerDay`: `budget.timeZone`, else the system's.
    pub fn time_zone(&self) -> TimeZone {
        self.time_zone.clone().unwrap_or_else(TimeZone::system)
    }
}

impl RepositoryConfig<'_> {
    /// What work may cost here.
    pub fn budget(&self) -> Budget {
        let when_over = self.find(|section| section.budget.when_over.as_ref());
        Budget {
            caps: Caps {
                task: self.max_cost_per_task(),
                session: self.find(|section| section.budget.session.as_ref()).copied(),
                executor: None,
                day: self.max_cost_per_day(),
            },
            when_over: when_over.copied().unwrap_or_default(),
        }
    }

    /// The most that one task may cost: `budget.maxCostPerTask`, else that of `codegen`.
    pub fn max_cost_per_task(&self) -> Option<MicroUsd> {
        let said = self.find(|section| section.budget.task.as_ref()).copied();
        said.or(self.codegen().max_cost_per_task)
    }

    /// The most that a day's work may cost: `budget.maxCostPerDay`, else that of `codegen`.
    pub fn max_cost_per_day(&self) -> Option<MicroUsd> {
        let said = self.find(|section| section.budget.day.as_ref()).copied();
        said.or(self.codegen().max_cost_per_day)
    }
}
