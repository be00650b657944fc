//! What a result may hold to be taken, and that what holds more is refused before it is read or written out.

mod common;

use common::{World, settings, spec};
use cyrus_core::{PreparedWorkspace, WorkspaceError, Workspaces};
use cyrus_executor::{BranchSource, RemoteBranch, WorkProduct};
use cyrus_workspace::{ResultLimits, WorkspaceSettings};
use std::{
    fmt::Write as _,
    fs::{self, File},
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

const FEW: ResultLimits = ResultLimits { files: 20, file_bytes: 1 << 20, total_bytes: 3 << 20 };

fn world(limits: ResultLimits) -> World {
    World::new().with(WorkspaceSettings { results: limits, ..settings() })
}

/// What git prints in a clone that is given this.
fn piped(place: &Path, args: &[&str], input: &[u8]) -> String {
    let mut child = Command::new("git")
        .args(args)
        .current_dir(place)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "git {args:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Commits a tree of these lines of `mktree`, on the branch that the clone is on.
fn commit_tree(world: &World, root: &Path, lines: &str) {
    let tree = piped(root, &["mktree", "--missing"], lines.as_bytes());
    let commit = world.run(root, &["commit-tree", &tree, "-p", "HEAD", "-m", "work"]);
    world.run(root, &["update-ref", "HEAD", &commit]);
}

/// That the result is refused with all of these words, and nothing of it is in the main repository.
async fn refused(world: &World, prepared: &PreparedWorkspace, words: &[&str]) {
    let before = world.run("main", &["count-objects", "-v"]);
    let error = world.try_collect(prepared).await.unwrap_err();
    assert!(matches!(error, WorkspaceError::Unacceptable(_)), "{error}");
    let text = error.to_string();
    assert!(words.iter().all(|word| text.contains(word)), "{words:?}: {text}");
    assert_eq!(world.run("main", &["count-objects", "-v"]), before, "objects were brought in");
}

/// Ten of this at each of ten names, so many times.
fn bomb(root: &Path, levels: usize) -> String {
    let blob = piped(root, &["hash-object", "-w", "--stdin"], b"x\n");
    let mut line = format!("100644 blob {blob}");
    for _ in 0..levels {
        let lines = (0..10).map(|name| format!("{line}\t{name}\n")).collect::<Vec<_>>().concat();
        line = format!("040000 tree {}", piped(root, &["mktree"], lines.as_bytes()));
    }
    line
}

#[tokio::test]
async fn what_a_repository_has_does_not_count() {
    let world = world(FEW);
    let many: Vec<_> = (0..60).map(|number| format!("many/{}/{number}", number % 7)).collect();
    let files: Vec<_> = many.iter().map(|name| (name.as_str(), "x\n")).collect();
    world.commit("main", &files);
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    world.commit(root, &[("many/3/new", "x\n"), ("README.md", "changed\n")]);
    world.write(root, &[("many/4/left", "x\n")]);
    let collected = world.collect(&prepared).await;
    assert_eq!(collected.diff.files, 3);
    world.run("main", &["fsck", "--strict", &collected.commit]);
}

#[tokio::test]
async fn too_many_files_are_refused_committed_or_not() {
    let names: Vec<_> = (0..21).map(|number| format!("generated/{number}")).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), "x\n")).collect();
    for commit in [true, false] {
        let world = world(FEW);
        let prepared = world.prepare().await;
        let root = &prepared.workspace.root;
        if commit {
            world.commit(root, &files);
        } else {
            world.write(root, &files);
        }
        refused(&world, &prepared, &["more than 20 files", "generated", "resultLimits.files"])
            .await;
    }
}

#[tokio::test]
async fn a_tree_that_is_small_in_store_and_endless_written_out_is_refused() {
    let world = world(ResultLimits::default());
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    let top = bomb(root, 10);
    commit_tree(&world, root, &format!("{top}\tbomb\n"));
    refused(&world, &prepared, &["more than 100000 files and directories", "bomb"]).await;
}

#[tokio::test]
async fn a_file_that_is_packed_small_is_refused_by_its_size() {
    let world = world(FEW);
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    fs::write(root.join("zeroes"), vec![0; (1 << 20) + 1]).unwrap();
    world.run(root, &["add", "zeroes"]);
    world.run(root, &["commit", "--quiet", "-m", "work"]);
    // As an object of its own, then in a pack.
    let words = ["1048577 bytes", "resultLimits.fileMib"];
    refused(&world, &prepared, &words).await;
    world.run(root, &["repack", "-a", "-d", "-l", "--quiet"]);
    refused(&world, &prepared, &[&words[..], &["of pack-"]].concat()).await;
}

#[tokio::test]
async fn a_file_that_is_in_many_places_counts_in_each() {
    let world = world(FEW);
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    let blob = piped(root, &["hash-object", "-w", "--stdin"], &vec![0; 1 << 20]);
    let lines =
        (0..4).map(|name| format!("100644 blob {blob}\t{name}\n")).collect::<Vec<_>>().concat();
    commit_tree(&world, root, &lines);
    refused(&world, &prepared, &["more than 3145728 bytes", "resultLimits.totalMib"]).await;
}

#[tokio::test]
async fn a_file_with_a_hole_is_as_long_as_it_seems() {
    let world = world(ResultLimits::default());
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    File::create(root.join("hole")).unwrap().set_len(50 << 30).unwrap();
    refused(&world, &prepared, &["hole has 53687091200 bytes", "resultLimits.fileMib"]).await;
    // Where git reads settings of the clone's, and where it keeps objects.
    fs::remove_file(root.join("hole")).unwrap();
    world.commit(root, &[("greeting", "x\n")]);
    for place in [
        "objects/aa/".to_owned() + &"b".repeat(38),
        format!("objects/pack/pack-{}.pack", "c".repeat(40)),
    ] {
        let path = root.join(".git").join(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        File::create(&path).unwrap().set_len(50 << 30).unwrap();
        refused(&world, &prepared, &["the file of objects", "bytes"]).await;
        fs::remove_file(path).unwrap();
    }
    for place in [".git/index", ".git/packed-refs", ".git/config", ".git/info/exclude"] {
        let _ = fs::remove_file(root.join(place));
        File::create(root.join(place)).unwrap().set_len(50 << 30).unwrap();
    }
    assert!(world.files(&world.collect(&prepared).await.commit).contains(&"greeting".to_owned()));
}

#[tokio::test]
async fn paths_that_no_system_opens_are_refused() {
    let world = world(ResultLimits::default());
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    let blob = piped(root, &["hash-object", "-w", "--stdin"], b"x\n");
    commit_tree(&world, root, &format!("100644 blob {blob}\t{}\n", "n".repeat(1 << 20)));
    refused(&world, &prepared, &["more than 4096 bytes", "nnn"]).await;

    // Three thousand directories, one in the other.
    let world = World::new();
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    let deep = "d/".repeat(3000) + "f";
    let import = format!(
        "commit refs/heads/deep\ncommitter A <a@b> 1 +0000\ndata 1\nx\nM 100644 inline {deep}\ndata 1\nx\n\n"
    );
    piped(root, &["fast-import", "--quiet"], import.as_bytes());
    world.run(root, &["symbolic-ref", "HEAD", "refs/heads/deep"]);
    refused(&world, &prepared, &["more than 4096 bytes", "d/d/d"]).await;
}

#[tokio::test]
async fn a_commit_that_says_too_much_is_refused() {
    let world = world(ResultLimits::default());
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    let tree = world.run(root, &["rev-parse", "HEAD^{tree}"]);
    let message = vec![b'x'; 5 << 20];
    let commit = piped(root, &["commit-tree", &tree, "-p", "HEAD"], &message);
    world.run(root, &["update-ref", "HEAD", &commit]);
    refused(&world, &prepared, &["says more than 4194304 bytes", &commit]).await;
}

#[tokio::test]
async fn a_long_history_and_many_references_are_no_obstacle() {
    // That of others becomes one commit: each would have to be made anew.
    for (who, expected) in [("Ada <ada@example.com>", "20000"), ("A <a@b>", "1")] {
        long_history(who, expected).await;
    }
}

async fn long_history(who: &str, expected: &str) {
    let world = world(ResultLimits::default());
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    let branch = world.run(root, &["symbolic-ref", "HEAD"]);
    let head = world.run(root, &["rev-parse", "HEAD"]);
    let mut import = format!("reset {branch}\nfrom {head}\n\n");
    for number in 1..=20_000 {
        let _ = write!(import, "commit {branch}\ncommitter {who} {number} +0000\ndata 1\nx\n");
        if number == 1 {
            import += "M 100644 inline new\ndata 1\nx\n";
        }
        import += "\n";
    }
    piped(root, &["fast-import", "--quiet"], import.as_bytes());
    world.write(root, &[("new", "x")]);
    world.run(root, &["pack-refs", "--all"]);
    let mut packed = fs::read_to_string(root.join(".git/packed-refs")).unwrap();
    for number in 0..100_000 {
        let _ = writeln!(packed, "{head} refs/heads/z{number}");
    }
    fs::write(root.join(".git/packed-refs"), packed).unwrap();
    let collected = world.collect(&prepared).await;
    assert_eq!(
        world.run("main", &["rev-list", "--count", &format!("{head}..{}", collected.commit)]),
        expected
    );
}

#[tokio::test]
async fn a_head_that_is_a_chain_of_tags_is_no_commit() {
    let world = world(ResultLimits::default());
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    let mut tag = world.commit(root, &[("new", "x\n")]);
    let mut kind = "commit";
    for number in 0..50 {
        let text =
            format!("object {tag}\ntype {kind}\ntag t{number}\ntagger A <a@b> 1 +0000\n\nx\n");
        tag = piped(root, &["hash-object", "-t", "tag", "-w", "--stdin"], text.as_bytes());
        kind = "tag";
    }
    fs::write(root.join(".git/HEAD"), format!("{tag}\n")).unwrap();
    refused(&world, &prepared, &["which is no commit there"]).await;
}

#[tokio::test]
async fn an_object_under_a_wrong_name_is_not_taken() {
    let world = world(ResultLimits::default());
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    let commit = world.commit(root, &[("new", "x\n")]);
    let tree = world.run(root, &["rev-parse", &format!("{commit}^{{tree}}")]);
    let file = |name: &str| root.join(".git/objects").join(&name[..2]).join(&name[2..]);
    // The tree of the commit holds itself.
    let bytes = (0..20).map(|at| u8::from_str_radix(&tree[2 * at..2 * at + 2], 16).unwrap());
    let content = [&b"40000 again\0"[..], &bytes.collect::<Vec<_>>()].concat();
    fs::write(root.join("content"), content).unwrap();
    let other = world.run(root, &["hash-object", "-t", "tree", "--literally", "-w", "content"]);
    fs::remove_file(root.join("content")).unwrap();
    fs::remove_file(file(&tree)).unwrap();
    fs::copy(file(&other), file(&tree)).unwrap();
    refused(&world, &prepared, &[]).await;
}

#[tokio::test]
async fn a_pushed_branch_is_held_to_the_same() {
    for (limits, name, words) in [
        (ResultLimits::default(), "bomb", &["more than 100000 files"][..]),
        (FEW, "large", &["1048577 bytes", "resultLimits.fileMib"]),
    ] {
        let world = world(limits);
        world.run(".", &["clone", "--quiet", "--bare", "main", "origin.git"]);
        world.run("main", &["remote", "add", "origin", world.path("origin.git").to_str().unwrap()]);
        world.run(".", &["clone", "--quiet", "origin.git", "agent"]);
        let agent = world.path("agent");
        if name == "bomb" {
            let top = bomb(&agent, 10);
            commit_tree(&world, &agent, &format!("{top}\tbomb\n"));
        } else {
            fs::write(agent.join(name), vec![0; (1 << 20) + 1]).unwrap();
            world.run(&agent, &["add", name]);
            world.run(&agent, &["commit", "--quiet", "-m", "work"]);
        }
        world.run(&agent, &["push", "--quiet", "origin", "HEAD:evil"]);
        let prepared = world.workspaces.prepare(&spec("s-one", world.base().await)).await.unwrap();
        let branch =
            RemoteBranch { source: BranchSource::Origin, name: "evil".into(), commit: None };
        let product = WorkProduct::Branch(branch);
        let error =
            world.workspaces.collect(&prepared, &product, "m").await.unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
}

#[tokio::test]
async fn a_repository_that_is_touched_as_a_whole_adds_nothing() {
    let world = world(ResultLimits { files: 2, file_bytes: 1 << 20, total_bytes: 1 << 20 });
    let large = "x".repeat(700 << 10);
    world.commit("main", &[("a", &large), ("b", &large), ("c", "x\n")]);
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    for name in ["a", "b", "c", "README.md"] {
        File::options()
            .write(true)
            .open(root.join(name))
            .unwrap()
            .set_modified(std::time::UNIX_EPOCH)
            .unwrap();
    }
    world.write(root, &[("c", "y\n")]);
    assert_eq!(world.collect(&prepared).await.diff.files, 1);
    world.write(root, &[("a", &"y".repeat(600 << 10)), ("b", &"y".repeat(600 << 10))]);
    refused(&world, &prepared, &["what was left in the clone", "resultLimits.totalMib"]).await;
}
