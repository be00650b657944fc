//! Results that are brought together, and pushed.

mod common;

use common::{World, absolute, spec};
use cyrus_core::{
    Base, Integration, Merge, PreparedWorkspace, WorkspaceError, WorkspaceSpec, Workspaces,
};
use cyrus_executor::TaskId;
use cyrus_sandbox::Launcher;
use cyrus_workspace::{Git, GitEnvironment, GitIntegration};
use std::{fs, os::unix::fs::PermissionsExt};

fn task(name: &str) -> TaskId {
    name.parse().unwrap()
}

/// What a task of this session that starts from a commit came to.
async fn result(world: &World, name: &str, start: &str, files: &[(&str, &str)]) -> String {
    let prepared = begin(world, name, start).await;
    world.write(&prepared.workspace.root, files);
    let commit = world.collect(&prepared).await.commit;
    world.workspaces.discard(&prepared).await.unwrap();
    commit
}

async fn begin(world: &World, name: &str, start: &str) -> PreparedWorkspace {
    let spec = spec("s-one", world.base().await);
    let spec = WorkspaceSpec { task: task(name), start: start.to_owned(), ..spec };
    world.workspaces.prepare(&spec).await.unwrap()
}

async fn merge(world: &World, base: &Base, name: &str, ours: &str, theirs: &str) -> Merge {
    let session = "s-one".parse().unwrap();
    world
        .integration
        .merge(base, &session, &task(name), ours, theirs, "Bring it in\n")
        .await
        .unwrap()
}

fn clean(merge: Merge) -> String {
    match merge {
        Merge::Clean { commit } => commit,
        Merge::Conflict { files, .. } => panic!("conflict in {files:?}"),
    }
}

#[tokio::test]
async fn results_that_do_not_meet_are_merged_and_the_same_again() {
    let world = World::new();
    let base = world.base().await;
    let start = base.repository.base_commit.clone();
    let one = result(&world, "t1", &start, &[("one", "1\n")]).await;
    let two = result(&world, "t2", &start, &[("two", "2\n")]).await;
    assert_eq!(clean(merge(&world, &base, "t1", &start, &one).await), one, "nothing to merge");
    assert_eq!(clean(merge(&world, &base, "t1", &one, &start).await), one, "it is in there");

    let merged = clean(merge(&world, &base, "t2", &one, &two).await);
    assert_eq!(world.files(&merged), ["README.md", "one", "src/lib.rs", "two"]);
    let parents = world.run("main", &["log", "-1", "--format=%P|%an|%s", &merged]);
    assert_eq!(parents, format!("{one} {two}|Ada|Bring it in"));
    let dates = world.run("main", &["log", "-1", "--format=%ct %at", &merged]);
    let newest = world.run("main", &["log", "--no-walk", "--format=%ct", &one, &two]);
    let newest = newest.lines().max().unwrap().to_owned();
    assert_eq!(dates, format!("{newest} {newest}"));
    assert_eq!(clean(merge(&world, &base, "t2", &one, &two).await), merged);
    world.run("main", &["gc", "--quiet", "--prune=now"]);
    assert_eq!(world.run("main", &["rev-parse", "refs/cyrus/s-one/_merged/t2"]), merged);
    world.run("main", &["fsck", "--strict"]);
    let diff = world.integration.diff(&base, &merged).await.unwrap();
    assert_eq!((diff.files, diff.insertions), (2, 2));

    // The next task starts from what nobody but the session has.
    let three = begin(&world, "t3", &merged).await;
    assert!(three.workspace.root.join("two").exists());
    world.write(&three.workspace.root, &[("three", "3\n")]);
    assert_eq!(world.collect(&three).await.diff.files, 1, "its own change alone");
}

#[tokio::test]
async fn a_conflict_is_resolved_by_a_task_and_gone_on_from() {
    let world = World::new();
    let base = world.base().await;
    let start = base.repository.base_commit.clone();
    let ours = result(&world, "t1", &start, &[("src/lib.rs", "one\nours\nthree\n")]).await;
    let theirs = [("src/lib.rs", "one\ntheirs\nthree\n"), ("new", "n\n")];
    let theirs = result(&world, "t2", &start, &theirs).await;
    let merged = merge(&world, &base, "t2", &ours, &theirs).await;
    assert_eq!(merge(&world, &base, "t2", &ours, &theirs).await, merged, "the same again");
    let Merge::Conflict { start, files, account } = merged else { panic!("{merged:?}") };
    assert_eq!(files, ["src/lib.rs"]);
    for part in ["CONFLICT (content)", "+ours", "+theirs", "src/lib.rs, ours:", &ours, &theirs] {
        assert!(account.contains(part), "{part} is not in {account}");
    }
    let marked = world.content(&start, "src/lib.rs");
    assert!(marked.contains("<<<<<<< ") && marked.contains("\nours\n=======\ntheirs\n"));
    let parents = world.run("main", &["log", "-1", "--format=%P", &start]);
    assert_eq!(parents, format!("{ours} {theirs}"));

    let resolving = begin(&world, "t2-conflict", &start).await;
    world.write(&resolving.workspace.root, &[("src/lib.rs", "one\nboth\nthree\n")]);
    let resolved = world.collect(&resolving).await.commit;
    let session = "s-one".parse().unwrap();
    let resolve = async || {
        let (sides, name) = ((ours.as_str(), theirs.as_str()), task("t2"));
        let integration = &world.integration;
        integration.resolve(&base, &session, &name, sides, &resolved, "Both\n").await.unwrap()
    };
    let commit = resolve().await;
    assert_eq!(resolve().await, commit);
    assert_eq!(world.content(&commit, "src/lib.rs"), "one\nboth\nthree");
    assert_eq!(world.content(&commit, "new"), "n");
    let parents = world.run("main", &["log", "-1", "--format=%P", &commit]);
    assert_eq!(parents, format!("{ours} {theirs}"));

    // Over: the branch is all that stays.
    assert_eq!(world.integration.publish(&base, &session, &commit).await.unwrap(), "cyrus/s-one");
    world.workspaces.clear(&base, &session).await.unwrap();
    world.workspaces.clear(&base, &session).await.unwrap();
    assert_eq!(world.run("main", &["for-each-ref", "refs/cyrus"]), "");
    assert_eq!(world.workspaces.present().await.unwrap(), []);
    assert_eq!(world.run("main", &["rev-parse", "cyrus/s-one"]), commit);
}

#[tokio::test]
async fn of_a_large_conflict_a_part_is_told() {
    let world = World::new();
    let names: Vec<_> = (0..20).map(|number| format!("file {number}")).collect();
    let all = |line: &str| names.iter().map(|n| (n.clone(), line.repeat(400))).collect::<Vec<_>>();
    let written = |files: &[(String, String)], place: &str| {
        let files: Vec<_> = files.iter().map(|(n, text)| (n.as_str(), text.as_str())).collect();
        world.commit(place, &files)
    };
    let start = written(&all("a\n"), "main");
    let theirs = written(&all("b\n"), "main");
    world.run("main", &["reset", "--quiet", "--hard", &start]);
    let ours = written(&all("ä\n"), "main");
    let base = world.base().await;
    let merged = merge(&world, &base, "t1", &ours, &theirs).await;
    let Merge::Conflict { files, account, .. } = merged else { panic!("{merged:?}") };
    assert_eq!(files.len(), 20);
    assert!(account.chars().count() <= 6_001 && account.contains("And 12 more files"), "{account}");
}

#[tokio::test]
async fn a_file_that_one_side_removed_is_a_conflict_too() {
    let world = World::new();
    let base = world.base().await;
    let start = base.repository.base_commit.clone();
    let ours = result(&world, "t1", &start, &[("README.md", "changed\n")]).await;
    let prepared = begin(&world, "t2", &start).await;
    fs::remove_file(prepared.workspace.root.join("README.md")).unwrap();
    let theirs = world.collect(&prepared).await.commit;
    let merged = merge(&world, &base, "t2", &ours, &theirs).await;
    let Merge::Conflict { files, account, .. } = merged else { panic!("{merged:?}") };
    assert_eq!(files, ["README.md"]);
    assert!(account.contains("modify/delete"), "{account}");
}

#[tokio::test]
async fn attributes_count_as_the_base_has_them_and_no_driver_is_run() {
    let world = World::new();
    let attributes = ".gitattributes";
    world.commit("main", &[(attributes, "log merge=union\n*.x merge=evil\n"), ("log", "a\n")]);
    world.commit("main", &[("f.x", "a\n"), ("README.md", "a\n")]);
    let marker = world.path("marker");
    let evil = format!("touch {}; true", marker.display());
    world.run("main", &["config", "merge.evil.driver", &evil]);
    world.run("main", &["config", "filter.evil.clean", &evil]);
    world.run("main", &["config", "merge.renormalize", "true"]);
    let base = world.base().await;
    let start = base.repository.base_commit.clone();
    let side = |text: &'static str| {
        let own = "* merge=union filter=evil\n";
        [(attributes, own), ("log", text), ("f.x", text), ("README.md", text)]
    };
    let ours = result(&world, "t1", &start, &side("ours\n")).await;
    let theirs = result(&world, "t2", &start, &side("theirs\n")).await;
    let merged = merge(&world, &base, "t2", &ours, &theirs).await;
    assert!(!marker.exists());
    let Merge::Conflict { start, files, .. } = merged else { panic!("{merged:?}") };
    assert_eq!(files, ["README.md", "f.x"], "not by the results' attributes");
    assert_eq!(world.content(&start, "log"), "ours\ntheirs", "by the base's");
    // It does work, with git as a user runs it.
    world.run("main", &["checkout", "--quiet", &ours]);
    world.write("main", &[(".git/info/attributes", "*.x merge=evil\n")]);
    world.attempt("main", &["merge", &theirs]);
    assert!(marker.exists(), "the attack does not work at all");
}

#[tokio::test]
async fn a_shallow_repository_merges_too() {
    let world = World::new();
    let address = format!("file://{}", world.path("main").display());
    world.run(".", &["clone", "--quiet", "--depth=1", &address, "shallow"]);
    let base = world.workspaces.base(&world.path("shallow"), "cyrus/s-one").await.unwrap();
    let start = base.repository.base_commit.clone();
    let side = |name: &str| {
        world.run("shallow", &["reset", "--quiet", "--hard", &start]);
        world.commit("shallow", &[(name, "x\n")])
    };
    let (ours, theirs) = (side("one"), side("two"));
    clean(merge(&world, &base, "t1", &ours, &theirs).await);
}

#[tokio::test]
async fn an_old_git_is_told_of() {
    let world = World::new();
    let base = world.base().await;
    let start = base.repository.base_commit.clone();
    let one = result(&world, "t1", &start, &[("one", "1\n")]).await;
    let two = result(&world, "t2", &start, &[("two", "2\n")]).await;
    let old = world.path("old-git");
    let script = "#!/bin/sh\nfor arg; do last=$arg; done\n[ \"$last\" = version ] && { echo git version 2.34.1; exit; }\nexec git \"$@\"\n";
    fs::write(&old, script).unwrap();
    fs::set_permissions(&old, fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    let environment = GitEnvironment { path, ..GitEnvironment::default() };
    let git = Git::new(Launcher::unsupervised(), absolute(old), environment);
    let integration = GitIntegration::new(world.roots.clone(), git);
    let session = "s-one".parse().unwrap();
    let error = integration.merge(&base, &session, &task("t2"), &one, &two, "x").await.unwrap_err();
    let error = error.to_string();
    assert!(error.contains("2.38") && error.contains("2.34"), "{error}");
}

#[tokio::test]
async fn a_branch_is_pushed_once_and_never_by_force() {
    let world = World::new();
    world.run(".", &["clone", "--quiet", "--bare", "main", "origin.git"]);
    let base = world.base().await;
    let start = base.repository.base_commit.clone();
    let commit = result(&world, "t1", &start, &[("one", "1\n")]).await;
    let push = async |commit: &str| world.integration.push(&base, "cyrus/s-one", commit).await;
    let error = push(&commit).await.unwrap_err().to_string();
    assert!(error.contains("git remote add origin"), "{error}");

    world.run("main", &["remote", "add", "origin", "../origin.git"]);
    let marker = world.path("marker");
    fs::create_dir_all(world.path("main/.git/hooks")).unwrap();
    let hook = world.path("main/.git/hooks/pre-push");
    fs::write(&hook, format!("#!/bin/sh\ntouch {}\n", marker.display())).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    push(&commit).await.unwrap();
    assert_eq!(world.run("origin.git", &["rev-parse", "cyrus/s-one"]), commit);
    // Nothing to push: it need not even be possible.
    world.run("origin.git", &["config", "receive.denyUpdates", "true"]);
    push(&commit).await.unwrap();

    let other = result(&world, "t2", &start, &[("two", "2\n")]).await;
    let error = push(&other).await.unwrap_err();
    assert!(matches!(&error, WorkspaceError::Moved { .. }), "{error}");
    assert_eq!(world.run("origin.git", &["rev-parse", "cyrus/s-one"]), commit);
    assert!(!marker.exists());
    world.run("main", &["push", "--quiet", "origin", "main:elsewhere"]);
    assert!(marker.exists(), "the hook does not work at all");

    world.run("main", &["remote", "set-url", "origin", "ext::sh -c id"]);
    let error = push(&other).await.unwrap_err();
    assert!(matches!(&error, WorkspaceError::Unacceptable(_)), "{error}");
}

#[tokio::test]
async fn what_a_task_starts_from_is_shared_and_taken_away_again() {
    let world = World::new();
    world.run(".", &["clone", "--quiet", "--bare", "main", "origin.git"]);
    world.run("main", &["remote", "add", "origin", "../origin.git"]);
    let base = world.base().await;
    let commits: Vec<_> =
        (0..2).map(|n| world.commit("main", &[(format!("new {n}").as_str(), "x\n")])).collect();
    let branches = || world.run("origin.git", &["for-each-ref", "--format=%(refname:short)"]);
    // Somebody else's, that only look like ours: one for its name, one because it was moved.
    world.run("main", &["push", "--quiet", "origin", "main:cyrus/s-one-from-elsewhere-12"]);
    let moved = base.shared_branch(&commits[0]);
    for commit in &commits {
        for _ in 0..2 {
            let branch = world.integration.share(&base, commit).await.unwrap();
            assert_eq!(branch, base.shared_branch(commit));
            assert_eq!(world.run("origin.git", &["rev-parse", &branch]), *commit);
        }
    }
    world.run("main", &["push", "--quiet", "origin", &format!("main:{moved}")]);
    for _ in 0..2 {
        world.integration.unshare(&base).await.unwrap();
        let mut left = vec!["cyrus/s-one-from-elsewhere-12".to_owned(), moved.clone()];
        left.push("main".to_owned());
        left.sort();
        assert_eq!(branches().lines().collect::<Vec<_>>(), left);
    }
}
