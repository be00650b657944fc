//! What work starts from: the repository that a user names, and a commit of it.

use crate::{
    git::{Call, Git},
    ignored,
    object::ObjectId,
    remote::{self, Transport},
    repository::Main,
    start::{Start, issue_branch},
};
use cyrus_core::{Base, WorkspaceError};
use cyrus_executor::Repository;
use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

/// What there is to know of the repository at this path, or that it is in.
pub(crate) async fn find(
    git: &Git,
    path: &Path,
    start: Start<'_>,
    work_branch: &str,
) -> Result<Base, WorkspaceError> {
    let unusable = |reason: String| WorkspaceError::NotUsable { path: path.to_owned(), reason };
    let path = path.canonicalize().map_err(|error| unusable(error.to_string()))?;
    if !path.is_dir() {
        return Err(unusable("not a directory: give the repository's directory".into()));
    }
    let top = top(git, &path).await?;
    let main = Main::open(git, &top.path).await?;
    let work_branch = work_branch.strip_prefix("refs/heads/").unwrap_or(work_branch);
    if !is_branch_name(git, work_branch).await? {
        return Err(unusable(format!("{work_branch:?} cannot be a branch's name")));
    }
    if let Some(part) = too_long(work_branch) {
        return Err(unusable(format!(
            "the branch's name is too long: git keeps a file for {} bytes of it, of which there may be {MAX_PART}; give a shorter one",
            part.len()
        )));
    }
    if let Some(blocking) = main.blocking(work_branch).await? {
        return Err(unusable(format!(
            "the branch {blocking} is in the way of {work_branch}, which the result would go to, because git keeps no branch beside one that begins with its name: rename it with `git branch -m {blocking} NEW-NAME`, or name another branch for the result: `--branch NAME`"
        )));
    }
    let (commit, branch) = match start {
        Start::Operator(name) => chosen(git, &main, name).await?.ok_or_else(|| {
            unusable(format!("there is no branch, tag or commit {name:?} to start from"))
        })?,
        Start::Issue(name) => {
            let commit = issue_branch(git, &main, name).await?.map_err(unusable)?;
            (commit, Some(name.to_owned()))
        }
        Start::CheckedOut => {
            let Some(commit) = main.resolve("HEAD").await? else {
                return Err(unusable(
                    "it has no commit yet, and work starts from a commit: commit something first"
                        .into(),
                ));
            };
            let call = main.call(&["symbolic-ref", "--short", "--quiet", "HEAD"]).await?;
            (commit, git.maybe(call).await?)
        }
    };
    main.takes_result(work_branch, &commit).await?.map_err(unusable)?;
    let repository = Repository {
        remote: main.origin().await?.as_deref().map(remote::without_credentials),
        base_branch: branch,
        base_commit: commit.to_string(),
        work_branch: work_branch.to_owned(),
    };
    let dirty = !top.bare && start == Start::CheckedOut && is_dirty(git, &main).await?;
    Ok(Base { path: top.path, repository, dirty })
}

/// The commit that a user names, and the branch when it is one: a branch here, else one of `origin`, else anything that
/// git knows.
async fn chosen(
    git: &Git,
    main: &Main,
    name: &str,
) -> Result<Option<(ObjectId, Option<String>)>, WorkspaceError> {
    // `main~1` is a commit, and no branch.
    if is_branch_name(git, name).await? {
        for place in ["refs/heads", "refs/remotes/origin"] {
            if let Some(commit) = main.resolve(&format!("{place}/{name}")).await? {
                return Ok(Some((commit, Some(name.to_owned()))));
            }
        }
    }
    Ok(main.resolve(name).await?.map(|commit| (commit, None)))
}

/// The longest part of a branch's name, in bytes: git adds `.lock` to it, and the name of a file has 255 at most.
const MAX_PART: usize = 250;

/// The part of a branch's name that no file can be named after.
fn too_long(branch: &str) -> Option<&str> {
    branch.split('/').find(|part| part.len() > MAX_PART)
}

/// Whether the results of a repository can be pushed to its `origin`, as far as its configuration says. Fails with why
/// they cannot, and what to do.
pub(crate) async fn can_push(git: &Git, path: &Path) -> Result<(), WorkspaceError> {
    let unusable = |reason: String| WorkspaceError::NotUsable { path: path.to_owned(), reason };
    let user = git.user_in(path).await?;
    if let Some(remote) = user.push_default.as_deref().filter(|remote| *remote != "origin") {
        return Err(unusable(format!(
            "`integration` says that results are pushed, which goes to `origin`, and git pushes to `{remote}` here (`remote.pushDefault`): set \"push\": false and push the branch yourself, or have `origin` be what results go to"
        )));
    }
    let settings: Vec<_> = user.connection().collect();
    let Some(address) = Main::open(git, path).await?.push_address(&settings).await? else {
        return Err(unusable(
            "`integration` says that results are pushed, and there is no remote `origin`: add it with `git remote add origin ADDRESS`, or set \"push\": false".to_owned(),
        ));
    };
    Transport::of(&address).map(drop).map_err(|why| {
        let why = remote::redact(&why, &address);
        unusable(format!(
            "`integration` says that results are pushed, and `origin` cannot be pushed to: {why}; change it with `git remote set-url origin ADDRESS`, or set \"push\": false"
        ))
    })
}

/// Where a repository is.
struct Top {
    path: PathBuf,
    bare: bool,
}

async fn top(git: &Git, path: &Path) -> Result<Top, WorkspaceError> {
    let unusable = |reason: String| WorkspaceError::NotUsable { path: path.to_owned(), reason };
    if let Some((inner, outer)) = inside_another(path)
        && is_tracked(git, &outer, &inner).await?
    {
        return Err(unusable(format!(
            "{} is a repository that the content of {} brings, so its configuration is not yours: give the directory of the outer one, with --repo",
            inner.display(),
            outer.display()
        )));
    }
    let questions = ["--is-bare-repository", "--is-inside-work-tree", "--show-toplevel"];
    let call = git.in_main(path, &["rev-parse"]).await?;
    let answer = git.run(call.args(questions)).await?;
    // A path is what stands before the end of the line, blanks and all.
    let path_of = |line: &[u8]| OsStr::from_bytes(line.strip_suffix(b"\n").unwrap_or(line)).into();
    if answer.code == 0
        && let Some(top) = answer.stdout.strip_prefix(b"false\ntrue\n")
    {
        return Ok(Top { path: path_of(top), bare: false });
    }
    match &answer.stdout[..] {
        // It has no working tree to name.
        b"true\nfalse\n" => {
            let call = git.in_main(path, &["rev-parse", "--absolute-git-dir"]).await?;
            Ok(Top { path: path_of(&git.output(call).await?), bare: true })
        }
        b"false\nfalse\n" => {
            let reason = "inside a .git directory: give the directory of the working tree";
            Err(unusable(reason.to_owned()))
        }
        _ => Err(unusable(answer.stderr)),
    }
}

/// The directory that git would take for a repository by its files alone, without a `.git` in it, and the repository in
/// whose working tree it is.
fn inside_another(path: &Path) -> Option<(PathBuf, PathBuf)> {
    let has_git = |at: &&Path| at.join(".git").symlink_metadata().is_ok();
    let is_repository = |at: &Path| {
        let has = |name: &str| at.join(name).symlink_metadata().is_ok();
        at.file_name() != Some(OsStr::new(".git")) && has("HEAD") && (has("objects") || has("refs"))
    };
    let inner = path.ancestors().take_while(|at| !has_git(at)).find(|at| is_repository(at))?;
    let outer = inner.ancestors().skip(1).find(has_git)?;
    Some((inner.to_owned(), outer.to_owned()))
}

/// Whether a repository has files of its own below a directory of its working tree.
async fn is_tracked(git: &Git, outer: &Path, inner: &Path) -> Result<bool, WorkspaceError> {
    let Ok(below) = inner.strip_prefix(outer) else { return Ok(false) };
    let call = git.in_main(outer, &["ls-files", "-z", "--"]).await?.arg(below);
    Ok(!git.run(call).await?.stdout.is_empty())
}

/// Whether there is anything that a commit would miss: what is changed, and what git does not know yet.
async fn is_dirty(git: &Git, main: &Main) -> Result<bool, WorkspaceError> {
    let args = ["status", "--porcelain", "-z", "--untracked-files=no"];
    let call = main.call(&args).await?.arg("--ignore-submodules=all");
    Ok(!git.output(call).await?.is_empty() || ignored::has_others(git, &main.path).await?)
}

/// Whether git takes this for a branch's name, and nobody for an option.
pub(crate) async fn is_branch_name(git: &Git, name: &str) -> Result<bool, WorkspaceError> {
    // `@` is another name of `HEAD`, and would be of this branch nowhere.
    if name.starts_with('-') || ["HEAD", "@"].contains(&name) || name.contains('\0') {
        return Ok(false);
    }
    // Git takes these, whatever its version; of others it is asked.
    let is_plain =
        |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if name.split('/').all(|part| !part.is_empty() && is_plain(part)) {
        return Ok(true);
    }
    let call = Call::new(Path::new("/"), &["check-ref-format"]).arg(format!("refs/heads/{name}"));
    Ok(git.maybe(call).await?.is_some())
}
