//! What it came to that tasks were worked on at once.

use cyrus_core::Plan;
use cyrus_executor::TaskId;
use cyrus_orchestrator::critical_path;
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};

/// How long a session took beside its tasks one at a time. A task's time is that from its beginning until its result
/// was merged: its clone, its executions, its checks, and the resolution of its conflict.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SpeedUp {
    /// The time of each task of the plan, in its order.
    pub(super) tasks: Vec<TaskTime>,
    /// All of them together: one at a time it takes that long.
    #[serde(rename = "sumMs", with = "cyrus_executor::millis")]
    pub(super) sum: Duration,
    /// The tasks that decide how long it takes when everything that can be is done at once.
    pub(super) critical_path: Vec<TaskId>,
    /// Their times together: less is not possible.
    #[serde(rename = "criticalPathMs", with = "cyrus_executor::millis")]
    pub(super) longest: Duration,
    /// How long the session took, from intake to report.
    #[serde(rename = "sessionMs", with = "cyrus_executor::millis")]
    pub(super) session: Duration,
    /// The sum ÷ what the session took.
    #[serde(rename = "speedUp")]
    pub(super) times_as_fast: f64,
    /// The sum ÷ the critical path: the most that this plan allows.
    pub(super) possible: f64,
    /// What part of the possible was reached.
    pub(super) reached: f64,
}

/// How long a task took.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TaskTime {
    pub(super) task: TaskId,
    #[serde(rename = "durationMs", with = "cyrus_executor::millis")]
    pub(super) time: Duration,
}

impl SpeedUp {
    /// Of a plan whose tasks took this long, in a session that took this long in all. `None`: a task was not done,
    /// or nothing took any time.
    pub(super) fn of(
        plan: &Plan,
        times: &BTreeMap<TaskId, Duration>,
        session: Duration,
    ) -> Option<Self> {
        let tasks = plan.tasks.iter().map(|task| {
            let time = *times.get(task.id())?;
            Some(TaskTime { task: task.id().clone(), time })
        });
        let tasks = tasks.collect::<Option<Vec<_>>>()?;
        let sum: Duration = tasks.iter().map(|task| task.time).sum();
        let of = |id: &TaskId| times.get(id).copied().unwrap_or_default();
        let (path, longest) = critical_path(plan, |task| of(task.id()));
        if longest.is_zero() || session.is_zero() {
            return None;
        }
        Some(Self {
            tasks,
            sum,
            critical_path: path,
            longest,
            session,
            times_as_fast: thousandths(sum.div_duration_f64(session)),
            possible: thousandths(sum.div_duration_f64(longest)),
            reached: thousandths(longest.div_duration_f64(session)),
        })
    }
}

fn thousandths(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use cyrus_core::{PlanSource, PlannedTask};
    use cyrus_executor::{Task, TaskKind};
    use serde_json::json;

    fn task(id: &str, after: &[&str]) -> PlannedTask {
        let task = Task {
            id: id.parse().unwrap(),
            kind: TaskKind::BUILDER,
            title: id.to_owned(),
            prompt: "p".to_owned(),
        };
        let after = after.iter().map(|id| id.parse().unwrap()).collect();
        PlannedTask { after, ..PlannedTask::new(task) }
    }

    fn plan() -> Plan {
        let tasks = vec![task("a", &[]), task("b", &[]), task("c", &["a", "b"])];
        Plan { source: PlanSource::Checklist, note: None, tasks }
    }

    fn times(all: &[(&str, u64)]) -> BTreeMap<TaskId, Duration> {
        all.iter().map(|(id, s)| (id.parse().unwrap(), Duration::from_secs(*s))).collect()
    }

    #[test]
    fn it_is_measured_against_what_the_plan_allows() {
        let times = times(&[("a", 3), ("b", 1), ("c", 2), ("a.merge", 9)]);
        let speed_up = SpeedUp::of(&plan(), &times, Duration::from_millis(6250)).unwrap();
        let expected = json!({
            "tasks": [
                {"task": "a", "durationMs": 3000}, {"task": "b", "durationMs": 1000},
                {"task": "c", "durationMs": 2000},
            ],
            "sumMs": 6000, "criticalPath": ["a", "c"], "criticalPathMs": 5000, "sessionMs": 6250,
            "speedUp": 0.96, "possible": 1.2, "reached": 0.8,
        });
        assert_eq!(serde_json::to_value(&speed_up).unwrap(), expected);
    }

    #[test]
    fn what_was_not_done_has_none() {
        let second = Duration::from_secs(1);
        assert_eq!(SpeedUp::of(&plan(), &times(&[("a", 3), ("b", 1)]), second), None);
        assert_eq!(SpeedUp::of(&plan(), &times(&[("a", 0), ("b", 0), ("c", 0)]), second), None);
    }
}
