//! What every sandboxed program sees of the system, found once.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_home_and_no_socket_directory_is_part_of_the_system() {
        let system = system();
        for private in ["/root", "/home", "/run", "/var", "/tmp", "/srv", "/mnt", "/proc", "/dev"] {
            assert!(!system.directories.iter().any(|path| path.starts_with(private)), "{private}");
        }
        assert!(system.directories.iter().any(|path| path == "/usr"));
    }
}
