//! Which directories programs are looked for in, and why others are passed over.
//!
//! A program that the host runs must not be one that somebody else put there. So a directory of a `PATH` counts only
//! when nobody but this user and root can put a file into it, or put another directory in its place, and what programs
//! of Cyrus's write is never searched.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Group, User};
use rustix::process::geteuid;

/// Why a directory is passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassedOver {
    /// It is relative or empty: which directory that is depends on where one stands.
    Relative,
    /// It is in a directory that programs write to, or a repository that is worked on.
    Inside(PathBuf),
    /// Every user of the machine may write to it, or to a directory above it.
    WorldWritable(PathBuf),
    /// Users of a group may write to it, or to a directory above it.
    GroupWritable(PathBuf, u32),
    /// It, or a directory above it, belongs to another user.
    OwnedBy(PathBuf, u32),
}

impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relative => f.write_str("it is not absolute"),
            Self::Inside(place) => write!(f, "it is in {}, where programs write", place.display()),
            Self::WorldWritable(place) => write!(f, "every user may write to {}", place.display()),
            Self::GroupWritable(place, group) => write!(
                f,
                "users of the group with number {group}, or of its access list, may write to {}",
                place.display()
            ),
            Self::OwnedBy(place, user) => {
                write!(f, "{} belongs to the user with number {user}", place.display())
            }
        }
    }
}

/// The value of a `PATH` variable, looked at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchPath {
    kept: OsString,
    passed_over: Vec<(PathBuf, PassedOver)>,
}

impl SearchPath {
    /// The directories of `path` that are absolute and not in one of `avoided`.
    pub fn of(path: &OsStr, avoided: &[PathBuf]) -> Self {
        let avoided: Vec<_> = avoided.iter().map(|place| real(place)).collect();
        let mut kept = Vec::new();
        let mut passed_over = Vec::new();
        for directory in std::env::split_paths(path) {
            let inside = avoided.iter().find(|place| real(&directory).starts_with(place));
            if directory.as_os_str().is_empty() || !directory.is_absolute() {
                passed_over.push((directory, PassedOver::Relative));
            } else if let Some(place) = inside {
                passed_over.push((directory, PassedOver::Inside(place.clone())));
            } else {
                kept.push(directory);
            }
        }
        // They were split there, so none has a separator in it.
        Self { kept: std::env::join_paths(kept).unwrap_or_default(), passed_over }
    }

    /// The value without what was passed over, to be passed on.
    pub fn as_os_str(&self) -> &OsStr {
        &self.kept
    }

    /// What was passed over, and what of the rest the host does not search: see [`crate::find_program`].
    pub fn passed_over(&self) -> Vec<(PathBuf, PassedOver)> {
        let unsafe_ones = std::env::split_paths(&self.kept)
            .filter_map(|directory| passed_over(&directory).map(|why| (directory, why)));
        self.passed_over.iter().cloned().chain(unsafe_ones).collect()
    }
}

/// A path without links, as far as it is there.
fn real(path: &Path) -> PathBuf {
    let there = path.ancestors().find_map(|above| {
        let rest = path.strip_prefix(above).ok()?;
        Some(above.canonicalize().ok()?.join(rest))
    });
    there.unwrap_or_else(|| path.to_owned())
}

/// Why programs are not looked for in this directory. A directory that is not there is none.
pub(crate) fn passed_over(directory: &Path) -> Option<PassedOver> {
    if !directory.is_absolute() {
        return Some(PassedOver::Relative);
    }
    let user = geteuid().as_raw();
    // The links on the way are directories' entries: who may change those is looked at where they are.
    let mut places = vec![directory.canonicalize().ok()?];
    if places[0] != directory {
        places.push(directory.to_owned());
    }
    let above = places.iter().flat_map(|place| place.ancestors());
    for place in above.filter(|place| place.is_absolute()) {
        let Ok(found) = place.symlink_metadata() else { continue };
        // In a sticky directory others make files, and do not replace those that are not theirs.
        let is_searched = places.iter().any(|searched| searched == place);
        let safe = found.is_symlink() || (found.mode() & 0o1000 != 0 && !is_searched);
        if let Some(others) = written_by_others(place, &found, user)
            && (!safe || matches!(others, PassedOver::OwnedBy(..)))
        {
            return Some(others);
        }
    }
    None
}

/// Why the file of a program is not run: somebody else may write to it, or owns it.
pub(crate) fn not_run(program: &Path) -> Option<PassedOver> {
    let real = program.canonicalize().ok()?;
    let found = real.symlink_metadata().ok()?;
    written_by_others(&real, &found, geteuid().as_raw())
}

/// Who besides this user and root may change what is here.
fn written_by_others(place: &Path, found: &Metadata, user: u32) -> Option<PassedOver> {
    let (mode, owner, group) = (found.mode(), found.uid(), found.gid());
    if owner != 0 && owner != user {
        return Some(PassedOver::OwnedBy(place.to_owned(), owner));
    }
    if mode & 0o002 != 0 {
        return Some(PassedOver::WorldWritable(place.to_owned()));
    }
    // With an access list these bits say what the most is that it gives to anybody.
    let shared = mode & 0o020 != 0 && (has_access_list(place) || !is_a_users_own(group, user));
    shared.then(|| PassedOver::GroupWritable(place.to_owned(), group))
}

/// Whether a directory or a file says by name who may write to it.
fn has_access_list(place: &Path) -> bool {
    let list = rustix::fs::lgetxattr(place, c"system.posix_acl_access", &mut [0; 0]);
    list.is_ok_and(|bytes| bytes > 0)
}

/// Whether nobody but this user and root is in a group, as in those that many systems make for each user, and in those
/// that nobody was put into.
fn is_a_users_own(group: u32, user: u32) -> bool {
    if group == 0 {
        return true;
    }
    let name = User::from_uid(user.into()).ok().flatten().map(|user| user.name);
    let is_own = |member: &str| member == "root" || Some(member) == name.as_deref();
    let named = Group::from_gid(group.into()).ok().flatten().map_or(Vec::new(), |group| group.mem);
    // Whose first group it is, it does not name.
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let mut first = users.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let (name, group) = (fields.next()?, fields.nth(2)?);
        Some((name, group.parse::<u32>().ok()?))
    });
    named.iter().all(|member| is_own(member))
        && first.all(|(member, first)| first != group || is_own(member))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;
    use crate::find_program;

    fn directory(place: &Path, mode: u32) -> PathBuf {
        fs::create_dir_all(place).unwrap();
        fs::write(place.join("tool"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(place.join("tool"), Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(place, Permissions::from_mode(mode)).unwrap();
        place.to_owned()
    }

    fn found(directory: &Path) -> bool {
        find_program("tool", directory.as_os_str()).is_some()
    }

    #[test]
    fn a_directory_that_others_write_to_is_not_searched() {
        let top = tempfile::tempdir().unwrap();
        let top = top.path().canonicalize().unwrap();
        assert!(found(&directory(&top.join("own"), 0o755)));
        let open = directory(&top.join("open"), 0o777);
        assert_eq!(passed_over(&open), Some(PassedOver::WorldWritable(open.clone())));
        assert!(!found(&open));
        let sticky = directory(&top.join("sticky"), 0o1777);
        assert!(!found(&sticky), "others put files into it");
        let below = directory(&sticky.join("own"), 0o755);
        assert!(found(&below), "and replace none in it");
        let replaced = directory(&open.join("own"), 0o755);
        assert_eq!(passed_over(&replaced), Some(PassedOver::WorldWritable(open)));
        assert!(!found(&replaced), "the whole directory could be another");
        let link = top.join("link");
        symlink(&sticky, &link).unwrap();
        assert!(!found(&link), "what a link leads to counts");
        let own = top.join("own");
        for mode in [0o757, 0o777] {
            fs::set_permissions(own.join("tool"), Permissions::from_mode(mode)).unwrap();
            assert!(!found(&own), "the file itself could be another: {mode:o}");
        }
        fs::set_permissions(own.join("tool"), Permissions::from_mode(0o755)).unwrap();
        assert!(found(&own));
        if geteuid().is_root() {
            // A group in which somebody else is: that of the user `nobody`.
            let theirs = Group::from_gid(65534.into()).unwrap().map(|_| 65534);
            let shared = directory(&top.join("shared"), 0o775);
            chown(&shared, None, theirs).unwrap();
            if let Some(group) = theirs {
                assert_eq!(
                    passed_over(&shared),
                    Some(PassedOver::GroupWritable(shared.clone(), group))
                );
                chown(own.join("tool"), None, Some(group)).unwrap();
                fs::set_permissions(own.join("tool"), Permissions::from_mode(0o775)).unwrap();
                assert!(!found(&own));
            }
            let unused = directory(&top.join("unused"), 0o775);
            chown(&unused, None, Some(54321)).unwrap();
            assert!(found(&unused), "nobody is in it");
            let theirs = directory(&top.join("theirs"), 0o755);
            chown(&theirs, Some(12345), None).unwrap();
            assert_eq!(passed_over(&theirs), Some(PassedOver::OwnedBy(theirs.clone(), 12345)));
            assert!(!found(&theirs));
        }
    }

    #[test]
    fn a_path_is_without_what_is_relative_or_written_by_programs() {
        let top = tempfile::tempdir().unwrap();
        let top = top.path().canonicalize().unwrap();
        let (good, work) = (directory(&top.join("bin"), 0o755), top.join("work"));
        let inside = directory(&work.join("a/bin"), 0o755);
        symlink(&inside, top.join("link")).unwrap();
        let named = format!(
            "::.:bin:../x:{}:{}:{}:{}:",
            inside.display(),
            top.join("link").display(),
            work.join("later/bin").display(),
            good.display()
        );
        let path = SearchPath::of(OsStr::new(&named), std::slice::from_ref(&work));
        assert_eq!(path.as_os_str(), good.as_os_str());
        let why: Vec<_> = path.passed_over().into_iter().map(|(_, why)| why).collect();
        let inside = [
            PassedOver::Inside(work.clone()),
            PassedOver::Inside(work.clone()),
            PassedOver::Inside(work),
        ];
        assert_eq!(why[..5], [const { PassedOver::Relative }; 5]);
        assert_eq!(why[5..8], inside);
        assert_eq!(why[8..], [PassedOver::Relative]);
        let open = directory(&top.join("open"), 0o777);
        let path = SearchPath::of(open.as_os_str(), &[]);
        assert_eq!(path.as_os_str(), open.as_os_str(), "programs get it");
        assert_eq!(
            path.passed_over(),
            [(open.clone(), PassedOver::WorldWritable(open))],
            "and the host does not search it"
        );
    }
}
