//! Whatever is written in whatever order: the store says what a few lines of plain code say.

use crate::{home::Home, values::*};
use cyrus_core::{
    Change, EffectState, ExecutionRecord, Lease, Progress, SessionState, SessionStore as _,
    Snapshot, TaskRecord, TaskState, ValidationVerdict,
};
use cyrus_store::Store;
use proptest::{
    prelude::*,
    test_runner::{Config, TestCaseError, TestRunner},
};
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

/// Runs of the model, and the most changes in each.
const RUNS: u32 = 24;
const CHANGES: usize = 25;

pub(crate) async fn agrees_with_the_model(home: &Home) {
    let store = home.store().await;
    let runs = AtomicU32::new(0);
    let handle = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        let config = Config { cases: RUNS, failure_persistence: None, ..Config::default() };
        let commits = prop::collection::vec(prop::collection::vec(change(), 1..4), 1..CHANGES);
        let run = |commits: Vec<Vec<Change>>| {
            let name = format!("run-{}", runs.fetch_add(1, Ordering::Relaxed));
            handle.block_on(follow(&store, &name, commits))
        };
        TestRunner::new(config).run(&commits, run).unwrap();
    });
}

/// Changes of a session called `0000`, with few names so that they meet.
fn change() -> impl Strategy<Value = Change> {
    let task = || prop::sample::select(vec!["t1", "t2", "t3"]);
    let execution_id = || prop::sample::select(vec!["x1", "x2", "x3"]);
    let text = || prop::sample::select(vec!["", "plain", "a\0b", "json:", "é\u{1F600}'\"\\"]);
    let state = prop_oneof![
        Just(TaskState::Waiting),
        Just(TaskState::Active),
        Just(TaskState::Cancelled),
        text().prop_map(|reason| TaskState::Failed { reason: reason.into() }),
        text().prop_map(|commit| TaskState::Done { commit: Some(commit.into()) }),
    ];
    let effect_state = prop_oneof![
        Just(EffectState::Intended),
        text().prop_map(done),
        text().prop_map(|text| EffectState::Uncertain(text.into())),
    ];
    let known = |verdict| prop::sample::select(vec![verdict]);
    prop_oneof![
        Just(Change::Analysed(analysis())),
        prop::sample::subsequence(vec!["t1", "t2", "t3"], 1..3).prop_map(|tasks| {
            Change::Planned(plan(tasks.iter().map(|id| planned(id, &[])).collect()))
        }),
        (task(), state.clone()).prop_map(|(id, state)| {
            Change::Task(TaskRecord { planned: planned(id, &["t9"]), state })
        }),
        (task(), state).prop_map(|(id, state)| Change::TaskState(task_id(id), state)),
        (execution_id(), 1..4_u32)
            .prop_map(|(id, attempt)| Change::Begin(Box::new(execution(id, "0000", attempt)))),
        (execution_id(), text()).prop_map(|(execution, token)| Change::Checkpoint {
            execution: execution.into(),
            token: token.into()
        }),
        (execution_id(), 0..99_u64).prop_map(|(execution, amount)| Change::Spent {
            execution: execution.into(),
            usage: usage(amount)
        }),
        execution_id().prop_map(|id| Change::Ended(Arc::new(report(id)))),
        execution_id().prop_map(|id| Change::Collected(id.into(), collected())),
        (execution_id(), known(ValidationVerdict::Passed))
            .prop_map(|(id, passed)| Change::Verdict(id.into(), verdict(passed))),
        text().prop_map(|key| Change::Intend(effect(
            "0000",
            key.trim_matches('\0'),
            EffectState::Intended
        ))),
        (text(), effect_state).prop_map(|(key, state)| Change::Effect(key.into(), state)),
        (0..9_u32)
            .prop_map(|fruitless| Change::Progress(Progress { fruitless, ..Progress::default() })),
        text().prop_map(|commit| Change::Merged(commit.into(), verdict(ValidationVerdict::Failed))),
        Just(Change::State(SessionState::Paused, None)),
        Just(Change::State(SessionState::Running, None)),
    ]
}

/// The change as a change of this session. Names are unique for ever.
fn of(session: &str, change: Change) -> Change {
    let name = |id: &str| format!("{session}-{}", id.replace('\0', "0"));
    match change {
        Change::Begin(mut record) => {
            record.id = name(&record.id);
            record.session = session_id(session);
            Change::Begin(record)
        }
        Change::Checkpoint { execution, token } => {
            Change::Checkpoint { execution: name(&execution), token }
        }
        Change::Spent { execution, usage } => Change::Spent { execution: name(&execution), usage },
        Change::Ended(mut report) => {
            Arc::make_mut(&mut report).id = name(&report.id);
            Change::Ended(report)
        }
        Change::Collected(id, collected) => Change::Collected(name(&id), collected),
        Change::Verdict(id, verdict) => Change::Verdict(name(&id), verdict),
        Change::Intend(effect) => Change::Intend(cyrus_core::EffectRecord {
            key: name(&effect.key),
            session: session_id(session),
            ..effect
        }),
        Change::Effect(key, state) => Change::Effect(name(&key), state),
        other => other,
    }
}

async fn follow(store: &Store, name: &str, commits: Vec<Vec<Change>>) -> Result<(), TestCaseError> {
    let lease: Lease = store.open(&session(name, 1)).await.unwrap();
    let mut model = store.snapshot(&lease.session).await.unwrap();
    let mut effects = Vec::new();
    for changes in commits {
        let changes: Vec<_> = changes.into_iter().map(|change| of(name, change)).collect();
        let (mut next, mut next_effects) = (model.clone(), effects.clone());
        let fits = changes.iter().all(|change| apply(&mut next, &mut next_effects, change));
        let committed = store.commit(&lease, changes.clone()).await;
        prop_assert_eq!(committed.is_ok(), fits, "{:?}: {:?}", committed, changes);
        if fits {
            (model, effects) = (next, next_effects);
            model.open_effects = effects.clone();
            model.open_effects.retain(|e| !matches!(e.state, EffectState::Done(_)));
        }
        prop_assert_eq!(&store.snapshot(&lease.session).await.unwrap(), &model);
    }
    Ok(())
}

fn begun<'a>(model: &'a mut Snapshot, id: &str) -> Option<&'a mut ExecutionRecord> {
    model.executions.iter_mut().find(|execution| execution.id == id)
}

/// Makes the change, unless it cannot be made.
fn apply(
    model: &mut Snapshot,
    effects: &mut Vec<cyrus_core::EffectRecord>,
    change: &Change,
) -> bool {
    let put = |model: &mut Snapshot, task: TaskRecord| match model
        .tasks
        .iter_mut()
        .find(|known| known.planned.id() == task.planned.id())
    {
        Some(known) => *known = task,
        None => model.tasks.push(task),
    };
    match change.clone() {
        Change::Analysed(analysis) => model.analysis = Some(analysis),
        Change::Planned(plan) => {
            for planned in plan.tasks.clone() {
                put(model, TaskRecord { planned, state: TaskState::Waiting });
            }
            model.plan = Some(plan);
        }
        Change::Task(task) => put(model, task),
        Change::TaskState(id, state) => {
            let known = model.tasks.iter_mut().find(|known| *known.planned.id() == id);
            return known.map(|known| known.state = state).is_some();
        }
        Change::Begin(record) => {
            let taken =
                model.executions.iter().any(|e| e.id == record.id || e.attempt == record.attempt);
            if !taken {
                model.executions.push(*record);
            }
            return !taken;
        }
        Change::Checkpoint { execution: id, token } => {
            return begun(model, &id).map(|e| e.checkpoint = Some(token)).is_some();
        }
        Change::Spent { execution: id, usage } => {
            return begun(model, &id).map(|e| e.usage = usage).is_some();
        }
        Change::Ended(report) => {
            return begun(model, &report.id.clone()).map(|e| e.report = Some(report)).is_some();
        }
        Change::Collected(id, collected) => {
            return begun(model, &id).map(|e| e.collected = Some(collected)).is_some();
        }
        Change::Verdict(id, verdict) => {
            return begun(model, &id).map(|e| e.verdict = Some(verdict)).is_some();
        }
        Change::Intend(effect) => {
            if effects.iter().all(|known| known.key != effect.key) {
                effects.push(effect);
            }
        }
        Change::Effect(key, state) => {
            let known = effects.iter_mut().find(|known| known.key == key);
            return known.map(|known| known.state = state).is_some();
        }
        Change::Progress(progress) => model.progress = progress,
        Change::Merged(commit, report) => model.verdict = Some((commit, report)),
        Change::State(state, _) => model.state = state,
        Change::Reserve(_) | Change::Settle(..) => unreachable!("money has tests of its own"),
        Change::Remove => unreachable!("nothing is left to compare"),
    }
    true
}
