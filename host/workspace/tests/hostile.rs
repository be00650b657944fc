//! An executor that tries to have something run, read or written outside of its clone, by what is in the clone.
//!
//! Everything here would make a marker file if it worked. Each attack is first shown to work against git as a user
//! runs it, where that can be shown, so that a test cannot pass because its attack is broken.

mod common;

use common::{
    World,
    trap::{Trap, everything},
};
use cyrus_core::{WorkspaceError, Workspaces};
use std::{fs, os::unix::fs::symlink, path::Path};

#[tokio::test]
async fn hooks_are_not_run() {
    let world = World::new();
    let trap = Trap::new(&world);
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    let hooks = root.join(".git/hooks");
    fs::create_dir(&hooks).unwrap();
    for hook in [
        "applypatch-msg",
        "pre-commit",
        "prepare-commit-msg",
        "commit-msg",
        "post-commit",
        "post-checkout",
        "post-merge",
        "pre-push",
        "reference-transaction",
        "post-index-change",
        "pre-auto-gc",
        "post-rewrite",
        "pre-receive",
        "update",
        "post-receive",
        "post-update",
        "fsmonitor-watchman",
    ] {
        fs::copy(&trap.program, hooks.join(hook)).unwrap();
    }
    world.write(root, &[("new", "x\n")]);
    world.run(root, &["add", "--all"]);
    trap.reset();
    everything(&world, &prepared).await;
    assert!(!trap.sprung());
}

#[tokio::test]
async fn the_hooks_of_the_main_repository_are_not_run_either() {
    let world = World::new();
    let trap = Trap::new(&world);
    for hook in ["reference-transaction", "post-checkout", "post-index-change"] {
        fs::create_dir_all(world.path("main/.git/hooks")).unwrap();
        fs::copy(&trap.program, world.path("main/.git/hooks").join(hook)).unwrap();
    }
    world.run("main", &["update-ref", "refs/heads/x", "HEAD"]);
    trap.reset();
    let prepared = world.prepare().await;
    world.write(&prepared.workspace.root, &[("new", "x\n")]);
    everything(&world, &prepared).await;
    assert!(!trap.sprung());
}

#[tokio::test]
async fn filters_are_not_run() {
    let world = World::new();
    let trap = Trap::new(&world);
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    for kind in ["clean", "smudge", "process"] {
        world.run(root, &["config", &format!("filter.trap.{kind}"), &trap.command()]);
    }
    for kind in ["diff.trap.command", "diff.trap.textconv", "merge.trap.driver", "diff.external"] {
        world.run(root, &["config", kind, &trap.command()]);
    }
    let attributes = "* filter=trap diff=trap merge=trap\n";
    world.write(root, &[(".gitattributes", attributes), ("new", "x\n")]);
    world.write(root, &[(".git/info/attributes", attributes)]);
    world.attempt(root, &["add", "new"]);
    trap.reset();
    let commit = everything(&world, &prepared).await;
    assert!(!trap.sprung());
    assert_eq!(world.content(&commit, "new"), "x", "the file as it is");
}

#[tokio::test]
async fn programs_named_in_the_configuration_are_not_run() {
    let world = World::new();
    let trap = Trap::new(&world);
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    for key in [
        "core.fsmonitor",
        "core.sshCommand",
        "core.gitProxy",
        "core.alternateRefsCommand",
        "core.editor",
        "core.pager",
        "core.askPass",
        "credential.helper",
        "gpg.program",
        "uploadpack.packObjectsHook",
        "remote.origin.uploadpack",
        "alias.status",
    ] {
        world.run(root, &["config", key, &trap.command()]);
    }
    for (key, value) in [
        ("commit.gpgSign", "true"),
        ("remote.origin.url", &format!("ext::{}", trap.command())),
        ("remote.origin.promisor", "true"),
        ("remote.origin.partialclonefilter", "blob:none"),
        ("core.repositoryformatversion", "1"),
        ("extensions.partialClone", "origin"),
        ("protocol.ext.allow", "always"),
        ("core.worktree", "/"),
    ] {
        world.run(root, &["config", key, value]);
    }
    world.attempt(root, &["status"]);
    trap.reset();
    world.write(root, &[("new", "x\n")]);
    let commit = everything(&world, &prepared).await;
    assert!(!trap.sprung());
    assert_eq!(world.files(&commit), ["README.md", "new", "src/lib.rs"]);
}

#[tokio::test]
async fn a_repository_inside_is_not_looked_into() {
    let world = World::new();
    let trap = Trap::new(&world);
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    world.write(root, &[("inner/file", "x\n"), ("src/lib.rs", "changed\n")]);
    world.run(root.join("inner"), &["init", "--quiet"]);
    world.commit(root.join("inner"), &[("other", "y\n")]);
    world.run(root.join("inner"), &["config", "core.fsmonitor", &trap.command()]);
    world.run(root.join("inner"), &["status"]);
    trap.reset();
    // Known to the clone's own index as a submodule, and changed since.
    world.run(root, &["add", "inner"]);
    let _ = fs::remove_file(&trap.marker);
    world.write(root.join("inner"), &[("file", "z\n")]);
    world.run(root, &["-c", "core.hooksPath=/dev/null", "commit", "--quiet", "-m", "inner"]);
    let _ = fs::remove_file(&trap.marker);
    world.write(root.join("inner"), &[("file", "zz\n")]);
    let commit = everything(&world, &prepared).await;
    assert!(!trap.sprung());
    let inner = world.run("main", &["ls-tree", &commit, "inner"]);
    assert!(inner.starts_with("160000 commit"), "what the executor committed stays: {inner}");
    assert_eq!(world.content(&commit, "src/lib.rs"), "changed");
}

#[tokio::test]
async fn an_uncommitted_repository_inside_is_left_out() {
    let world = World::new();
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    world.write(root, &[("inner/file", "x\n"), ("beside", "y\n")]);
    world.run(root.join("inner"), &["init", "--quiet"]);
    let commit = everything(&world, &prepared).await;
    assert_eq!(world.files(&commit), ["README.md", "beside", "src/lib.rs"]);
}

#[tokio::test]
async fn a_git_directory_that_is_no_directory_is_not_followed() {
    // Commits in the main repository that the executor would like to pass off as its own.
    let world = World::new();
    let secret = world.commit("main", &[("secret", "s\n")]);
    world.run("main", &["branch", "private"]);
    world.run("main", &["reset", "--quiet", "--hard", "HEAD^"]);
    for (session, kind) in [("s-link", "link"), ("s-file", "file"), ("s-gone", "gone")] {
        let prepared = world.prepare_as(session).await;
        let root = &prepared.workspace.root;
        fs::remove_dir_all(root.join(".git")).unwrap();
        let elsewhere = world.path("elsewhere.git");
        let _ = fs::remove_dir_all(&elsewhere);
        world
            .run(".", &["clone", "--quiet", "--bare", "--branch=private", "main", "elsewhere.git"]);
        match kind {
            "link" => symlink(&elsewhere, root.join(".git")).unwrap(),
            "file" => {
                fs::write(root.join(".git"), format!("gitdir: {}\n", elsewhere.display())).unwrap();
            }
            _ => {}
        }
        world.write(root, &[("new", "x\n")]);
        let collected = world.collect(&prepared).await;
        let parent = world.run("main", &["rev-parse", &format!("{}^", collected.commit)]);
        assert_eq!(parent, prepared.spec.base.repository.base_commit, "{kind}");
        assert_ne!(parent, secret);
        assert_eq!(world.files(&collected.commit), ["README.md", "new", "src/lib.rs"], "{kind}");
    }
}

#[tokio::test]
async fn objects_of_other_repositories_cannot_be_borrowed() {
    let world = World::new();
    world.run(".", &["init", "--quiet", "private"]);
    let secret = world.commit("private", &[("secret", "s\n")]);
    let objects = world.path("private/.git/objects");

    let by_alternates = world.prepare_as("s-alternates").await;
    let git = by_alternates.workspace.root.join(".git");
    fs::write(git.join("objects/info/alternates"), format!("{}\n", objects.display())).unwrap();
    fs::write(git.join("refs/heads/cyrus/s-alternates"), &secret).unwrap();

    let by_link = world.prepare_as("s-link").await;
    let git = by_link.workspace.root.join(".git");
    for directory in fs::read_dir(&objects).unwrap().map(Result::unwrap) {
        let place = git.join("objects").join(directory.file_name());
        if !place.exists() {
            symlink(directory.path(), place).unwrap();
        }
    }
    fs::write(git.join("refs/heads/cyrus/s-link"), &secret).unwrap();
    let (_, readable) = world.attempt(&by_link.workspace.root, &["cat-file", "-e", &secret]);
    assert!(readable, "the attack does not work at all");

    for prepared in [by_alternates, by_link] {
        let error = world.try_collect(&prepared).await.unwrap_err();
        assert!(matches!(&error, WorkspaceError::Unacceptable(_)), "{error}");
        assert!(!world.attempt("main", &["cat-file", "-e", &secret]).1);
    }
}

#[tokio::test]
async fn broken_and_forged_objects_are_refused() {
    let world = World::new();
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    let commit = world.commit(root, &[("new", "x\n")]);
    let blob = world.run(root, &["rev-parse", "HEAD:new"]);
    let place = |object: &str| root.join(".git/objects").join(&object[..2]).join(&object[2..]);
    // One object's content under another one's name.
    world.write(root, &[("forged", "forged\n")]);
    let forged = world.run(root, &["hash-object", "-w", "forged"]);
    fs::remove_file(root.join("forged")).unwrap();
    fs::remove_file(place(&blob)).unwrap();
    fs::copy(place(&forged), place(&blob)).unwrap();
    let error = world.try_collect(&prepared).await.unwrap_err();
    assert!(matches!(&error, WorkspaceError::Unacceptable(_)), "{error}");

    fs::remove_file(place(&blob)).unwrap();
    fs::write(place(&blob), "no object").unwrap();
    let error = world.try_collect(&prepared).await.unwrap_err();
    assert!(matches!(&error, WorkspaceError::Unacceptable(_)), "{error}");

    assert!(!world.attempt("main", &["rev-parse", "--verify", "refs/cyrus/s-one/t1"]).1);
    assert!(!world.attempt("main", &["cat-file", "-e", &commit]).1);
}

#[tokio::test]
async fn trees_that_would_write_into_git_directories_are_refused() {
    let world = World::new();
    for (session, name) in [("s-dotgit", ".git"), ("s-case", ".GiT"), ("s-dots", "..")] {
        let prepared = world.prepare_as(session).await;
        let root = &prepared.workspace.root;
        world.write(root, &[("payload", "x\n")]);
        let blob = world.run(root, &["hash-object", "-w", "payload"]);
        let inner = tree(&world, root, &format!("100644 blob {blob}\tconfig\n"));
        let outer = tree(&world, root, &format!("040000 tree {inner}\t{name}\n"));
        let commit = world.run(root, &["commit-tree", &outer, "-p", "HEAD", "-m", "x"]);
        fs::write(root.join(".git/refs/heads/cyrus").join(session), commit).unwrap();
        let error = world.try_collect(&prepared).await.unwrap_err();
        assert!(matches!(&error, WorkspaceError::Unacceptable(_)), "{name}: {error}");
    }
}

/// Writes a tree object that git's own commands would not make.
fn tree(world: &World, root: &Path, entries: &str) -> String {
    let mut content = Vec::new();
    for line in entries.lines() {
        let (head, name) = line.split_once('\t').unwrap();
        let fields: Vec<_> = head.split(' ').collect();
        content.extend(format!("{} {name}\0", fields[0].trim_start_matches('0')).bytes());
        let hex = fields[2].as_bytes().chunks(2);
        content.extend(
            hex.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()),
        );
    }
    fs::write(root.join("tree.bin"), content).unwrap();
    let tree = world.run(root, &["hash-object", "--literally", "-t", "tree", "-w", "tree.bin"]);
    fs::remove_file(root.join("tree.bin")).unwrap();
    tree
}

#[tokio::test]
async fn changes_cannot_be_hidden_from_the_result() {
    let world = World::new();
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    let before = root.join("README.md").metadata().unwrap();
    world.run(root, &["update-index", "--assume-unchanged", "src/lib.rs"]);
    world.write(root, &[("src/lib.rs", "hidden\n"), ("README.md", "hellO\n")]);
    // As long and, by its time, as old as it was.
    let file = fs::File::options().write(true).open(root.join("README.md")).unwrap();
    file.set_modified(before.modified().unwrap()).unwrap();
    let commit = everything(&world, &prepared).await;
    assert_eq!(world.content(&commit, "src/lib.rs"), "hidden");
    assert_eq!(world.content(&commit, "README.md"), "hellO");
}

#[tokio::test]
async fn links_are_taken_as_links() {
    let world = World::new();
    world.write(".", &[("outside/secret", "s\n")]);
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    symlink(world.path("outside/secret"), root.join("link")).unwrap();
    fs::remove_dir_all(root.join("src")).unwrap();
    symlink(world.path("outside"), root.join("src")).unwrap();
    fs::write(world.path("outside/lib.rs"), "from outside\n").unwrap();
    let collected = world.collect(&prepared).await;
    assert_eq!(world.files(&collected.commit), ["README.md", "link", "src"]);
    for link in ["link", "src"] {
        assert!(world.run("main", &["ls-tree", &collected.commit, link]).starts_with("120000"));
    }
    world.workspaces.discard(&prepared).await.unwrap();
    assert!(world.path("outside/secret").exists());
}
