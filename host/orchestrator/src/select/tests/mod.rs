//! Policy of selection, as tables. What the rows hold is named for `docs/selection.md`.

mod circuits;
mod cost;
mod exclusions;
mod strategies;

use super::*;
use crate::failure::Tried;
use cyrus_core::{
    Billing, CapKind, Complexity, Excluded, Needs, PlannedTask, Receipt, Standing, Strategy,
    TrackRecord,
};
use cyrus_executor::{ExecutorInfo, MicroUsd, Placement, Task, TaskKind};
use std::time::Duration;

pub(crate) fn candidate(name: &str, placement: Placement) -> Candidate {
    let info = ExecutorInfo {
        name: name.into(),
        placement,
        plugin: name.into(),
        version: "1.0.0".into(),
        digest: String::new(),
    };
    Candidate {
        info,
        kinds: vec![],
        billing: Billing::Metered,
        price: None,
        isolated: false,
        max_per_day: None,
        ready: Ok(()),
    }
}

/// Two here, the second of them isolated, and one in the cloud.
fn everybody() -> Vec<Candidate> {
    let mut all = vec![
        candidate("near", Placement::Local),
        candidate("far", Placement::Cloud),
        candidate("boxed", Placement::Local),
    ];
    all[2].isolated = true;
    all
}

fn tried(executor: &str, error: &str) -> Tried {
    Tried { executor: executor.into(), error: error.into(), outage: None }
}

fn task(kind: &str) -> PlannedTask {
    PlannedTask::new(Task {
        id: "t1".parse().unwrap(),
        kind: TaskKind::new(kind),
        title: "A task".into(),
        prompt: "Do it".into(),
    })
}

fn policy(strategy: Strategy) -> SelectionPolicy {
    SelectionPolicy { strategy, repository: "web".into(), ..SelectionPolicy::default() }
}

/// Everything a situation is made of, with nothing in the way.
#[derive(Default)]
struct World {
    tried: Vec<Tried>,
    only_here: bool,
    health: Circuits,
    now: Duration,
    full: Vec<&'static str>,
    cheaper_than: Option<MicroUsd>,
    history: Vec<TrackRecord>,
}

impl World {
    fn select(&self, task: &PlannedTask, policy: &SelectionPolicy, all: &[Candidate]) -> Receipt {
        let room = |candidate: &Candidate, _: MicroUsd| {
            let full = self.full.contains(&candidate.info.name.as_str());
            if full { Err(CapKind::Day) } else { Ok(()) }
        };
        let situation = Situation {
            only_here: self.only_here,
            tried: &self.tried,
            health: &self.health,
            now: self.now,
            room: &room,
            cheaper_than: self.cheaper_than,
            history: &self.history,
        };
        select(task, policy, all, &situation)
    }
}

/// Who may have the task, best first.
fn chain(receipt: &Receipt) -> Vec<&str> {
    let may = receipt.considered.iter().filter(|line| line.standing.is_some());
    may.map(|line| line.executor.as_str()).collect()
}

fn seen(executor: &str, tried: u64, validated: u64, cost: u64, priced: u64) -> TrackRecord {
    TrackRecord {
        executor: executor.into(),
        kind: TaskKind::BUILDER,
        tried,
        validated,
        cost: MicroUsd(cost),
        priced,
    }
}

fn needs(local_context: bool, isolation: bool, parallelism: bool) -> Needs {
    Needs { local_context, isolation, parallelism }
}
