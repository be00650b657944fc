//! What programs need of an operator's own installations: version managers, directories on the `PATH`, and where a
//! program itself is installed. Never a home as a whole.

use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::installation;
use super::sandbox::{Access, Mount};
use super::system::system;
use crate::path::AbsolutePath;

/// Variables that name the directory of a compiler, an interpreter or a version manager.
const DIRECTORIES: [&str; 14] = [
    "RUSTUP_HOME",
    "PYENV_ROOT",
    "RBENV_ROOT",
    "NVM_DIR",
    "VOLTA_HOME",
    "ASDF_DIR",
    "ASDF_DATA_DIR",
    "MISE_DATA_DIR",
    "SDKMAN_DIR",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "JAVA_HOME",
    "GOROOT",
    "SSL_CERT_DIR",
];

/// Variables that name a file of certificates.
const FILES: [&str; 4] = ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "PIP_CERT"];

/// Names under which tools keep what lets them in elsewhere. None of them is seen, wherever in a toolchain it lies at
/// its top.
const CREDENTIALS: [&str; 12] = [
    ".credentials",
    ".netrc",
    ".npmrc",
    ".pypirc",
    ".yarnrc",
    ".yarnrc.yml",
    "auth.json",
    "credentials",
    "credentials.json",
    "credentials.toml",
    "hosts.yml",
    "settings.xml",
];

/// The installations of an operator that programs may read.
#[derive(Clone, Debug, Default)]
pub struct Toolchain {
    mounts: Vec<Mount>,
    /// Where a link is, and what is in it.
    links: Vec<(AbsolutePath, AbsolutePath)>,
    hidden: Vec<AbsolutePath>,
}

impl Toolchain {
    /// Finds the installations that the directories of `path` (the value of a `PATH` variable) and `variables` name.
    /// A directory in `private`, or above one of them, is left out. To be called once.
    pub fn find<'a>(
        path: &OsStr,
        variables: impl IntoIterator<Item = (&'a OsStr, &'a OsStr)>,
        private: &[AbsolutePath],
    ) -> Self {
        let mut wanted: Vec<PathBuf> = Vec::new();
        let mut directories: Vec<PathBuf> = Vec::new();
        for directory in std::env::split_paths(path).filter(|directory| directory.is_absolute()) {
            // Programs in `bin` find their libraries beside it.
            if directory.file_name() == Some(OsStr::new("bin"))
                && let Some(prefix) = directory.parent()
                && is_an_installation(prefix, private)
            {
                wanted.extend(
                    ["lib", "libexec", "share"].map(|name| prefix.join(name)).into_iter().filter(
                        // `~/.local/share` holds everything else, too.
                        |beside| !beside.ends_with(".local/share"),
                    ),
                );
                // A virtual environment of Python is known by that.
                wanted.push(prefix.join("pyvenv.cfg"));
                // Go finds its own library by that.
                if prefix.join("src/runtime").is_dir() {
                    wanted
                        .extend(["src", "pkg", "go.env", "VERSION"].map(|name| prefix.join(name)));
                }
            }
            wanted.push(directory.clone());
            directories.push(directory);
        }
        for (name, value) in variables {
            let known = |names: &[&str]| names.iter().any(|known| name == *known);
            if known(&DIRECTORIES) || known(&FILES) {
                wanted.extend(std::env::split_paths(value));
            }
        }
        let mut toolchain = Self::default();
        for directory in wanted {
            toolchain.add(&directory, private);
        }
        for directory in directories {
            toolchain.add_linked(&directory, private);
        }
        toolchain.links.sort();
        toolchain.links.dedup();
        toolchain
    }

    /// Adds a path that the operator named. Links in it are the operator's own.
    fn add(&mut self, path: &Path, private: &[AbsolutePath]) {
        let Ok(real) = fs::canonicalize(path) else { return };
        let Ok(target) = AbsolutePath::parse(path) else { return };
        // What is the system's, every program sees, with its own user's rights.
        if is_seen_anyway(&real, private)
            || is_too_wide(&real, private)
            || is_too_wide(path, private)
            || !is_plain(path)
        {
            return;
        }
        let Ok(source) = AbsolutePath::parse(real) else { return };
        // Programs that resolve their own path find themselves there, too.
        for target in [target, source.clone()] {
            self.mount(Mount { source: source.clone(), target, access: Access::ReadOnly });
        }
    }

    /// Adds what the links of a directory on the `PATH` lead to, where that directory is seen itself.
    fn add_linked(&mut self, directory: &Path, private: &[AbsolutePath]) {
        let Ok(real) = fs::canonicalize(directory) else { return };
        if !self.mounts.iter().any(|mount| mount.source.as_path() == real) {
            return;
        }
        for program in installation::linked(&real, private) {
            let (mounts, links) = installation::installation(&program, private);
            for mount in mounts {
                self.mount(mount);
            }
            // The first one is in the directory.
            self.links.extend(links.into_iter().skip(1));
        }
    }

    /// Adds a mount, without the logins at its top.
    fn mount(&mut self, mount: Mount) {
        if self.mounts.contains(&mount) {
            return;
        }
        for name in CREDENTIALS {
            let login = mount.source.as_path().join(name);
            if login.symlink_metadata().is_ok_and(|found| !found.is_symlink())
                && let Ok(login) = AbsolutePath::parse(mount.target.as_path().join(name))
                && !self.hidden.contains(&login)
            {
                self.hidden.push(login);
            }
        }
        self.mounts.push(mount);
    }

    pub(crate) fn mounts(&self) -> &[Mount] {
        &self.mounts
    }

    pub(crate) fn links(&self) -> &[(AbsolutePath, AbsolutePath)] {
        &self.links
    }

    pub(crate) fn hidden(&self) -> &[AbsolutePath] {
        &self.hidden
    }
}

/// The directories that hold what is the operator's or the host's own: these, and whatever they really are.
pub(super) fn private_parts(paths: impl IntoIterator<Item = PathBuf>) -> Vec<AbsolutePath> {
    let mut parts = Vec::new();
    for path in paths {
        parts.extend(fs::canonicalize(&path).ok().and_then(|real| AbsolutePath::parse(real).ok()));
        parts.extend(AbsolutePath::parse(path));
    }
    parts.sort();
    parts.dedup();
    parts
}

pub(super) fn is_of_the_system(path: &Path) -> bool {
    system().directories.iter().any(|directory| path.starts_with(directory))
}

/// Whether every program sees a path: it is the system's, and in nothing private.
pub(super) fn is_seen_anyway(path: &Path, private: &[AbsolutePath]) -> bool {
    is_of_the_system(path) && !private.iter().any(|private| path.starts_with(private))
}

/// Whether a directory is too much to be given as a whole: a private one, one above it, or one directly below the
/// root that is not the system's.
pub(super) fn is_too_wide(path: &Path, private: &[AbsolutePath]) -> bool {
    private.iter().any(|private| private.as_path().starts_with(path)) || path.parent().is_none()
}

/// Whether what is beside a `bin` belongs to its programs: not where that is a home, whose `lib` and `share` are the
/// operator's own, and not in a repository that is worked on. Version managers are repositories, too: they have
/// `shims`, or are in a directory such as `~/.asdf`.
fn is_an_installation(prefix: &Path, private: &[AbsolutePath]) -> bool {
    let real = fs::canonicalize(prefix).unwrap_or_else(|_| prefix.to_owned());
    !is_too_wide(prefix, private)
        && !is_too_wide(&real, private)
        && (prefix.join(".git").symlink_metadata().is_err() || is_version_manager(prefix))
}

pub(super) fn is_version_manager(prefix: &Path) -> bool {
    let hidden = prefix.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    hidden || prefix.join("shims").is_dir()
}

fn is_plain(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn absolute(path: &Path) -> AbsolutePath {
        AbsolutePath::parse(path).unwrap()
    }

    /// A home of an operator.
    pub(in super::super) struct Home {
        directory: tempfile::TempDir,
    }

    impl Home {
        pub(in super::super) fn new(files: &[&str]) -> Self {
            let home = Self { directory: tempfile::tempdir_in("/var/tmp").unwrap() };
            for file in files {
                fs::create_dir_all(home.at(file).parent().unwrap()).unwrap();
                fs::write(home.at(file), "").unwrap();
            }
            home
        }

        pub(in super::super) fn at(&self, name: &str) -> PathBuf {
            self.directory.path().canonicalize().unwrap().join(name)
        }

        pub(in super::super) fn private(&self) -> [AbsolutePath; 1] {
            [AbsolutePath::parse(self.directory.path().canonicalize().unwrap()).unwrap()]
        }
    }

    #[test]
    fn what_is_the_systems_is_not_given_again() {
        let toolchain = Toolchain::find(OsStr::new("/usr/bin:/bin:/usr/local/bin"), [], &[]);
        assert!(toolchain.mounts.is_empty(), "{toolchain:?}");
        // But where it is in a home, which is hidden there.
        let private = [absolute(Path::new("/usr/local"))];
        let toolchain = Toolchain::find(OsStr::new("/usr/bin:/usr/local/bin"), [], &private);
        let targets: Vec<_> = toolchain.mounts.iter().map(|mount| mount.target.as_path()).collect();
        assert!(targets.contains(&Path::new("/usr/local/bin")), "{targets:?}");
        assert!(!targets.contains(&Path::new("/usr/bin")), "{targets:?}");
    }

    #[test]
    fn what_is_beside_a_bin_is_not_always_a_programs() {
        let home = Home::new(&[
            "bin/tool",
            "lib/keys",
            "share/notes",
            "opt/go/bin/go",
            "opt/go/lib/time",
            "opt/go/src/runtime/x.go",
            "opt/go/pkg/x",
            "opt/go/VERSION",
            "opt/go/AUTHORS",
            "work/bin/x",
            "work/lib/secret",
            "work/.git/HEAD",
            ".pyenv/bin/pyenv",
            ".pyenv/libexec/pyenv",
            ".pyenv/.git/HEAD",
        ]);
        let bins = ["bin", "opt/go/bin", "work/bin", ".pyenv/bin"].map(|bin| home.at(bin));
        let path = std::env::join_paths(&bins).unwrap();
        let found = Toolchain::find(&path, [], &home.private());
        let targets: Vec<_> = found.mounts.iter().map(|mount| mount.target.clone()).collect();
        let wanted = [
            "bin",
            "opt/go/lib",
            "opt/go/src",
            "opt/go/pkg",
            "opt/go/VERSION",
            "opt/go/bin",
            "work/bin",
            ".pyenv/libexec",
            ".pyenv/bin",
        ];
        assert_eq!(targets, wanted.map(|name| absolute(&home.at(name))));
    }

    #[test]
    fn toolchains_are_found_without_logins_and_without_the_home() {
        let home = Home::new(&[
            ".cargo/bin/cargo",
            ".cargo/credentials.toml",
            ".rustup/settings",
            ".pyenv/credentials",
        ]);
        let path =
            std::env::join_paths([home.at(".cargo/bin"), home.at(""), "/usr/bin".into()]).unwrap();
        let (rustup, pyenv, all) = (home.at(".rustup"), home.at(".pyenv"), home.at(""));
        let variables = [
            (OsStr::new("RUSTUP_HOME"), rustup.as_os_str()),
            (OsStr::new("PYENV_ROOT"), pyenv.as_os_str()),
            (OsStr::new("JAVA_HOME"), all.as_os_str()),
            (OsStr::new("OTHER"), all.as_os_str()),
        ];
        let found = Toolchain::find(&path, variables, &home.private());
        let targets: Vec<_> = found.mounts.iter().map(|mount| mount.target.clone()).collect();
        assert_eq!(
            targets,
            [home.at(".cargo/bin"), rustup.clone(), pyenv.clone()].map(|p| absolute(&p))
        );
        assert_eq!(found.hidden, [absolute(&pyenv.join("credentials"))]);
    }
}
