//! What is found out about a repository before work starts.

mod common;

use common::World;
use cyrus_core::{WorkspaceError, Workspaces};
use cyrus_workspace::Start;
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

/// Git says where a repository is in a line, and blanks of its path are no blanks of the line.
#[tokio::test]
async fn the_blanks_of_a_path_are_its_own() {
    let world = World::new();
    for name in [" before", "after ", " both ", "in side"] {
        fs::rename(world.path("main"), world.path(name)).unwrap();
        let base = world.workspaces.base(&world.path(name), "cyrus/s-one").await.unwrap();
        assert_eq!(base.path, world.path(name));
        let session = format!("s-{}", name.trim().replace(' ', "-"));
        let spec = common::spec(&session, base);
        assert!(world.workspaces.prepare(&spec).await.is_ok(), "{name:?}");
        fs::rename(world.path(name), world.path("main")).unwrap();
    }
}

/// A sandbox mounts the places of borrowed objects, and a path with `..` in it is the path of nothing there.
#[tokio::test]
async fn objects_are_borrowed_by_the_paths_where_they_are() {
    let world = World::new();
    let main = world.path("main").display().to_string();
    world.run(".", &["clone", "--quiet", "--shared", &main, "near"]);
    world.write("near", &[(".git/objects/info/alternates", "../../../main/.git/objects\n")]);
    let base = world.workspaces.base(&world.path("near"), "cyrus/s-one").await.unwrap();
    let prepared = world.workspaces.prepare(&common::spec("s-one", base)).await.unwrap();
    let places = [world.path("near/.git/objects"), world.path("main/.git/objects")];
    assert_eq!(prepared.workspace.borrowed, places);
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
async fn a_revision_is_a_commit_and_no_branch() {
    let world = World::new();
    let first = world.run("main", &["rev-parse", "main~1"]);
    for name in ["main~1", "main^", "HEAD~1", first.as_str()] {
        let start = Start::Operator(name);
        let base = world.workspaces.base_at(&world.path("main"), start, "w").await.unwrap();
        assert_eq!(base.repository.base_commit, first, "{name}");
        assert_eq!(base.repository.base_branch, None, "{name}");
    }
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
        (world.path("main"), "refs/heads/a..b", "cannot be a branch's name"),
        (world.path("main"), &"é/x".replace('x', &"x".repeat(251)), "too long"),
        (world.path("main"), "main", "is checked out in"),
    ] {
        let error = world.workspaces.base(&path, branch).await.unwrap_err();
        assert!(matches!(error, WorkspaceError::NotUsable { .. }), "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
}

/// A repository that lies in another one is the user's, unless the other one's content is what makes it one.
#[tokio::test]
async fn a_repository_in_another_one_is_worked_on_where_no_commit_brought_it() {
    let world = World::new();
    world.run("main", &["clone", "--quiet", "--bare", ".", "inner.git"]);
    let inner = world.path("main/inner.git");
    let bare = world.workspaces.base(&inner, "w").await.unwrap();
    assert_eq!(bare.path, inner);
    world.run("main", &["add", "--force", "inner.git/HEAD"]);
    for path in [inner.clone(), inner.join("refs")] {
        let error = world.workspaces.base(&path, "w").await.unwrap_err().to_string();
        assert!(error.contains("that the content of"), "{error}");
    }
}

/// What an issue that names this starts from, or why it does not.
async fn issue(world: &World, name: &str) -> Result<String, String> {
    let base = world.workspaces.base_at(&world.path("main"), Start::Issue(name), "w").await;
    base.map(|base| base.repository.base_commit).map_err(|error| error.to_string())
}

#[tokio::test]
async fn an_issue_starts_from_a_branch_and_from_nothing_else() {
    let world = World::new();
    let good = world.run("main", &["rev-parse", "HEAD"]);
    world.run("main", &["branch", "develop"]);
    world.run("main", &["checkout", "--quiet", "-b", "cyrus/s-two"]);
    let bad = world.commit("main", &[("Makefile", "all:\n\tsteal\n")]);
    world.run("main", &["checkout", "--quiet", "main"]);
    world.run("main", &["update-ref", "refs/cyrus/s-two/t1", &bad]);
    world.run("main", &["tag", "v1", &bad]);
    world.run("main", &["tag", "develop", &bad]);
    assert_eq!(issue(&world, "develop").await, Ok(good));
    let described = format!("x-g{}", &bad[..12]);
    for name in [
        bad.as_str(),
        &bad[..12],
        &described,
        "cyrus/s-two",
        "heads/cyrus/s-two",
        "refs/heads/cyrus/s-two",
        "refs/cyrus/s-two/t1",
        "../cyrus/s-two/t1",
        "v1",
        "tags/v1",
        "HEAD",
        "HEAD~1",
        "develop~0",
        "develop^{commit}",
        "@",
        "@{-1}",
        ":/work",
        "main..develop",
        "-develop",
        "",
    ] {
        let error = issue(&world, name).await.unwrap_err();
        assert!(error.contains("the issue asks to start from"), "{name}: {error}");
        assert!(error.contains("--base"), "{name}: {error}");
    }
    // The operator may.
    let free = Start::Operator("refs/cyrus/s-two/t1");
    let base = world.workspaces.base_at(&world.path("main"), free, "w").await.unwrap();
    assert_eq!(base.repository.base_commit, bad);
}

#[tokio::test]
async fn an_issue_starts_from_no_pull_request() {
    let world = World::new();
    world.run(".", &["clone", "--quiet", "--bare", "main", "origin.git"]);
    world.run("main", &["remote", "add", "origin", "../origin.git"]);
    let good = world.run("main", &["rev-parse", "HEAD"]);
    world.run("main", &["push", "--quiet", "origin", "HEAD:refs/heads/release"]);
    world.run("main", &["checkout", "--quiet", "--detach"]);
    let bad = world.commit("main", &[("Makefile", "all:\n\tsteal\n")]);
    world.run("main", &["checkout", "--quiet", "main"]);
    world.run("main", &["push", "--quiet", "origin", &format!("{bad}:refs/pull/7/head")]);
    let pulls = "+refs/pull/*/head:refs/remotes/origin/pr/*";
    world.run("main", &["config", "--add", "remote.origin.fetch", pulls]);
    world.run("main", &["fetch", "--quiet", "origin"]);
    assert_eq!(world.run("main", &["rev-parse", "origin/pr/7"]), bad);
    assert_eq!(issue(&world, "release").await, Ok(good));
    world.run("main", &["update-ref", "refs/remotes/other/x", &bad]);
    // As `gh pr checkout` leaves them.
    world.run("main", &["branch", "theirs", &bad]);
    world.run("main", &["config", "branch.theirs.merge", "refs/pull/7/head"]);
    world.run("main", &["branch", "fork", &bad]);
    world.run("main", &["config", "branch.fork.merge", "refs/heads/fork"]);
    world.run("main", &["config", "branch.fork.remote", "https://example.com/x/y"]);
    for name in ["pr/7", "origin/pr/7", "other/x", "theirs", "fork", "origin/release"] {
        let error = issue(&world, name).await.unwrap_err();
        assert!(error.contains("the issue asks to start from"), "{name}: {error}");
    }
    // A ref that nothing configured brings.
    world.run("main", &["config", "--unset-all", "remote.origin.fetch"]);
    assert!(issue(&world, "release").await.unwrap_err().contains("is not fetched from the branch"));
}

#[tokio::test]
async fn a_branch_that_would_lose_commits_is_refused_before_anything_is_begun() {
    let world = World::new();
    world.run("main", &["branch", "behind"]);
    world.run("main", &["checkout", "--quiet", "-b", "ahead"]);
    world.commit("main", &[("new", "x\n")]);
    world.run("main", &["checkout", "--quiet", "main"]);
    world.run("main", &["branch", "elsewhere"]);
    world.run("main", &["worktree", "add", "--quiet", "../tree", "elsewhere"]);
    let main = world.path("main");
    let base = async |branch: &str| {
        let base = world.workspaces.base(&main, branch).await;
        base.map(|base| base.repository.work_branch).map_err(|error| error.to_string())
    };
    let ahead = base("ahead").await.unwrap_err();
    assert!(ahead.contains("has commits that the start of the work has not"), "{ahead}");
    assert!(ahead.contains("--base ahead") && !ahead.contains("somebody"), "{ahead}");
    let elsewhere = base("elsewhere").await.unwrap_err();
    assert!(elsewhere.contains("is checked out in") && elsewhere.contains("tree"), "{elsewhere}");
    assert_eq!(base("behind").await.as_deref(), Ok("behind"));
    assert_eq!(base("refs/heads/new").await.as_deref(), Ok("new"));
    let longest = "x".repeat(250);
    assert_eq!(base(&longest).await.as_deref(), Ok(longest.as_str()));
    world.run("main", &["branch", &longest]);
    let from = Start::Operator("ahead");
    assert!(world.workspaces.base_at(&main, from, "ahead").await.is_ok());
}

#[tokio::test]
async fn what_cannot_be_pushed_to_is_known_before_anything_is_begun() {
    let world = World::new();
    let push = async || {
        let base = world.base().await;
        world.workspaces.can_push(&base).await.map_err(|error| error.to_string())
    };
    assert!(push().await.unwrap_err().contains("git remote add origin"));
    let url = "http://me:hunter22@example.com/a.git";
    world.run("main", &["remote", "add", "origin", url]);
    let error = push().await.unwrap_err();
    assert!(error.contains("use https or ssh") && !error.contains("hunter22"), "{error}");
    world.run("main", &["remote", "set-url", "--push", "origin", "git@example.com:a/b.git"]);
    assert_eq!(push().await, Ok(()));
}

/// Where git pushes to another remote, `origin` is not the user's as a rule.
#[tokio::test]
async fn results_are_not_pushed_where_git_would_not_push_to() {
    for (remote, is_refused) in [("fork", true), ("origin", false)] {
        let world = World::new();
        world.run("main", &["remote", "add", "origin", "https://example.com/a/b.git"]);
        world.run("main", &["config", "remote.pushDefault", remote]);
        let said = world.workspaces.can_push(&world.base().await).await;
        let said = said.map_err(|error| error.to_string());
        assert_eq!(said.is_err(), is_refused, "{said:?}");
        if let Err(said) = said {
            assert!(said.contains("`fork` here (`remote.pushDefault`)"), "{said}");
        }
    }
}
