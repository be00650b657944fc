//! Things to write down.

use cyrus_core::{
    Analysis, Base, Caps, Collected, Complexity, Considered, Day, DiffStat, EffectAnswer,
    EffectKind, EffectRecord, EffectState, ExecutionOutcome, ExecutionRecord, ExecutionReport,
    Heading, Issue, Needs, Plan, PlanSource, PlannedTask, Receipt, Reservation, Session,
    SessionEvent, SessionId, SessionOutcome, SessionReport, Settlement, Spending, Standing,
    Strategy, Tags, Urgency, ValidationReport, ValidationVerdict,
};
use cyrus_executor::{
    Cost, CostSource, ErrorKind, ExecutionError, Limits, MicroUsd, Placement, Repository, Task,
    TaskId, TaskKind, Usage, WorkProduct,
};
use std::time::{Duration, SystemTime};

pub(crate) fn session_id(name: &str) -> SessionId {
    name.parse().unwrap()
}

pub(crate) fn task_id(name: &str) -> TaskId {
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
        kind: Some(TaskKind::BUILDER),
        executor: None,
        strategy: Some(Strategy::HybridSmart),
        plan: None,
        model: Some("opus".into()),
        limits: Limits { max_cost: Some(MicroUsd(1_500_000)), ..Limits::default() },
        branch: format!("cyrus/{name}"),
        created: SystemTime::UNIX_EPOCH + Duration::new(1_767_225_600 + second, 123_456_789),
    }
}

pub(crate) fn analysis() -> Analysis {
    Analysis {
        kind: TaskKind::DEBUGGER,
        because: "the label Bug".into(),
        complexity: Complexity::High,
        needs: Needs { isolation: true, ..Needs::default() },
        urgency: Urgency::Urgent,
        acceptance: vec![],
        blockers: vec!["CYR-1".into()],
        tags: Tags::default(),
        problems: vec![],
    }
}

pub(crate) fn planned(id: &str, after: &[&str]) -> PlannedTask {
    let task = Task {
        id: task_id(id),
        kind: TaskKind::BUILDER,
        title: format!("do {id}"),
        prompt: "all of it\0".into(),
    };
    let after = after.iter().map(|id| task_id(id)).collect();
    PlannedTask { after, ..PlannedTask::new(task) }
}

pub(crate) fn plan(tasks: Vec<PlannedTask>) -> Plan {
    Plan { source: PlanSource::Checklist, note: Some("the file was refused".into()), tasks }
}

pub(crate) fn cost(amount: u64) -> Cost {
    Cost { amount: MicroUsd(amount), source: CostSource::Reported }
}

pub(crate) fn usage(amount: u64) -> Usage {
    Usage { output_tokens: Some(17), cost: Some(cost(amount)), ..Usage::default() }
}

/// An execution that is about to begin, of task `t1`.
pub(crate) fn execution(id: &str, session: &str, attempt: u32) -> ExecutionRecord {
    ExecutionRecord {
        id: id.into(),
        idempotency_key: format!("{session}/t1"),
        session: session_id(session),
        task: task_id("t1"),
        executor: "claude".into(),
        attempt,
        started: SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_225_600_001),
        receipt: Some(receipt()),
        token: 1,
        start: "5".repeat(40),
        checkpoint: None,
        usage: Usage::default(),
        report: None,
        collected: None,
        verdict: None,
    }
}

fn receipt() -> Receipt {
    Receipt {
        strategy: Strategy::LocalOnly,
        because: "it is the only one".into(),
        chosen: Some("claude".into()),
        considered: vec![Considered {
            executor: "claude".into(),
            placement: Placement::Local,
            standing: Some(Standing::Preferred),
            excluded: None,
            expected_cost: MicroUsd(5),
            success_permille: 700,
        }],
    }
}

pub(crate) fn report(id: &str) -> ExecutionReport {
    ExecutionReport {
        id: id.into(),
        task: task_id("t1"),
        executor: "claude".into(),
        placement: Placement::Local,
        outcome: ExecutionOutcome::Completed,
        error: None,
        summary: "done".into(),
        structured: None,
        product: WorkProduct::Workspace,
        cost: Some(cost(9)),
        usage: usage(9),
        duration_ms: 1234,
        checkpoint: Some("token-2".into()),
        links: vec![],
        denials: vec![],
        programs: vec![],
        implausible: None,
    }
}

/// The report of one that failed like this.
pub(crate) fn failure(id: &str, kind: ErrorKind) -> ExecutionReport {
    let error = ExecutionError::new(kind, "it did not work");
    ExecutionReport {
        outcome: ExecutionOutcome::Failed,
        error: Some(Box::new(error)),
        ..report(id)
    }
}

pub(crate) fn collected() -> Collected {
    Collected {
        commit: "c".repeat(40),
        kept: "refs/cyrus/aaaa/t1".into(),
        diff: DiffStat { files: 1, insertions: 2, deletions: 3 },
        notes: vec!["found elsewhere".into()],
    }
}

pub(crate) fn verdict(verdict: ValidationVerdict) -> ValidationReport {
    ValidationReport { verdict, ..ValidationReport::new(vec![], vec![]) }
}

pub(crate) fn session_report(name: &str, outcome: SessionOutcome) -> Box<SessionReport> {
    Box::new(SessionReport {
        session: session_id(name),
        outcome,
        reason: None,
        branch: Some(format!("cyrus/{name}")),
        commit: None,
        diff: None,
        tasks: vec![],
        executions: vec![],
        validation: None,
        cost: Spending::default(),
        pull_request: None,
        sandbox_lacked: Vec::new(),
        phases: vec![],
        duration_ms: 5,
    })
}

pub(crate) fn done(answer: impl serde::Serialize) -> EffectState {
    EffectState::Done(EffectAnswer::of(&answer).unwrap())
}

pub(crate) fn effect(session: &str, key: &str, state: EffectState) -> EffectRecord {
    EffectRecord {
        key: key.into(),
        kind: EffectKind::PullRequest,
        session: session_id(session),
        task: None,
        state,
    }
}

/// So much for an execution of this session's task `t1`, on day 7, without caps.
pub(crate) fn reservation(session: &str, execution: &str, amount: u64) -> Reservation {
    Reservation {
        execution: execution.into(),
        session: session_id(session),
        task: task_id("t1"),
        executor: "claude".into(),
        day: Day(7),
        amount: MicroUsd(amount),
        caps: Caps::default(),
    }
}

pub(crate) fn reported(amount: u64) -> Settlement {
    Settlement { amount: MicroUsd(amount), source: CostSource::Reported }
}

pub(crate) fn estimated(amount: u64) -> Settlement {
    Settlement { amount: MicroUsd(amount), source: CostSource::Estimated }
}

pub(crate) fn spending(reserved: u64, reported: u64, estimated: u64) -> Spending {
    Spending {
        reserved: MicroUsd(reserved),
        reported: MicroUsd(reported),
        estimated: MicroUsd(estimated),
    }
}

/// What the execution of [`reservation`] counts to.
pub(crate) fn headings(session: &str) -> [Heading; 4] {
    [
        Heading::Task(session_id(session), task_id("t1")),
        Heading::Session(session_id(session)),
        Heading::Executor("claude".into(), Day(7)),
        Heading::Day(Day(7)),
    ]
}

pub(crate) fn line(number: usize) -> SessionEvent {
    SessionEvent::Warning { message: format!("line {number}") }
}
