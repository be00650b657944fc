//! The simulated world: what it does, and what it notices.

mod support;

use cyrus_core::{
    Base, Change, Forge, Integration, Merge, PreparedWorkspace, PullRequest, SessionEvent,
    SessionStore, Subject, TaskState, ValidationVerdict, Validator, WorkspaceSpec, Workspaces,
};
use cyrus_executor::WorkProduct;
use cyrus_fleet::{
    CrashPlan, MemoryStore, Pace, Process, Simulation, Violation, WatchedStore, World, WorldPorts,
};
use std::{path::Path, sync::Arc};
use support::{id, plan, planned, session_on, task_id};

const REPOSITORY: &str = "/repository";

struct Stage {
    simulation: Simulation,
    world: World,
    process: Process,
    base: Base,
}

impl Stage {
    fn new() -> Self {
        Self::with(&CrashPlan::default())
    }

    fn with(plan: &CrashPlan) -> Self {
        let simulation = Simulation::default();
        let world = World::new(simulation.clock().clone(), 1, Pace::default());
        world.add_repository(Path::new(REPOSITORY), 8, &["make check"]);
        let process = simulation.spawner().process(plan);
        let base = world.base(Path::new(REPOSITORY), "cyrus/aaaa").unwrap();
        Self { simulation, world, process, base }
    }

    fn ports(&self) -> WorldPorts {
        self.world.ports(&self.process)
    }

    fn spec(&self, task: &str, start: &str) -> WorkspaceSpec {
        WorkspaceSpec {
            session: id("aaaa"),
            task: task_id(task),
            token: 1,
            base: self.base.clone(),
            start: start.to_owned(),
        }
    }

    fn run<T>(&mut self, future: impl Future<Output = T>) -> T {
        self.simulation.run(future).unwrap()
    }
}

/// A clone in which this file was changed, and what was collected of it.
async fn result(
    ports: &WorldPorts,
    spec: &WorkspaceSpec,
    file: u32,
    id: u64,
) -> (PreparedWorkspace, String) {
    let prepared = ports.workspaces().prepare(spec).await.unwrap();
    assert!(ports.edit(&prepared.workspace.root, file, id));
    let collected =
        ports.workspaces().collect(&prepared, &WorkProduct::Workspace, "work").await.unwrap();
    (prepared, collected.commit)
}

async fn verdict(
    ports: &WorldPorts,
    workspace: &PreparedWorkspace,
    commit: &str,
) -> ValidationVerdict {
    let checks = ports.validator().checks(&workspace.spec.base).await.unwrap();
    let subject = Subject {
        spec: &workspace.spec,
        commit,
        must_change: true,
        had_conflict: false,
        notes: &[],
    };
    let report = ports.validator().validate(&subject, &checks, &|_: SessionEvent| {}).await;
    report.unwrap().verdict
}

#[test]
fn work_is_cloned_collected_merged_validated_published_pushed_and_asked_for() {
    let mut stage = Stage::new();
    let (ports, base) = (stage.ports(), stage.base.clone());
    let root = base.repository.base_commit.clone();
    let (one, two) = (stage.spec("t1", &root), stage.spec("t2", &root));
    let address = stage.run(async {
        let (first, ours) = result(&ports, &one, 0, 100).await;
        let (second, theirs) = result(&ports, &two, 1, 101).await;
        let integration = ports.integration();
        let merge = async || {
            integration.merge(&base, &id("aaaa"), &task_id("t2"), &ours, &theirs, "merge").await
        };
        let Merge::Clean { commit } = merge().await.unwrap() else { panic!() };
        assert_eq!(merge().await.unwrap(), Merge::Clean { commit: commit.clone() });
        assert_eq!(integration.diff(&base, &commit).await.unwrap().files, 2);
        let merged = ports
            .workspaces()
            .prepare(&WorkspaceSpec {
                task: task_id("merged"),
                start: commit.clone(),
                ..one.clone()
            })
            .await
            .unwrap();
        let checks = ports.validator().checks(&base).await.unwrap();
        let subject = Subject {
            spec: &merged.spec,
            commit: &commit,
            must_change: false,
            had_conflict: false,
            notes: &[],
        };
        let report =
            ports.validator().validate(&subject, &checks, &|_: SessionEvent| {}).await.unwrap();
        assert_eq!(report.verdict, ValidationVerdict::Passed);
        let branch = integration.publish(&base, &id("aaaa"), &commit).await.unwrap();
        integration.publish(&base, &id("aaaa"), &commit).await.unwrap();
        integration.push(&base, &branch, &commit).await.unwrap();
        integration.push(&base, &branch, &commit).await.unwrap();
        assert_eq!(ports.forge().find(&base, &branch).await.unwrap(), None);
        let request = PullRequest {
            head: branch.clone(),
            into: None,
            title: "t".into(),
            body: String::new(),
        };
        let address = ports.forge().open(&base, &request).await.unwrap();
        assert_eq!(ports.forge().find(&base, &branch).await.unwrap().as_ref(), Some(&address));
        for workspace in [&first, &second, &merged] {
            ports.workspaces().discard(workspace).await.unwrap();
        }
        assert!(ports.workspaces().present().await.unwrap().is_empty());
        address
    });
    assert!(address.starts_with("https://"));
    assert_eq!(stage.world.violations(), []);
}

#[test]
fn a_conflict_is_marked_and_resolved_with_both_sides_as_parents() {
    let mut stage = Stage::new();
    let (ports, base) = (stage.ports(), stage.base.clone());
    let root = base.repository.base_commit.clone();
    let (one, two) = (stage.spec("t1", &root), stage.spec("t2", &root));
    let three =
        |start: &str| WorkspaceSpec { task: task_id("t3"), start: start.into(), ..one.clone() };
    stage.run(async {
        let (_, ours) = result(&ports, &one, 0, 100).await;
        let (_, theirs) = result(&ports, &two, 0, 101).await;
        let integration = ports.integration();
        let merged =
            integration.merge(&base, &id("aaaa"), &task_id("t2"), &ours, &theirs, "merge").await;
        let Merge::Conflict { start, files, .. } = merged.unwrap() else { panic!() };
        assert_eq!(files, ["src/0.rs"]);
        let marked = ports.workspaces().prepare(&three(&start)).await.unwrap();
        assert_eq!(verdict(&ports, &marked, &start).await, ValidationVerdict::Failed);
        assert!(ports.edit(&marked.workspace.root, 0, 102));
        let product = WorkProduct::Workspace;
        let resolved = ports.workspaces().collect(&marked, &product, "resolve").await.unwrap();
        assert_eq!(verdict(&ports, &marked, &resolved.commit).await, ValidationVerdict::Passed);
        let (aaaa, task) = (id("aaaa"), task_id("t2"));
        let sides = (ours.as_str(), theirs.as_str());
        let both = integration.resolve(&base, &aaaa, &task, sides, &resolved.commit, "m");
        let both = both.await.unwrap();
        let again = integration.merge(&base, &id("aaaa"), &task, &both, &theirs, "m").await;
        assert_eq!(again.unwrap(), Merge::Clean { commit: both });
    });
}

#[test]
fn notices_what_must_not_happen() {
    let mut stage = Stage::new();
    let (ports, base) = (stage.ports(), stage.base.clone());
    let root = base.repository.base_commit.clone();
    let (one, two) = (stage.spec("t1", &root), stage.spec("t2", &root));
    let store = MemoryStore::new(Arc::new(stage.simulation.clock().clone()));
    let store = WatchedStore::new(Arc::new(store.process()), ports.clone());
    stage.run(async {
        let lease = store.open(&session_on(base.clone(), "aaaa", 1)).await.unwrap();
        let (_, commit) = result(&ports, &one, 0, 100).await;
        let done = TaskState::Done { commit: Some(commit.clone()) };
        let tasks = plan(vec![planned("t1", &[]), planned("t2", &["t1"])]);
        let changes = vec![Change::Planned(tasks), Change::TaskState(task_id("t1"), done)];
        store.commit(&lease, changes).await.unwrap();
        let (_, other) = result(&ports, &two, 1, 101).await;
        ports.workspaces().prepare(&WorkspaceSpec { start: commit.clone(), ..two }).await.unwrap();
        let branch = ports.integration().publish(&base, &lease.session, &commit).await.unwrap();
        ports.integration().push(&base, &branch, &other).await.unwrap();
        let request =
            PullRequest { head: branch, into: None, title: "t".into(), body: String::new() };
        ports.forge().open(&base, &request).await.unwrap();
        ports.forge().open(&base, &request).await.unwrap();
    });
    let violations = stage.world.violations();
    assert!(
        matches!(
            &violations[..],
            [
                Violation::OutOfOrder { .. },
                Violation::OtherStart(_),
                Violation::Unvalidated { .. },
                Violation::PushedElsewhere { .. },
                Violation::PullRequestTwice(_),
            ]
        ),
        "{violations:?}"
    );
}

#[test]
fn a_process_dies_before_an_effect_or_after_it() {
    for (point, is_there) in [(1, false), (2, true)] {
        let mut stage = Stage::with(&CrashPlan::at([point]));
        let spec = stage.spec("t1", &stage.base.repository.base_commit);
        let workspaces = stage.ports().workspaces();
        let spawner = stage.simulation.spawner();
        let clone = spawner.spawn(&stage.process, "clone", async move {
            workspaces.prepare(&spec).await.map(drop)
        });
        assert!(stage.run(clone).is_err(), "it died");
        assert_eq!(stage.world.clones().len() == 1, is_there);
    }
}
