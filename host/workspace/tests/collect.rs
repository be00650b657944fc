//! What comes back from a clone.

mod common;

use common::{World, settings, spec};
use cyrus_core::{DiffStat, WorkspaceError, Workspaces};
use cyrus_executor::WorkProduct;
use cyrus_workspace::WorkspaceSettings;
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

#[tokio::test]
async fn a_clone_has_the_base_on_its_branch_and_no_secrets() {
    let world = World::new();
    world.run("main", &["remote", "add", "origin", "https://me:t0ken@example.com/a/b.git"]);
    world.run("main", &["branch", "other"]);
    world.write("main", &[(".git/info/exclude", "*.local\n")]);
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    assert_eq!(root, &world.path("work/s-one/t1/1/workspace"));
    let shown = |args: &[&str]| world.run(root, args);
    assert_eq!(shown(&["status", "--porcelain", "--branch"]), "## cyrus/s-one");
    assert_eq!(shown(&["branch", "--format=%(refname:short)"]), "cyrus/s-one\nmain");
    assert_eq!(shown(&["config", "user.email"]), "ada@example.com");
    assert_eq!(shown(&["remote", "get-url", "origin"]), "https://example.com/a/b.git");
    assert_eq!(fs::read_to_string(root.join("README.md")).unwrap(), "hello\n");
    assert!(!root.join(".git/hooks").exists());
    assert!(fs::read_to_string(root.join(".git/info/exclude")).unwrap().contains("*.local"));
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    // Programs of root are another user, who has to pass.
    let way = if rustix::process::geteuid().is_root() { 0o711 } else { 0o700 };
    assert_eq!(mode(&prepared.workspace.home), way);
    assert_eq!(mode(root.parent().unwrap()), way);

    let (said, ok) = world.attempt(root, &["push", "origin", "HEAD"]);
    assert!(!ok && said.contains("cyrus-brings-the-result-in"), "{said}");

    world.write(root, &[("kept", "x")]);
    assert_eq!(world.prepare().await, prepared);
    assert!(root.join("kept").exists(), "preparing again must not start over");
}

#[tokio::test]
async fn what_may_not_be_read_is_work_all_the_same() {
    let world = World::new();
    let prepared = world.prepare().await;
    let root = prepared.workspace.root.clone();
    let files = [("closed", "x"), ("new", "x"), ("README.md", "other\n"), ("shut/in/it", "x")];
    world.write(&root, &files);
    world.write(&root, &[("twice", "x")]);
    fs::hard_link(root.join("twice"), world.path("elsewhere")).unwrap();
    for name in ["closed", "README.md", "shut/in", "shut", "twice"] {
        fs::set_permissions(root.join(name), fs::Permissions::from_mode(0o0)).unwrap();
    }
    let collected = world.collect(&prepared).await;
    let files = world.files(&collected.commit);
    for name in ["closed", "new", "shut/in/it"] {
        assert!(files.contains(&name.to_owned()), "{files:?}");
    }
    assert_eq!(world.content(&collected.commit, "README.md"), "other");
    // What may lie elsewhere, too, is left as it is, and named.
    assert!(!files.contains(&"twice".to_owned()), "{files:?}");
    let said = collected.notes.join("\n");
    assert!(said.contains("may not be read: twice"), "{said}");
}

#[tokio::test]
async fn commits_and_leftovers_come_back_as_they_are() {
    let world = World::new();
    let prepared = world.prepare().await;
    let root = prepared.workspace.root.clone();
    world.write(&root, &[(".gitignore", "target/\n"), ("src/lib.rs", "one\nthree\n")]);
    let own = world.commit(&root, &[("first", "1\n")]);
    world.write(&root, &[("target/out", "x"), ("späte Datei\t1", "a\nb\n"), ("src/sub/x", "y")]);
    fs::write(root.join("blob.bin"), (0..=255).cycle().take(3 << 20).collect::<Vec<u8>>()).unwrap();
    fs::remove_file(root.join("README.md")).unwrap();
    fs::set_permissions(root.join("first"), fs::Permissions::from_mode(0o755)).unwrap();

    let collected = world.collect(&prepared).await;
    assert_eq!(collected.kept, "refs/cyrus/s-one/t1");
    assert_eq!(world.run("main", &["rev-parse", &collected.kept]), collected.commit);
    assert_eq!(world.run("main", &["rev-parse", &format!("{}^", collected.commit)]), own);
    let expected = [".gitignore", "blob.bin", "first", "späte Datei\t1", "src/lib.rs", "src/sub/x"];
    assert_eq!(world.files(&collected.commit), expected);
    // .gitignore 1, blob.bin binary, first 1, späte Datei 2, src/sub/x 1; src/lib.rs -1, README.md -1.
    assert_eq!(collected.diff, DiffStat { files: 7, insertions: 5, deletions: 2 });
    let shown = world.run("main", &["log", "-1", "--format=%an <%ae> %s", &collected.commit]);
    assert_eq!(shown, "Ada <ada@example.com> Do the task");
    let first = world.run("main", &["ls-tree", &collected.commit, "first"]);
    assert!(first.starts_with("100755"), "{first}");
    world.run("main", &["fsck", "--strict"]);

    assert_eq!(world.collect(&prepared).await, collected, "the same result twice");
}

#[tokio::test]
async fn a_file_may_become_a_directory_and_the_other_way_round() {
    let world = World::new();
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    fs::remove_file(root.join("README.md")).unwrap();
    fs::remove_dir_all(root.join("src")).unwrap();
    world.write(root, &[("README.md/en", "x\n"), ("src", "y\n")]);
    let collected = world.collect(&prepared).await;
    assert_eq!(world.files(&collected.commit), ["README.md/en", "src"]);
}

#[tokio::test]
async fn nothing_done_is_the_base() {
    let world = World::new();
    let prepared = world.prepare().await;
    let base = prepared.spec.base.repository.base_commit.clone();
    let collected = world.collect(&prepared).await;
    assert_eq!((collected.commit.as_str(), collected.diff), (base.as_str(), DiffStat::default()));
    world.write(&prepared.workspace.root, &[("ignored by the product", "x")]);
    let nothing = world.workspaces.collect(&prepared, &WorkProduct::Nothing, "").await.unwrap();
    assert_eq!((nothing.commit, nothing.diff), (base, DiffStat::default()));
}

#[tokio::test]
async fn history_that_does_not_come_from_the_base_is_left_behind() {
    let world = World::new();
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    world.run(root, &["checkout", "--quiet", "--orphan", "fresh"]);
    world.commit(root, &[("new", "x\n")]);
    world.write(root, &[("left", "y\n")]);
    let collected = world.collect(&prepared).await;
    let parent = world.run("main", &["rev-parse", &format!("{}^", collected.commit)]);
    assert_eq!(parent, prepared.spec.base.repository.base_commit);
    assert_eq!(world.files(&collected.commit), ["README.md", "left", "new", "src/lib.rs"]);
}

#[tokio::test]
async fn packed_commits_come_back_too() {
    let world = World::new();
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    for number in 0..5 {
        world.commit(root, &[(&format!("file {number}"), &"line\n".repeat(100))]);
    }
    world.run(root, &["repack", "-a", "-d", "-l", "--quiet"]);
    world.run(root, &["pack-refs", "--all"]);
    let own = world.run(root, &["rev-parse", "HEAD"]);
    let collected = world.collect(&prepared).await;
    assert_eq!((collected.commit, collected.diff.files), (own, 5));
}

#[tokio::test]
async fn a_second_round_goes_on_from_what_is_there() {
    let world = World::new();
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    world.write(root, &[("one", "1\n")]);
    let first = world.collect(&prepared).await;
    assert_eq!(world.publish(&prepared, &first).await.unwrap(), "cyrus/s-one");
    world.write(root, &[("two", "2\n")]);
    let second = world.collect(&prepared).await;
    assert_eq!(second.diff.files, 2);
    world.publish(&prepared, &second).await.unwrap();
    assert_eq!(world.run("main", &["rev-parse", "cyrus/s-one"]), second.commit);
}

#[tokio::test]
async fn the_users_own_work_is_not_touched() {
    let world = World::new();
    world.write("main", &[("README.md", "half done\n"), ("untracked", "x")]);
    let status = || world.run("main", &["status", "--porcelain", "--branch"]);
    let before = status();
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    assert_eq!(fs::read_to_string(root.join("README.md")).unwrap(), "hello\n");
    world.write(root, &[("README.md", "done\n")]);
    let collected = world.collect(&prepared).await;
    world.publish(&prepared, &collected).await.unwrap();
    assert_eq!(status(), before);
    assert_eq!(world.content("cyrus/s-one", "README.md"), "done");
}

#[tokio::test]
async fn two_sessions_on_one_repository_do_not_meet() {
    let world = World::new();
    let work = async |session: &str| {
        let prepared = world.prepare_as(session).await;
        world.write(&prepared.workspace.root, &[("file", session)]);
        let collected = world.collect(&prepared).await;
        world.publish(&prepared, &collected).await.unwrap();
        world.workspaces.discard(&prepared).await.unwrap();
    };
    tokio::join!(work("s-one"), work("s-two"));
    for session in ["s-one", "s-two"] {
        assert_eq!(world.content(&format!("cyrus/{session}"), "file"), session);
        assert_eq!(world.content(&format!("refs/cyrus/{session}/t1"), "file"), session);
    }
    let mut left = fs::read_dir(world.path("work")).unwrap().map(|left| left.unwrap().file_name());
    assert!(left.all(|name| name == ".removed"));
}

/// Each name costs git some runs, and an executor can make any number.
#[tokio::test]
async fn of_many_branches_a_few_are_kept_and_the_rest_is_named() {
    let world = World::new();
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    let script =
        "for i in $(seq 60); do git checkout -qb b$i main; git commit -q --allow-empty -m $i; done
        git checkout -q cyrus/s-one; echo x >new";
    let done = std::process::Command::new("sh").args(["-c", script]).current_dir(root).status();
    assert!(done.unwrap().success());
    let collected = world.collect(&prepared).await;
    let kept = collected.notes.iter().filter(|note| note.contains("they are kept")).count();
    assert_eq!(kept, 8, "{:#?}", collected.notes);
    let rest = collected.notes.iter().find(|note| note.contains("are not kept")).unwrap();
    let more = rest.split(' ').find_map(|word| word.parse::<usize>().ok()).unwrap();
    assert_eq!(more, 52, "{rest}");
}

/// The tags of the user's repository are in the clone, and are nothing that the executor left.
#[tokio::test]
async fn the_tags_of_the_repository_are_no_work() {
    let world = World::new();
    let script =
        "for i in $(seq 80); do git commit -q --allow-empty -m $i; git tag -am v v$i; done";
    let mut done = std::process::Command::new("sh");
    let done = done.args(["-c", script]).current_dir(world.path("main"));
    let done = done.env("HOME", world.path("user-home")).status();
    assert!(done.unwrap().success());
    let prepared = world.prepare().await;
    world.write(&prepared.workspace.root, &[("new", "x\n")]);
    assert_eq!(world.collect(&prepared).await.notes, [] as [String; 0]);
}

/// A forge acts on what a message says, and shows who signed.
/// What an agent does not want to see it has not removed.
#[tokio::test]
async fn a_clone_that_is_made_sparse_removes_nothing() {
    let world = World::new();
    world.commit("main", &[("docs/d.md", "d\n"), ("far/away/e.md", "e\n"), ("src/s.c", "s\n")]);
    for commits in [true, false] {
        let prepared = world.prepare_as(if commits { "s-one" } else { "s-two" }).await;
        let root = &prepared.workspace.root;
        world.run(root, &["update-index", "--refresh"]);
        world.run(root, &["sparse-checkout", "set", "src"]);
        assert!(!root.join("docs/d.md").exists());
        world.write(root, &[("src/s.c", "changed\n"), ("src/new.c", "new\n")]);
        // What is removed where it is to be seen is removed.
        fs::remove_file(root.join("src/lib.rs")).unwrap();
        if commits {
            world.run(root, &["add", "--all"]);
            world.run(root, &["commit", "--quiet", "-m", "Change"]);
        }
        let collected = world.collect(&prepared).await;
        let diff = world.run("main", &["diff", "--name-status", "main", &collected.commit]);
        assert_eq!(diff, "D\tsrc/lib.rs\nA\tsrc/new.c\nM\tsrc/s.c", "{:?}", collected.notes);
    }
}

/// Tools compare with the default branch, whatever work starts from.
#[tokio::test]
async fn the_default_branch_of_the_repository_is_there_and_is_no_work() {
    let world = World::new();
    world.run("main", &["branch", "release"]);
    world.run("main", &["branch", "other"]);
    let ahead = world.commit("main", &[("src/lib.rs", "ahead\n")]);
    world.run("main", &["checkout", "--quiet", "release"]);
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    assert_eq!(world.run(root, &["rev-parse", "main"]), ahead);
    assert_eq!(world.run(root, &["rev-parse", "release"]), prepared.spec.start);
    assert!(!world.attempt(root, &["rev-parse", "--verify", "other"]).1);

    // Neither instead of what was done, nor beside it.
    let nothing = world.collect(&prepared).await;
    assert_eq!((nothing.commit, nothing.notes), (prepared.spec.start.clone(), vec![]));
    world.write(root, &[("new", "x\n")]);
    let collected = world.collect(&prepared).await;
    assert_eq!(
        world.content(&collected.commit, "src/lib.rs"),
        world.content("release", "src/lib.rs")
    );
    assert_eq!(collected.notes, [""; 0]);

    // What is committed there is found.
    world.run(root, &["stash", "--include-untracked", "--quiet"]);
    world.run(root, &["checkout", "--quiet", "main"]);
    let own = world.commit(root, &[("on-main", "x\n")]);
    world.run(root, &["checkout", "--quiet", &prepared.spec.base.repository.work_branch]);
    let collected = world.collect(&prepared).await;
    let notes = collected.notes.join("; ");
    assert!(collected.commit == own || notes.contains("the branch main"), "{notes}");
}

#[tokio::test]
async fn commits_are_taken_as_the_users_and_refer_to_nothing() {
    let world = World::new();
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    let script = "echo 1 >one; git add one; git commit -qm 'Add one'
        export GIT_AUTHOR_NAME=Eve GIT_AUTHOR_EMAIL=eve@example.org GIT_COMMITTER_NAME=Eve
        echo 2 >two; git add two; git commit -qm \"$(printf 'Fixes #12 \\033[31m@octocat\\n\\nIt was broken.')\"
        unset GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_COMMITTER_NAME
        echo 3 >three; git add three; git commit -qm 'Add three'; echo 4 >four";
    let done = std::process::Command::new("sh").args(["-ec", script]).current_dir(root).status();
    assert!(done.unwrap().success());
    let first = world.run(root, &["rev-parse", "HEAD~2"]);
    let collected = world.collect(&prepared).await;
    let note = &collected.notes[0];
    assert!(note.starts_with("2 commits of the executor were made anew"), "{note}");
    let log = world.run(
        "main",
        &["log", "--reverse", "--format=%an <%ae> %cn|%B|", &format!("main..{}", collected.commit)],
    );
    let ada = "Ada <ada@example.com> Ada";
    let expected = format!(
        "{ada}|Add one\n|\n{ada}|Fixes # 12 \\u{{1b}}[31m@octocat\n\nIt was broken.\n|\n{ada}|Add three\n|\n{ada}|Do the task\n|"
    );
    assert_eq!(log, expected);
    assert_eq!(
        world.files(&collected.commit),
        ["README.md", "four", "one", "src/lib.rs", "three", "two"]
    );
    // What was as it should be is what it was.
    assert_eq!(world.run("main", &["rev-parse", &format!("{}~3", collected.commit)]), first);
    assert_eq!(world.collect(&prepared).await.commit, collected.commit, "the same again");
}

#[tokio::test]
async fn a_branch_that_another_one_holds_is_kept_with_it() {
    let world = World::new();
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    let script = "git checkout -qb inner; git commit -q --allow-empty -m 1; git checkout -qb outer
        git commit -q --allow-empty -m 2; git tag -am t tagged inner; git checkout -q cyrus/s-one; echo x >new";
    let done = std::process::Command::new("sh").args(["-c", script]).current_dir(root).status();
    assert!(done.unwrap().success());
    let collected = world.collect(&prepared).await;
    let kept: Vec<_> =
        collected.notes.iter().filter(|note| note.contains("they are kept")).collect();
    assert!(kept.len() == 1 && kept[0].contains("outer"), "{:#?}", collected.notes);
}

#[tokio::test]
async fn a_bare_repository_gets_results_as_any_other() {
    let world = World::new();
    world.run("main", &["clone", "--quiet", "--bare", ".", "../bare.git"]);
    let base = world.workspaces.base(&world.path("bare.git"), "cyrus/s-one").await.unwrap();
    let prepared = world.workspaces.prepare(&spec("s-one", base)).await.unwrap();
    world.write(&prepared.workspace.root, &[("new", "x\n")]);
    let collected = world.collect(&prepared).await;
    world.publish(&prepared, &collected).await.unwrap();
    assert_eq!(world.run("bare.git", &["rev-parse", "cyrus/s-one"]), collected.commit);

    // Nothing is checked out there, not even the branch that its HEAD names.
    let base = world.workspaces.base(&world.path("bare.git"), "main").await.unwrap();
    let prepared = world.workspaces.prepare(&spec("s-two", base)).await.unwrap();
    let own = world.commit(&prepared.workspace.root, &[("new", "y\n")]);
    let collected = world.collect(&prepared).await;
    assert_eq!(world.publish(&prepared, &collected).await.unwrap(), "main");
    assert_eq!(world.run("bare.git", &["rev-parse", "main"]), own);
}

#[tokio::test]
async fn a_partial_clone_will_do() {
    let world = World::new();
    world.commit("main", &[("src/lib.rs", "new\n")]);
    world.run("main", &["config", "uploadpack.allowFilter", "true"]);
    let address = format!("file://{}", world.path("main").display());
    world.run(".", &["clone", "--quiet", "--filter=blob:none", &address, "partial"]);
    let base = world.workspaces.base(&world.path("partial"), "cyrus/s-one").await.unwrap();
    let prepared = world.workspaces.prepare(&spec("s-one", base)).await.unwrap();
    world.commit(&prepared.workspace.root, &[("new", "x\n")]);
    world.write(&prepared.workspace.root, &[("src/lib.rs", "newer\n")]);
    assert_eq!(world.collect(&prepared).await.diff.files, 2);
}

/// Nothing is fetched for a session, so what is missing is named, with what brings it.
#[tokio::test]
async fn a_partial_clone_without_its_files_says_what_is_missing() {
    let world = World::new().with(WorkspaceSettings { detects_setup: true, ..settings() });
    world.commit("main", &[("package.json", "{}\n"), ("src/lib.rs", "new\n")]);
    world.run("main", &["config", "uploadpack.allowFilter", "true"]);
    let address = format!("file://{}", world.path("main").display());
    let clone = ["clone", "--quiet", "--filter=blob:none", "--no-checkout", &address, "partial"];
    world.run(".", &clone);
    let base = world.workspaces.base(&world.path("partial"), "cyrus/s-one").await.unwrap();
    for error in [
        world.workspaces.scripts(&base).await.unwrap_err().to_string(),
        world.workspaces.prepare(&spec("s-one", base)).await.unwrap_err().to_string(),
    ] {
        assert!(error.contains("git fetch --refetch --no-filter"), "{error}");
    }
}

#[tokio::test]
async fn a_repository_whose_path_has_a_line_end_is_refused_for_that() {
    let world = World::new();
    let place = world.path("a\nb");
    fs::rename(world.path("main"), &place).unwrap();
    let error = world.workspaces.base(&place, "cyrus/s-one").await.unwrap_err().to_string();
    assert!(error.contains("line end"), "{error}");
}

#[tokio::test]
async fn a_branch_that_cannot_be_there_beside_another_is_an_error() {
    let world = World::new();
    let prepared = world.prepare().await;
    world.write(&prepared.workspace.root, &[("new", "x\n")]);
    let collected = world.collect(&prepared).await;
    // Made after the work began.
    world.run("main", &["branch", "cyrus"]);
    let error = world.publish(&prepared, &collected).await.unwrap_err().to_string();
    assert!(error.contains("'refs/heads/cyrus' exists"), "{error}");
    assert_eq!(world.content(&collected.kept, "new"), "x");
}

#[tokio::test]
async fn a_shallow_repository_will_do() {
    let world = World::new();
    let address = format!("file://{}", world.path("main").display());
    world.run(".", &["clone", "--quiet", "--depth=1", &address, "shallow"]);
    let base = world.workspaces.base(&world.path("shallow"), "cyrus/s-one").await.unwrap();
    let prepared = world.workspaces.prepare(&spec("s-one", base)).await.unwrap();
    let own = world.commit(&prepared.workspace.root, &[("new", "x\n")]);
    assert_eq!(world.collect(&prepared).await.commit, own);
}

#[tokio::test]
async fn discarding_leaves_what_was_collected_and_nothing_else() {
    let world = World::new();
    let refs = || world.run("main", &["for-each-ref", "--format=%(refname)", "refs/cyrus"]);
    let idle = world.prepare_as("s-idle").await;
    assert_eq!(refs(), "refs/cyrus/s-idle/_clone/t1/1", "what a clone borrows is held");
    world.workspaces.discard(&idle).await.unwrap();
    world.workspaces.discard(&idle).await.unwrap();
    assert_eq!(refs(), "");

    let busy = world.prepare().await;
    world.write(&busy.workspace.root, &[("new", "x\n")]);
    let collected = world.collect(&busy).await;
    world.workspaces.discard(&busy).await.unwrap();
    assert!(!busy.workspace.root.exists());
    world.run("main", &["gc", "--quiet", "--prune=now"]);
    assert_eq!(world.content(&collected.kept, "new"), "x");
}

#[tokio::test]
async fn a_branch_is_moved_only_where_nothing_is_lost() {
    let world = World::new();
    let prepared = world.prepare().await;
    world.write(&prepared.workspace.root, &[("new", "x\n")]);
    let collected = world.collect(&prepared).await;

    world.run("main", &["checkout", "--quiet", "-b", "cyrus/s-one"]);
    let error = world.publish(&prepared, &collected).await.unwrap_err();
    assert!(matches!(&error, WorkspaceError::Unacceptable(why) if why.contains("checked out")));
    assert!(world.run("main", &["status", "--porcelain"]).is_empty());

    let theirs = world.commit("main", &[("theirs", "y\n")]);
    world.run("main", &["checkout", "--quiet", "main"]);
    let error = world.publish(&prepared, &collected).await.unwrap_err();
    assert!(
        matches!(&error, WorkspaceError::Moved { kept, .. } if kept == "refs/cyrus/s-one/_result")
    );
    assert_eq!(world.run("main", &["rev-parse", "cyrus/s-one"]), theirs);

    world.run("main", &["branch", "--force", "cyrus/s-one", "main"]);
    world.publish(&prepared, &collected).await.unwrap();
    world.publish(&prepared, &collected).await.unwrap();
    assert_eq!(world.run("main", &["rev-parse", "cyrus/s-one"]), collected.commit);
}
