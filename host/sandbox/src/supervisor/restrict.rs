//! What a sandboxed program gives up before it starts, in the only order that works: what needs privileges first, then
//! the privileges, then Landlock, then the filter of system calls, which forbids all of this.

use std::io;

use nix::sys::prctl;
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities,
};

use super::identity::Identity;
use super::{files, sys, syscalls};
use crate::policy::Plan;
use crate::wire::Enforced;

/// Restricts this process and all that it starts. `view`: whether the plan's view is its root.
pub(super) fn apply(plan: &Plan, identity: &Identity, view: bool) -> Result<Enforced, String> {
    let said = |step: &str, error: io::Error| format!("cannot {step} ({error})");
    let mut missing = Vec::new();
    identity.enter().map_err(|error| said("enter a user namespace of its own", error))?;
    drop_bounding_set();
    identity.assume().map_err(|error| said("change to a user of its own", error))?;
    drop_capabilities().map_err(|error| said("drop all capabilities", error))?;
    prctl::set_no_new_privs().map_err(|error| said("refuse new privileges", error.into()))?;
    let landlock = if plan.without_landlock { 0 } else { sys::landlock_version() };
    if landlock > 0 {
        files::restrict(plan, view, landlock)
            .map_err(|error| format!("cannot restrict files with Landlock ({error})"))?;
    } else {
        missing.push(
            "Landlock: the kernel has none, it is not among its security modules, or it is withheld"
                .into(),
        );
    }
    if !view {
        missing.extend(without_view(plan, landlock));
    }
    if identity.user() == 0 && landlock == 0 {
        return Err("it would run as root with nothing that keeps it from root's files: there is no Landlock, and other users may not enter the directory that it works in. Let others enter the directories above it (`chmod o+x`), or run Cyrus as another user".into());
    }
    if identity.user() == 0 {
        missing.push(
            "a user of its own: it runs as root without capabilities, because other users may not enter \
             the directory it works in"
                .into(),
        );
    }
    if plan.strict && !missing.is_empty() {
        return Err(format!(
            "the profile `strict` needs what is missing here: {}",
            missing.join("; ")
        ));
    }
    let filtered = if view {
        syscalls::restrict_in_view()
    } else {
        syscalls::restrict_without_view(plan.isolated)
    };
    filtered.map_err(|error| format!("cannot filter system calls ({error})"))?;
    Ok(Enforced { view, landlock, user: identity.user(), isolated: plan.isolated, missing })
}

/// What is weaker without a view, in words for an operator.
fn without_view(plan: &Plan, landlock: i32) -> Vec<String> {
    let mut missing = Vec::new();
    missing.push(if landlock > 0 {
        "its own view of files: Landlock keeps it from reading and writing others, but it sees their names and may \
         change the mode and times of those that are its user's"
            .to_owned()
    } else {
        "its own view of files: it reads and writes whatever its user may".to_owned()
    });
    if plan.isolated {
        missing.push(if landlock >= 4 {
            "a network of its own: it connects to no port but those that the host serves, of any address".to_owned()
        } else {
            "a network of its own: it reaches every address that its host does".to_owned()
        });
    }
    missing
}

/// Keeps it from ever having a capability. Nothing to do for those who may not: they have none to lose.
fn drop_bounding_set() {
    for capability in CapabilitySet::all().iter() {
        let _ = remove_capability_from_bounding_set(capability);
    }
}

pub(super) fn drop_capabilities() -> io::Result<()> {
    clear_ambient_capability_set()?;
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    Ok(set_capabilities(None, none)?)
}
