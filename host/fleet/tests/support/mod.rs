//! What the tests of this crate share.
#![allow(dead_code, reason = "each test takes what it needs")]

use cyrus_core::{
    Base, Caps, Change, Day, EffectKind, EffectRecord, EffectState, ExecutionOutcome,
    ExecutionRecord, ExecutionReport, Issue, Lease, Plan, PlanSource, PlannedTask, Reservation,
    Session, SessionId, Settlement, ValidationReport,
};
use cyrus_executor::{
    Cost, CostSource, Limits, MicroUsd, Placement, Repository, Task, TaskId, TaskKind, Usage,
    WorkProduct,
};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

pub(crate) fn id(text: &str) -> SessionId {
    text.parse().unwrap()
}

pub(crate) fn task_id(text: &str) -> TaskId {
    text.parse().unwrap()
}

pub(crate) fn session(name: &str, age: u64) -> Session {
    let base = Base {
        path: "/repository".into(),
        repository: Repository {
            remote: None,
            base_branch: Some("main".into()),
            base_commit: "0".repeat(40),
            work_branch: format!("cyrus/{name}"),
        },
        dirty: false,
    };
    session_on(base, name, age)
}

pub(crate) fn session_on(base: Base, name: &str, age: u64) -> Session {
    Session {
        id: id(name),
        issue: Issue::from_markdown("Do it").unwrap(),
        branch: base.repository.work_branch.clone(),
        base,
        kind: None,
        executor: None,
        strategy: None,
        plan: None,
        model: None,
        limits: Limits::default(),
        created: SystemTime::UNIX_EPOCH + Duration::from_secs(age),
    }
}

pub(crate) fn planned(name: &str, after: &[&str]) -> PlannedTask {
    let task = Task {
        id: task_id(name),
        kind: TaskKind::BUILDER,
        title: name.into(),
        prompt: "Do it".into(),
    };
    PlannedTask {
        after: after.iter().map(|name| task_id(name)).collect(),
        ..PlannedTask::new(task)
    }
}

pub(crate) fn plan(tasks: Vec<PlannedTask>) -> Plan {
    Plan { source: PlanSource::File, note: None, tasks }
}

pub(crate) fn execution(name: &str, lease: &Lease, task: &str) -> ExecutionRecord {
    ExecutionRecord {
        id: name.into(),
        idempotency_key: format!("{}/{task}/local", lease.session),
        session: lease.session.clone(),
        task: task_id(task),
        executor: "local".into(),
        attempt: 1,
        started: SystemTime::UNIX_EPOCH,
        receipt: None,
        token: lease.token,
        start: "0".repeat(40),
        checkpoint: None,
        usage: Usage::default(),
        report: None,
        collected: None,
        verdict: None,
    }
}

pub(crate) fn begin(record: ExecutionRecord) -> Change {
    Change::Begin(Box::new(record))
}

pub(crate) fn report(
    name: &str,
    task: &str,
    outcome: ExecutionOutcome,
    cost: Option<u64>,
) -> ExecutionReport {
    let source = CostSource::Reported;
    ExecutionReport {
        id: name.into(),
        task: task_id(task),
        executor: "local".into(),
        placement: Placement::Local,
        outcome,
        error: None,
        summary: String::new(),
        structured: None,
        product: WorkProduct::Workspace,
        cost: cost.map(|amount| Cost { amount: MicroUsd(amount), source }),
        usage: Usage::default(),
        duration_ms: 1,
        checkpoint: None,
        links: vec![],
        denials: vec![],
        programs: vec![],
        implausible: None,
    }
}

pub(crate) fn ended(report: ExecutionReport) -> Change {
    Change::Ended(Arc::new(report))
}

pub(crate) fn passed() -> ValidationReport {
    ValidationReport {
        verdict: cyrus_core::ValidationVerdict::Passed,
        ..ValidationReport::new(vec![], vec![])
    }
}

pub(crate) fn reserve(
    execution: &str,
    lease: &Lease,
    task: &str,
    amount: u64,
    caps: Caps,
) -> Change {
    Change::Reserve(Reservation {
        execution: execution.into(),
        session: lease.session.clone(),
        task: task_id(task),
        executor: "local".into(),
        day: Day(1),
        amount: MicroUsd(amount),
        caps,
    })
}

pub(crate) fn settle(execution: &str, amount: u64, source: CostSource) -> Change {
    Change::Settle(execution.into(), Settlement { amount: MicroUsd(amount), source })
}

pub(crate) fn intend(key: &str, lease: &Lease) -> Change {
    Change::Intend(EffectRecord {
        key: key.into(),
        kind: EffectKind::Push,
        session: lease.session.clone(),
        task: None,
        state: EffectState::Intended,
    })
}
