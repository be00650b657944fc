use super::*;
use crate::environment::GitEnvironment;
use cyrus_sandbox::{Launcher, find_program};

/// A repository without a commit, on the branch `main`.
struct Place {
    directory: tempfile::TempDir,
    git: Git,
}

impl Place {
    async fn new() -> Self {
        let path = std::env::var_os("PATH").unwrap();
        let program = find_program("git", &path).unwrap();
        let environment = GitEnvironment { path, ..GitEnvironment::default() };
        let git = Git::new(Launcher::unsupervised(), program, environment);
        let place = Self { directory: tempfile::tempdir().unwrap(), git };
        place.run(&["init", "--quiet", "--initial-branch=main"]).await;
        place
    }

    async fn run(&self, args: &[&str]) -> String {
        let settings = ["-c", "user.name=a", "-c", "user.email=a@b"];
        let call = Call::new(self.directory.path(), &settings).args(args);
        self.git.text(call).await.unwrap()
    }

    async fn commit(&self, message: &str) -> ObjectId {
        self.run(&["commit", "--quiet", "--allow-empty", "-m", message]).await;
        ObjectId::parse(&self.run(&["rev-parse", "HEAD"]).await).unwrap()
    }

    async fn open(&self) -> Main {
        Main::open(&self.git, self.directory.path()).await.unwrap()
    }
}

/// What was asked before answers as git would.
#[tokio::test]
async fn what_is_remembered_of_commits_is_what_they_are() {
    let place = Place::new().await;
    let first = place.commit("first").await;
    let left = place.commit("left").await;
    place.run(&["checkout", "--quiet", "--detach", first.as_str()]).await;
    let right = place.commit("right").await;

    let main = place.open().await;
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
    place.run(&["update-ref", "refs/heads/new", first.as_str()]).await;
    assert_eq!(main.resolve("refs/heads/new").await.unwrap(), Some(first));
}

/// After a transaction that cannot be made the next one is, and others set references meanwhile.
#[tokio::test]
async fn references_are_set_all_or_none() {
    let place = Place::new().await;
    let (one, two) = (place.commit("one").await, place.commit("two").await);
    let main = place.open().await;
    let (a, b) = ("refs/cyrus/a", "refs/cyrus/b");

    main.set_refs(&[(a, &one, None)]).await.unwrap();
    let error = main.set_refs(&[(b, &one, None), (a, &two, None)]).await.unwrap_err().to_string();
    assert!(error.contains("refs/cyrus/a") && error.contains("update-ref"), "{error}");
    assert_eq!(main.resolve(b).await.unwrap(), None);
    main.set_refs(&[(b, &one, None), (a, &two, Some(&one))]).await.unwrap();
    place.run(&["update-ref", a, one.as_str()]).await;
    place.run(&["pack-refs", "--all"]).await;
    assert!(main.set_refs(&[(a, &one, Some(&two))]).await.is_err());
    main.set_refs(&[(a, &two, Some(&one))]).await.unwrap();
    assert!(main.remove_refs(&[(a.to_owned(), one.clone())]).await.is_err());
    main.remove_refs(&[(a.to_owned(), two.clone()), (b.to_owned(), one)]).await.unwrap();
    assert_eq!(main.refs("refs/cyrus/").await.unwrap(), []);
    // An object that came while git stayed.
    let three = place.commit("three").await;
    main.set_refs(&[(a, &three, None)]).await.unwrap();
    assert_eq!(main.resolve(a).await.unwrap(), Some(three));
}
