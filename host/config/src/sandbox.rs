use crate::{RepositoryConfig, config::Sources, hooks, reader::At};
use cyrus_sandbox::{Profile, Resources};
use std::path::PathBuf;

/// What is said of the sandbox of launched programs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SandboxSettings {
    /// How much of it they get; nothing is said when `None`.
    pub profile: Option<Profile>,
    /// Paths that they may read besides the system's. Absolute when Cyrus's home is.
    pub read_only: Vec<PathBuf>,
    /// Paths that they may write besides their own. Absolute when Cyrus's home is.
    pub read_write: Vec<PathBuf>,
    /// What they may use of the machine.
    pub limits: SandboxLimits,
}

/// The section `limits` of `sandbox`: what launched programs may use of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SandboxLimits {
    memory_mib: Option<Most>,
    processes: Option<Most>,
    open_files: Option<Most>,
    file_mib: Option<Most>,
    disk_mib: Option<Most>,
    cpu_seconds: Option<Most>,
}

/// What is configured of one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Most {
    Number(u32),
    Unlimited,
}

/// The word for no limit.
const NONE: &str = "none";

impl Most {
    fn read(at: &At<'_>) -> Option<Self> {
        if !at.is_text() {
            return at.number().map(Self::Number);
        }
        if at.text() == Some(NONE) {
            return Some(Self::Unlimited);
        }
        at.wrong("write a whole number above zero, or \"none\"");
        None
    }

    /// The limit in units of this size, over the default.
    fn over(configured: Option<Self>, default: Option<u64>, unit: u64) -> Option<u64> {
        match configured {
            None => default,
            Some(Self::Unlimited) => None,
            Some(Self::Number(most)) => Some(u64::from(most) * unit),
        }
    }
}

/// Bytes of a MiB.
const MIB: u64 = 1 << 20;

impl SandboxLimits {
    fn read(at: &At<'_>) -> Self {
        let most = |key| Most::read(&at.get(key));
        Self {
            memory_mib: most("memoryMib"),
            processes: most("processes"),
            open_files: most("openFiles"),
            file_mib: most("fileMib"),
            disk_mib: most("diskMib"),
            cpu_seconds: most("cpuSeconds"),
        }
    }

    fn overlaid(self, over: Self) -> Self {
        Self {
            memory_mib: over.memory_mib.or(self.memory_mib),
            processes: over.processes.or(self.processes),
            open_files: over.open_files.or(self.open_files),
            file_mib: over.file_mib.or(self.file_mib),
            disk_mib: over.disk_mib.or(self.disk_mib),
            cpu_seconds: over.cpu_seconds.or(self.cpu_seconds),
        }
    }

    /// The limits of launched programs: what is configured, over the defaults.
    pub fn resources(&self) -> Resources {
        let default = Resources::default();
        Resources {
            memory_bytes: Most::over(self.memory_mib, default.memory_bytes, MIB),
            processes: Most::over(self.processes, default.processes, 1),
            open_files: Most::over(self.open_files, default.open_files, 1),
            file_bytes: Most::over(self.file_mib, default.file_bytes, MIB),
            disk_bytes: Most::over(self.disk_mib, default.disk_bytes, MIB),
            cpu_seconds: Most::over(self.cpu_seconds, default.cpu_seconds, 1),
            ..default
        }
    }
}

impl SandboxSettings {
    /// Reads the section `sandbox`. Upstream has one of this name, whose keys mean something else and are left alone.
    pub(crate) fn read(at: &At<'_>, sources: &Sources<'_>) -> Self {
        let profile = at.get("profile");
        Self {
            profile: profile.text().and_then(|word| match word.parse() {
                Ok(profile) => Some(profile),
                Err(unknown) => {
                    profile.wrong(unknown);
                    None
                }
            }),
            read_only: hooks::paths(&at.get("readOnly"), sources).unwrap_or_default(),
            read_write: hooks::paths(&at.get("readWrite"), sources).unwrap_or_default(),
            limits: SandboxLimits::read(&at.get("limits")),
        }
    }

    /// What says more, over this: its profile and its limits win, and its paths are added.
    #[must_use]
    pub(crate) fn overlaid(mut self, over: &Self) -> Self {
        self.profile = over.profile.or(self.profile);
        self.limits = self.limits.overlaid(over.limits);
        self.read_only.extend(over.read_only.iter().cloned());
        self.read_write.extend(over.read_write.iter().cloned());
        self
    }
}

impl RepositoryConfig<'_> {
    /// The sandbox of checks and set-ups here: what is said for all, and over it what is said of the repository.
    pub fn sandbox(&self) -> SandboxSettings {
        let own = self.own_sandbox().cloned().unwrap_or_default();
        self.for_all().sandbox.clone().overlaid(&own)
    }

    /// The sandbox of the programs of this executor here: over that of the repository, what is said of the executor.
    pub fn executor_sandbox(&self, executor: &str) -> SandboxSettings {
        self.sandbox().overlaid(&self.entry(executor).sandbox)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::cell::RefCell;

    fn read(value: &Value) -> (SandboxLimits, Vec<String>) {
        let problems = RefCell::default();
        let limits = SandboxLimits::read(&At::root("limits", value, &problems));
        (limits, problems.into_inner().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn what_is_said_closest_wins_one_by_one() {
        let (all, none) = read(&json!({"memoryMib": 512, "processes": 100, "cpuSeconds": 9}));
        assert!(none.is_empty());
        let (own, _) = read(&json!({"memoryMib": "none", "processes": 7, "fileMib": 2}));
        let limits = all.overlaid(own).resources();
        let default = Resources::default();
        let expected = Resources {
            memory_bytes: None,
            processes: Some(7),
            file_bytes: Some(2 << 20),
            cpu_seconds: Some(9),
            ..default
        };
        assert_eq!(limits, expected);
        assert_eq!(SandboxLimits::default().resources(), default);
    }

    #[test]
    fn a_limit_is_a_number_or_none() {
        for wrong in [json!(0), json!(-1), json!("much"), json!(true), json!(1.5)] {
            let (limits, problems) = read(&json!({"processes": wrong}));
            assert_eq!(limits, SandboxLimits::default());
            assert_eq!(problems.len(), 1, "{wrong}: {problems:?}");
        }
    }
}
