//! What nobody touched is not in a result, whatever git would make of it.

mod common;

use common::{World, settings};
use cyrus_core::PreparedWorkspace;
use cyrus_workspace::WorkspaceSettings;
use std::{fs, os::unix::fs::PermissionsExt};

/// The files that a result changes, with `A`, `M` or `D`.
async fn changed(world: &World, prepared: &PreparedWorkspace) -> Vec<String> {
    let commit = world.collect(prepared).await.commit;
    let start = &prepared.spec.start;
    let list = world.run("main", &["diff", "--name-status", "--no-renames", start, &commit]);
    list.lines().map(|line| line.replace('\t', " ")).collect()
}

/// A world whose base has these files as they are, and then these attributes.
fn with_attributes(files: &[(&str, &str)], attributes: &str) -> World {
    let world = World::new();
    world.run("main", &["config", "core.autocrlf", "false"]);
    world.commit("main", files);
    // Alone: git would normalise the others on the way.
    world.write("main", &[(".gitattributes", attributes)]);
    world.run("main", &["add", ".gitattributes"]);
    world.run("main", &["commit", "--quiet", "-m", "attributes"]);
    world
}

#[tokio::test]
async fn line_ends_that_attributes_would_change_stay() {
    for attributes in [
        "*.txt text\n",
        "* text=auto\n",
        "*.txt text eol=lf\n",
        "*.txt text eol=crlf\n",
        "*.txt ident\n",
    ] {
        let files =
            [("win.txt", "one\r\ntwo\r\n"), ("mixed.txt", "one\r\ntwo\n$Id: 1 $\n"), ("a", "1\n")];
        let world = with_attributes(&files, attributes);
        let prepared = world.prepare().await;
        let root = &prepared.workspace.root;
        assert_eq!(changed(&world, &prepared).await, [""; 0], "{attributes}");
        // Written again as they were, with other times.
        for file in ["win.txt", "mixed.txt"] {
            let content = fs::read(root.join(file)).unwrap();
            fs::remove_file(root.join(file)).unwrap();
            fs::write(root.join(file), content).unwrap();
        }
        world.write(root, &[("a", "2\n")]);
        assert_eq!(changed(&world, &prepared).await, ["M a"], "{attributes}");
    }
}

#[tokio::test]
async fn a_changed_line_leaves_the_ends_of_the_others() {
    let world = with_attributes(&[("win.txt", "one\r\ntwo\r\nthree\r\n")], "*.txt text\n");
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    world.write(root, &[("win.txt", "one\r\nTWO\r\nthree\r\n"), ("new.txt", "x\r\n")]);
    let commit = world.collect(&prepared).await.commit;
    assert_eq!(world.content(&commit, "win.txt"), "one\r\nTWO\r\nthree");
    assert_eq!(world.content(&commit, "new.txt"), "x", "a new file is as its attributes say");
    let stat =
        world.run("main", &["diff", "--numstat", &prepared.spec.start, &commit, "--", "win.txt"]);
    assert_eq!(stat, "1\t1\twin.txt");
}

#[tokio::test]
async fn a_mode_alone_changes_no_content() {
    let world = with_attributes(&[("run.txt", "one\r\n")], "*.txt text\n");
    let prepared = world.prepare().await;
    let file = prepared.workspace.root.join("run.txt");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    let commit = world.collect(&prepared).await.commit;
    let entry = |commit: &str| world.run("main", &["ls-tree", commit, "run.txt"]);
    let (before, after) = (entry(&prepared.spec.start), entry(&commit));
    assert_eq!(after, before.replace("100644", "100755"));
}

#[tokio::test]
async fn the_users_own_ignored_files_are_left_out() {
    let world = World::new();
    let home = world.path("user-home");
    world.write(
        "user-home",
        &[("lists/own", "*.swp\n*.local\n"), ("work.inc", "[core]\nexcludesFile = ~/lists/own\n")],
    );
    let main = world.path("main");
    let config = format!(
        "[user]\nname = Ada\nemail = ada@example.com\n[includeIf \"gitdir:{}/\"]\npath = work.inc\n",
        main.display()
    );
    fs::write(home.join(".gitconfig"), config).unwrap();
    world.commit("main", &[(".gitignore", "!kept.local\n")]);
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    world.write(root, &[("a.swp", ""), ("b.local", ""), ("kept.local", "x"), ("new", "x")]);
    assert_eq!(world.run(root, &["status", "--porcelain"]), "?? kept.local\n?? new");
    assert_eq!(changed(&world, &prepared).await, ["A kept.local", "A new"]);
}

#[tokio::test]
async fn gits_default_list_of_ignored_files_counts_when_none_is_named() {
    let world = World::new();
    world.write("user-home", &[(".config/git/ignore", "*.orig\n")]);
    world.write("main", &[("mine.orig", "")]);
    assert!(!world.base().await.dirty, "what the user ignores is no change of the repository");
    let prepared = world.prepare().await;
    world.write(&prepared.workspace.root, &[("a.orig", ""), ("a", "")]);
    assert_eq!(changed(&world, &prepared).await, ["A a"]);
}

#[tokio::test]
async fn what_the_set_up_leaves_is_no_work_of_the_task() {
    let world = World::new();
    let script = "echo made > made; echo 2 > lock; rm gone; ln -s lock link; mkdir -p deep; echo x > deep/x\n";
    world.commit(
        "main",
        &[("cyrus-setup.sh", script), ("lock", "1\n"), ("gone", "\n"), ("a", "1\n")],
    );
    for commits in [false, true] {
        let prepared = world.prepare_as(if commits { "s-two" } else { "s-one" }).await;
        let root = &prepared.workspace.root;
        if commits {
            world.run(root, &["add", "--all"]);
            world.run(root, &["commit", "--quiet", "-m", "everything"]);
        }
        assert_eq!(changed(&world, &prepared).await, [""; 0], "{commits}");
        // The same again, as an installer that runs twice does it.
        world.write(root, &[("lock", "2\n"), ("a", "2\n")]);
        assert_eq!(changed(&world, &prepared).await, ["M a"], "{commits}");
        world.write(root, &[("lock", "3\n"), ("made", "by the task\n"), ("gone", "back\n")]);
        assert_eq!(
            changed(&world, &prepared).await,
            ["M a", "M gone", "M lock", "A made"],
            "{commits}"
        );
    }
}

#[tokio::test]
async fn caches_of_tools_are_left_out_and_named_unless_they_are_tracked() {
    let world = World::new();
    world.commit("main", &[("vendor/node_modules/x/index.js", "1\n")]);
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    let litter = [
        "pkg/__pycache__/a.cpython-312.pyc",
        "node_modules/y/index.js",
        "docs/.DS_Store",
        ".pytest_cache/v",
    ];
    world.write(root, &litter.map(|name| (name, "x")));
    world.write(root, &[("vendor/node_modules/x/new.js", "2\n"), ("pkg/a.py", "\n")]);
    let collected = world.collect(&prepared).await;
    assert_eq!(changed(&world, &prepared).await, ["A pkg/a.py", "A vendor/node_modules/x/new.js"]);
    let note = collected.notes.join("\n");
    for name in ["pkg/__pycache__", "node_modules", "docs/.DS_Store", ".pytest_cache", "4 files"] {
        assert!(note.contains(name), "{name}: {note}");
    }
    world.run(root, &["add", "--force", "node_modules"]);
    world.run(root, &["commit", "--quiet", "-m", "Vendor"]);
    assert!(changed(&world, &prepared).await.contains(&"A node_modules/y/index.js".to_owned()));
}

/// A pointer of Git LFS to `abc`.
const POINTER: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\nsize 3\n";

#[tokio::test]
async fn pointers_of_git_lfs_stay_when_their_content_is_fetched() {
    let world = World::new();
    world.commit(
        "main",
        &[
            (".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n"),
            ("m.bin", POINTER),
            ("a", "1\n"),
        ],
    );
    let fetch = "printf abc > m.bin\n";
    let world = world.with(WorkspaceSettings { ..settings() });
    for (session, script) in [("s-one", None), ("s-two", Some(fetch))] {
        if let Some(script) = script {
            world.commit("main", &[("cyrus-setup.sh", script)]);
        }
        let prepared = world.prepare_as(session).await;
        let root = &prepared.workspace.root;
        // By the set-up, or by the executor.
        world.write(root, &[("m.bin", "abc"), ("a", "2\n")]);
        assert_eq!(changed(&world, &prepared).await, ["M a"], "{session}");
        let other = world.collect(&prepared).await.commit;
        assert_eq!(world.content(&other, "m.bin"), POINTER.trim());
    }
}

#[tokio::test]
async fn a_new_file_for_git_lfs_is_a_pointer_or_the_result_says_why_not() {
    let installed = std::process::Command::new("git-lfs").arg("version").output().is_ok();
    let world = World::new();
    world.commit("main", &[(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n")]);
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    world.write(root, &[("new.bin", "abc"), ("empty.bin", ""), ("was.bin", POINTER)]);
    let collected = world.collect(&prepared).await;
    let note = collected.notes.join("\n");
    assert!(note.contains("new.bin") && note.contains("Git LFS"), "{note}");
    assert_eq!(world.content(&collected.commit, "empty.bin"), "");
    assert_eq!(world.content(&collected.commit, "was.bin"), POINTER.trim());
    let content = world.content(&collected.commit, "new.bin");
    if installed {
        assert_eq!(content, POINTER.trim());
        let kept = "main/.git/lfs/objects/ba/78/ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(fs::read(world.path(kept)).unwrap(), b"abc");
    } else {
        assert_eq!(content, "abc");
        assert!(note.contains("not installed"), "{note}");
    }
    assert_eq!(world.collect(&prepared).await, collected, "the same result twice");
}

#[tokio::test]
async fn work_on_another_branch_of_the_clone_is_found() {
    let world = World::new();
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    world.run(root, &["checkout", "--quiet", "-b", "feature/x"]);
    world.commit(root, &[("one", "1\n")]);
    let tip = world.commit(root, &[("two", "2\n")]);
    world.run(root, &["branch", "below", "HEAD^"]);
    world.run(root, &["pack-refs", "--all"]);
    world.run(root, &["checkout", "--quiet", "cyrus/s-one"]);
    let collected = world.collect(&prepared).await;
    assert_eq!(collected.commit, tip);
    assert!(collected.notes.join("\n").contains("feature/x"), "{:?}", collected.notes);
    assert_eq!(world.files(&collected.commit).len(), 4);
}

/// What is staged by force is a decision, as a commit would be; so is another commit of a submodule.
#[tokio::test]
async fn what_is_staged_by_force_is_in_the_result() {
    let world = World::new();
    let list = "build/\n*.log\n.env\n";
    world.commit("main", &[(".gitignore", list), (".worktreeinclude", ".env\n")]);
    let old = world.run("main", &["rev-parse", "HEAD"]);
    world.run("main", &["update-index", "--add", "--cacheinfo", &format!("160000,{old},lib")]);
    world.run("main", &["commit", "--quiet", "-m", "a submodule"]);
    world.write("main", &[(".env", "KEY=secret\n")]);
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    let new = world.run("main", &["rev-parse", "HEAD"]);
    world.write(root, &[("build/gen.rs", "1\n"), ("build/other.rs", "2\n"), ("t/f.log", "3\n")]);
    world.run(root, &["add", "--force", "build/gen.rs", "t/f.log", ".env"]);
    world.run(root, &["add", "--intent-to-add", "--force", "build/gen.rs"]);
    // Staged, and not there any more.
    world.write(root, &[("gone.log", "")]);
    world.run(root, &["add", "--force", "gone.log"]);
    fs::remove_file(root.join("gone.log")).unwrap();
    world.run(root, &["update-index", "--cacheinfo", &format!("160000,{new},lib")]);
    let collected = world.collect(&prepared).await;
    let files = world.files(&collected.commit);
    for (name, is_in) in [
        ("build/gen.rs", true),
        ("t/f.log", true),
        ("build/other.rs", false),
        ("gone.log", false),
        (".env", false),
    ] {
        assert_eq!(files.contains(&name.to_owned()), is_in, "{name} in {files:?}");
    }
    let lib = world.run("main", &["ls-tree", &collected.commit, "lib"]);
    assert!(lib.contains(new.trim()), "{lib}");
    assert_eq!(world.collect(&prepared).await.commit, collected.commit);
}

/// A file that is to be tracked no more stays where it is, and is ignored from then on. One that is not ignored would be
/// added again.
#[tokio::test]
async fn what_is_staged_as_gone_and_ignored_is_not_in_the_result() {
    for commits in [false, true] {
        let world = World::new();
        world.commit("main", &[(".env", "KEY=1\n"), ("log/a b", "1\n"), ("kept", "1\n")]);
        let prepared = world.prepare().await;
        let root = &prepared.workspace.root;
        world.write(root, &[(".gitignore", ".env\nlog/\n"), (".env", "KEY=2\n")]);
        world.run(root, &["rm", "--cached", "--quiet", ".env", "log/a b", "kept"]);
        world.run(root, &["add", ".gitignore"]);
        if commits {
            world.run(root, &["commit", "--quiet", "-m", "untrack"]);
        }
        let collected = world.collect(&prepared).await;
        let files = world.files(&collected.commit);
        let there = |name: &str| files.contains(&name.to_owned());
        assert!(!there(".env") && !there("log/a b") && there(".gitignore"), "{files:?}");
        assert!(there("kept"), "{files:?}");
        assert!(root.join(".env").exists());
        assert_eq!(world.collect(&prepared).await.commit, collected.commit);
    }
}

/// An index is data: one that is broken, huge or a link says nothing, and takes nothing with it.
#[tokio::test]
async fn an_index_that_is_no_index_stages_nothing() {
    let world = World::new();
    for (session, ruin) in [
        ("s-noise", "printf DIRCxxxxxxxxxxxxxxxxxxxxxxxx >.git/index"),
        ("s-link", "ln -sf /etc/passwd .git/index"),
        ("s-pipe", "rm .git/index; mkfifo .git/index"),
        ("s-none", "rm .git/index"),
        ("s-holes", "truncate -s 1G .git/index"),
    ] {
        let prepared = world.prepare_as(session).await;
        let root = &prepared.workspace.root;
        world.write(root, &[("new", "x\n")]);
        let done = std::process::Command::new("sh").args(["-c", ruin]).current_dir(root).status();
        assert!(done.unwrap().success(), "{session}");
        let collected = world.collect(&prepared).await;
        assert!(world.files(&collected.commit).contains(&"new".to_owned()), "{session}");
    }
}

/// Whatever an agent committed is kept, wherever it went from there.
#[tokio::test]
async fn work_on_no_branch_is_kept_and_named() {
    let world = World::new();
    world.run("main", &["tag", "given"]);
    let commit = "git add p; git commit -qm p";
    for (session, left, named) in [
        (
            "s-detached",
            format!("git checkout -q --detach; {commit}; git checkout -q -"),
            "a detached HEAD",
        ),
        (
            "s-switched",
            format!("git switch -q --detach; {commit}; git switch -q -"),
            "a detached HEAD",
        ),
        (
            "s-worktree",
            format!("rm p; git worktree add -q --detach wt; (cd wt; echo w >p; {commit})"),
            "the worktree wt",
        ),
        (
            "s-tag",
            format!(
                "{commit}; git tag kept; git tag kept-too; git reset -q --hard HEAD^; git checkout -q given; git checkout -q -"
            ),
            "the tag kept",
        ),
        (
            "s-annotated",
            format!("{commit}; git tag -a kept -m k; git reset -q --hard HEAD^"),
            "the tag kept",
        ),
        (
            "s-stashes",
            "git add p; git stash -q; echo 2 >README.md; git stash -q".to_owned(),
            "stash@{1}",
        ),
        (
            "s-uncommitted",
            "git worktree add -q --detach .work/wt; mv p .work/wt/p".to_owned(),
            "the files of the worktree wt",
        ),
        (
            "s-staged",
            format!(
                "git worktree add -q -b side wt; (cd wt; echo q >q; git add q; git commit -qm q); mv p wt/p; git -C wt add p; {}",
                "echo x >wt/ignored"
            ),
            "the files of the worktree wt",
        ),
        ("s-as-it-was", "git worktree add -q --detach wt; rm p".to_owned(), ""),
        // What was to go is no work that is lost.
        ("s-amended", format!("{commit}; git commit -q --amend -m q"), ""),
    ] {
        let prepared = world.prepare_as(session).await;
        let root = &prepared.workspace.root;
        let script = format!("echo {session} >p; {left}; echo other >b");
        let done =
            std::process::Command::new("sh").args(["-ec", &script]).current_dir(root).status();
        assert!(done.unwrap().success(), "{session}");
        let collected = world.collect(&prepared).await;
        let notes = collected.notes.join("\n");
        assert!(notes.matches("the tag").count() <= 1, "{session}: {notes}");
        assert_eq!(
            notes.contains("of the executor's clone"),
            !named.is_empty(),
            "{session}: {notes}"
        );
        assert!(notes.contains(named) && !notes.contains("given"), "{session}: {notes}");
        let kept = format!("refs/cyrus/{session}/_left");
        let kept = world.run("main", &["for-each-ref", "--format=%(objectname)", &kept]);
        let precious = |commit: &str| world.files(commit).contains(&"p".to_owned());
        assert!(named.is_empty() || kept.lines().any(precious), "{session}: {kept}");
        assert_eq!(world.collect(&prepared).await.notes, collected.notes, "{session}");
    }
}

/// An executor that goes behind the commit that it was given takes back what that did, but for what it does again.
#[tokio::test]
async fn what_a_result_takes_back_is_named() {
    for (script, named) in [
        ("git reset -q --hard HEAD^; echo x >new; git add new; git commit -qm new", true),
        ("git reset -q --hard HEAD^; echo y >later; git add later; git commit -qm again", false),
        ("echo x >new; git add new; git commit -q --amend -m amended", false),
        ("git rm -q later; git commit -qm removed", false),
    ] {
        let world = World::new();
        world.commit("main", &[("later", "x\n")]);
        let prepared = world.prepare().await;
        let root = &prepared.workspace.root;
        let done =
            std::process::Command::new("sh").args(["-ec", script]).current_dir(root).status();
        assert!(done.unwrap().success(), "{script}");
        let notes = world.collect(&prepared).await.notes.join("\n");
        assert_eq!(
            notes.contains("takes back what was done since to later"),
            named,
            "{script}: {notes}"
        );
    }
}

#[tokio::test]
async fn work_beside_the_result_is_kept_and_named() {
    let world = World::new();
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    for name in ["left", "right"] {
        world.run(root, &["checkout", "--quiet", "-b", name, "cyrus/s-one"]);
        world.commit(root, &[(name, "1\n")]);
    }
    world.run(root, &["checkout", "--quiet", "cyrus/s-one"]);
    world.write(root, &[("README.md", "stashed\n")]);
    world.run(root, &["stash", "--quiet"]);
    let collected = world.collect(&prepared).await;
    assert_eq!(collected.commit, prepared.spec.start, "which of them is meant cannot be told");
    let notes = collected.notes.join("\n");
    for name in ["left", "right", "stash"] {
        assert!(notes.contains(name), "{notes}");
    }
    let kept =
        world.run("main", &["for-each-ref", "--format=%(refname)", "refs/cyrus/s-one/_left"]);
    assert_eq!(kept.lines().count(), 3, "{kept}");
    world.write(root, &[("README.md", "the result\n")]);
    let collected = world.collect(&prepared).await;
    assert_ne!(collected.commit, prepared.spec.start);
    assert_eq!(collected.notes.len(), 3, "{:?}", collected.notes);
}

/// Commits on a branch that hold what was copied from the user's working tree, however it is named there, or held it
/// before: none of it is in the repository afterwards.
#[tokio::test]
async fn work_beside_the_result_that_holds_the_users_files_is_not_kept() {
    let world = World::new();
    world.commit("main", &[(".gitignore", ".env\n"), (".worktreeinclude", ".env\n")]);
    world.write("main", &[(".env", "KEY=secret\n")]);
    for (session, script) in [
        ("s-name", "git add -f .env; git commit -qm env"),
        ("s-copy", "cp .env settings; git add settings; git commit -qm copy"),
        ("s-before", "cp .env x; git add x; git commit -qm x; git rm -q x; git commit -qm gone"),
    ] {
        let prepared = world.prepare_as(session).await;
        let root = &prepared.workspace.root;
        world.run(root, &["checkout", "--quiet", "-b", "aside"]);
        let done =
            std::process::Command::new("sh").args(["-ec", script]).current_dir(root).status();
        assert!(done.unwrap().success(), "{session}");
        world.run(root, &["checkout", "--quiet", &format!("cyrus/{session}")]);
        world.write(root, &[("README.md", "the result\n")]);
        let collected = world.collect(&prepared).await;
        let notes = collected.notes.join("\n");
        assert!(
            notes.contains("are not kept: they hold `.env`, which was copied"),
            "{session}: {notes}"
        );
        let kept = format!("refs/cyrus/{session}/_left");
        assert_eq!(world.run("main", &["for-each-ref", &kept]), "", "{session}");
        let objects = world.run("main", &["cat-file", "--batch-all-objects", "--batch-check"]);
        let secret = world.run("main", &["hash-object", ".env"]);
        assert!(!objects.contains(&secret), "{session}: {objects}");
    }
}

/// The executor's own commits, made anew for the result, are no other work, whatever else in the clone names them; and a
/// branch with more commits than are made anew stays work beside the result.
#[tokio::test]
async fn commits_that_are_made_anew_are_not_kept_beside_and_too_many_are() {
    const FOREIGN: &str = "for i in $(seq $COUNT); do echo 'commit refs/heads/aside'; \
        echo \"committer Agent <agent@example.com> $i +0000\"; \
        printf 'data 1\\nx\\n'; [ $i -gt 1 ] || echo \"from $(git rev-parse HEAD)\"; \
        printf 'M 100644 inline f\\ndata <<END\\n%s\\nEND\\n' $i; done | git fast-import --quiet";
    let world = World::new();
    for (session, count, then, expected) in [
        ("s-own", "3", "git merge -q --ff-only aside; git tag v1; git tag v0 HEAD^", [true, false]),
        ("s-aside", "3", "git tag v0 aside^", [true, false]),
        ("s-many", "1001", "true", [false, true]),
    ] {
        let prepared = world.prepare_as(session).await;
        let root = &prepared.workspace.root;
        for script in [FOREIGN, then] {
            let mut done = std::process::Command::new("sh");
            let done = done.args(["-ec", script]).env("COUNT", count).current_dir(root).status();
            assert!(done.unwrap().success(), "{session}");
        }
        let collected = world.collect(&prepared).await;
        let notes = collected.notes.join("\n");
        let is_in = collected.commit != prepared.spec.start;
        let kept = format!("refs/cyrus/{session}/_left");
        let kept = world.run("main", &["for-each-ref", &kept]);
        assert_eq!([is_in, !kept.is_empty()], expected, "{session}: {notes}");
        assert_eq!(notes.contains("they are kept"), expected[1], "{session}: {notes}");
        assert_eq!(notes.contains("made anew"), expected[0], "{session}: {notes}");
        if is_in {
            assert_eq!(world.content(&collected.commit, "f"), count, "{session}");
            let range = format!("{}..{}", prepared.spec.start, collected.commit);
            let authors = world.run("main", &["log", "--format=%an", &range]);
            assert_eq!(authors, "Ada\nAda\nAda", "{session}");
        }
    }
}
