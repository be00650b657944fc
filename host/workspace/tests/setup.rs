//! What is done to a clone besides making it: ignored files, set-up, tear-down; and what is left when nobody cares.

mod common;

use async_trait::async_trait;
use common::{World, absolute, settings, spec};
use cyrus_core::{Issue, SessionId, WorkspaceSpec, Workspaces};
use cyrus_executor::{BranchSource, RemoteBranch, WorkProduct};
use cyrus_workspace::{Issues, WorkspaceSettings};
use std::{fs, os::unix::fs::symlink, sync::Arc, time::Duration};

struct OneIssue;

#[async_trait]
impl Issues for OneIssue {
    async fn of(&self, session: &SessionId) -> Option<Issue> {
        let mut issue = Issue::from_markdown("Fix \"it\"; $(id)").ok()?;
        issue.identifier = Some("CYR-12".to_owned());
        (session.as_str() == "s-one").then_some(issue)
    }
}

/// A world whose operator has scripts, each of which writes down that it was run, and with what.
fn world() -> World {
    let world = World::new();
    let script = |name: &str| {
        let said = world.path("said").display().to_string();
        format!(
            "#!/bin/bash\necho \"{name} $(basename \"$0\") $PWD $TOOL ${{LINEAR_ISSUE_ID-}}|${{LINEAR_ISSUE_IDENTIFIER-}}|${{LINEAR_ISSUE_TITLE-}}\" >> '{said}'\n"
        )
    };
    world.write(".", &[("up.sh", &script("global")), ("down.sh", &script("last"))]);
    let (up, down) = (script("own") + "echo made > generated\n", script("down"));
    world.commit(
        "main",
        &[(".gitignore", "generated\n"), ("cyrus-setup.sh", &up), ("cyrus-teardown.sh", &down)],
    );
    let settings = WorkspaceSettings {
        global_setup: Some(absolute(world.path("up.sh"))),
        global_teardown: Some(absolute(world.path("down.sh"))),
        issues: Some(Arc::new(OneIssue)),
        ..settings()
    };
    world.with(settings)
}

fn said(world: &World) -> Vec<String> {
    let said = fs::read_to_string(world.path("said")).unwrap_or_default();
    said.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_clone_is_set_up_once_and_torn_down_at_the_end() {
    let world = world();
    let prepared = world.prepare().await;
    let root = prepared.workspace.root.display().to_string();
    assert!(prepared.workspace.root.join("generated").exists());
    let issue = "CYR-12|CYR-12|Fix \"it\"; $(id)";
    let up =
        [format!("global up.sh {root} t {issue}"), format!("own cyrus-setup.sh {root} t {issue}")];
    assert_eq!(said(&world), up);
    assert_eq!(world.prepare().await, prepared);
    assert_eq!(said(&world), up, "once");
    assert_eq!(world.collect(&prepared).await.diff.files, 0, "what it makes is ignored");

    world.workspaces.discard(&prepared).await.unwrap();
    world.workspaces.discard(&prepared).await.unwrap();
    let down = [
        format!("down cyrus-teardown.sh {root} t |CYR-12|"),
        format!("last down.sh {root} t |CYR-12|"),
    ];
    assert_eq!(said(&world), [up, down].concat());
}

#[tokio::test]
async fn a_set_up_that_fails_does_not_stop_the_task_unless_it_has_to() {
    let world = World::new();
    world.commit("main", &[("cyrus-setup.sh", "echo out\necho why >&2\nexit 3\n")]);
    world.prepare().await;
    let said = fs::read_to_string(world.path("cyrus/state/s-one/t1/1/set-up")).unwrap();
    assert!(said.contains("failed with exit code 3") && said.contains("out\nwhy"), "{said}");

    let world = world.with(WorkspaceSettings { setup_must_succeed: true, ..settings() });
    let spec = spec("s-two", world.base().await);
    for _ in 0..2 {
        let error = world.workspaces.prepare(&spec).await.unwrap_err().to_string();
        assert!(error.contains("cyrus-setup.sh failed") && error.contains("out\nwhy"), "{error}");
        assert!(error.contains("commit the mend and run the issue anew"), "{error}");
    }
}

#[tokio::test]
async fn a_set_up_that_does_not_end_is_ended() {
    let world = World::new();
    world.commit("main", &[("cyrus-setup.sh", "echo begun; while :; do sleep 1; done\n")]);
    let world = world.with(WorkspaceSettings {
        setup_time: Duration::from_millis(300),
        setup_must_succeed: true,
        ..settings()
    });
    let spec = spec("s-one", world.base().await);
    let error = world.workspaces.prepare(&spec).await.unwrap_err().to_string();
    assert!(error.contains("took longer than") && error.contains("begun"), "{error}");
}

#[tokio::test]
async fn a_pushed_result_is_set_up_like_any_other() {
    let world = world();
    world.run(".", &["clone", "--quiet", "--bare", "main", "origin.git"]);
    world.run("main", &["remote", "add", "origin", "../origin.git"]);
    world.run(".", &["clone", "--quiet", "origin.git", "cloud"]);
    let prepared = world.prepare().await;
    let theirs = "touch ../stolen\n";
    world.commit("cloud", &[("new", "x\n"), ("cyrus-setup.sh", theirs)]);
    world.run("cloud", &["push", "--quiet", "origin", "HEAD:refs/heads/topic"]);
    let branch = RemoteBranch { source: BranchSource::Origin, name: "topic".into(), commit: None };
    world.workspaces.collect(&prepared, &WorkProduct::Branch(branch), "").await.unwrap();
    assert!(prepared.workspace.root.join("generated").exists());
    assert_eq!(said(&world).len(), 4, "the base's scripts, twice");
    assert!(!prepared.workspace.root.with_file_name("stolen").exists());
}

#[tokio::test]
async fn ignored_files_that_are_listed_are_copied_and_no_others() {
    let world = World::new();
    let list = "# local\n.env*\nconfig/*.local\nREADME.md\nvisible\nlinked/\ninner/\n";
    let ignored = ".env*\n*.local\nlinked\nother\n";
    world.commit("main", &[(".gitignore", ignored), (".worktreeinclude", list)]);
    let local = [
        (".env", "S=1\n"),
        (".env.:(top)*", "S=2\n"),
        ("config/a.local", "a\n"),
        ("b.local", "not listed\n"),
        ("other", "not listed\n"),
        ("visible", "not ignored\n"),
        ("linked/secret", "s\n"),
        ("inner/.env", "of another repository\n"),
    ];
    world.write("main", &local);
    world.run("main/inner", &["init", "--quiet"]);
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    for (name, content) in &local[..3] {
        assert_eq!(fs::read_to_string(root.join(name)).unwrap(), *content);
    }
    for name in ["b.local", "other", "visible", "inner"] {
        assert!(!root.join(name).exists(), "{name}");
    }
    assert_eq!(world.collect(&prepared).await.diff.files, 0, "none of it is part of the result");
    // Nor when git ignores it no longer.
    world.write(root, &[(".gitignore", "dist\n"), ("config/a.local", "changed\n")]);
    let collected = world.collect(&prepared).await;
    let files = world.files(&collected.commit);
    assert!(
        !files.iter().any(|file| file.contains(".env") || file.contains(".local")),
        "{files:?}"
    );
    assert!(collected.notes.join("\n").contains("copied from your working tree"));
    world.write(root, &[(".gitignore", ignored)]);

    // A task that starts from a result in which a link leads out.
    fs::create_dir(world.path("outside")).unwrap();
    let _ = fs::remove_dir_all(root.join("linked"));
    symlink(world.path("outside"), root.join("linked")).unwrap();
    world.run(root, &["add", "--force", "linked"]);
    world.run(root, &["commit", "--quiet", "-m", "link"]);
    let start = world.collect(&prepared).await.commit;
    let next = WorkspaceSpec { start, token: 2, ..prepared.spec.clone() };
    let next = world.workspaces.prepare(&next).await.unwrap();
    assert!(next.workspace.root.join(".env").exists());
    assert_eq!(fs::read_dir(world.path("outside")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_token_has_a_clone_of_its_own() {
    let world = World::new();
    let old = world.prepare().await;
    world.write(&old.workspace.root, &[("half", "x\n")]);
    let next = WorkspaceSpec { token: 2, ..old.spec.clone() };
    let next = world.workspaces.prepare(&next).await.unwrap();
    assert_ne!(next.workspace.root, old.workspace.root);
    assert!(!next.workspace.root.join("half").exists());
    assert!(old.workspace.root.join("half").exists());
    assert_eq!(world.workspaces.prepare(&old.spec).await.unwrap(), old, "it may be gone on with");
    world.workspaces.discard(&old).await.unwrap();
    assert!(next.workspace.root.exists());
}

#[tokio::test]
async fn a_clone_that_was_lost_goes_on_from_what_was_collected() {
    let world = World::new();
    let prepared = world.prepare().await;
    world.write(&prepared.workspace.root, &[("new", "x\n")]);
    let collected = world.collect(&prepared).await;
    fs::remove_dir_all(world.path("work")).unwrap();
    fs::remove_dir_all(world.path("cyrus/state")).unwrap();
    let again = world.workspaces.prepare(&prepared.spec).await.unwrap();
    assert!(again.workspace.root.join("new").exists());
    assert_eq!(world.collect(&again).await, collected);
    world.workspaces.discard(&again).await.unwrap();
    let afresh = world.workspaces.prepare(&prepared.spec).await.unwrap();
    assert!(!afresh.workspace.root.join("new").exists());
}

#[tokio::test]
async fn a_session_that_failed_keeps_its_results_and_nothing_else() {
    let world = World::new();
    let prepared = world.prepare().await;
    world.write(&prepared.workspace.root, &[("new", "x\n")]);
    let collected = world.collect(&prepared).await;
    let other = world.prepare_as("s-two").await;
    let session = prepared.spec.session.clone();
    world.workspaces.clear(&prepared.spec.base, &session).await.unwrap();
    let refs = world.run("main", &["for-each-ref", "--format=%(refname)", "refs/cyrus/s-one"]);
    assert_eq!(refs, collected.kept);
    let present = world.workspaces.present().await.unwrap();
    assert_eq!((present, other.workspace.root.exists()), (vec![other.spec.session.clone()], true));
}

#[tokio::test]
async fn what_nobody_knows_any_more_is_swept() {
    let world = world();
    let prepared = world.prepare().await;
    world.write(".", &[("work/s-odd/t1/9/rubbish", ""), ("cyrus/state/.git-x/y", "")]);
    let present = world.workspaces.present().await.unwrap();
    assert_eq!(present, ["s-odd", "s-one"].map(|id| id.parse().unwrap()));
    for session in &present {
        world.workspaces.sweep(session).await.unwrap();
        world.workspaces.sweep(session).await.unwrap();
    }
    assert_eq!(world.workspaces.present().await.unwrap(), []);
    assert_eq!(world.run("main", &["for-each-ref", "refs/cyrus"]), "");
    assert_eq!(said(&world).len(), 4, "torn down too");

    let prepared = world.workspaces.prepare(&prepared.spec).await.unwrap();
    fs::remove_dir_all(world.path("main")).unwrap();
    world.workspaces.sweep(&prepared.spec.session).await.unwrap();
    assert_eq!(world.workspaces.present().await.unwrap(), []);
}

/// A world in which lock files are known, and whose package manager writes down that it was called.
fn with_lock_file(manager: &str, detects: bool) -> World {
    let world = World::new();
    world.write("tools", &[("bundle", manager)]);
    let bundle = world.path("tools/bundle");
    fs::set_permissions(&bundle, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let locks = ["api/Gemfile.lock", "web/Gemfile.lock"].map(|lock| (lock, ""));
    world.commit("main", &locks);
    let mut environment = common::checks();
    let path = std::env::var("PATH").unwrap();
    let tools = world.path("tools").display().to_string();
    environment.variables[0].1 = format!("{tools}:{path}").into();
    world.with(WorkspaceSettings {
        environment,
        detects_setup: detects,
        setup_must_succeed: true,
        ..settings()
    })
}

#[tokio::test]
async fn what_lock_files_ask_for_is_the_set_up_where_there_is_no_other() {
    let manager = "#!/bin/sh\necho \"$PWD\" >> installed\n";
    let world = with_lock_file(manager, true);
    let prepared = world.prepare().await;
    let root = prepared.workspace.root;
    let installed = |place: &str| fs::read_to_string(root.join(place).join("installed"));
    for place in ["api", "web"] {
        assert_eq!(installed(place).unwrap(), format!("{}/{place}\n", root.display()));
    }
    let scripts = world.workspaces.scripts(&world.base().await).await.unwrap();
    let named: Vec<_> = scripts.iter().map(|script| script.command.as_str()).collect();
    assert_eq!(named, ["cd api && bundle install", "cd web && bundle install"]);
    assert!(scripts.iter().all(|script| script.is_set_up && script.is_detected));

    world.commit("main", &[("cyrus-setup.sh", "echo own > own\n")]);
    let root = world.prepare_as("s-two").await.workspace.root;
    assert!(root.join("own").exists() && !root.join("api/installed").exists());
    let off = with_lock_file(manager, false);
    assert!(!off.prepare().await.workspace.root.join("api/installed").exists());
}

#[tokio::test]
async fn a_detected_set_up_that_fails_stops_nothing() {
    let world = with_lock_file("#!/bin/sh\necho no network; exit 7\n", true);
    assert!(world.prepare().await.workspace.root.join("api/Gemfile.lock").exists());
}
