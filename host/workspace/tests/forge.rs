//! Pull requests, with a stand-in for `gh` that keeps them in a file.

mod common;

use common::{World, absolute};
use cyrus_core::{Base, Forge, PullRequest};
use cyrus_sandbox::Launcher;
use cyrus_workspace::{ForgeEnvironment, GhForge};
use std::{fs, os::unix::fs::PermissionsExt};

const ADDRESS: &str = "https://github.com/a/b/pull/7";

/// Writes down how it is called; lists what is in the file `list`; opens what `fails` does not forbid.
const GH: &str = r#"#!/bin/sh
cd "$HOME" || exit 9
for arg in "$@"; do printf '%s\n' "$arg" >> calls; done
printf '%s\n' "token=$GH_TOKEN dir=$OLDPWD" >> calls
case "$2" in
list) cat list ;;
create)
    cat > body
    if [ -e fails ]; then cat opened > list; echo "a pull request already exists" >&2; exit 1; fi
    cat opened > list
    [ -e silent ] || echo "https://github.com/a/b/pull/7" ;;
esac
"#;

fn forge(world: &World) -> GhForge {
    let program = world.path("gh");
    fs::write(&program, GH).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let list =
        format!(r#"[{{"url":"{ADDRESS}","headRefName":"cyrus/s-one","isCrossRepository":false}}]"#);
    world.write("user-home", &[("list", "[]"), ("opened", &list)]);
    let home = absolute(world.path("user-home"));
    let environment = ForgeEnvironment::of_user(Some(home), |name| match name {
        "PATH" => std::env::var_os("PATH"),
        "GH_TOKEN" => Some("t0ken".into()),
        _ => None,
    });
    assert!(!format!("{environment:?}").contains("t0ken"));
    GhForge::new(Launcher::unsupervised(), absolute(program), environment)
}

async fn base(world: &World) -> Base {
    world.run("main", &["remote", "add", "origin", "git@github.com:a/b.git"]);
    world.base().await
}

fn request() -> PullRequest {
    PullRequest {
        head: "cyrus/s-one".into(),
        into: Some("main".into()),
        title: "--web; $(id)".into(),
        body: "What was done.\n".into(),
    }
}

#[tokio::test]
async fn a_pull_request_is_opened_and_then_found() {
    let world = World::new();
    let (forge, base) = (forge(&world), base(&world).await);
    assert_eq!(forge.find(&base, "cyrus/s-one").await.unwrap(), None);
    assert_eq!(forge.open(&base, &request()).await.unwrap(), ADDRESS);
    assert_eq!(forge.find(&base, "cyrus/s-one").await.unwrap().as_deref(), Some(ADDRESS));

    let read = |name: &str| fs::read_to_string(world.path("user-home").join(name)).unwrap();
    assert_eq!(read("body"), "What was done.\n");
    let calls = read("calls");
    for line in
        ["--repo=github.com/a/b", "--base=main", "--title=--web; $(id)", "token=t0ken dir=/"]
    {
        assert!(calls.lines().any(|l| l == line), "{line} is not in {calls}");
    }
}

#[tokio::test]
async fn one_that_was_opened_meanwhile_or_in_silence_is_found() {
    for flag in ["fails", "silent"] {
        let world = World::new();
        let (forge, base) = (forge(&world), base(&world).await);
        world.write("user-home", &[(flag, "")]);
        assert_eq!(forge.open(&base, &request()).await.unwrap(), ADDRESS, "{flag}");
    }
}

#[tokio::test]
async fn what_goes_wrong_is_said() {
    let world = World::new();
    let (forge, base) = (forge(&world), base(&world).await);
    world.write("user-home", &[("fails", ""), ("opened", "[]")]);
    let error = forge.open(&base, &request()).await.unwrap_err().to_string();
    assert!(error.contains("already exists") && error.contains("gh"), "{error}");
    world.write("user-home", &[("list", "not json")]);
    let error = forge.find(&base, "x").await.unwrap_err().to_string();
    assert!(error.contains("no list of pull requests"), "{error}");

    world.run("main", &["remote", "remove", "origin"]);
    let error = forge.find(&world.base().await, "x").await.unwrap_err().to_string();
    assert!(error.contains("git remote add origin"), "{error}");
}
