//! Sessions and executions to write down.

use cyrus_core::{
    Base, ExecutionOutcome, ExecutionRecord, ExecutionReport, Issue, Session, SessionId,
    SessionOutcome, SessionReport,
};
use cyrus_executor::{
    Cost, CostSource, Limits, MicroUsd, Placement, Repository, TaskId, TaskKind, Usage, WorkProduct,
};
use std::time::{Duration, SystemTime};

pub(crate) fn session_id(name: &str) -> SessionId {
    name.parse().unwrap()
}

/// A session of this name, taken in so many seconds after 2026 began.
pub(crate) fn session(name: &str, second: u64) -> Session {
    Session {
        id: session_id(name),
        issue: Issue::from_markdown("# Ünïcode 'quotes'; DROP TABLE sessions\n\nbody\0end")
            .unwrap(),
        base: Base {
            path: "/srv/repo".into(),
            repository: Repository {
                remote: None,
                base_branch: Some("main".into()),
                base_commit: "0".repeat(40),
                work_branch: format!("cyrus/{name}"),
            },
            dirty: false,
        },
        kind: TaskKind::BUILDER,
        executor: "claude".into(),
        model: Some("opus".into()),
        limits: Limits { max_cost: Some(MicroUsd(1_500_000)), ..Limits::default() },
        branch: format!("cyrus/{name}"),
        created: SystemTime::UNIX_EPOCH + Duration::new(1_767_225_600 + second, 123_456_789),
    }
}

pub(crate) fn usage(cost: u64) -> Usage {
    let cost = Cost { amount: MicroUsd(cost), source: CostSource::Reported };
    Usage { output_tokens: Some(17), cost: Some(cost), ..Usage::default() }
}

/// An execution that is about to begin.
pub(crate) fn execution(id: &str, session: &str, attempt: u32) -> ExecutionRecord {
    ExecutionRecord {
        id: id.into(),
        idempotency_key: format!("{session}/t1"),
        session: session_id(session),
        task: task(),
        executor: "claude".into(),
        attempt,
        started: SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_225_600_001),
        checkpoint: None,
        usage: Usage::default(),
        report: None,
    }
}

fn task() -> TaskId {
    "t1".parse().unwrap()
}

pub(crate) fn execution_report(id: &str) -> ExecutionReport {
    ExecutionReport {
        id: id.into(),
        task: task(),
        executor: "claude".into(),
        placement: Placement::Local,
        outcome: ExecutionOutcome::Completed,
        error: None,
        summary: "done".into(),
        product: WorkProduct::Workspace,
        cost: usage(9).cost,
        usage: usage(9),
        duration_ms: 1234,
        checkpoint: Some("token-2".into()),
        links: vec![],
        denials: vec![],
    }
}

pub(crate) fn session_report(name: &str, outcome: SessionOutcome) -> SessionReport {
    SessionReport {
        session: session_id(name),
        outcome,
        reason: None,
        branch: Some(format!("cyrus/{name}")),
        commit: None,
        diff: None,
        executions: vec![],
        validation: None,
        duration_ms: 5,
    }
}
