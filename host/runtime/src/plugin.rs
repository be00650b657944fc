//! A plugin, from its bytes to something that can be instantiated.

use crate::{
    bindings::{self, ExecutorPluginPre},
    cap::{files, requests},
    compile::{Compilation, CompileError},
    contract::{self, ContractError},
    state::{HasState, State},
};
use cyrus_plugin::{Digest, DiscoveredPlugin, Manifest, PluginDigest, PluginError};
use std::sync::Arc;
use wasmtime::{Engine, component::Linker};

/// Why a plugin cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Its component cannot be read, or was changed since it was found.
    #[error("plugin {plugin}: {source}")]
    Read {
        /// The plugin.
        plugin: String,
        /// Why.
        source: PluginError,
    },
    /// Its component is no valid component, or takes more to be compiled than it may.
    #[error("plugin {plugin} ({digest}): {problem}")]
    Compile {
        /// The plugin.
        plugin: String,
        /// Its digest.
        digest: PluginDigest,
        /// What is wrong.
        problem: String,
    },
    /// Its component does not keep to the contract.
    #[error("plugin {plugin} ({digest}): {problem}")]
    Contract {
        /// The plugin.
        plugin: String,
        /// Its digest.
        digest: PluginDigest,
        /// What is wrong.
        problem: String,
    },
    /// The host failed.
    #[error("plugin {plugin}: the host failed to load it: {problem}")]
    Host {
        /// The plugin.
        plugin: String,
        /// How.
        problem: String,
    },
}

/// A component, compiled and linked.
pub(crate) struct Loaded {
    pub(crate) pre: ExecutorPluginPre<State>,
    pub(crate) optional: Vec<&'static str>,
}

impl Loaded {
    pub(crate) fn engine(&self) -> &Engine {
        self.pre.engine()
    }
}

/// A plugin that can be configured: its component was checked, compiled and linked. Cheap to clone.
#[derive(Clone)]
pub struct Plugin {
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) digest: PluginDigest,
    pub(crate) component_digest: Digest,
    pub(crate) loaded: Arc<Loaded>,
}

impl Plugin {
    /// What it says of itself.
    pub fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    /// Its digest, over manifest and component.
    pub fn digest(&self) -> PluginDigest {
        self.digest
    }

    /// The optional interfaces that it offers: `estimator`, `session-status`, `steering`.
    pub fn optional_interfaces(&self) -> &[&'static str] {
        &self.loaded.optional
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, digest) = (&self.manifest.name, &self.digest);
        f.debug_struct("Plugin").field("name", name).field("digest", digest).finish_non_exhaustive()
    }
}

/// Reads, compiles, checks and links a component.
pub(crate) async fn load(
    engine: &Engine,
    linker: &Linker<State>,
    compilation: &Compilation,
    plugin: &DiscoveredPlugin,
) -> Result<Loaded, LoadError> {
    let name = || plugin.manifest.name.to_string();
    let digest = plugin.digest;
    let found = plugin.clone();
    let host = |problem: &dyn std::fmt::Display| LoadError::Host {
        plugin: name(),
        problem: problem.to_string(),
    };
    let read = tokio::task::spawn_blocking(move || found.read_component()).await;
    let bytes =
        read.map_err(|e| host(&e))?.map_err(|source| LoadError::Read { plugin: name(), source })?;
    // Only from bytes: what was compiled elsewhere is native code, and never accepted.
    let component = compilation.component(engine, bytes.into_owned()).await;
    let component = component.map_err(|error| match error {
        CompileError::Refused { .. } => {
            LoadError::Compile { plugin: name(), digest, problem: error.to_string() }
        }
        CompileError::Host(problem) => host(&problem),
    })?;
    let contract = |problem: String| LoadError::Contract { plugin: name(), digest, problem };
    let optional = contract::check(&plugin.manifest, &component, engine)
        .map_err(|e: ContractError| contract(e.to_string()))?;
    let pre = linker
        .instantiate_pre(&component)
        .and_then(ExecutorPluginPre::new)
        .map_err(|e| contract(format!("it does not fit this host: {e:#}")))?;
    Ok(Loaded { pre, optional })
}

/// Everything that a component can import. What of it works is a matter of grants.
pub(crate) fn new_linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    files::add_to_linker(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    // Of WASI 0.3 only what executors use: it is young, and outside of the engine's promise of patches. Its file
    // system is not offered: that would be a second one, with git's directories in it.
    wasmtime_wasi::p3::clocks::add_to_linker(&mut linker)?;
    wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    requests::add_to_linker(&mut linker)?;
    bindings::ExecutorPlugin::add_to_linker::<_, HasState>(&mut linker, |state| state)?;
    Ok(linker)
}
