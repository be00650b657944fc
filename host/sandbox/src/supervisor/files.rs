//! Landlock: the second barrier around files where there is a view, and the only one where there is none.

use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath,
    PathFd, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, Scope,
};

use crate::policy::Plan;

/// Directories of every view that a program may write in.
const VIEW_WRITABLE: [&str; 4] = ["/tmp", "/var/tmp", "/dev/pts", "/dev/shm"];

/// Restricts this process to the paths of a plan.
pub(super) fn restrict(plan: &Plan, view: bool, version: i32) -> Result<(), RulesetError> {
    let abi = ABI::from(version);
    let all = AccessFs::from_all(abi);
    let ports = !view && plan.isolated && version >= 4;
    let mut ruleset =
        Ruleset::default().set_compatibility(CompatLevel::HardRequirement).handle_access(all)?;
    if ports {
        ruleset = ruleset.handle_access(AccessNet::ConnectTcp)?;
    }
    if version >= 6 {
        ruleset = ruleset.scope(Scope::from_all(abi))?;
    }
    let mut rules = Rules { ruleset: ruleset.create()?, abi };
    if view {
        rules.allow(Path::new("/"), read())?;
        for path in VIEW_WRITABLE {
            rules.allow(Path::new(path), all)?;
        }
    } else {
        rules.system(plan)?;
        rules.allow(Path::new("/dev/shm"), all)?;
    }
    // Which devices may be written, permissions say.
    let devices = read() | AccessFs::WriteFile | AccessFs::from_all(abi) & device();
    // In the host's `/proc` are the kernel's settings and other processes' files. Whoever is root's user there may write
    // them by permission, so nobody does. In a program's own, it would choose itself how soon the kernel ends it.
    rules.allow(Path::new("/proc"), read())?;
    if view {
        rules.allow(Path::new("/dev"), devices)?;
    } else {
        for name in ["null", "zero", "full", "random", "urandom", "tty"] {
            rules.allow(&Path::new("/dev").join(name), devices)?;
        }
    }
    for bind in plan.binds.iter().filter(|bind| bind.writable) {
        if view || bind.source == bind.target {
            rules.allow(&bind.target, all)?;
        }
    }
    let mut ruleset = rules.ruleset;
    if ports {
        for &port in &plan.ports {
            ruleset = ruleset.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
        }
    }
    ruleset.restrict_self()?;
    Ok(())
}

fn read() -> BitFlags<AccessFs> {
    AccessFs::Execute | AccessFs::ReadFile | AccessFs::ReadDir
}

fn device() -> BitFlags<AccessFs> {
    AccessFs::Truncate | AccessFs::IoctlDev
}

struct Rules {
    ruleset: RulesetCreated,
    abi: ABI,
}

impl Rules {
    /// Allows access to a path and what is below it, when it is there.
    fn allow(&mut self, path: &Path, access: BitFlags<AccessFs>) -> Result<(), RulesetError> {
        let Ok(opened) = PathFd::new(path) else { return Ok(()) };
        // Rights on directories make no sense for a file, and are refused.
        let access = if path.is_dir() { access } else { access & AccessFs::from_file(self.abi) };
        (&mut self.ruleset).add_rule(PathBeneath::new(opened, access))?;
        Ok(())
    }

    /// The system's directories, but for what is hidden in them: Landlock allows, it takes nothing away.
    fn system(&mut self, plan: &Plan) -> Result<(), RulesetError> {
        for bind in plan.binds.iter().filter(|bind| !bind.writable && bind.source == bind.target) {
            self.around(&bind.target, plan)?;
        }
        Ok(())
    }

    fn around(&mut self, path: &Path, plan: &Plan) -> Result<(), RulesetError> {
        if plan.hidden.iter().any(|hidden| hidden == path) {
            return Ok(());
        }
        if !plan.hidden.iter().any(|hidden| hidden.starts_with(path)) {
            return self.allow(path, read());
        }
        self.allow(path, AccessFs::ReadDir.into())?;
        for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
            self.around(&entry.path(), plan)?;
        }
        Ok(())
    }
}
