use super::*;
use crate::environment::GitEnvironment;
use cyrus_sandbox::{Launcher, find_program};

fn git() -> Git {
    let path = std::env::var_os("PATH").unwrap();
    let program = find_program("git", &path).unwrap();
    let environment = GitEnvironment { path, ..GitEnvironment::default() };
    Git::new(Launcher::unsupervised(), program, environment)
}

/// What was asked before answers as git would.
#[tokio::test]
async fn what_is_remembered_of_commits_is_what_they_are() {
    let place = tempfile::tempdir().unwrap();
    let git = git();
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

/// After a transaction that cannot be made the next one is, and others set references meanwhile.
#[tokio::test]
async fn references_are_set_all_or_none() {
    let place = tempfile::tempdir().unwrap();
    let git = git();
    let at = async |args: &[&str]| {
        let settings = ["-c", "user.name=a", "-c", "user.email=a@b"];
        git.text(Call::new(place.path(), &settings).args(args)).await.unwrap()
    };
    at(&["init", "--quiet"]).await;
    let commit = async |of: &str| {
        at(&["commit", "--quiet", "--allow-empty", "-m", of]).await;
        ObjectId::parse(&at(&["rev-parse", "HEAD"]).await).unwrap()
    };
    let (one, two) = (commit("one").await, commit("two").await);
    let main = Main::open(&git, place.path()).await.unwrap();
    let (a, b) = ("refs/cyrus/a", "refs/cyrus/b");

    main.set_refs(&[(a, &one, None)]).await.unwrap();
    let error = main.set_refs(&[(b, &one, None), (a, &two, None)]).await.unwrap_err().to_string();
    assert!(error.contains("refs/cyrus/a") && error.contains("update-ref"), "{error}");
    assert_eq!(main.resolve(b).await.unwrap(), None);
    main.set_refs(&[(b, &one, None), (a, &two, Some(&one))]).await.unwrap();
    at(&["update-ref", a, one.as_str()]).await;
    at(&["pack-refs", "--all"]).await;
    assert!(main.set_refs(&[(a, &one, Some(&two))]).await.is_err());
    main.set_refs(&[(a, &two, Some(&one))]).await.unwrap();
    assert!(main.remove_refs(&[(a.to_owned(), one.clone())]).await.is_err());
    main.remove_refs(&[(a.to_owned(), two.clone()), (b.to_owned(), one)]).await.unwrap();
    assert_eq!(main.refs("refs/cyrus/").await.unwrap(), []);
    // An object that came while git stayed.
    let three = commit("three").await;
    main.set_refs(&[(a, &three, None)]).await.unwrap();
    assert_eq!(main.resolve(a).await.unwrap(), Some(three));
}
