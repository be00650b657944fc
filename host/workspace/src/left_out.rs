//! Files of an executor's clone that are not in its result, because git ignores them there or they are what tools leave:
//! a check that fails for want of one names it, and its output says why it is not there.

use crate::{
    error::in_background, include, object::ObjectId, tree::Trees, validator::CommandValidator,
};
use cyrus_core::WorkspaceError;
use regex_lite::Regex;
use std::{
    collections::{BTreeSet, HashSet, VecDeque},
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

/// How many entries of a clone are looked at, those of directories further up first.
const ENTRIES: usize = 100_000;

/// How many names are taken out of what a check printed.
const NAMES: usize = 1_000;

/// How many files are named.
const NAMED: usize = 3;

/// What may name a file: with a separator or an ending in it, or in quotes.
static NAMES_FILE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"['"`](?<quoted>[\w@./-]{2,200})['"`]|(?<path>[\w@-]*[./][\w@./-]{1,200})"#)
        .expect("it is tested")
});

impl CommandValidator {
    /// What is to be said below what a failed check printed, of files that it names and that only the clone has.
    pub(crate) async fn left_out(
        &self,
        trees: &Trees<'_>,
        result: &ObjectId,
        output: &str,
    ) -> Result<Option<String>, WorkspaceError> {
        let (task, place) = (trees.site.task, trees.site.place());
        if !task.is_made() {
            return Ok(None);
        }
        let roots = [place.seen_root(), place.root.clone()];
        let mut wanted = names(output, &roots);
        let has: HashSet<String> = trees.site.main.files(result).await?.into_iter().collect();
        for path in &has {
            spellings(path, |spelling| _ = wanted.remove(spelling));
        }
        if wanted.is_empty() {
            return Ok(None);
        }
        let included = include::read(&task.included())?;
        let clone = task.workspace();
        let found = in_background("look for files that are not in the result", move || {
            let is_there = |path: &str| {
                has.contains(path)
                    || included.contains(path.as_bytes())
                    || place.root.join(path).symlink_metadata().is_ok()
            };
            Ok(named(&clone, &wanted, is_there))
        });
        Ok(message(&found.await?))
    }
}

/// What is to be said of these files.
fn message(files: &BTreeSet<String>) -> Option<String> {
    if files.is_empty() {
        return None;
    }
    let names: Vec<_> = files.iter().map(|file| format!("`{file}`")).collect();
    Some(format!(
        "\n(only in the executor's clone, and not in the result, because git ignores it or tools leave such files: {}; what the work needs of it has to be where git does not ignore it)",
        names.join(", ")
    ))
}

/// The files below a directory that have one of these names, those first that lie further up. Links are not followed.
fn named(
    clone: &Path,
    wanted: &HashSet<String>,
    is_there: impl Fn(&str) -> bool,
) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = VecDeque::from([PathBuf::new()]);
    let mut rest = ENTRIES;
    while let Some(directory) = open.pop_front() {
        let Ok(entries) = fs::read_dir(clone.join(&directory)) else { continue };
        for entry in entries.flatten() {
            let (Some(left), Ok(kind)) = (rest.checked_sub(1), entry.file_type()) else {
                return found;
            };
            rest = left;
            let below = directory.join(entry.file_name());
            let Some(path) = below.to_str() else { continue };
            if kind.is_dir() && path != ".git" {
                open.push_back(below);
                continue;
            }
            let mut is_named = false;
            spellings(path, |spelling| is_named |= wanted.contains(spelling));
            if kind.is_file() && is_named && !is_there(path) {
                found.insert(path.to_owned());
                if found.len() == NAMED {
                    return found;
                }
            }
        }
    }
    found
}

/// What in a check's output may name a file, as paths from the top of the tree or from anywhere below it.
fn names(output: &str, roots: &[PathBuf]) -> HashSet<String> {
    let mut names = HashSet::new();
    for found in NAMES_FILE.captures_iter(output).take(NAMES) {
        let Some(name) = found.name("quoted").or_else(|| found.name("path")) else { continue };
        let name = name.as_str();
        let below = roots.iter().find_map(|root| {
            name.strip_prefix(root.to_str()?).and_then(|rest| rest.strip_prefix('/'))
        });
        let plain =
            below.unwrap_or(name).trim_start_matches(['.', '/']).trim_end_matches(['.', '/']);
        let is_far = below.is_none() && name.starts_with('/');
        if plain.len() < 3 || is_far {
            continue;
        }
        names.insert(plain.to_owned());
        // A module of Python's, as `import` has it.
        if !plain.contains('/') {
            names.insert(plain.replace('.', "/"));
        }
    }
    names
}

/// As what a path may be named: with and without its ending, a directory by the file that stands for it, and each from
/// every directory above it.
fn spellings(path: &str, mut each: impl FnMut(&str)) {
    const STAND_FOR_DIRECTORIES: [&str; 4] = ["__init__", "index", "main", "mod"];
    let mut from_above = |name: &str| {
        each(name);
        name.match_indices('/').for_each(|(at, _)| each(&name[at + 1..]));
    };
    from_above(path);
    let start = path.rfind('/').map_or(0, |at| at + 1);
    let Some(dot) = path[start..].rfind('.').filter(|at| *at > 0) else { return };
    from_above(&path[..start + dot]);
    if start > 0 && STAND_FOR_DIRECTORIES.contains(&&path[start..start + dot]) {
        from_above(&path[..start - 1]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_clone(files: &[&str], output: &str, has: &[&str]) -> Vec<String> {
        let clone = tempfile::tempdir().unwrap();
        for file in files {
            let place = clone.path().join(file);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, "").unwrap();
        }
        let mut wanted = names(output, &[PathBuf::from("/a/tree")]);
        for path in has {
            spellings(path, |spelling| _ = wanted.remove(spelling));
        }
        named(clone.path(), &wanted, |path| has.contains(&path)).into_iter().collect()
    }

    #[test]
    fn a_file_that_a_failure_names_is_found_however_it_is_named() {
        for (file, output) in [
            ("lib/words.js", "Error: Cannot find module './lib/words'"),
            ("lib/words.js", "Error: Cannot find module '../lib/words'"),
            ("lib/words/index.js", "Cannot find module './words' from 'src/a.js'"),
            ("build/tables.py", "ModuleNotFoundError: No module named 'build.tables'"),
            ("tables.py", "ModuleNotFoundError: No module named 'tables'"),
            ("env/__init__.py", "No module named 'env'"),
            ("data/seed.csv", "FileNotFoundError: [Errno 2]: 'data/seed.csv'"),
            ("data/seed.csv", "open /a/tree/data/seed.csv: no such file or directory"),
            ("data/seed.csv", "sh: 1: ./data/seed.csv: not found"),
            ("src/bin/out.rs", "error: couldn't read `src/bin/out.rs`"),
            ("a.log", "cat: a.log: No such file or directory"),
        ] {
            assert_eq!(in_clone(&[file, "src/b.js"], output, &["src/b.js"]), [file], "{output}");
        }
    }

    #[test]
    fn what_is_in_the_result_or_named_otherwise_is_not() {
        for (files, output, has) in [
            (&["dist/app.js"][..], "at src/app.js:3", &["src/app.js"][..]),
            (&["dist/app.js"], "/usr/lib/app.js: no such file", &[]),
            (&[".git/words.js"], "Cannot find module './words'", &[]),
            (&["words.js"], "words are many", &[]),
            (&["words.js"], "", &[]),
        ] {
            assert_eq!(in_clone(files, output, has), Vec::<String>::new(), "{output}");
        }
    }

    #[test]
    fn few_are_named() {
        let files = ["a/one.txt", "b/one.txt", "c/one.txt", "d/one.txt"];
        assert_eq!(in_clone(&files, "no one.txt", &[]).len(), NAMED);
        assert_eq!(message(&BTreeSet::new()), None);
    }
}
