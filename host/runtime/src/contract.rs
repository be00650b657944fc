//! Whether a component keeps to the contract, before it is ever run.

use cyrus_plugin::Manifest;
use semver::Version;
use std::sync::LazyLock;
use wasmtime::{Engine, component::Component};

/// The contract that this host speaks.
pub(crate) static CONTRACT_VERSION: LazyLock<Version> = LazyLock::new(|| Version::new(0, 1, 0));

/// The contract's package.
const PACKAGE: &str = "cyrus:executor/";

/// What every plugin exports.
const TASK_EXECUTOR: &str = "task-executor";

/// What a plugin may export besides.
const OPTIONAL: [&str; 3] = ["estimator", "session-status", "steering"];

/// What this host offers of the contract.
const OFFERED: [&str; 4] = ["types", "context", "process", "log"];

/// Why a component does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ContractError {
    /// The manifest names a contract that this host does not speak.
    #[error("the plugin needs contract {wanted}, this host speaks {host}")]
    Manifest {
        /// What the manifest says.
        wanted: String,
        /// What the host speaks.
        host: Version,
    },
    /// The component was built against another version.
    #[error("the component {verb} {interface} of contract {wanted}, this host speaks {host}")]
    Version {
        /// `imports` or `exports`.
        verb: &'static str,
        /// The interface.
        interface: String,
        /// The version it wants.
        wanted: String,
        /// What the host speaks.
        host: Version,
    },
    /// It is no executor.
    #[error("the component does not export {PACKAGE}{TASK_EXECUTOR}: it is no executor")]
    NoExecutor,
    /// It wants something of the contract that does not exist.
    #[error("the component imports {interface:?}, which contract {host} does not have")]
    UnknownInterface {
        /// What it imports.
        interface: String,
        /// What the host speaks.
        host: Version,
    },
}

/// Why this host does not run a plugin, by what its manifest alone says of the contract; `None` where it may.
pub fn refuses(manifest: &Manifest) -> Option<String> {
    check_manifest(manifest).err().map(|error| error.to_string())
}

fn check_manifest(manifest: &Manifest) -> Result<(), ContractError> {
    let host = &*CONTRACT_VERSION;
    if manifest.contract.runs_on(host) {
        return Ok(());
    }
    Err(ContractError::Manifest { wanted: manifest.contract.to_string(), host: host.clone() })
}

/// Checks what a component imports and exports of the contract, and gives the optional interfaces it exports.
///
/// What it imports of anything else is found out by linking; what else it exports (some languages' tools add
/// their own) does not matter.
pub(crate) fn check(
    manifest: &Manifest,
    component: &Component,
    engine: &Engine,
) -> Result<Vec<&'static str>, ContractError> {
    let host = &*CONTRACT_VERSION;
    check_manifest(manifest)?;
    let kind = component.component_type();
    for (name, _) in kind.imports(engine) {
        let Some(interface) = ours("imports", name)? else { continue };
        if !OFFERED.contains(&interface) {
            let (interface, host) = (name.to_owned(), host.clone());
            return Err(ContractError::UnknownInterface { interface, host });
        }
    }
    let mut executor = false;
    let mut optional = Vec::new();
    for (name, _) in kind.exports(engine) {
        let Some(interface) = ours("exports", name)? else { continue };
        executor |= interface == TASK_EXECUTOR;
        optional.extend(OPTIONAL.into_iter().find(|known| *known == interface));
    }
    if executor { Ok(optional) } else { Err(ContractError::NoExecutor) }
}

/// The interface's name, if it is one of the contract's in a version that fits.
fn ours<'a>(verb: &'static str, name: &'a str) -> Result<Option<&'a str>, ContractError> {
    let Some(full) = name.strip_prefix(PACKAGE) else { return Ok(None) };
    let (interface, version) = full.split_once('@').unwrap_or((full, ""));
    let host = &*CONTRACT_VERSION;
    let fits = Version::parse(version).is_ok_and(|wanted| {
        let line = |v: &Version| if v.major > 0 { (v.major, 0) } else { (0, v.minor) };
        line(&wanted) == line(host) && wanted <= *host
    });
    if fits {
        return Ok(Some(interface));
    }
    let wanted = if version.is_empty() { "(none)" } else { version }.to_owned();
    Err(ContractError::Version {
        verb,
        interface: interface.to_owned(),
        wanted,
        host: host.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_contract_are_told_from_others() {
        assert_eq!(ours("imports", "wasi:http/types@0.3.0"), Ok(None));
        assert_eq!(ours("imports", "cyrus:executor/context@0.1.0"), Ok(Some("context")));
    }

    #[test]
    fn an_error_names_both_versions() {
        for name in ["cyrus:executor/context@0.2.0", "cyrus:executor/context@0.1.1"] {
            let text = ours("imports", name).unwrap_err().to_string();
            let wanted = name.rsplit('@').next().unwrap();
            assert!(text.contains(wanted) && text.ends_with("this host speaks 0.1.0"), "{text}");
        }
        assert!(ours("exports", "cyrus:executor/task-executor").is_err());
    }
}
