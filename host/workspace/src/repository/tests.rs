use super::*;
use crate::environment::GitEnvironment;
use cyrus_sandbox::{Launcher, find_program};

/// What was asked before answers as git would.
#[tokio::test]
async fn what_is_remembered_of_commits_is_what_they_are() {
    let place = tempfile::tempdir().unwrap();
    let path = std::env::var_os("PATH").unwrap();
    let program = find_program("git", &path).unwrap();
    let environment = GitEnvironment { path, ..GitEnvironment::default() };
    let git = Git::new(Launcher::unsupervised(), program, environment);
    let at = async |args: &[&str]| {
        let settings = ["-c", "user.name=a", "-c", "user.email=a@b"];
        let call = Call::new(place.path(), &settings).args(args);
        ObjectId::parse(git.text(call).await.unwrap().trim())
    };
    at(&["init", "--quiet", "--initial-branch=main"]).await;
    let commit = async |of: &str| {
        at(&["commit", "--quiet", "--allow-empty", "-m", of]).await;
        at(&["rev-parse", "HEAD"]).await.unwrap()
    };
    let first = commit("first").await;
    let left = commit("left").await;
    at(&["checkout", "--quiet", "--detach", first.as_str()]).await;
    let right = commit("right").await;

    let main = Main::open(&git, place.path()).await.unwrap();
    for _ in 0..2 {
        for (old, new, is) in [
            (&first, &left, true),
            (&left, &first, false),
            (&left, &right, false),
            (&first, &right, true),
        ] {
            assert_eq!(main.is_ancestor(old, new).await.unwrap(), is, "{old} {new}");
            assert_eq!(main.merge_base(old, new).await.unwrap().as_ref(), Some(&first));
        }
    }
    for (name, found) in [
        ("HEAD", Some(&right)),
        ("main", Some(&left)),
        (first.as_str(), Some(&first)),
        ("refs/heads/none", None),
        ("main\0", None),
        ("", None),
    ] {
        assert_eq!(main.resolve(name).await.ok().flatten().as_ref(), found, "{name:?}");
    }
    // Written by another process meanwhile.
    at(&["update-ref", "refs/heads/new", first.as_str()]).await;
    assert_eq!(main.resolve("refs/heads/new").await.unwrap(), Some(first));
}
