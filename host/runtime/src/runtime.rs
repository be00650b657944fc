//! The runtime: loads plugins and makes executors of them.

use crate::{
    cap::{
        log::PluginLog,
        model::{GatedModel, Variables},
    },
    compile::{Compilation, Compiler},
    egress::{Clients, ModelUpstream, Tls},
    engine::{self, Ticker},
    executor::{Confine, ExecutorError, PluginExecutor, Shared},
    plugin::{self, LoadError, Loaded, Plugin},
    redact::{Redactor, is_secret},
    scratch::ScratchRoot,
    secrets::{SecretError, SecretResolver},
    state::State,
};
use cyrus_executor::ExecutorInfo;
use cyrus_gateway::Upstream;
use cyrus_plugin::{
    DiscoveredPlugin, ExecutorConfig, GrantedProgram, HostMaximum, PluginDigest, Policy,
    PolicyHandle, SecretRef,
};
use cyrus_sandbox::{HomeSeed, Launcher, Programs};
use std::{
    collections::{BTreeMap, HashMap},
    ffi::OsString,
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::Semaphore;
use wasmtime::{Engine, component::Linker};
use zeroize::Zeroizing;

/// Takes what plugins log, besides the host's own log.
pub type LogSink = Arc<dyn Fn(PluginLog) + Send + Sync>;

/// Why there is no runtime.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The cache, or the directory of launches, cannot be used.
    #[error("cannot use {} as a private directory: {source}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The engine cannot be made.
    #[error("the WebAssembly engine does not start: {0:#}")]
    Engine(wasmtime::Error),
    /// Its clock does not start.
    #[error("the clock of the WebAssembly engine does not start: {0}")]
    Ticker(io::Error),
}

/// What a runtime works with.
pub struct RuntimeOptions {
    /// Where compiled components are kept: made and kept private to this user. `None`: they are compiled each
    /// time.
    pub cache: Option<PathBuf>,
    /// Where directories are made for one launch each, in which logins and tokens are. What hosts that died left there
    /// is removed when the runtime starts.
    pub scratch: PathBuf,
    /// What compiles them, in a child with limits.
    pub compiler: Compiler,
    /// Launches the programs that are granted.
    pub launcher: Launcher,
    /// The operator's `PATH`: where programs that are granted by a bare name are found, and what programs get.
    pub path: OsString,
    /// The operator's home: where granted files of it are found.
    pub home: PathBuf,
    /// Where programs find the operator's toolchains and registries; what an executor's grant says goes before it.
    pub tools: Tools,
    /// What no executor gets, whatever its grants say.
    pub maximum: HostMaximum,
    /// Finds out what secrets are.
    pub secrets: Arc<dyn SecretResolver>,
    /// Takes what plugins log, besides the host's own log.
    pub log_sink: Option<LogSink>,
}

/// What every launched program gets of the operator's tools. No secret is in it.
#[derive(Clone, Debug, Default)]
pub struct Tools {
    /// Variables that name compilers, interpreters, version managers and registries.
    pub variables: Vec<(OsString, OsString)>,
    /// What their home begins with.
    pub seed: HomeSeed,
}

/// What all executors of a runtime share.
pub(crate) struct Common {
    pub(crate) launcher: Launcher,
    pub(crate) path: OsString,
    pub(crate) programs: Programs,
    pub(crate) home: PathBuf,
    pub(crate) scratch: ScratchRoot,
    pub(crate) tools: Tools,
    pub(crate) log_sink: Option<LogSink>,
    pub(crate) tls: Arc<Tls>,
    /// The gateway's way out.
    pub(crate) models: Arc<dyn Upstream>,
}

/// Loads plugins and makes executors of them. One for the process. Cheap to clone.
#[derive(Clone)]
pub struct Runtime(Arc<Inner>);

struct Inner {
    engine: Engine,
    linker: Linker<State>,
    common: Arc<Common>,
    maximum: HostMaximum,
    secrets: Arc<dyn SecretResolver>,
    loaded: Mutex<HashMap<PluginDigest, Arc<Loaded>>>,
    compilation: Compilation,
    /// Compiling takes every core and much memory: one at a time.
    compiling: Semaphore,
    _ticker: Ticker,
}

impl Runtime {
    /// Starts a runtime.
    pub fn new(options: RuntimeOptions) -> Result<Self, RuntimeError> {
        let engine = engine::new_engine().map_err(RuntimeError::Engine)?;
        if let Some(directory) = &options.cache {
            engine::make_private(directory)
                .map_err(|source| RuntimeError::Directory { path: directory.clone(), source })?;
        }
        let linker = plugin::new_linker(&engine).map_err(RuntimeError::Engine)?;
        let ticker = Ticker::start(&engine).map_err(RuntimeError::Ticker)?;
        let RuntimeOptions { cache, scratch, compiler, launcher, path, home, tools, .. } = options;
        let RuntimeOptions { maximum, secrets, log_sink, .. } = options;
        let root = ScratchRoot::new(&scratch);
        root.sweep().map_err(|source| RuntimeError::Directory { path: scratch, source })?;
        let scratch = root;
        let compilation = Compilation::new(launcher.clone(), compiler, &engine, cache);
        let tls = Arc::new(Tls::default());
        let models = Arc::new(ModelUpstream::new(Arc::clone(&tls)));
        let programs = Programs::new(path.clone());
        let common =
            Common { launcher, path, programs, home, scratch, tools, log_sink, tls, models };
        let common = Arc::new(common);
        Ok(Self(Arc::new(Inner {
            engine,
            linker,
            common,
            maximum,
            secrets,
            loaded: Mutex::default(),
            compilation,
            compiling: Semaphore::new(1),
            _ticker: ticker,
        })))
    }

    /// Checks, compiles and links a plugin's component. Done once for each plugin; the compiled code is kept in
    /// the cache.
    pub async fn load(&self, plugin: &DiscoveredPlugin) -> Result<Plugin, LoadError> {
        let ready = |loaded| Plugin {
            manifest: Arc::clone(&plugin.manifest),
            digest: plugin.digest,
            component_digest: plugin.component_digest,
            loaded,
        };
        let host = |problem: &dyn std::fmt::Display| LoadError::Host {
            plugin: plugin.manifest.name.to_string(),
            problem: problem.to_string(),
        };
        let _alone = self.0.compiling.acquire().await.map_err(|e| host(&e))?;
        if let Some(loaded) = self.known(plugin.digest) {
            return Ok(ready(loaded));
        }
        let inner = &self.0;
        let loaded = plugin::load(&inner.engine, &inner.linker, &inner.compilation, plugin).await;
        let loaded = Arc::new(loaded?);
        let mut known = self.0.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(plugin.digest, Arc::clone(&loaded));
        Ok(ready(loaded))
    }

    fn known(&self, digest: PluginDigest) -> Option<Arc<Loaded>> {
        let known = self.0.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&digest).cloned()
    }

    /// Makes an executor of a plugin. Looks up its secrets: one that is missing is found out here, and not in
    /// the middle of an execution.
    pub async fn executor(
        &self,
        plugin: &Plugin,
        config: ExecutorConfig,
    ) -> Result<PluginExecutor, ExecutorError> {
        let launcher = self.0.common.launcher.clone();
        self.executor_with(plugin, config, Arc::new(move |_| launcher.clone())).await
    }

    /// The same, where each program has a launcher of its own.
    pub async fn executor_with(
        &self,
        plugin: &Plugin,
        config: ExecutorConfig,
        confine: Confine,
    ) -> Result<PluginExecutor, ExecutorError> {
        if !config.settings.is_object() {
            return Err(ExecutorError::Settings(config.name));
        }
        config.bound_to_digest(&plugin.manifest.name, plugin.digest, plugin.component_digest)?;
        let policy = Policy::new(Arc::clone(&plugin.manifest), &config, self.0.maximum.clone());
        if let Some(denied) = policy.missing_secret() {
            return Err(ExecutorError::SecretNotGranted(denied));
        }
        let secrets = self.secrets(&config).await?;
        let (mut variables, mut hidden) = self.variables(&policy).await?;
        let models = self.models(&policy, &config, &mut variables, &mut hidden)?;
        let info = ExecutorInfo {
            name: config.name.clone(),
            placement: config.placement.unwrap_or(plugin.manifest.placement),
            plugin: plugin.manifest.name.to_string(),
            version: plugin.manifest.version.to_string(),
            digest: plugin.digest.to_string(),
        };
        Ok(PluginExecutor::new(Arc::new(Shared {
            info,
            settings: config.settings.to_string(),
            policy: PolicyHandle::new(policy),
            redactor: Redactor::new(secrets.values().cloned().chain(hidden)),
            secrets,
            variables,
            models,
            plugin: Arc::clone(&plugin.loaded),
            runtime: Arc::clone(&self.0.common),
            clients: Clients::default(),
            config,
            confine,
        })))
    }

    /// Models that programs use through the gateway. Their keys are taken out of the programs' variables.
    fn models(
        &self,
        policy: &Policy,
        config: &ExecutorConfig,
        variables: &mut BTreeMap<String, Variables>,
        hidden: &mut Hidden,
    ) -> Result<BTreeMap<String, GatedModel>, ExecutorError> {
        let mut models = BTreeMap::new();
        for (grant, variables) in variables {
            let granted = policy.program(grant).ok();
            let Some(request) = granted.and_then(|granted| granted.model.as_ref()) else {
                continue;
            };
            let is_credential = |name: &str| request.credentials().any(|(_, of)| of == name);
            let held =
                variables.iter().filter(|(name, value)| is_credential(name) && !value.is_empty());
            let (names, keys): (Vec<_>, Vec<_>) = held.cloned().unzip();
            let upstream = &self.0.common.models;
            let mut gateway = config.gateway.clone();
            gateway.enabled &= granted.is_some_and(|granted| !granted.own_model);
            let taken = GatedModel::take(request, &gateway, variables, upstream);
            let problem =
                |problem| ExecutorError::Gateway { executor: config.name.clone(), problem };
            let taken = taken.map_err(problem)?;
            if taken.is_none() && !keys.is_empty() && !gateway.enabled {
                let (executor, names) = (&config.name, names.join(", "));
                tracing::warn!(%executor, %grant, "the model gateway is off: the program holds {names} itself");
            }
            if let Some(model) = taken {
                hidden.extend(keys);
                models.insert(grant.clone(), model);
            }
        }
        Ok(models)
    }

    async fn secrets(
        &self,
        config: &ExecutorConfig,
    ) -> Result<BTreeMap<String, Zeroizing<String>>, ExecutorError> {
        let mut values = BTreeMap::new();
        for (handle, grant) in &config.grants.secrets {
            let value = self.0.secrets.resolve(&grant.source).await;
            let value =
                value.map_err(|e| no_value(&config.name, format!("secrets.{handle}"), &e))?;
            values.insert(handle.clone(), value);
        }
        Ok(values)
    }

    /// The variables of each granted program, and which of their values are to be hidden: those that the
    /// operator did not write in the clear, and of the others those that are secrets all the same. A variable that the host itself
    /// does not have, or has empty, is left out.
    async fn variables(
        &self,
        policy: &Policy,
    ) -> Result<(BTreeMap<String, Variables>, Hidden), ExecutorError> {
        let (mut by_grant, mut hidden) = (BTreeMap::new(), Vec::new());
        for GrantedProgram { grant, env, .. } in policy.programs() {
            let mut variables = Vec::new();
            for (name, source) in env {
                let value = match source {
                    // Unlike a secret, a variable may well be empty.
                    SecretRef::Value(value) => {
                        let value = Zeroizing::new(value.clone());
                        if is_secret(name, &value) {
                            hidden.push(value.clone());
                        }
                        value
                    }
                    source => match self.0.secrets.resolve(source).await {
                        Ok(value) => {
                            hidden.push(value.clone());
                            value
                        }
                        Err(SecretError::Missing(_) | SecretError::Empty(_)) => continue,
                        Err(error) => {
                            let place = format!("process.{grant}.env.{name}");
                            return Err(no_value(policy.executor(), place, &error));
                        }
                    },
                };
                variables.push((name.clone(), value));
            }
            by_grant.insert(grant.clone(), variables);
        }
        Ok((by_grant, hidden))
    }
}

type Hidden = Vec<Zeroizing<String>>;

fn no_value(executor: &str, place: String, error: &SecretError) -> ExecutorError {
    let (executor, problem) = (executor.to_owned(), error.to_string());
    ExecutorError::NoValue { executor, place, problem }
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").finish_non_exhaustive()
    }
}
