//! What a diff must not contain, whatever the checks say.
//!
//! | code | what it means |
//! |---|---|
//! | `empty-diff` | a task that is to change something changed nothing |
//! | `too-large` | a task's result changes more files or lines than [`DiffRules`] allows |
//! | `protected-path` | a path that [`DiffRules`] protects was changed |
//! | `outside-workspace` | a symbolic link leads out of the repository or into a `.git`, by itself or through other links, and did not before; or files are in a repository inside of it that is no submodule |
//! | `nested-repository` | the executor made a repository inside of its clone: nothing in it is in the result |
//! | `ignored-file` | a new file is one that the repository has git ignore, so that tools may take it for what they make |
//! | `in-set-up` | a path lies in a directory that the set-up makes, such as `node_modules` or `.venv` |
//! | `conflict-marker` | a changed file has more of git's conflict markers than it had (in prose and tests, where the work began without a conflict, that is for a person to look at), or a side of a conflict is left beside its place |
//! | `one-sided` | a conflict was resolved by dropping all that one side did to a file, and no commit message names it |
//!
//! The diff is against the commit that the task started from. What was merged is one diff against the base, without
//! bounds of size. Where a task began with an unresolved merge, markers are counted against the base.

use std::io::{self, BufRead};

/// The code of a result that changes nothing.
pub(crate) const EMPTY_DIFF: &str = cyrus_core::EMPTY_DIFF;
/// The code of an unresolved merge.
pub(crate) const CONFLICT_MARKER: &str = "conflict-marker";
/// The code of a resolution that leaves out what one side did.
pub(crate) const ONE_SIDED: &str = "one-sided";
/// The code of a link that leads out.
pub(crate) const OUTSIDE_WORKSPACE: &str = "outside-workspace";

/// The code of a result that brings what the set-up installs.
pub(crate) const IN_SET_UP: &str = "in-set-up";

/// The code of a result beside which a repository was made.
pub(crate) const NESTED: &str = "nested-repository";

/// The code of a result that brings what git ignores.
pub(crate) const IGNORED: &str = "ignored-file";

/// The code of a result with a file in the open that was to be encrypted.
pub(crate) const UNFILTERED: &str = "unfiltered";

/// The code of a result that brings a file of the user's that git ignored.
pub(crate) const USERS_FILE: &str = "users-file";

/// The code of a result that changes too much.
pub(crate) const TOO_LARGE: &str = "too-large";
/// The code of a change where there must be none.
pub(crate) const PROTECTED_PATH: &str = "protected-path";

/// The diff rules that are the operator's to set. Without any, a result may change as much as it likes, where it
/// likes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiffRules {
    /// The most files that one task may change; `None` is no bound.
    pub max_files: Option<u64>,
    /// The most lines that one task may add and remove together; `None` is no bound. Those of binary files count.
    pub max_lines: Option<u64>,
    /// What must stay as it is, from the top of the repository: `*` and `?` stand for what is within one name, `**`
    /// for any number of directories, nothing else is special, capital letters count, and a directory is all that is
    /// in it. Nothing is protected unless said: an issue may well ask for a change of `.gitignore` or `.github`, and
    /// git itself refuses a `.git` in a result.
    pub protected_paths: Vec<String>,
}

impl DiffRules {
    /// The protected paths as git takes them.
    pub(crate) fn pathspecs(&self) -> Vec<String> {
        let paths = self.protected_paths.iter().map(|path| {
            let path = path.strip_prefix("./").unwrap_or(path).trim_start_matches('/');
            path.trim_end_matches('/').replace('\\', r"\\").replace('[', r"\[")
        });
        let paths: Vec<_> = paths.filter(|path| !path.is_empty()).collect();
        // A link in the place of a directory is all of it.
        let whole = paths.iter().filter_map(|path| path.strip_suffix("/**")).map(str::to_owned);
        let whole: Vec<_> = whole.filter(|path| !path.is_empty() && path != "**").collect();
        paths.into_iter().chain(whole).map(|path| format!(":(glob){path}")).collect()
    }
}

/// How much of a file's beginning is looked at to see whether it is text, as git does.
const BINARY_PROBE: usize = 8000;

/// The lines, from 1, on which an unresolved conflict begins. Only `<<<<<<< `, `=======`, `>>>>>>> ` in this order
/// make one: a row of equals signs alone underlines a heading in many a document. Of each line no more than the
/// marker is kept, so a file without line ends costs no memory.
pub(crate) fn conflicts(mut text: impl BufRead) -> io::Result<Vec<u32>> {
    const OPEN: &[u8] = b"<<<<<<< ";
    const MIDDLE: &[u8] = b"=======";
    const CLOSE: &[u8] = b">>>>>>> ";
    let mut found = Vec::new();
    let mut stage = Stage::Outside;
    let (mut line, mut seen) = (1_u32, 0_usize);
    let mut start = Vec::with_capacity(OPEN.len());
    loop {
        let chunk = text.fill_buf()?;
        let ended = chunk.is_empty();
        let part = chunk.iter().position(|b| *b == b'\n').unwrap_or(chunk.len());
        if seen < BINARY_PROBE && chunk[..part].contains(&0) {
            return Ok(Vec::new());
        }
        let room = OPEN.len() - start.len();
        start.extend_from_slice(&chunk[..part.min(room)]);
        let line_ends = part < chunk.len();
        let used = part + usize::from(line_ends);
        text.consume(used);
        seen = seen.saturating_add(used);
        if !line_ends && !ended {
            continue;
        }
        stage = match stage {
            _ if start == OPEN => Stage::Ours(line),
            Stage::Ours(from) if start.strip_suffix(b"\r").unwrap_or(&start) == MIDDLE => {
                Stage::Theirs(from)
            }
            Stage::Theirs(from) if start == CLOSE => {
                found.push(from);
                Stage::Outside
            }
            other => other,
        };
        if ended {
            return Ok(found);
        }
        start.clear();
        line = line.saturating_add(1);
    }
}

/// How far into a conflict a line is, and where that began.
#[derive(Clone, Copy)]
enum Stage {
    Outside,
    Ours(u32),
    Theirs(u32),
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    fn lines(text: &[u8]) -> Vec<u32> {
        // A tiny buffer, so that markers fall across its end.
        conflicts(BufReader::with_capacity(3, text)).unwrap()
    }

    #[test]
    fn finds_unresolved_conflicts_and_nothing_that_looks_like_one() {
        let conflict = b"a\n<<<<<<< HEAD\nx\n=======\ny\n>>>>>>> topic\nb\n".as_slice();
        assert_eq!(lines(conflict), [2]);
        assert_eq!(lines(&[conflict, conflict].concat()), [2, 9]);
        let windows = b"<<<<<<< HEAD\r\n=======\r\n>>>>>>> topic\r\n";
        assert_eq!(lines(windows), [1]);
        assert_eq!(lines(b"<<<<<<< a\n||||||| b\n=======\n>>>>>>> c"), [1]);
        for clean in [
            b"".as_slice(),
            b"Title\n=======\n",
            b"<<<<<<< open only\n",
            b">>>>>>> c\n=======\n<<<<<<< a\n",
            b"    <<<<<<< quoted\n    =======\n    >>>>>>> quoted\n",
            b"<<<<<<<<<< a\n==========\n>>>>>>>>>> b\n",
            b"\0<<<<<<< a\n=======\n>>>>>>> b\n",
        ] {
            assert!(lines(clean).is_empty(), "{:?}", String::from_utf8_lossy(clean));
        }
    }

    #[test]
    fn a_file_without_line_ends_is_read_in_pieces() {
        let long = vec![b'x'; 1 << 20];
        assert_eq!(lines(&[&long[..], b"\n<<<<<<< a\n=======\n>>>>>>> b\n"].concat()), [2]);
    }

    #[test]
    fn protected_paths_are_patterns_from_the_top() {
        let protected_paths = ["/a/", "./b", "**/*.lock", "[x]", "", "/"].map(Into::into).into();
        let rules = DiffRules { protected_paths, ..DiffRules::default() };
        let expected = ["a", "b", "**/*.lock", r"\[x]"].map(|path| format!(":(glob){path}"));
        assert_eq!(rules.pathspecs(), expected);
        assert!(DiffRules::default().pathspecs().is_empty());
    }
}
