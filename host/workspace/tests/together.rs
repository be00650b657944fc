//! Many at once, in more than one process's worth of hands, on one repository and one home.

mod common;

use common::{World, settings, spec};
use cyrus_core::{Base, Integration, Merge, SessionId, WorkspaceSpec, Workspaces};
use cyrus_executor::WorkProduct;
use cyrus_workspace::{GitIntegration, GitWorkspaces};
use std::{fs, path::PathBuf, sync::Arc};
use tokio::task::JoinSet;

const TASKS: usize = 4;

/// What one process has.
#[derive(Clone)]
struct Hands {
    workspaces: Arc<GitWorkspaces>,
    integration: Arc<GitIntegration>,
}

impl Hands {
    fn new(world: &World) -> Self {
        let roots = world.roots.clone();
        let workspaces = GitWorkspaces::new(roots.clone(), world.git.clone(), settings());
        let integration = GitIntegration::new(roots, world.git.clone());
        Self { workspaces: Arc::new(workspaces), integration: Arc::new(integration) }
    }

    /// One task, from its clone to its result.
    async fn task(self, spec: WorkspaceSpec) -> (usize, String) {
        let number = spec.task.as_str()[1..].parse().unwrap();
        let prepared = self.workspaces.prepare(&spec).await.unwrap();
        let file = prepared.workspace.root.join(spec.task.as_str());
        fs::write(file, spec.session.as_str()).unwrap();
        let product = WorkProduct::Workspace;
        let collected = self.workspaces.collect(&prepared, &product, "Work\n").await.unwrap();
        self.workspaces.discard(&prepared).await.unwrap();
        (number, collected.commit)
    }

    /// All of a session: its tasks at once, merged in their order.
    async fn session(self, session: SessionId, base: Base) -> String {
        let mut tasks = JoinSet::new();
        for number in 0..TASKS {
            let spec = spec(session.as_str(), base.clone());
            let spec = WorkspaceSpec { task: format!("t{number}").parse().unwrap(), ..spec };
            tasks.spawn(self.clone().task(spec));
        }
        let mut results = tasks.join_all().await;
        results.sort();
        let mut head = base.repository.base_commit.clone();
        for (number, commit) in results {
            let task = format!("t{number}").parse().unwrap();
            let merged = self.integration.merge(&base, &session, &task, &head, &commit, "Merge\n");
            let Merge::Clean { commit } = merged.await.unwrap() else { panic!("a conflict") };
            head = commit;
        }
        self.integration.publish(&base, &session, &head).await.unwrap();
        self.workspaces.clear(&base, &session).await.unwrap();
        head
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_and_tasks_do_not_meet() {
    let world = World::new();
    let mut sessions = JoinSet::new();
    for name in ["s-one", "s-two", "s-six"] {
        let base = world.workspaces.base(&world.path("main"), &format!("cyrus/{name}")).await;
        let hands = Hands::new(&world);
        sessions.spawn(hands.session(name.parse().unwrap(), base.unwrap()));
    }
    sessions.join_all().await;
    for name in ["s-one", "s-two", "s-six"] {
        for number in 0..TASKS {
            assert_eq!(world.content(&format!("cyrus/{name}"), &format!("t{number}")), name);
        }
    }
    assert_eq!(world.run("main", &["for-each-ref", "refs/cyrus"]), "");
    assert_eq!(world.workspaces.present().await.unwrap(), []);
    world.run("main", &["fsck", "--strict"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_clone_is_made_once() {
    let world = World::new();
    let spec = spec("s-one", world.base().await);
    let mut made = JoinSet::new();
    for _ in 0..TASKS {
        let (hands, spec) = (Hands::new(&world), spec.clone());
        made.spawn(async move {
            let root: PathBuf = hands.workspaces.prepare(&spec).await.unwrap().workspace.root;
            // Whoever comes later must not take away what is there.
            let file = fs::File::options().create(true).append(true).open(root.join("seen"));
            std::io::Write::write_all(&mut file.unwrap(), b"x").unwrap();
        });
    }
    made.join_all().await;
    let prepared = world.workspaces.prepare(&spec).await.unwrap();
    assert_eq!(fs::read(prepared.workspace.root.join("seen")).unwrap().len(), TASKS);
    assert_eq!(world.collect(&prepared).await.diff.files, 1);
}
