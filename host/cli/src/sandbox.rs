//! The policy for sandboxes, from the configuration and the operator's environment.

use crate::exit::usage;
use anyhow::Result;
use cyrus_config::SandboxSettings;
use cyrus_sandbox::{AbsolutePath, Launcher, Profile, SandboxPolicy, Withheld};
use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

/// The variable that goes before every profile that is configured.
const PROFILE: &str = "CYRUS_SANDBOX";

/// The variable that names layers which programs do not get.
const WITHOUT: &str = "CYRUS_SANDBOX_WITHOUT";

/// The layers that programs do not get although the system has them.
pub(crate) fn withheld() -> Result<Withheld> {
    let words = match env::var(WITHOUT) {
        Ok(words) if !words.is_empty() => words,
        _ => return Ok(Withheld::default()),
    };
    let withheld = words.parse().map_err(|error| usage(format!("{WITHOUT}: {error}")))?;
    tracing::warn!("the sandbox is weaker than it could be: {WITHOUT} is {words}");
    Ok(withheld)
}

/// What of the machine a policy is made from.
pub(crate) struct Surroundings {
    /// The operator's and Cyrus's own directories.
    pub(crate) private: Vec<PathBuf>,
    /// The repositories that are worked on.
    pub(crate) repositories: Vec<PathBuf>,
    pub(crate) path: OsString,
    /// Variables that name compilers, interpreters and version managers.
    pub(crate) variables: Vec<(OsString, OsString)>,
    /// The operator's caches of downloads, which programs only read.
    pub(crate) caches: Vec<PathBuf>,
}

/// The profile that is in force: that of the environment, else the configured one.
pub(crate) fn profile(settings: &SandboxSettings) -> Result<Profile> {
    match env::var(PROFILE) {
        Ok(word) if !word.is_empty() => {
            word.parse().map_err(|error| usage(format!("{PROFILE}: {error}")))
        }
        _ => Ok(settings.profile.unwrap_or_default()),
    }
}

/// The policy for sandboxes as it is configured. What programs reach is still to be said.
pub(crate) fn policy(settings: &SandboxSettings, around: &Surroundings) -> Result<SandboxPolicy> {
    let given = |paths: &[PathBuf]| -> Result<Vec<AbsolutePath>> {
        let absolute = |path: &PathBuf| Ok(AbsolutePath::parse(std::path::absolute(path)?)?);
        paths.iter().map(absolute).collect()
    };
    // A toolchain is one of the operator's, unless all of its home would be.
    let private = around.private.iter().filter(|path| *path != Path::new("/"));
    Ok(SandboxPolicy::new(profile(settings)?)
        .private(private.cloned())
        .repositories(around.repositories.iter().cloned())
        .toolchain(&around.path, &around.variables)
        .read_only(given(&around.caches)?)
        .read_only(given(&settings.read_only)?)
        .read_write(given(&settings.read_write)?)
        .limits(settings.limits.resources()))
}

/// A launcher of tools of the host's own on what did not come from the operator: their sandboxes have the profile that
/// is in force, and nothing besides the system but what each launch names.
pub(crate) fn bare(
    launcher: &Launcher,
    settings: &SandboxSettings,
    private: Vec<PathBuf>,
    repositories: Vec<PathBuf>,
) -> Result<Launcher> {
    let private = private.into_iter().filter(|path| path != Path::new("/"));
    Ok(launcher.with_policy(
        SandboxPolicy::new(profile(settings)?).private(private).repositories(repositories),
    ))
}
