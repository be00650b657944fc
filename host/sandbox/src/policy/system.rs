//! What every sandboxed program sees of the system, found once.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nix::unistd::geteuid;

/// The directories of an operating system: programs, libraries, their settings. A home is in none of them.
const DIRECTORIES: [&str; 12] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/opt",
    "/nix/store",
    "/gnu/store",
    "/etc",
    // How many processors there are.
    "/sys/devices/system/cpu",
];

/// Files and directories of `/etc` that hold secrets or say how services of this machine are reached. Permissions keep
/// most of them from most users, but a user's groups open some.
const SECRET: [&str; 27] = [
    "/etc/NetworkManager",
    "/etc/containers",
    "/etc/credstore",
    "/etc/credstore.encrypted",
    "/etc/docker",
    "/etc/fstab",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/ipsec.secrets",
    "/etc/krb5.keytab",
    "/etc/kubernetes",
    "/etc/letsencrypt",
    "/etc/machine-id",
    "/etc/openvpn",
    "/etc/passwd-",
    "/etc/group-",
    "/etc/ppp",
    "/etc/rancher",
    "/etc/security/opasswd",
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/ssh",
    "/etc/ssl/private",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/wireguard",
    "/etc/wpa_supplicant",
];

/// The system's part of a view.
#[derive(Debug, Default)]
pub(crate) struct System {
    pub(crate) directories: Vec<PathBuf>,
    /// Where a link is, and what is in it: `/bin` is one to `usr/bin` on most systems.
    pub(crate) links: Vec<(PathBuf, PathBuf)>,
    pub(crate) hidden: Vec<PathBuf>,
}

/// The system's part of every view here. Looked up once: an operating system does not move its directories.
pub(crate) fn system() -> &'static System {
    static SYSTEM: OnceLock<System> = OnceLock::new();
    SYSTEM.get_or_init(|| {
        let mut system = System::default();
        for path in DIRECTORIES.map(PathBuf::from) {
            match fs::symlink_metadata(&path) {
                Ok(found) if found.is_symlink() => {
                    if let Ok(target) = fs::read_link(&path) {
                        system.links.push((path, target));
                    }
                }
                Ok(found) if found.is_dir() => system.directories.push(path),
                _ => {}
            }
        }
        let there =
            |path: &PathBuf| fs::symlink_metadata(path).is_ok_and(|found| !found.is_symlink());
        system.hidden = SECRET.map(PathBuf::from).into_iter().filter(there).collect();
        system
    })
}

/// Where programs are installed that come with no system, and where people put other things, too.
const OPTIONAL: &str = "/opt";

/// How deep what is there is looked at, and how many directories.
const LEVELS: usize = 5;
const LOOKED_AT: usize = 5000;

/// What lies in `/opt` and is no part of the system: what is this user's, unless that is root, and working trees of
/// repositories. Looked up once.
pub(crate) fn own_parts() -> &'static [PathBuf] {
    static PARTS: OnceLock<Vec<PathBuf>> = OnceLock::new();
    PARTS.get_or_init(|| {
        let user = Some(geteuid()).filter(|user| !user.is_root());
        own(Path::new(OPTIONAL), user.map(nix::unistd::Uid::as_raw))
    })
}

/// The most parts that are named: each is a mount. Of more, the directories that they lie in are.
const PARTS: usize = 32;

fn own(top: &Path, user: Option<u32>) -> Vec<PathBuf> {
    let mut parts = each(top, user);
    for level in (1..LEVELS).rev() {
        if parts.len() <= PARTS {
            break;
        }
        let shortened = parts.iter().filter_map(|part| {
            let below = part.strip_prefix(top).ok()?;
            Some(top.join(below.components().take(level).collect::<PathBuf>()))
        });
        parts = shortened.collect::<BTreeSet<_>>().into_iter().collect();
    }
    parts
}

/// Those nearest to the top first. What is in one of them is not looked at.
fn each(top: &Path, user: Option<u32>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = VecDeque::from([(top.to_owned(), 1)]);
    for _ in 0..LOOKED_AT {
        let Some((directory, level)) = left.pop_front() else { break };
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
            let is_users = || entry.metadata().is_ok_and(|found| Some(found.uid()) == user);
            if kind.is_symlink() {
            } else if user.is_some() && is_users() || kind.is_dir() && path.join(".git").exists() {
                found.push(path);
            } else if kind.is_dir() && level < LEVELS {
                left.push_back((path, level + 1));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_users_and_what_is_a_repository_are_no_part_of_the_system() {
        let place = tempfile::tempdir().unwrap();
        for directory in ["tool/bin", "a/b/c/d/e/f/.git", "group/repository/.git", "work/.git"] {
            fs::create_dir_all(place.path().join(directory)).unwrap();
        }
        std::os::unix::fs::symlink("work", place.path().join("link")).unwrap();
        let of = |user| {
            let mut found = own(place.path(), user);
            found.sort();
            let name = |path: &PathBuf| path.strip_prefix(place.path()).unwrap().to_owned();
            found.iter().map(name).collect::<Vec<_>>()
        };
        assert_eq!(of(None), ["group/repository", "work"].map(PathBuf::from));
        let user = fs::metadata(place.path()).unwrap().uid();
        assert_eq!(of(Some(user)), ["a", "group", "tool", "work"].map(PathBuf::from));
        assert_eq!(of(Some(user + 1)), of(None));
        for number in 0..PARTS {
            fs::create_dir_all(place.path().join(format!("many/x/{number}/.git"))).unwrap();
        }
        assert_eq!(of(None), ["group/repository", "many/x", "work"].map(PathBuf::from));
    }

    #[test]
    fn no_home_and_no_socket_directory_is_part_of_the_system() {
        let system = system();
        for private in ["/root", "/home", "/run", "/var", "/tmp", "/srv", "/mnt", "/proc", "/dev"] {
            assert!(!system.directories.iter().any(|path| path.starts_with(private)), "{private}");
        }
        assert!(system.directories.iter().any(|path| path == "/usr"));
    }
}
