//! An executor that tries the same by what is in its result: scripts, commands, submodules, and where it says that
//! it pushed to.

mod common;

use common::{
    World,
    trap::{Trap, everything, executable},
};
use cyrus_core::{
    Integration, Subject, ValidationVerdict, Validator, WorkspaceError, WorkspaceSpec, Workspaces,
};
use cyrus_executor::{BranchSource, GrantedRemote, RemoteBranch, WorkProduct};
use cyrus_workspace::{CheckSettings, CommandValidator};
use std::fs;

/// What an executor would like the checks to be, for each way that a check is detected.
#[tokio::test]
async fn the_checks_are_those_of_the_base_whatever_the_result_says() {
    const PACKAGE: &str =
        r#"{"scripts": {"pretest": "echo before", "test": "sh -c 'echo of the base'"}}"#;
    const MAKE: &str = "test: part\n\t@echo of the base\npart:\n\t@echo before\n";
    for (files, ours, theirs) in [
        (
            &[("package.json", PACKAGE)][..],
            &["before\nof the base"][..],
            &[("package.json", r#"{"scripts": {"test": "touch ../stolen"}}"#)][..],
        ),
        (
            &[("Makefile", MAKE)],
            &["before\nof the base"],
            &[("Makefile", "test:\n\ttouch ../stolen\n")],
        ),
        (
            &[("makefile", MAKE)],
            &["before\nof the base"],
            &[("GNUmakefile", "test:\n\ttouch ../stolen\n")],
        ),
    ] {
        let world = World::new();
        world.commit("main", files);
        let prepared = world.prepare().await;
        world.write(&prepared.workspace.root, theirs);
        let collected = world.collect(&prepared).await;
        let validator = CommandValidator::new(
            world.roots.clone(),
            world.git.clone(),
            common::settings(),
            CheckSettings::default(),
        );
        let checks = validator.checks(&prepared.spec.base).await.unwrap();
        let subject = Subject {
            spec: &prepared.spec,
            commit: &collected.commit,
            must_change: true,
            had_conflict: false,
            notes: &[],
        };
        let report = validator.validate(&subject, &checks, &|_| {}).await.unwrap();
        assert_eq!(report.verdict, ValidationVerdict::Passed, "{report:?}");
        assert_eq!(report.checks[0].check, checks[0]);
        for part in ours.iter().chain(&["this is what the base commit has"]) {
            let output = &report.checks[0].output;
            assert!(output.contains(part), "{part} is not in {output}");
        }
        assert!(!prepared.workspace.root.with_file_name("stolen").exists());
    }
}

#[tokio::test]
async fn the_set_up_of_a_result_is_never_run() {
    let world = World::new();
    let trap = Trap::new(&world);
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    let script = format!("#!/bin/sh\n{}\n", trap.command());
    for name in ["cyrus-setup.sh", "cyrus-teardown.sh"] {
        executable(&root.join(name), &script);
    }
    world.run(root, &["add", "--all"]);
    world.run(root, &["commit", "--quiet", "-m", "mine"]);
    let start = everything(&world, &prepared).await;
    assert!(world.files(&start).contains(&"cyrus-setup.sh".to_owned()));
    // A task that starts from there.
    let spec = WorkspaceSpec { start, token: 2, ..prepared.spec.clone() };
    let next = world.workspaces.prepare(&spec).await.unwrap();
    assert!(next.workspace.root.join("cyrus-setup.sh").exists());
    world.workspaces.discard(&next).await.unwrap();
    assert!(!trap.sprung());
    // Once the user has taken it over, it is the base's.
    world.run("main", &["merge", "--quiet", "cyrus/s-one"]);
    world.prepare_as("s-two").await;
    trap.reset();
}

#[tokio::test]
async fn a_submodule_is_neither_fetched_nor_entered() {
    let world = World::new();
    let trap = Trap::new(&world);
    let prepared = world.prepare().await;
    let root = &prepared.workspace.root;
    world.write(root, &[("module/file", "x\n")]);
    world.run(root.join("module"), &["init", "--quiet"]);
    world.commit(root.join("module"), &[("file", "y\n")]);
    for key in ["core.fsmonitor", "core.sshCommand", "filter.x.clean", "filter.x.smudge"] {
        world.run(root.join("module"), &["config", key, &trap.command()]);
    }
    fs::create_dir_all(root.join("module/.git/hooks")).unwrap();
    fs::copy(&trap.program, root.join("module/.git/hooks/post-checkout")).unwrap();
    let url = format!("ext::touch {}", trap.marker.display());
    let modules = format!("[submodule \"m\"]\n\tpath = module\n\turl = {url}\n");
    world.commit(root, &[(".gitmodules", &modules)]);
    world.run(root, &["config", "submodule.m.url", &url]);
    world.run(root, &["config", "submodule.recurse", "true"]);
    world.run(root, &["config", "protocol.ext.allow", "always"]);
    let _ = fs::remove_file(&trap.marker);
    let start = everything(&world, &prepared).await;
    let spec = WorkspaceSpec { start: start.clone(), token: 2, ..prepared.spec.clone() };
    let next = world.workspaces.prepare(&spec).await.unwrap();
    world.write(&next.workspace.root, &[("more", "x\n")]);
    let theirs = world.collect(&next).await.commit;
    let ours = world.commit("main", &[("other", "x\n")]);
    let WorkspaceSpec { base, session, task, .. } = &spec;
    world.integration.merge(base, session, task, &ours, &theirs, "x").await.unwrap();
    assert!(!trap.sprung());
    // It would be run, where git may do what such a clone asks for.
    let args = ["-c", "protocol.ext.allow=always", "submodule", "update", "--init"];
    world.run(".", &["clone", "--quiet", "--branch=cyrus/s-one", "main", "victim"]);
    world.attempt_with("victim", &args, &[("GIT_ALLOW_PROTOCOL", "ext:file")]);
    assert!(trap.sprung(), "the attack does not work at all");
}

#[tokio::test]
async fn submodules_that_would_run_something_are_refused() {
    let world = World::new();
    let prepared = world.prepare().await;
    let url = "[submodule \"x\"]\n\tpath = x\n\turl = --upload-pack=touch marker;\n";
    world.write(&prepared.workspace.root, &[(".gitmodules", url)]);
    let error = world.try_collect(&prepared).await.unwrap_err();
    assert!(
        matches!(&error, WorkspaceError::Unacceptable(why) if why.contains("gitmodules")),
        "{error}"
    );
}

#[tokio::test]
async fn a_claimed_remote_cannot_run_or_read_anything_here() {
    let world = World::new();
    let trap = Trap::new(&world);
    world.run(".", &["init", "--quiet", "--initial-branch=main", "private"]);
    world.commit("private", &[("secret", "s\n")]);
    world.run("main", &["remote", "add", "origin", "https://example.invalid/a"]);
    world.run("main", &["config", "protocol.ext.allow", "always"]);
    let prepared = world.prepare().await;
    let private = world.path("private").display().to_string();
    // Even where policy were to grant it.
    let granted = |remote: String| BranchSource::Granted(GrantedRemote::judged(remote, true));
    for (source, name) in [
        (granted(format!("ext::{}", trap.command())), "main"),
        (granted(format!("--upload-pack={}", trap.command())), "main"),
        (granted(private.clone()), "main"),
        (granted(format!("file://{private}")), "main"),
        (granted("ssh://git@example.invalid/a".to_owned()), "main"),
        (granted("http://example.invalid/a".to_owned()), "main"),
        (granted("git://example.invalid/a".to_owned()), "main"),
        (BranchSource::Origin, "--upload-pack=x"),
        (BranchSource::Origin, "a:refs/heads/main"),
    ] {
        let branch = RemoteBranch { source, name: name.to_owned(), commit: None };
        let product = WorkProduct::Branch(branch.clone());
        let error = world.workspaces.collect(&prepared, &product, "x").await.unwrap_err();
        assert!(matches!(&error, WorkspaceError::Unacceptable(_)), "{branch:?}: {error}");
    }
    assert!(!trap.sprung());
}
