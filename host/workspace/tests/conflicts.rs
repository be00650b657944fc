//! Conflicts of every shape, and what counts as their resolution.

mod common;

use common::{World, settings, spec};
use cyrus_core::{
    Base, Integration, Merge, PreparedWorkspace, Subject, Validator, WorkspaceError, WorkspaceSpec,
    Workspaces,
};
use cyrus_workspace::{CheckSettings, CommandValidator};
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

/// What one side does to the files of the base.
type Side = fn(&Path);

/// A conflict that both sides make of `base.txt` (`one\ntwo\nthree\n`), `logo.bin` and `place`.
struct Met {
    world: World,
    base: Base,
    start: String,
    files: Vec<String>,
    account: String,
}

async fn begin(world: &World, base: &Base, name: &str, start: &str) -> PreparedWorkspace {
    let spec = spec("s-one", base.clone());
    let spec = WorkspaceSpec { task: name.parse().unwrap(), start: start.to_owned(), ..spec };
    world.workspaces.prepare(&spec).await.unwrap()
}

impl Met {
    async fn new(ours: Side, theirs: Side) -> Self {
        let world = World::new();
        fs::write(world.path("main/logo.bin"), b"\0\x01base").unwrap();
        world.commit("main", &[("base.txt", "one\ntwo\nthree\n"), ("place", "x\n")]);
        let base = world.base().await;
        let commit = base.repository.base_commit.clone();
        let mut results = Vec::new();
        for (name, side) in [("t1", ours), ("t2", theirs)] {
            let prepared = begin(&world, &base, name, &commit).await;
            side(&prepared.workspace.root);
            results.push(world.collect(&prepared).await.commit);
        }
        let session = "s-one".parse().unwrap();
        let task = "t2".parse().unwrap();
        let merge =
            world.integration.merge(&base, &session, &task, &results[0], &results[1], "M\n");
        let merged = merge.await.unwrap();
        let again =
            world.integration.merge(&base, &session, &task, &results[0], &results[1], "M\n");
        assert_eq!(again.await.unwrap(), merged, "the same again");
        let Merge::Conflict { start, files, account } = merged else { panic!("{merged:?}") };
        Self { world, base, start, files, account }
    }

    /// What is wrong with a resolution.
    async fn findings(&self, resolve: impl FnOnce(&World, &Path)) -> Vec<(String, String)> {
        let prepared = begin(&self.world, &self.base, "t2.merge", &self.start).await;
        resolve(&self.world, &prepared.workspace.root);
        let collected = self.world.collect(&prepared).await;
        let (roots, git) = (self.world.roots.clone(), self.world.git.clone());
        let validator = CommandValidator::new(roots, git, settings(), CheckSettings::default());
        let subject = Subject {
            spec: &prepared.spec,
            commit: &collected.commit,
            must_change: true,
            had_conflict: true,
            notes: &[],
        };
        let report = validator.validate(&subject, &[], &|_| {}).await.unwrap();
        self.world.workspaces.discard(&prepared).await.unwrap();
        report.findings.into_iter().map(|f| (f.code, f.path.unwrap_or_default())).collect()
    }
}

fn write(root: &Path, name: &str, content: &str) {
    fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
    fs::write(root.join(name), content).unwrap();
}

fn remove(root: &Path, name: &str) {
    fs::remove_file(root.join(name)).unwrap();
}

fn rename(root: &Path, from: &str, to: &str) {
    fs::rename(root.join(from), root.join(to)).unwrap();
}

#[tokio::test]
async fn both_sides_of_every_conflict_are_there_and_named() {
    let cases: [(&str, Side, Side, &[&str]); 9] = [
        (
            "binary",
            |r| write(r, "logo.bin", "\0ours"),
            |r| write(r, "logo.bin", "\0theirs"),
            &["logo.bin.conflict-ours", "logo.bin.conflict-theirs"],
        ),
        (
            "modify/delete",
            |r| write(r, "base.txt", "ours\n"),
            |r| remove(r, "base.txt"),
            &["base.txt.conflict-ours"],
        ),
        (
            "delete/modify",
            |r| remove(r, "base.txt"),
            |r| write(r, "base.txt", "theirs\n"),
            &["base.txt.conflict-theirs"],
        ),
        (
            "directory/file",
            |r| {
                remove(r, "place");
                write(r, "place/in", "1\n");
            },
            |r| write(r, "place", "theirs\n"),
            &["place.conflict-theirs"],
        ),
        (
            "rename/rename",
            |r| rename(r, "base.txt", "ours.txt"),
            |r| rename(r, "base.txt", "theirs.txt"),
            &["ours.txt.conflict-ours", "theirs.txt.conflict-theirs"],
        ),
        (
            "rename/delete",
            |r| rename(r, "base.txt", "ours.txt"),
            |r| remove(r, "base.txt"),
            &["ours.txt.conflict-ours"],
        ),
        (
            "link and file",
            |r| {
                remove(r, "place");
                symlink("base.txt", r.join("place")).unwrap();
            },
            |r| write(r, "place", "theirs\n"),
            &["place.conflict-ours", "place.conflict-theirs"],
        ),
        (
            "two links",
            |r| symlink("base.txt", r.join("new")).unwrap(),
            |r| symlink("place", r.join("new")).unwrap(),
            &["new.conflict-ours", "new.conflict-theirs"],
        ),
        (
            "added twice, binary",
            |r| write(r, "new.bin", "\0a"),
            |r| write(r, "new.bin", "\0b"),
            &["new.bin.conflict-ours", "new.bin.conflict-theirs"],
        ),
    ];
    for (name, ours, theirs, sides) in cases {
        let met = Met::new(ours, theirs).await;
        assert!(!met.files.is_empty(), "{name}");
        let there = met.world.files(&met.start);
        let found: Vec<_> = there.iter().filter(|file| file.contains(".conflict-")).collect();
        assert_eq!(found, sides, "{name}");
        for side in sides {
            assert!(met.account.contains(side), "{name}: {side} is not in {}", met.account);
        }
        let left = met.findings(|_, root| write(root, "unrelated", "x\n")).await;
        let codes: Vec<_> = left.iter().map(|(code, _)| code.as_str()).collect();
        assert_eq!(codes, vec!["conflict-marker"; sides.len()], "{name}: {left:?}");
        let resolved = met.findings(|_, root| {
            for side in sides {
                remove(root, side);
            }
            write(root, "decided", "x\n");
        });
        assert_eq!(resolved.await, [], "{name}");
    }
}

#[tokio::test]
async fn a_submodule_in_conflict_names_the_commits_of_both_sides() {
    fn point(root: &Path, commit: char) {
        let world = std::process::Command::new("git")
            .args(["update-index", "--add", "--cacheinfo"])
            .arg(format!("160000,{},sub", commit.to_string().repeat(40)))
            .current_dir(root)
            .status();
        assert!(world.unwrap().success());
        let commit = std::process::Command::new("git")
            .args(["commit", "--quiet", "-m", "sub"])
            .current_dir(root)
            .status();
        assert!(commit.unwrap().success());
    }
    let met = Met::new(|r| point(r, 'a'), |r| point(r, 'b')).await;
    let side = |end: &str| met.world.content(&met.start, &format!("sub.conflict-{end}"));
    assert_eq!(side("ours"), format!("Subproject commit {}", "a".repeat(40)));
    assert_eq!(side("theirs"), format!("Subproject commit {}", "b".repeat(40)));
}

#[tokio::test]
async fn dropping_one_side_is_no_resolution_unless_it_is_said() {
    let ours: Side = |r| write(r, "base.txt", "one\nours\nthree\n");
    let theirs: Side = |r| write(r, "base.txt", "one\ntheirs\nthree\n");
    let met = Met::new(ours, theirs).await;
    assert_eq!(
        met.findings(|_, r| write(r, "base.txt", "one\nours and theirs\nthree\n")).await,
        []
    );
    let one_sided = [("one-sided".to_owned(), "base.txt".to_owned())];
    assert_eq!(met.findings(|_, r| ours(r)).await, one_sided);
    assert_eq!(met.findings(|_, r| theirs(r)).await, one_sided);
    let unsaid = met.findings(|world, root| {
        ours(root);
        world.run(root, &["commit", "--quiet", "--all", "-m", "Resolve"]);
    });
    assert_eq!(unsaid.await, one_sided);
    let said = met.findings(|world, root| {
        ours(root);
        world.run(
            root,
            &["commit", "--quiet", "--all", "-m", "Keep base.txt: it has what theirs wanted"],
        );
    });
    assert_eq!(said.await, []);
}

#[tokio::test]
async fn modes_that_differ_are_a_conflict_that_is_told() {
    let ours: Side = |r| {
        write(r, "run", "1\n");
        fs::set_permissions(r.join("run"), fs::Permissions::from_mode(0o755)).unwrap();
    };
    let met = Met::new(ours, |r| write(r, "run", "1\n")).await;
    assert!(met.account.contains("run"), "{}", met.account);
}

#[tokio::test]
async fn a_branch_in_the_way_is_found_before_the_work() {
    for (branch, found) in [("cyrus", "cyrus"), ("cyrus/s-one/x", "cyrus/s-one/x")] {
        let world = World::new();
        world.run("main", &["branch", branch]);
        let base = world.workspaces.base(&world.path("main"), "cyrus/s-one").await;
        let error = base.unwrap_err();
        assert!(matches!(error, WorkspaceError::NotUsable { .. }), "{error}");
        assert!(error.to_string().contains(&format!("git branch -m {found} ")), "{error}");
    }
    let world = World::new();
    world.run("main", &["branch", "cyrus-old"]);
    world.run("main", &["branch", "cyrus/other"]);
    world.workspaces.base(&world.path("main"), "cyrus/s-one").await.unwrap();
}
