//! What the supervisor is to build, in the order in which it does.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::profile::Profile;
use super::sandbox::{Access, Network, Sandbox};
use super::system::System;

/// A path of the host in the program's view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bind {
    pub(crate) source: PathBuf,
    pub(crate) target: PathBuf,
    /// Whether the program writes to it. It is not started when this is missing.
    pub(crate) writable: bool,
    /// Whether it is the launch's own, and what it takes on disk is limited.
    pub(crate) measured: bool,
    /// Whether it was given, and is no part of the system: then the program reads it as its host does.
    pub(crate) given: bool,
}

/// A sandbox as the supervisor builds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) strict: bool,
    /// Whether Landlock is not to be used.
    pub(crate) without_landlock: bool,
    /// Parents before what lies in them.
    pub(crate) binds: Vec<Bind>,
    /// Where a link is, and what is in it.
    pub(crate) links: Vec<(PathBuf, PathBuf)>,
    /// Parents before what lies in them; none holds a bind's target that is not below it.
    pub(crate) hidden: Vec<PathBuf>,
    pub(crate) isolated: bool,
    /// Ports to listen on for the host.
    pub(crate) ports: Vec<u16>,
    pub(crate) tmp_bytes: u64,
    /// The target of the bind that is the program's directory for temporary files.
    pub(crate) tmp: Option<PathBuf>,
    /// The program's home, for the list of users.
    pub(crate) home: PathBuf,
}

impl Plan {
    /// Brings the system's part and the launch's together.
    pub(crate) fn new(sandbox: &Sandbox, system: &System, home: Option<&OsString>) -> Self {
        // By target: what a launch names wins over the system, and what it may write over what it may read.
        let mut binds: BTreeMap<PathBuf, Bind> = BTreeMap::new();
        for path in &system.directories {
            let bind = Bind {
                source: path.clone(),
                target: path.clone(),
                writable: false,
                measured: false,
                given: false,
            };
            binds.insert(path.clone(), bind);
        }
        for mount in &sandbox.mounts {
            let writable = mount.access == Access::ReadWrite;
            let target: &Path = mount.target.as_path();
            if binds.get(target).is_some_and(|known| known.writable && !writable) {
                continue;
            }
            let bind = Bind {
                source: mount.source.as_path().to_owned(),
                target: target.to_owned(),
                writable,
                measured: writable && !sandbox.operators.contains(&mount.target),
                given: true,
            };
            binds.insert(target.to_owned(), bind);
        }
        let mut links = system.links.clone();
        links.extend(sandbox.links.iter().map(|(at, to)| (at.clone().into(), to.clone().into())));
        let mut hidden = system.hidden.clone();
        hidden.extend(sandbox.hidden.iter().map(|path| path.clone().into()));
        hidden.sort();
        hidden.dedup();
        Self {
            strict: sandbox.profile == Profile::Strict,
            without_landlock: false,
            binds: without_repeats(binds.into_values().collect(), &hidden),
            links,
            hidden,
            isolated: sandbox.network == Network::Isolated,
            ports: sandbox.outlets.ports.clone(),
            tmp_bytes: sandbox.tmp_bytes,
            tmp: sandbox.tmp.as_ref().map(|path| path.clone().into()),
            home: home.map_or_else(|| PathBuf::from("/"), PathBuf::from),
        }
    }

    /// Whether a view shows the program's directory for temporary files at this path, too: not where anything else is
    /// mounted below it, which would have to be made in that directory.
    pub(crate) fn has_tmp_at(&self, place: &Path) -> bool {
        let mut others = self.binds.iter().map(|bind| bind.target.as_path());
        let mut links = self.links.iter().map(|(at, _)| at.as_path());
        self.tmp.is_some()
            && !others.any(|target| target.starts_with(place))
            && !links.any(|at| at.starts_with(place))
    }

    /// The binds and the hidden paths in the order in which they are mounted: parents first, so that a hidden
    /// directory hides what is above it in this order, and not what is mounted below it.
    pub(crate) fn steps(&self) -> Vec<Step<'_>> {
        let binds = self.binds.iter().map(Step::Bind);
        let mut steps: Vec<_> =
            binds.chain(self.hidden.iter().map(|path| Step::Hide(path))).collect();
        steps.sort_by_key(|step| (step.target().components().count(), step.is_hide()));
        steps
    }
}

/// One mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    Bind(&'a Bind),
    Hide(&'a Path),
}

impl Step<'_> {
    pub(crate) fn target(&self) -> &Path {
        match self {
            Self::Bind(bind) => &bind.target,
            Self::Hide(path) => path,
        }
    }

    fn is_hide(self) -> bool {
        matches!(self, Self::Hide(_))
    }
}

/// Leaves out a read-only bind that lies in another one at the same place, and in nothing that is hidden there.
fn without_repeats(binds: Vec<Bind>, hidden: &[PathBuf]) -> Vec<Bind> {
    let mut kept: Vec<Bind> = Vec::with_capacity(binds.len());
    for bind in binds {
        let is_hidden_in = |above: &Path| {
            hidden.iter().any(|path| path.starts_with(above) && bind.target.starts_with(path))
        };
        let covered = kept.iter().any(|above| {
            !bind.writable
                && !above.writable
                && above.source == above.target
                && bind.source == bind.target
                && bind.target.starts_with(&above.target)
                && !is_hidden_in(&above.target)
        });
        if !covered {
            kept.push(bind);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::AbsolutePath;

    fn path(path: &str) -> AbsolutePath {
        AbsolutePath::parse(path).unwrap()
    }

    fn plan(sandbox: &Sandbox) -> Plan {
        let system = System {
            directories: vec!["/etc".into(), "/usr".into()],
            links: vec![("/bin".into(), "usr/bin".into())],
            hidden: vec!["/etc/shadow".into()],
        };
        Plan::new(sandbox, &system, None)
    }

    #[test]
    fn the_system_is_read_only_and_a_launch_adds_to_it() {
        let sandbox = Sandbox::new(Profile::Strict)
            .read_only(path("/usr/local/tool"))
            .read_only(path("/w"))
            .read_write(path("/w"))
            .read_only(path("/w"))
            .hide(path("/usr/secret"));
        let plan = plan(&sandbox);
        let seen: Vec<_> = plan
            .steps()
            .iter()
            .map(|step| match step {
                Step::Bind(bind) => {
                    format!("{} {}", if bind.writable { "rw" } else { "ro" }, bind.target.display())
                }
                Step::Hide(path) => format!("no {}", path.display()),
            })
            .collect();
        assert_eq!(seen, ["ro /etc", "ro /usr", "rw /w", "no /etc/shadow", "no /usr/secret"]);
        assert!(plan.strict && plan.isolated && plan.ports.is_empty());
    }

    #[test]
    fn what_is_mounted_below_a_hidden_directory_is_seen() {
        let sandbox = Sandbox::new(Profile::Standard)
            .read_write(path("/usr/state/w"))
            .read_only(path("/usr/state/r"))
            .read_only(path("/usr/seen"))
            .hide(path("/usr/state"));
        let plan = plan(&sandbox);
        let targets: Vec<_> = plan.steps().iter().map(|step| step.target().to_owned()).collect();
        let of = |path: &str| targets.iter().position(|target| target == Path::new(path));
        assert!(of("/usr") < of("/usr/state"));
        assert!(of("/usr/state") < of("/usr/state/w") && of("/usr/state") < of("/usr/state/r"));
        assert_eq!(of("/usr/seen"), None, "it is seen in /usr");
    }

    #[test]
    fn the_directory_for_temporary_files_is_at_tmp_unless_that_holds_something() {
        let given = || Sandbox::new(Profile::Standard).tmp(path("/w/long/tmp"));
        let is_at = |sandbox: &Sandbox| {
            let plan = plan(sandbox);
            ["/tmp", "/var/tmp"].map(|place| plan.has_tmp_at(Path::new(place)))
        };
        assert_eq!(is_at(&Sandbox::new(Profile::Standard)), [false, false]);
        assert_eq!(is_at(&given()), [true, true]);
        assert_eq!(is_at(&given().read_only(path("/tmp/below"))), [false, true]);
        assert_eq!(is_at(&given().read_write(path("/var/tmp"))), [true, false]);
        assert_eq!(is_at(&given().tmp(path("/tmp/x/tmp"))), [false, true]);
        let bind = plan(&given()).binds.into_iter().find(|bind| bind.writable).unwrap();
        assert!(bind.measured && bind.target == Path::new("/w/long/tmp"));
    }

    #[test]
    fn only_what_may_be_written_has_to_be_there() {
        let plan =
            plan(&Sandbox::new(Profile::Strict).read_only(path("/a")).read_write(path("/b")));
        let required: Vec<_> = plan.binds.iter().filter(|bind| bind.writable).collect();
        assert_eq!(required.len(), 1);
        assert_eq!(required[0].target, Path::new("/b"));
    }
}
