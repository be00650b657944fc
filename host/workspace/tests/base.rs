//! What is found out about a repository before work starts.

mod common;

use common::World;
use cyrus_core::{WorkspaceError, Workspaces};
use std::fs;

#[tokio::test]
async fn a_working_tree_is_found_from_anywhere_inside() {
    let world = World::new();
    world.run("main", &["remote", "add", "origin", "https://me:t0ken@example.com/a/b.git"]);
    let commit = world.run("main", &["rev-parse", "HEAD"]);
    let base = world.workspaces.base(&world.path("main/src"), "cyrus/s-one").await.unwrap();
    assert_eq!(base.path, world.path("main"));
    assert_eq!(base.repository.remote.as_deref(), Some("https://example.com/a/b.git"));
    assert_eq!(base.repository.base_branch.as_deref(), Some("main"));
    assert_eq!((base.repository.base_commit, base.dirty), (commit, false));
    assert_eq!(base.repository.work_branch, "cyrus/s-one");
}

#[tokio::test]
async fn changes_that_are_not_committed_are_noticed() {
    let world = World::new();
    world.write("main", &[("new file", "x")]);
    assert!(world.base().await.dirty);
    fs::remove_file(world.path("main/new file")).unwrap();
    world.write("main", &[("README.md", "changed\n")]);
    assert!(world.base().await.dirty);
    world.run("main", &["add", "--all"]);
    assert!(world.base().await.dirty);
}

#[tokio::test]
async fn bare_repositories_and_worktrees_will_do() {
    let world = World::new();
    world.run(
        ".",
        &["clone", "--quiet", "--bare", &world.path("main").display().to_string(), "bare.git"],
    );
    let base = world.workspaces.base(&world.path("bare.git"), "w").await.unwrap();
    assert_eq!((base.path, base.dirty), (world.path("bare.git"), false));
    assert_eq!(base.repository.remote, Some(world.path("main").display().to_string()));

    world.run("main", &["worktree", "add", "--quiet", "-b", "topic", "../tree"]);
    let base = world.workspaces.base(&world.path("tree"), "w").await.unwrap();
    assert_eq!(base.path, world.path("tree"));
    assert_eq!(base.repository.base_branch.as_deref(), Some("topic"));

    world.run("main", &["checkout", "--quiet", "--detach"]);
    assert_eq!(world.base().await.repository.base_branch, None);
}

#[tokio::test]
async fn what_nothing_can_start_from_is_refused_with_the_reason() {
    let unborn = World::empty();
    fs::write(unborn.path("file"), "").unwrap();
    fs::create_dir(unborn.path("plain")).unwrap();
    let world = World::new();
    for (path, branch, part) in [
        (unborn.path("main"), "w", "no commit yet"),
        (unborn.path("plain"), "w", "not a git repository"),
        (unborn.path("file"), "w", "not a directory"),
        (unborn.path("absent"), "w", "No such file"),
        (world.path("main/.git"), "w", "inside a .git directory"),
        (world.path("main"), "-x", "cannot be a branch's name"),
        (world.path("main"), "a..b", "cannot be a branch's name"),
    ] {
        let error = world.workspaces.base(&path, branch).await.unwrap_err();
        assert!(matches!(error, WorkspaceError::NotUsable { .. }), "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
}
