//! What programs need of an operator's own installations: version managers, directories on the `PATH`, and where a
//! program itself is installed. Never a home as a whole.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::sandbox::{Access, Mount};
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

/// The links of one path that are followed at most.
const HOPS: usize = 16;

/// The installations of an operator that programs may read.
#[derive(Clone, Debug, Default)]
pub struct Toolchain {
    mounts: Vec<Mount>,
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
        for directory in std::env::split_paths(path).filter(|directory| directory.is_absolute()) {
            // Programs in `bin` find their libraries beside it.
            if directory.file_name() == Some(OsStr::new("bin"))
                && let Some(prefix) = directory.parent()
            {
                wanted.extend(
                    ["lib", "libexec", "share"].map(|name| prefix.join(name)).into_iter().filter(
                        // `~/.local/share` holds everything else, too.
                        |beside| !beside.ends_with(".local/share"),
                    ),
                );
            }
            wanted.push(directory);
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
        toolchain
    }

    /// Adds a path that the operator named. Links in it are the operator's own.
    fn add(&mut self, path: &Path, private: &[AbsolutePath]) {
        let Ok(real) = fs::canonicalize(path) else { return };
        let Ok(target) = AbsolutePath::parse(path) else { return };
        if is_too_wide(&real, private) || is_too_wide(path, private) || !is_plain(path) {
            return;
        }
        for name in CREDENTIALS {
            if real.join(name).symlink_metadata().is_ok_and(|found| !found.is_symlink()) {
                self.hidden.extend(AbsolutePath::parse(path.join(name)));
            }
        }
        let Ok(source) = AbsolutePath::parse(real) else { return };
        // Programs that resolve their own path find themselves there, too.
        for target in [target, source.clone()] {
            let mount = Mount { source: source.clone(), target, access: Access::ReadOnly };
            if !self.mounts.contains(&mount) {
                self.mounts.push(mount);
            }
        }
    }

    pub(crate) fn mounts(&self) -> &[Mount] {
        &self.mounts
    }

    pub(crate) fn hidden(&self) -> &[AbsolutePath] {
        &self.hidden
    }
}

/// The directories that hold what is the operator's or the host's own: these, and whatever they really are.
pub fn private_parts(paths: impl IntoIterator<Item = PathBuf>) -> Vec<AbsolutePath> {
    let mut parts = Vec::new();
    for path in paths {
        parts.extend(fs::canonicalize(&path).ok().and_then(|real| AbsolutePath::parse(real).ok()));
        parts.extend(AbsolutePath::parse(path));
    }
    parts.sort();
    parts.dedup();
    parts
}

/// Whether a directory is too much to be given as a whole: a private one, one above it, or one directly below the
/// root that is not the system's.
fn is_too_wide(path: &Path, private: &[AbsolutePath]) -> bool {
    private.iter().any(|private| private.as_path().starts_with(path)) || path.parent().is_none()
}

/// Whether it is a directory such as `~/.local` or `~/.cargo`, which programs share with an operator's keys.
fn is_dot_directory(path: &Path, private: &[AbsolutePath]) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    hidden && path.parent().is_some_and(|above| private.iter().any(|home| home.as_path() == above))
}

fn is_plain(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
}

/// What a program needs of where it is installed: its links, and its file or the directory that it was installed
/// into.
pub(super) fn installation(
    program: &Path,
    private: &[AbsolutePath],
) -> (Vec<Mount>, Vec<(AbsolutePath, AbsolutePath)>) {
    let (mut mounts, mut links) = (Vec::new(), Vec::new());
    let mut hop = program.to_owned();
    for _ in 0..HOPS {
        let Ok(target) = fs::read_link(&hop) else { break };
        let above = hop.parent().unwrap_or(Path::new("/"));
        let next = normal(&above.join(target));
        if let (Ok(at), Ok(to)) = (AbsolutePath::parse(hop), AbsolutePath::parse(next.clone())) {
            links.push((at, to));
        }
        hop = next;
    }
    let Ok(real) = fs::canonicalize(&hop) else { return (mounts, links) };
    let prefix = prefix(&real)
        .filter(|prefix| !is_too_wide(prefix, private) && !is_dot_directory(prefix, private));
    for (path, target) in prefix.iter().map(|prefix| (*prefix, *prefix)).chain([
        (real.as_path(), real.as_path()),
        // A directory on the way may be a link.
        (real.as_path(), hop.as_path()),
    ]) {
        if let (Ok(source), Ok(target)) = (AbsolutePath::parse(path), AbsolutePath::parse(target)) {
            mounts.push(Mount { source, target, access: Access::ReadOnly });
        }
    }
    (mounts, links)
}

/// Resolves `.` and `..` by their names.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir => {}
            part => normal.push(part),
        }
    }
    normal
}

/// Where a program was installed into: `P` when it is `P/bin/x`, and when it lies under `P/lib/node_modules`; `P` when
/// it lies under `P/node_modules`.
fn prefix(program: &Path) -> Option<&Path> {
    let mut modules = program.ancestors().filter(|above| above.ends_with("node_modules"));
    if let Some(modules) = modules.next() {
        let above = modules.parent()?;
        return if above.ends_with("lib") { above.parent() } else { Some(modules) };
    }
    let directory = program.parent()?;
    if directory.ends_with("bin") { directory.parent() } else { None }
}

/// The variables of a list, as [`Toolchain::find`] takes them.
impl Toolchain {
    /// [`Toolchain::find`] with the variables of a launch.
    pub fn of_variables(variables: &[(OsString, OsString)], private: &[AbsolutePath]) -> Self {
        let path = variables.iter().find(|(name, _)| name == "PATH");
        let path = path.map_or(OsStr::new(""), |(_, path)| path.as_os_str());
        let pairs = variables.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()));
        Self::find(path, pairs, private)
    }
}
