//! Results that an executor pushed.

mod common;

use common::World;
use cyrus_core::{WorkspaceError, Workspaces};
use cyrus_executor::{BranchSource, RemoteBranch, WorkProduct};
use std::fs;

/// The main repository with a bare `origin`, and a clone that stands for the machine somewhere else.
fn world() -> World {
    let world = World::new();
    world.run(".", &["clone", "--quiet", "--bare", "main", "origin.git"]);
    world.run("main", &["remote", "add", "origin", "../origin.git"]);
    world.run(".", &["clone", "--quiet", "origin.git", "cloud"]);
    world
}

fn product(name: &str, commit: Option<&str>) -> WorkProduct {
    WorkProduct::Branch(RemoteBranch {
        source: BranchSource::Origin,
        name: name.to_owned(),
        commit: commit.map(ToOwned::to_owned),
    })
}

#[tokio::test]
async fn a_pushed_branch_comes_into_the_repository_and_the_workspace() {
    let world = world();
    let prepared = world.prepare().await;
    assert_eq!(
        prepared.spec.base.repository.remote,
        Some(world.path("origin.git").display().to_string())
    );
    world.run("cloud", &["checkout", "--quiet", "-b", "codegen/fix-it"]);
    let commit = world.commit("cloud", &[("src/lib.rs", "one\ntwo\n"), ("new", "x\n")]);
    world.run("cloud", &["push", "--quiet", "origin", "HEAD"]);

    let root = &prepared.workspace.root;
    world.write(root, &[("rubbish", "x")]);
    let collected = world
        .workspaces
        .collect(&prepared, &product("codegen/fix-it", None), "unused")
        .await
        .unwrap();
    assert_eq!(collected.commit, commit);
    assert_eq!(
        (collected.diff.files, collected.diff.insertions, collected.diff.deletions),
        (2, 1, 1)
    );
    assert_eq!(world.run(root, &["status", "--porcelain", "--branch"]), "## cyrus/s-one");
    assert_eq!(world.run(root, &["rev-parse", "HEAD"]), commit);
    assert!(!root.join("rubbish").exists() && root.join("new").exists());
    world.publish(&prepared, &collected).await.unwrap();
    assert_eq!(world.content("cyrus/s-one", "new"), "x");

    // The same again, and then local work on top of it.
    let again = product("codegen/fix-it", Some(&commit));
    assert_eq!(world.workspaces.collect(&prepared, &again, "").await.unwrap(), collected);
    world.write(root, &[("more", "y\n")]);
    let more = world.collect(&prepared).await;
    assert_eq!(world.run("main", &["rev-parse", &format!("{}^", more.commit)]), commit);
    assert_eq!(more.diff.files, 3);
}

#[tokio::test]
async fn the_commit_that_was_seen_counts() {
    let world = world();
    let prepared = world.prepare().await;
    let seen = world.commit("cloud", &[("new", "x\n")]);
    world.commit("cloud", &[("later", "y\n")]);
    world.run("cloud", &["push", "--quiet", "origin", "HEAD:refs/heads/topic"]);
    let collect = async |commit: &str| {
        world.workspaces.collect(&prepared, &product("topic", Some(commit)), "").await
    };
    assert_eq!(collect(&seen).await.unwrap().commit, seen);
    for bad in ["0123456789012345678901234567890123456789", "HEAD", ""] {
        let error = collect(bad).await.unwrap_err();
        assert!(matches!(error, WorkspaceError::Unacceptable(_)), "{error}");
    }
}

#[tokio::test]
async fn a_branch_from_an_older_base_counts_from_where_it_left() {
    let world = world();
    world.commit("main", &[("not pushed", "x\n")]);
    let prepared = world.prepare().await;
    world.commit("cloud", &[("new", "x\n")]);
    world.run("cloud", &["push", "--quiet", "origin", "HEAD:refs/heads/topic"]);
    let collected = world.workspaces.collect(&prepared, &product("topic", None), "").await.unwrap();
    assert_eq!((collected.diff.files, collected.diff.deletions), (1, 0));
}

#[tokio::test]
async fn a_branch_that_is_not_there_or_not_related_is_refused() {
    let world = world();
    let prepared = world.prepare().await;
    let collect = async |name: &str| {
        let product = product(name, None);
        world.workspaces.collect(&prepared, &product, "").await.unwrap_err().to_string()
    };
    let error = collect("absent").await;
    assert!(error.contains("absent"), "{error}");
    world.run("cloud", &["checkout", "--quiet", "--orphan", "fresh"]);
    world.commit("cloud", &[("new", "x\n")]);
    world.run("cloud", &["push", "--quiet", "origin", "HEAD:refs/heads/fresh"]);
    let error = collect("fresh").await;
    assert!(error.contains("no history in common"), "{error}");
    assert_eq!(fs::read_to_string(prepared.workspace.root.join("README.md")).unwrap(), "hello\n");

    world.run("main", &["remote", "remove", "origin"]);
    let error = collect("fresh").await;
    assert!(error.contains("git remote add origin"), "{error}");
}

#[tokio::test]
async fn a_token_in_the_address_is_used_and_not_shown() {
    let world = world();
    // Nobody listens there.
    let address = "https://me:hunter22@127.0.0.1:1/a.git";
    world.run("main", &["remote", "set-url", "origin", address]);
    let prepared = world.prepare().await;
    assert_eq!(prepared.spec.base.repository.remote.as_deref(), Some("https://127.0.0.1:1/a.git"));
    let config = fs::read_to_string(prepared.workspace.root.join(".git/config")).unwrap();
    assert!(!config.contains("hunter22"));
    let product = product("topic", None);
    let error = world.workspaces.collect(&prepared, &product, "").await.unwrap_err().to_string();
    assert!(error.contains("127.0.0.1") && !error.contains("hunter22"), "{error}");
}
