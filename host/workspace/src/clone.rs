//! Makes the clones that executors work in. They are put together from their parts instead of with `git clone`, so
//! that there is in them what an executor needs and nothing else: the base and its history, landmarks, no other branch,
//! no credentials, no hooks.

use crate::{
    attributes::Attributes,
    confinement::Confinement,
    error::{in_background, io},
    git::{Call, Git},
    include,
    landmarks::{Landmarks, are_one_path},
    layout::{TaskDir, copy_index, private_dir},
    object::ObjectId,
    prepared::Prepared,
    remove::remove_tree,
    repository::Main,
    user::Identity,
};
use cyrus_core::WorkspaceError;
use cyrus_executor::Repository;
use std::{
    fmt::Write as _,
    fs::{self, OpenOptions},
    io::{ErrorKind, Write as _},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

/// Where a `git push` inside a clone would go: nowhere, with a message that says why. An executor that means to
/// push can still name an address; this is against accidents.
const NO_PUSH: &str = "/dev/null/cyrus-brings-the-result-in-by-itself";

/// What a clone is made from.
pub(crate) struct Source<'a> {
    pub(crate) main: &'a Main,
    pub(crate) repository: &'a Repository,
    pub(crate) identity: &'a Identity,
    /// The commit that says what else is copied.
    pub(crate) base: &'a ObjectId,
    /// What is checked out, on the work branch.
    pub(crate) commit: &'a ObjectId,
}

/// Makes an empty repository that borrows the main one's objects, with this branch checked out, or bare. There must be no
/// repository at `place`.
pub(crate) async fn borrowing(
    git: &Git,
    main: &Main,
    place: &Path,
    branch: Option<&str>,
) -> Result<(), WorkspaceError> {
    let git_dir = if branch.is_some() { place.join(".git") } else { place.to_owned() };
    init(git, main, place, branch, &git_dir).await?;
    let mut objects = main.objects.clone().into_os_string();
    objects.push("\n");
    write(&git_dir.join("objects/info/alternates"), objects.as_encoded_bytes())?;
    if let Some(content) = read(&main.shallow_file())? {
        write(&git_dir.join("shallow"), &content)?;
    }
    // The later of two lines counts: what the repository says goes over what the user says for all of them.
    let mut ignored = main.ignored().await?.to_vec();
    ignored.extend(read(&main.exclude_file())?.unwrap_or_default());
    if !ignored.is_empty() {
        write(&git_dir.join("info/exclude"), &ignored)?;
    }
    Ok(())
}

/// Makes an empty repository. The first on a device git makes, which tries what files can be there; the others get its
/// configuration.
async fn init(
    git: &Git,
    main: &Main,
    place: &Path,
    branch: Option<&str>,
    git_dir: &Path,
) -> Result<(), WorkspaceError> {
    let parent = place.parent().unwrap_or(place);
    let device = fs::metadata(parent).map_err(io("cannot read", parent))?.dev();
    let kind = (device, branch.is_none(), main.format.clone());
    let config = git_dir.join("config");
    if let Some(known) = git.known().configurations.get(&kind) {
        for directory in ["objects/info", "objects/pack", "refs/heads", "refs/tags"] {
            let directory = git_dir.join(directory);
            fs::create_dir_all(&directory).map_err(io("cannot make", &directory))?;
        }
        let head = format!("ref: refs/heads/{}\n", branch.unwrap_or("master"));
        write(&git_dir.join("HEAD"), head.as_bytes())?;
        return write(&config, &known);
    }
    let how = branch.map_or("--bare".to_owned(), |branch| format!("--initial-branch={branch}"));
    let call = Call::new(parent, &["init", "--quiet", "--template=", &how])
        .arg(format!("--object-format={}", main.format))
        .arg(place)
        // What comes back is read from plain files.
        .env("GIT_DEFAULT_REF_FORMAT", "files");
    git.output(call).await?;
    let text = fs::read(&config).map_err(io("cannot read", &config))?;
    git.known().configurations.keep(kind, text.into());
    Ok(())
}

/// Puts a branch into a repository that has none of this name.
fn put_branch(git_dir: &Path, name: &str, commit: &str) -> Result<(), WorkspaceError> {
    let is_part = |part: &str| {
        !part.is_empty() && !part.starts_with('.') && part.strip_suffix(".lock").is_none()
    };
    if !name.split('/').all(is_part) {
        return Err(WorkspaceError::Unacceptable(format!("`{name}` is no name of a branch")));
    }
    write(&git_dir.join("refs/heads").join(name), format!("{commit}\n").as_bytes())
}

/// A file's content, when it is there.
fn read(path: &Path) -> Result<Option<Vec<u8>>, WorkspaceError> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io("cannot read", path)(error)),
    }
}

/// What happens to a clone that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    /// It stays: somebody was faster.
    Keep,
    /// It goes.
    Replace,
}

/// Makes a repository at `place` that borrows the main one's objects, and writes the files of the commit there. Nothing
/// but the host may have written the `.git` there; with `over`, a commit, files of it and others may be there already,
/// and those of `over` that the commit does not have go.
pub(crate) async fn check_out(
    git: &Git,
    source: &Source<'_>,
    place: &Path,
    over: Option<&ObjectId>,
) -> Result<(), WorkspaceError> {
    let Source { main, repository, identity, commit, base } = source;
    borrowing(git, main, place, Some(&repository.work_branch)).await?;
    let git_dir = place.join(".git");
    let config = git_dir.join("config");
    OpenOptions::new()
        .append(true)
        .open(&config)
        .and_then(|mut file| file.write_all(settings(identity, repository).as_bytes()))
        .map_err(io("cannot write", &config))?;
    Landmarks::of(git, main, repository, base_branch(repository)).await?.put(&git_dir)?;
    put_branch(&git_dir, &repository.work_branch, commit.as_str())?;
    if let Some(base) = base_branch(repository) {
        // So that an executor can look at what it changed.
        put_branch(&git_dir, base, &repository.base_commit)?;
    }
    // No program has written this repository's `.git` yet. What is in its commits did not all come from here.
    let call = |args: &[&str]| Call::new(place, args).confined(Confinement::only_limits());
    if let Some(over) = over {
        git.output(call(&["read-tree", over.as_str()])).await?;
    }
    let attributes = Attributes { git, base, call, main: Some(main) };
    attributes.write(commit, place).await
}

/// Makes the task's clone; with `prepared`, over what the set-up left of the base.
pub(crate) async fn put(
    git: &Git,
    task: &TaskDir,
    source: &Source<'_>,
    existing: Existing,
    prepared: Option<&Prepared>,
) -> Result<(), WorkspaceError> {
    let under_way = task.under_way("workspace-")?;
    let new = under_way.path().join("new");
    let included = if let Some(prepared) = prepared {
        private_dir(&new)?;
        prepared.lay("tree", &new).await?;
        check_out(git, source, &new, Some(source.base)).await?;
        fs::write(task.laid(), "").map_err(io("cannot write", &task.laid()))?;
        prepared.included.clone()
    } else {
        check_out(git, source, &new, None).await?;
        remove_tree(&task.laid())?;
        include::copy(git, source, &new, under_way.path()).await?
    };
    include::write(&included, &task.included())?;

    copy_index(&new.join(".git/index"), &task.index())?;
    let workspace = task.workspace();
    if existing == Existing::Keep {
        return match fs::rename(&new, &workspace) {
            Err(error) if !task.is_made() => Err(io("cannot make", &workspace)(error)),
            _ => Ok(()),
        };
    }
    // What was set up goes with the old files.
    remove_tree(&task.set_up())?;
    let old = under_way.path().join("old");
    match fs::rename(&workspace, &old) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(io("cannot replace", &workspace)(error));
        }
        _ => {}
    }
    fs::rename(&new, &workspace).map_err(io("cannot make", &workspace))?;
    in_background("remove the old workspace", move || remove_tree(&old)).await
}

/// The base branch, when both it and the work branch can be there.
fn base_branch(repository: &Repository) -> Option<&str> {
    let (base, work) = (repository.base_branch.as_deref()?, repository.work_branch.as_str());
    (!are_one_path(base, work)).then_some(base)
}

/// The clone's configuration.
fn settings(identity: &Identity, repository: &Repository) -> String {
    let mut text = user_section(identity);
    text.push_str("[commit]\n\tgpgSign = false\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n");
    if rustix::process::geteuid().is_root() {
        // Files get another owner for each program, which git would take for a change of all of them.
        text.push_str("[core]\n\tcheckStat = minimal\n\ttrustCtime = false\n");
    }
    if let Some(remote) = &repository.remote {
        let _ = write!(
            text,
            "[remote \"origin\"]\n\turl = {}\n\tpushurl = {NO_PUSH}\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n",
            quoted(remote)
        );
    }
    text
}

/// Who commits are by, as git's configuration files have it.
fn user_section(identity: &Identity) -> String {
    let (name, email) = (quoted(&identity.name), quoted(&identity.email));
    format!("[user]\n\tname = {name}\n\temail = {email}\n")
}

/// What git finds in the homes of programs as its user's configuration; `None` where the user is not known.
pub(crate) fn configuration(identity: &Identity) -> Option<String> {
    (*identity != Identity::default()).then(|| user_section(identity))
}

/// A value as git's configuration files have it.
fn quoted(value: &str) -> String {
    let mut text = String::from('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '\n' => text.push_str("\\n"),
            '\0' | '\r' => {}
            c => text.push(c),
        }
    }
    text + "\""
}

fn write(path: &Path, content: &[u8]) -> Result<(), WorkspaceError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(io("cannot make", parent))?;
    }
    fs::write(path, content).map_err(io("cannot write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(base: Option<&str>, work: &str) -> Repository {
        Repository {
            remote: Some("https://h/a\"b".into()),
            base_branch: base.map(Into::into),
            base_commit: String::new(),
            work_branch: work.into(),
        }
    }

    #[test]
    fn values_cannot_end_their_line() {
        let identity = Identity::of("A \"B\" \\ C\n[core]".into(), "e".into());
        let text = settings(&identity, &repository(None, "w"));
        assert!(text.contains(r#"name = "A \"B\" \\ C\n[core]""#), "{text}");
        assert!(text.contains(r#"url = "https://h/a\"b""#), "{text}");
    }

    #[test]
    fn the_base_branch_is_there_when_there_is_room_for_it() {
        for (base, work, expected) in [
            (Some("main"), "cyrus/x", Some("main")),
            (Some("main"), "main", None),
            (Some("cyrus"), "cyrus/x", None),
            (Some("a/b"), "a", None),
            (Some("cyrus-x"), "cyrus", Some("cyrus-x")),
            (None, "x", None),
        ] {
            assert_eq!(base_branch(&repository(base, work)), expected, "{base:?} {work}");
        }
    }
}
