//! What a result brings that is for no result: the user's own files, what git ignores, what was to be encrypted, what the
//! set-up makes, and what is in a repository of its own.

use crate::{
    confinement::Confinement,
    error::io,
    filters::{self, Unfiltered},
    findings::finding,
    git::Call,
    include,
    object::ObjectId,
    plain,
    prepared::Site,
    rules::{IGNORED, IN_SET_UP, NESTED, UNFILTERED, USERS_FILE},
    scratch::Scratch,
    state_file,
    tree::{Tree, Trees},
    validator::CommandValidator,
};
use cyrus_core::{SessionEvent, WorkspaceError};
use cyrus_executor::Finding;
use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    io::Read as _,
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _},
    path::Path,
};

/// Whether a file is one that builds and installers make: a link, a program, or no text.
fn is_made(path: &Path) -> bool {
    let Ok(found) = path.symlink_metadata() else { return false };
    if found.is_symlink() || found.permissions().mode() & 0o111 != 0 {
        return true;
    }
    let mut begin = Vec::new();
    let read = plain::open(path).and_then(|file| file.take(LOOKED_AT).read_to_end(&mut begin));
    read.is_err() || begin.contains(&0)
}

/// Whether a file is known by its name as one that builds make: by where it lies, or by what it is called.
fn is_made_by_name(path: &[u8], is_made: impl Fn() -> bool) -> bool {
    const DIRECTORIES: [&str; 19] = [
        ".dart_tool",
        ".eggs",
        ".gradle",
        ".mypy_cache",
        ".next",
        ".nox",
        ".nuxt",
        ".nx",
        ".parcel-cache",
        ".pytest_cache",
        ".ruff_cache",
        ".stack-work",
        ".tox",
        ".turbo",
        ".venv",
        ".zig-cache",
        "CMakeFiles",
        "__pycache__",
        "dist-newstyle",
    ];
    // Sources lie in directories of these names, too.
    const OFTEN: [&str; 3] = ["_build", "node_modules", "target"];
    const RECORDS: [&str; 3] = [".eslintcache", ".stylelintcache", ".tsbuildinfo"];
    const ENDINGS: [&str; 10] =
        ["a", "class", "gch", "la", "lo", "o", "obj", "pyc", "rlib", "rmeta"];
    let path = String::from_utf8_lossy(path);
    let (above, name) = path.rsplit_once('/').unwrap_or(("", &path));
    let is_below = |names: &[&str]| above.split('/').any(|part| names.contains(&part));
    let has_ending = || name.rsplit_once('.').is_some_and(|(_, ending)| ENDINGS.contains(&ending));
    is_below(&DIRECTORIES)
        || RECORDS.iter().any(|record| name.ends_with(record))
        || (is_below(&OFTEN) || has_ending()) && is_made()
}

/// How many files are named.
const NAMED: usize = 5;

/// How much of a file is read to tell whether it is text, in bytes.
const LOOKED_AT: u64 = 64 << 10;

impl CommandValidator {
    /// What a result brings that is for no result, or no commit of it.
    pub(crate) async fn brought(
        &self,
        trees: &Trees<'_>,
        result: &ObjectId,
        paths: &[Vec<u8>],
    ) -> Result<Vec<Finding>, WorkspaceError> {
        let touched = trees.site.main.touched(trees.site.base, result).await?;
        let mut findings = self.unfiltered(trees, &touched).await?;
        if let Some((path, directory)) = trees.brought_into_set_up(paths).await? {
            let (path, directory) = (path.display().to_string(), directory.display().to_string());
            let message = format!(
                "`{path}` lies in `{directory}`, which the set-up makes; what is installed there decides what checks run, so no result may bring it: change what the set-up installs from, or the set-up"
            );
            findings.push(finding(IN_SET_UP, message, Some(&path), None));
        }
        for repository in state_file::read::<Vec<String>>(&trees.site.task.nested())? {
            let message = format!(
                "`{repository}` is a repository of its own inside of this one, so nothing in it is in the result: remove its `.git` to have its files in the result, or remove it"
            );
            findings.push(finding(NESTED, message, Some(&repository), None));
        }
        let included = include::read(&trees.site.task.included())?;
        for path in touched.intersection(&included) {
            let path = String::from_utf8_lossy(path);
            let message = format!(
                "`{path}` was copied from the user's working tree, where git ignores it, and is for no commit: take it out of each commit that has it"
            );
            findings.push(finding(USERS_FILE, message, Some(&path), None));
        }
        if included.is_empty() {
            return Ok(findings);
        }
        let said = trees.site.main.said(trees.site.base, result).await?;
        for name in include::quoted_in(trees.site.main, &included, said).await? {
            let message = format!(
                "a commit's message or author holds what is in `{name}`, which was copied from the user's working tree: make each such commit anew without it"
            );
            findings.push(finding(USERS_FILE, message, Some(&name), None));
        }
        trees.site.task.create()?;
        let scratch = trees.site.task.scratch("scratch-")?;
        let own = include::objects(&self.git, trees.site.main, &included, scratch.path()).await?;
        if !own.is_empty() {
            let new = trees.site.main.new_objects(trees.site.base, result).await?;
            let brought = own.iter().filter(|(object, _)| new.contains(object));
            let names: BTreeSet<_> = brought.map(|(_, name)| name).collect();
            for name in names.into_iter().filter(|name| !touched.contains(*name)) {
                let name = String::from_utf8_lossy(name);
                let message = format!(
                    "what is in `{name}`, which was copied from the user's working tree, where git ignores it, is in a commit under another name: take it out of each commit that has it"
                );
                findings.push(finding(USERS_FILE, message, Some(&name), None));
            }
        }
        Ok(findings)
    }

    /// The files of a result that are new, that the repository has git ignore and that builds and installers make: tools
    /// would take them in place of what they make of the result. The tree is that of the result.
    pub(crate) async fn ignored(
        &self,
        trees: &Trees<'_>,
        tree: &Tree,
        paths: &[Vec<u8>],
    ) -> Result<Vec<Finding>, WorkspaceError> {
        let base = trees.site.main.files(trees.site.base).await?;
        let known: BTreeSet<&[u8]> = base.iter().map(String::as_bytes).collect();
        let new = paths.iter().filter(|path| !known.contains(&path[..]));
        // So that no name is taken for a pathspec with magic in it.
        let names: Vec<u8> = new.flat_map(|path| [b"./", &path[..], b"\0"].concat()).collect();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let call =
            Call::new(&tree.place.root, &["check-ignore", "--no-index", "-v", "-z", "--stdin"])
                .stdin(names)
                .env("GIT_LITERAL_PATHSPECS", "0")
                .confined(Confinement::only_limits());
        let answer = self.git.run(call).await?;
        let fields: Vec<_> = answer.stdout.split(|byte| *byte == 0).collect();
        // A directory of which files are tracked all the same is one of sources: `lib/` for `src/lib/`.
        let is_tracked = |path: &[u8]| {
            let end = path.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
            let place = path[..end].strip_prefix(b"./").unwrap_or(&path[..end]);
            let mut below = known.range(place..);
            !place.is_empty() && below.next().is_some_and(|next| next.starts_with(place))
        };
        let ignored = fields.chunks_exact(4).filter(|found| {
            // The user's own lists are not the repository's.
            let is_users = found[0].starts_with(b".git/");
            let is_of_sources = found[2].ends_with(b"/") && is_tracked(found[3]);
            // A file by itself, such as `.env.example`, may be meant.
            let is_made = found[2].ends_with(b"/")
                || is_made(&tree.place.root.join(OsStr::from_bytes(found[3])));
            !is_users && !is_of_sources && is_made && !found[2].starts_with(b"!")
        });
        Ok(ignored
            .map(|found| {
                let path = String::from_utf8_lossy(found[3]).into_owned();
                let path = path.strip_prefix("./").unwrap_or(&path);
                let message = format!(
                    "`{path}` is new, and `{}` has git ignore it: what builds and installers make is in no result, because tools take it for their own; take it out of the commits, or change what is ignored",
                    String::from_utf8_lossy(found[0])
                );
                finding(IGNORED, message, Some(path), None)
            })
            .collect())
    }

    /// Why a person has to look at new files that builds make: those that the base commit has git ignore, where the result
    /// does not any more, and those that are known by their names. Checks may take them in place of what they would make.
    pub(crate) async fn made(
        &self,
        trees: &Trees<'_>,
        tree: &Tree,
        paths: &[Vec<u8>],
    ) -> Result<Vec<String>, WorkspaceError> {
        let base = trees.site.main.files(trees.site.base).await?;
        let known: BTreeSet<&[u8]> = base.iter().map(String::as_bytes).collect();
        let new: Vec<_> = paths.iter().filter(|path| !known.contains(&path[..])).collect();
        let is_made = |path: &[u8]| is_made(&tree.place.root.join(OsStr::from_bytes(path)));
        let is_one = |path: &&[u8]| is_made_by_name(path, || is_made(path));
        let mut found: BTreeSet<&[u8]> = new.iter().map(|path| &path[..]).filter(is_one).collect();
        let is_list = |path: &[u8]| path == b".gitignore" || path.ends_with(b"/.gitignore");
        let is_ignored_otherwise = paths.iter().any(|path| is_list(path));
        let new: Vec<_> = new.into_iter().filter(|path| is_made(path)).collect();
        let ignored = if is_ignored_otherwise && !new.is_empty() {
            let lists = base.iter().filter(|path| is_list(path.as_bytes()));
            self.ignored_by_base(trees, lists, &new).await?
        } else {
            Vec::new()
        };
        found.extend(ignored.iter().map(|path| &path[..]));
        let say = |path: &[u8]| {
            format!(
                "`{}` is what builds make, and tools may take it in place of what they would make of the result: a person has to look at it",
                String::from_utf8_lossy(path)
            )
        };
        Ok(found.into_iter().take(NAMED).map(say).collect())
    }

    /// Those of these paths that these lists of the base have git ignore.
    async fn ignored_by_base(
        &self,
        trees: &Trees<'_>,
        lists: impl Iterator<Item = &String>,
        paths: &[&Vec<u8>],
    ) -> Result<Vec<Vec<u8>>, WorkspaceError> {
        let Site { git, main, task, base, settings, .. } = &trees.site;
        task.create()?;
        let scratch = Scratch::new(git, main, task, settings.results).await?;
        let place = scratch.path().join("lists");
        fs::create_dir_all(&place).map_err(io("cannot make", &place))?;
        for list in lists {
            let content = main.file(base, list).await?.unwrap_or_default();
            let to = place.join(list);
            let made = to.parent().map_or(Ok(()), fs::create_dir_all);
            made.and_then(|()| fs::write(&to, content)).map_err(io("cannot write", &to))?;
        }
        let names: Vec<u8> =
            paths.iter().flat_map(|path| [b"./", &path[..], b"\0"].concat()).collect();
        let call = scratch
            .over(&place, &["check-ignore", "--no-index", "-z", "--stdin"])
            .stdin(names)
            .env("GIT_LITERAL_PATHSPECS", "0");
        let answer = git.run(call).await?;
        let ignored = answer.stdout.split(|byte| *byte == 0).filter(|path| !path.is_empty());
        Ok(ignored.map(|path| path.strip_prefix(b"./").unwrap_or(path).to_vec()).collect())
    }

    /// What is to be said of files that were to go through a filter, which none does here.
    async fn unfiltered(
        &self,
        trees: &Trees<'_>,
        touched: &BTreeSet<Vec<u8>>,
    ) -> Result<Vec<Finding>, WorkspaceError> {
        if !filters::are_named(trees.site.main, trees.site.base).await? {
            return Ok(Vec::new());
        }
        trees.site.task.create()?;
        let scratch = trees.site.task.scratch("scratch-")?;
        let index = scratch.path().join("attributes");
        let found =
            filters::unfiltered(&self.git, trees.site.main, trees.site.base, touched, &index)
                .await?;
        let say = |one: &Unfiltered| {
            let Unfiltered { path, filter } = one;
            format!(
                "`{path}` goes through the filter `{filter}` when it is committed, and no filter is run on a result: its content is in the commit as it is"
            )
        };
        let (secret, other): (Vec<_>, Vec<_>) =
            found.into_iter().partition(Unfiltered::may_be_secret);
        for one in other {
            trees.observer.on_event(SessionEvent::Warning { message: say(&one) });
        }
        Ok(secret.iter().map(|one| finding(UNFILTERED, say(one), Some(&one.path), None)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_builds_make_is_known_by_its_name() {
        for (path, by_name, when_made) in [
            ("tests/__pycache__/test_a.cpython-311.pyc", true, true),
            ("__pycache__/note.txt", true, true),
            ("web/.eslintcache", true, true),
            ("tsconfig.tsbuildinfo", true, true),
            ("target/debug/x", false, true),
            ("src/target/mod.rs", false, true),
            ("a.pyc", false, true),
            ("lib/x.o", false, true),
            ("target", false, false),
            ("a.png", false, false),
            ("o", false, false),
        ] {
            let is = |made: bool| is_made_by_name(path.as_bytes(), || made);
            assert_eq!((is(false), is(true)), (by_name, when_made), "{path}");
        }
    }
}
