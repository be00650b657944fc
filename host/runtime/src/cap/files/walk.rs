//! From a component's path to one name in a directory that is held open.

use super::names::is_git;
use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags, openat, readlinkat, statat},
    io::Errno,
};
use std::{collections::VecDeque, fs::File, io};
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;

/// The most links that one path may lead through, as Linux has it.
const LINKS: usize = 40;

/// The most names that one path may have, those of links included.
const NAMES: usize = 4096;

/// What becomes of a link that is the last name of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    /// The path is the link's own.
    Itself,
    /// The path is that of what it leads to.
    Followed,
}

/// Where a path leads.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) parent: File,
    /// One name: not `..`, and `.` for the directory that the path is from.
    pub(super) name: String,
}

/// Walks from this directory along this path. Nothing leads out of the directory or through a name of git's.
pub(super) fn walk(root: &File, path: &str, last: Last) -> Result<Place, ErrorCode> {
    if path.starts_with('/') {
        return Err(ErrorCode::NotPermitted);
    }
    if path.is_empty() {
        return Err(ErrorCode::NoEntry);
    }
    let mut walk =
        Walk { root, below: Vec::new(), left: VecDeque::new(), links: LINKS, names: NAMES };
    walk.prepend(path)?;
    walk.go(last, path.ends_with(['/', '.']) && leads_to_directory(path))
}

/// Whether something has this name that is neither a file, a directory nor a link: a pipe, a socket, a device.
pub(super) fn is_special(parent: &File, name: &str) -> bool {
    statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|found| {
        !matches!(
            FileType::from_raw_mode(found.st_mode),
            FileType::RegularFile | FileType::Directory | FileType::Symlink
        )
    })
}

/// Whether a path that ends so has to be a directory's.
fn leads_to_directory(path: &str) -> bool {
    matches!(path.rsplit('/').next(), Some("" | "." | ".."))
}

struct Walk<'a> {
    root: &'a File,
    /// The directories below the root that the path went through.
    below: Vec<File>,
    /// The names that are left.
    left: VecDeque<String>,
    links: usize,
    names: usize,
}

impl Walk<'_> {
    fn here(&self) -> &File {
        self.below.last().unwrap_or(self.root)
    }

    /// Puts the names of this path before those that are left.
    fn prepend(&mut self, path: &str) -> Result<(), ErrorCode> {
        for name in path.split('/').rev().filter(|name| !matches!(*name, "" | ".")) {
            if is_git(name) {
                return Err(ErrorCode::NotPermitted);
            }
            self.names = self.names.checked_sub(1).ok_or(ErrorCode::NameTooLong)?;
            self.left.push_front(name.to_owned());
        }
        Ok(())
    }

    fn go(mut self, last: Last, directory: bool) -> Result<Place, ErrorCode> {
        while let Some(name) = self.left.pop_front() {
            if name == ".." {
                // Above the root nothing is the component's.
                self.below.pop().ok_or(ErrorCode::NotPermitted)?;
                continue;
            }
            let is_last = self.left.is_empty();
            if (!is_last || directory || last == Last::Followed) && self.follow(&name)? {
                continue;
            }
            if !is_last {
                self.descend(&name)?;
            } else if directory && self.is_no_directory(&name) {
                return Err(ErrorCode::NotDirectory);
            } else {
                return Ok(Place { parent: self.here().try_clone()?, name });
            }
        }
        // The path ended in a directory that it went through: its name in itself is a dot.
        Ok(Place { parent: self.here().try_clone()?, name: ".".to_owned() })
    }

    /// When this name is a link's, goes on along it.
    fn follow(&mut self, name: &str) -> Result<bool, ErrorCode> {
        // What is no link, or cannot be looked at, is for the operation to judge.
        let Ok(target) = readlinkat(self.here(), name, Vec::new()) else { return Ok(false) };
        self.links = self.links.checked_sub(1).ok_or(ErrorCode::Loop)?;
        let target = target.to_str().map_err(|_| ErrorCode::IllegalByteSequence)?;
        if target.starts_with('/') {
            return Err(ErrorCode::NotPermitted);
        }
        self.prepend(target)?;
        Ok(true)
    }

    fn descend(&mut self, name: &str) -> Result<(), ErrorCode> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        #[cfg(target_os = "linux")]
        let flags = flags | OFlags::PATH;
        let next = openat(self.here(), name, flags, Mode::empty()).map_err(io::Error::from)?;
        self.below.push(File::from(next));
        Ok(())
    }

    fn is_no_directory(&self, name: &str) -> bool {
        match statat(self.here(), name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => FileType::from_raw_mode(found.st_mode) != FileType::Directory,
            Err(Errno::NOENT) => false,
            Err(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        fs,
        io::Read as _,
        os::unix::fs::{MetadataExt as _, symlink},
    };
    use tempfile::TempDir;

    fn tree() -> TempDir {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for directory in [".git/hooks", "sub/.git", "deep/er"] {
            fs::create_dir_all(at(directory)).unwrap();
        }
        for file in [".git/config", "sub/.git/config", "file", "deep/er/file", ".gitignore"] {
            fs::write(at(file), file).unwrap();
        }
        for (target, link) in [
            (".git", "to-git"),
            ("to-git/config", "to-config"),
            ("../.git/hooks", "deep/to-hooks"),
            ("sub", "to-sub"),
            ("deep/er", "to-er"),
            ("../../file", "deep/er/up"),
            ("/etc", "absolute"),
            ("..", "above"),
            ("loop", "loop"),
            ("new", "dangling"),
        ] {
            symlink(target, at(link)).unwrap();
        }
        root
    }

    fn reach(root: &TempDir, path: &str, last: Last) -> Result<Place, ErrorCode> {
        walk(&File::open(root.path()).unwrap(), path, last)
    }

    #[test]
    fn nothing_leads_into_git_or_out() {
        let root = tree();
        for path in [
            ".git",
            ".git/config",
            "./.git/config",
            "deep/../.git/config",
            ".GIT/config",
            ".git./x",
            "sub/.git",
            "sub/.git/config",
            "to-git/config",
            "to-git/",
            "to-git/.",
            "to-config",
            "deep/to-hooks/pre-commit",
            "to-sub/.git/config",
            "to-er/../../.git/config",
            "absolute/passwd",
            "above/x",
            "../x",
            "deep/../../x",
            "/etc/passwd",
            "deep/er/../../../x",
            ".git/../file",
        ] {
            let reached = reach(&root, path, Last::Followed);
            assert_eq!(
                reached.map(|place| place.name).unwrap_err(),
                ErrorCode::NotPermitted,
                "{path}"
            );
        }
        assert_eq!(reach(&root, "loop", Last::Followed).unwrap_err(), ErrorCode::Loop);
        let long = "a/".repeat(NAMES + 1);
        assert_eq!(reach(&root, &long, Last::Itself).unwrap_err(), ErrorCode::NameTooLong);
    }

    #[test]
    fn everything_else_is_reached() {
        let root = tree();
        for (path, last, content) in [
            ("file", Last::Followed, "file"),
            ("deep/er/up", Last::Followed, "file"),
            ("to-er/file", Last::Itself, "deep/er/file"),
            ("to-er/../er/./file", Last::Itself, "deep/er/file"),
            (".gitignore", Last::Itself, ".gitignore"),
        ] {
            let Place { parent, name } = reach(&root, path, last).unwrap();
            let file = openat(&parent, &name, OFlags::RDONLY | OFlags::NOFOLLOW, Mode::empty());
            let mut text = String::new();
            File::from(file.unwrap()).read_to_string(&mut text).unwrap();
            assert_eq!(text, content, "{path}");
        }
        let link = reach(&root, "deep/er/up", Last::Itself).unwrap();
        assert_eq!(link.name, "up", "the link itself");
        assert_eq!(reach(&root, "dangling", Last::Followed).unwrap().name, "new");
        assert_eq!(reach(&root, "missing", Last::Followed).unwrap().name, "missing");
        assert_eq!(reach(&root, "missing/x", Last::Itself).unwrap_err(), ErrorCode::NoEntry);
        assert_eq!(reach(&root, "file/x", Last::Itself).unwrap_err(), ErrorCode::NotDirectory);
        assert_eq!(reach(&root, "file/", Last::Itself).unwrap_err(), ErrorCode::NotDirectory);
    }

    #[test]
    fn a_directory_is_a_name_in_itself() {
        let root = tree();
        for (path, is) in [(".", "."), ("deep/..", "."), ("deep/er/..", "deep"), ("./", ".")] {
            let Place { parent, name } = reach(&root, path, Last::Itself).unwrap();
            let inode = parent.metadata().unwrap().ino();
            assert_eq!(inode, fs::metadata(root.path().join(is)).unwrap().ino(), "{path}");
            assert_eq!(name, ".");
        }
        assert_eq!(reach(&root, "deep/", Last::Itself).unwrap().name, "deep");
    }
}
