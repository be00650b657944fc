//! What a host says of every sandbox beforehand.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;

use super::profile::Profile;
use super::sandbox::Sandbox;
use super::system::own_parts;
use super::toolchain::{Toolchain, is_of_the_system, private_parts};
use super::way_out::WayOut;
use crate::path::AbsolutePath;
use crate::resources::Resources;

/// What a host says of every sandbox beforehand: the profile, what is the operator's and the host's own, and what
/// programs may use besides the system.
#[derive(Clone, Debug, Default)]
pub struct SandboxPolicy {
    profile: Profile,
    private: Vec<AbsolutePath>,
    repositories: Vec<AbsolutePath>,
    toolchain: Toolchain,
    read_only: Vec<AbsolutePath>,
    read_write: Vec<AbsolutePath>,
    way_out: Option<Arc<dyn WayOut>>,
    limits: Resources,
}

impl SandboxPolicy {
    /// Only the system's directories, with this profile.
    pub fn new(profile: Profile) -> Self {
        Self { profile, ..Self::default() }
    }

    /// Directories that no program sees as a whole: the operator's home, the host's state; and what lies in `/opt` and is
    /// no part of the system.
    #[must_use]
    pub fn private(mut self, directories: impl IntoIterator<Item = PathBuf>) -> Self {
        let directories = directories.into_iter().chain(own_parts().iter().cloned());
        self.private.extend(private_parts(directories));
        self
    }

    /// Repositories that are worked on, some of which may lie in a directory of the system, such as `/opt`: there, too,
    /// no program sees them.
    #[must_use]
    pub fn repositories(mut self, directories: impl IntoIterator<Item = PathBuf>) -> Self {
        let parts = private_parts(directories);
        self.repositories.extend(parts.into_iter().filter(|part| is_of_the_system(part.as_path())));
        self
    }

    /// The installations that these variables name, `PATH` among them; after [`SandboxPolicy::private`]. They are
    /// looked up now, and not for each program.
    #[must_use]
    pub fn toolchain(mut self, path: &OsStr, variables: &[(OsString, OsString)]) -> Self {
        let pairs = variables.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()));
        self.toolchain = Toolchain::find(path, pairs, &self.private);
        self
    }

    /// Paths that every program may read.
    #[must_use]
    pub fn read_only(mut self, paths: impl IntoIterator<Item = AbsolutePath>) -> Self {
        self.read_only.extend(paths);
        self
    }

    /// Paths that every program may write.
    #[must_use]
    pub fn read_write(mut self, paths: impl IntoIterator<Item = AbsolutePath>) -> Self {
        self.read_write.extend(paths);
        self
    }

    /// How programs reach hosts. Without one they reach none.
    #[must_use]
    pub fn way_out(mut self, way_out: Arc<dyn WayOut>) -> Self {
        self.way_out = Some(way_out);
        self
    }

    /// What a program uses of the machine, unless its launch says otherwise.
    #[must_use]
    pub fn limits(mut self, limits: Resources) -> Self {
        self.limits = limits;
        self
    }

    pub(crate) fn limits_of_launches(&self) -> Resources {
        self.limits
    }

    pub(crate) fn ways_out(&self) -> Option<&Arc<dyn WayOut>> {
        self.way_out.as_ref()
    }

    /// The profile.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// The sandbox of a program, so far.
    pub fn sandbox(&self, program: &AbsolutePath) -> Sandbox {
        let mut sandbox = Sandbox::new(self.profile).toolchain(&self.toolchain);
        for private in self.private.iter().chain(&self.repositories) {
            sandbox = sandbox.hide(private.clone());
        }
        sandbox = sandbox.program(program, &self.private);
        for path in &self.read_only {
            sandbox = sandbox.read_only(path.clone());
        }
        for path in &self.read_write {
            sandbox = sandbox.read_write_of_operator(path.clone());
        }
        sandbox
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_in_a_directory_of_the_system_is_hidden_and_others_are_not_there() {
        let repositories = ["/usr/share", "/var/tmp"].map(PathBuf::from);
        let policy = SandboxPolicy::new(Profile::Standard).repositories(repositories);
        let sandbox = policy.sandbox(&AbsolutePath::parse("/bin/sh").unwrap());
        let hidden: Vec<_> = sandbox.hidden.iter().map(AbsolutePath::as_path).collect();
        assert_eq!(hidden, [std::path::Path::new("/usr/share")]);
    }
}
