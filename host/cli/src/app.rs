//! The one place that wires the parts.

mod services;

use crate::{
    exit::{UsageError, usage},
    mcp::McpServers,
    sandbox,
    variables::Variables,
    way_out::ByRule,
};
use anyhow::{Context as _, Result};
use cyrus_config::{BundledExecutor, Config, RepositoryConfig, Sources, ToolSettings};
use cyrus_core::{SessionStore, SessionSummary};
use cyrus_executor::{LaunchedProgram, TaskExecutor};
use cyrus_orchestrator::Scheduling;
use cyrus_plugin::{
    Approvals, BundledPlugin, DiscoveredPlugin, Discovery, ExecutorConfig, PluginOrigin, Purpose,
    discover,
};
use cyrus_plugin_bundle::bundled;
use cyrus_runtime::{
    Compiler, Confine, HostSecrets, PluginExecutor, Runtime, RuntimeOptions, ScratchRoot,
    SecretResolver as _,
};
use cyrus_sandbox::{
    AbsolutePath, Identity, Launcher, Programs, SearchPath, Supervisor, Withheld, find_program,
};
use cyrus_store::{Database, Store};
use cyrus_workspace::{Git, Trash, Turns};
use serde_json::Value;
use std::{
    collections::HashMap,
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock},
};
use tokio::sync::OnceCell;

/// What is needed to begin.
#[derive(Clone)]
pub(crate) struct Opening {
    /// As chosen on the command line.
    pub(crate) home: Option<PathBuf>,
    /// Looked into before the configured ones.
    pub(crate) plugin_dirs: Vec<PathBuf>,
    /// A repository that is worked on: no program of the host's is looked for in it.
    pub(crate) repository: PathBuf,
    pub(crate) supervisor: Supervisor,
    /// Layers that sandboxes do not get.
    pub(crate) withheld: Withheld,
    pub(crate) compiler: Compiler,
    /// Where files go that are not needed any more.
    pub(crate) trash: Trash,
}

/// Cyrus with its configuration. What costs time is made when it is first needed.
pub(crate) struct App {
    home: PathBuf,
    config: Config,
    plugin_dirs: Vec<PathBuf>,
    launcher: Launcher,
    compiler: Compiler,
    trash: Trash,
    path: SearchPath,
    user_home: Option<PathBuf>,
    tool_settings: ToolSettings,
    discovery: OnceLock<Discovery>,
    runtime: OnceCell<Runtime>,
    store: OnceCell<Arc<dyn SessionStore>>,
    mcp: McpServers,
    variables: Variables,
    /// Git as each repository has it: all that works in one shares what git said of it.
    git: Mutex<HashMap<PathBuf, Git>>,
    /// For set-ups that several tasks need.
    turns: Turns,
}

impl Opening {
    /// Where Cyrus keeps its things.
    pub(crate) fn home(&self) -> Result<PathBuf> {
        let home = cyrus_config::home(self.home.as_deref(), &variable)
            .map_err(|error| UsageError(error.to_string()))?;
        let absolute = std::path::absolute(&home).with_context(|| home.display().to_string())?;
        Ok(cyrus_config::without_parents(absolute))
    }

    /// Reads the configuration.
    pub(crate) fn app(&self) -> Result<App> {
        let home = self.home()?;
        let executors: Vec<_> = bundled()
            .iter()
            .map(|plugin| BundledExecutor { name: plugin.name, json: plugin.grants })
            .collect();
        let variables = Variables::load(&home).map_err(|error| UsageError(error.to_string()))?;
        let lookup = |name: &str| variables.get(name);
        let sources = Sources { home: &home, bundled: &executors, environment: &lookup };
        let config = Config::load(&sources).map_err(|error| UsageError(error.to_string()))?;
        for warning in config.warnings() {
            tracing::warn!("{}: {warning}", config.file().display());
        }
        if variables.file().is_exposed() {
            let file = variables.file().path().display();
            tracing::warn!("{file}: others can read it: run `chmod 600 {file}`");
        }
        let chosen = self.plugin_dirs.iter().map(std::path::absolute);
        let mut plugin_dirs = chosen.collect::<Result<Vec<_>, _>>()?;
        plugin_dirs.push(home.join("plugins"));
        plugin_dirs.extend(config.plugin_dirs().iter().cloned());
        let path = self.search_path(&home, &config);
        let user_home = env::var_os("HOME").map(PathBuf::from);
        Ok(App {
            home,
            config,
            plugin_dirs,
            launcher: self.launcher(),
            compiler: self.compiler.clone(),
            trash: self.trash.clone(),
            path,
            tool_settings: ToolSettings::of_user(user_home.as_deref(), &variable),
            user_home,
            discovery: OnceLock::new(),
            runtime: OnceCell::new(),
            store: OnceCell::new(),
            mcp: McpServers::default(),
            variables,
            git: Mutex::default(),
            turns: Turns::default(),
        })
    }

    /// Where programs are looked for: nowhere that programs write.
    fn search_path(&self, home: &Path, config: &Config) -> SearchPath {
        let user = env::var_os("HOME").map(PathBuf::from);
        let user = user.and_then(|user| user.canonicalize().ok());
        // An issue can name any of those that are configured.
        let worked_on = std::iter::once(self.repository.as_path()).chain(config.repository_paths());
        // Who keeps the whole home in a repository has the tools in it, too.
        let tops = worked_on.filter_map(top_of).filter(|top| user.as_ref() != Some(top));
        let mut avoided = vec![config.work_dir().to_owned(), home.join("state")];
        avoided.extend(tops);
        SearchPath::of(&env::var_os("PATH").unwrap_or_default(), &avoided)
    }

    /// What launches programs.
    pub(crate) fn launcher(&self) -> Launcher {
        Launcher::supervised(self.supervisor.clone()).without(self.withheld)
    }
}

/// The top of the working tree that a directory is in.
fn top_of(directory: &Path) -> Option<PathBuf> {
    let directory = directory.canonicalize().ok()?;
    directory.ancestors().find(|above| above.join(".git").exists()).map(Path::to_owned)
}

/// Whether a plugin of this name comes with Cyrus.
fn carried(name: &str) -> bool {
    bundled().iter().any(|plugin| plugin.name == name)
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
}

impl App {
    /// Where Cyrus keeps its things.
    pub(crate) fn home_directory(&self) -> &Path {
        &self.home
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// What of the configuration holds for this repository.
    pub(crate) fn repository(&self, path: &Path) -> RepositoryConfig<'_> {
        self.config.repository(path)
    }

    /// The MCP servers that agents may use in this repository, as `{"mcpServers": {…}}`.
    pub(crate) fn mcp_servers(&self, repository: &RepositoryConfig<'_>) -> Option<Value> {
        self.mcp.of(repository.mcp_configs())
    }

    /// The plugins there are.
    pub(crate) fn discovery(&self) -> &Discovery {
        self.discovery.get_or_init(|| {
            let bundled: Vec<_> = bundled()
                .iter()
                .map(|plugin| BundledPlugin {
                    manifest: plugin.manifest.as_bytes(),
                    component: plugin.component,
                })
                .collect();
            discover(&self.plugin_dirs, &bundled)
        })
    }

    /// What is written down.
    pub(crate) async fn store(&self) -> Result<Arc<dyn SessionStore>> {
        let open = async || {
            let store = match self.config.store_url() {
                None => Store::open(&self.database()).await?,
                Some(secret) => {
                    let url = self.secrets().resolve(secret).await?;
                    let holders = self.home.join("holders");
                    Store::connect(&Database::new(&url, &holders)?).await?
                }
            };
            anyhow::Ok(Arc::new(store) as Arc<dyn SessionStore>)
        };
        Ok(Arc::clone(self.store.get_or_try_init(open).await?))
    }

    fn secrets(&self) -> HostSecrets {
        let secrets = HostSecrets::new(self.launcher.clone(), self.path.as_os_str().to_owned());
        secrets.with_fallback(self.variables.of_file())
    }

    fn database(&self) -> PathBuf {
        self.home.join("cyrus.db")
    }

    /// Where programs have what is for one launch alone.
    fn scratch(&self) -> PathBuf {
        self.config.work_dir().join(".launches")
    }

    /// Removes what launches left behind whose host died.
    pub(crate) fn sweep_launches(&self) {
        let scratch = self.scratch();
        // It fails where the work root belongs to another user.
        if self.roots().is_err() {
            return;
        }
        if let Err(error) = ScratchRoot::new(&scratch).sweep() {
            tracing::warn!(
                "{}: what earlier launches left there stays: {error}",
                scratch.display()
            );
        }
    }

    async fn runtime(&self) -> Result<&Runtime> {
        let tools = self.tools()?;
        let start = async || {
            Runtime::new(RuntimeOptions {
                cache: Some(self.home.join("cache/components")),
                scratch: self.scratch(),
                compiler: self.compiler.clone(),
                launcher: self.launcher.clone(),
                path: self.path.as_os_str().to_owned(),
                home: self.user_home.clone().unwrap_or_else(|| PathBuf::from("/")),
                tools,
                maximum: self.config.maximum().clone(),
                secrets: Arc::new(self.secrets()),
                log_sink: None,
            })
        };
        Ok(self.runtime.get_or_try_init(start).await?)
    }

    /// The executor of this name as it is configured for this repository; a plugin that nothing is said of is an
    /// executor of its own name, with nothing granted.
    pub(crate) fn executor_config(&self, name: &str, repository: &Path) -> Result<ExecutorConfig> {
        let said = self.repository(repository);
        let configured = said.executors();
        if let Some(config) = configured.iter().find(|config| config.name == name) {
            return Ok(config.clone());
        }
        let known = self.discovery().plugins.contains_key(name);
        if known && !carried(name) && !said.mentions(name) {
            return Ok(ExecutorConfig::new(name, name));
        }
        if known {
            return Err(usage(format!(
                "executor {name} is not enabled: configure it in {} (docs/configuration.md)",
                self.config.file().display()
            )));
        }
        let names: Vec<_> = configured.iter().map(|config| config.name.as_str()).collect();
        Err(usage(format!(
            "there is no executor {name:?}; there are {} (`cyrus executor list`)",
            names.join(", ")
        )))
    }

    /// The executor of this name, ready for this purpose. Not being able to make it is a matter of configuration.
    pub(crate) async fn executor(
        &self,
        name: &str,
        repository: &Path,
        purpose: Purpose,
    ) -> Result<Arc<dyn TaskExecutor>> {
        let mut config = self.executor_config(name, repository)?;
        self.variables.give(&mut config);
        let settings = self.repository(repository).executor_sandbox(name);
        let policy = sandbox::policy(&settings, &self.surroundings()?)?;
        let launcher = self.launcher.clone();
        let own = self.tool_settings.hosts.clone();
        let executor = name.to_owned();
        let confine: Confine = Arc::new(move |program| {
            let key = format!("executors.{executor}.grants.process.{}.hosts", program.grant);
            launcher.with_policy(policy.clone().way_out(ByRule::hosts(&program.hosts, &own, &key)))
        });
        let made = self.make(config, purpose, confine).await;
        Ok(Arc::new(made.map_err(|error| UsageError(format!("executor {name}: {error:#}")))?))
    }

    async fn make(
        &self,
        config: ExecutorConfig,
        purpose: Purpose,
        confine: Confine,
    ) -> Result<PluginExecutor> {
        let plugin = self.plugin(&config.plugin)?;
        self.refuse_hidden_grants(&config, plugin)?;
        self.approvals().check(&config, plugin, purpose)?;
        let runtime = self.runtime().await?;
        let plugin = runtime.load(plugin).await?;
        Ok(runtime.executor_with(&plugin, config, confine).await?)
    }

    /// The installed plugin of this name.
    pub(crate) fn plugin(&self, name: &str) -> Result<&DiscoveredPlugin> {
        let found = self.discovery();
        found.plugins.get(name).ok_or_else(|| {
            let broken = found.broken.iter().find(|broken| broken.name == name);
            let why = broken.map_or("there is no such plugin".to_owned(), |b| b.error.to_string());
            usage(format!("plugin {name}: {why} (`cyrus plugin list`)"))
        })
    }

    /// The file of a program as a grant names it.
    pub(crate) fn program(&self, program: &Path) -> Option<PathBuf> {
        let found = find_program(&program.to_string_lossy(), self.path.as_os_str())?;
        Some(found.as_path().to_owned())
    }

    /// Which file that is now, and what is in it.
    pub(crate) fn identify(&self, grant: &str, program: &Path) -> Option<LaunchedProgram> {
        let programs = Programs::new(self.path.as_os_str().to_owned());
        let Identity { file, sha256, changed } =
            programs.identify(&program.to_string_lossy()).ok()?;
        Some(LaunchedProgram {
            grant: grant.to_owned(),
            file,
            sha256,
            changed,
            sandbox_lacked: Vec::new(),
        })
    }

    /// Which plugins were approved for which executors.
    pub(crate) fn approvals(&self) -> Approvals {
        Approvals::in_home(&self.home)
    }

    /// A plugin that hides a bundled one does not inherit what that one is granted by default.
    pub(crate) fn refuse_hidden_grants(
        &self,
        config: &ExecutorConfig,
        plugin: &DiscoveredPlugin,
    ) -> Result<()> {
        let hides = carried(&config.plugin) && plugin.origin != PluginOrigin::Bundled;
        if !hides || config.grants.digest.is_some() {
            return Ok(());
        }
        anyhow::bail!(
            "plugin {} of {} hides the one that comes with Cyrus, and nothing is granted by installing: to grant it what that one has, add \"digest\": \"{}\" to executors.{}.grants in {}",
            config.plugin,
            plugin.origin,
            plugin.digest,
            config.name,
            self.config.file().display()
        )
    }

    /// Whether there may be anything in the store. To open it where there is none would make it.
    pub(crate) fn has_store(&self) -> bool {
        self.config.store_url().is_some() || self.database().exists()
    }

    /// Every session, the newest first. Nothing is made for it where there is nothing yet.
    pub(crate) async fn sessions(&self) -> Result<Vec<SessionSummary>> {
        if !self.has_store() {
            return Ok(Vec::new());
        }
        Ok(self.store().await?.sessions().await?)
    }

    /// How many executions there may be at once.
    pub(crate) fn scheduling(&self, repository: &Path) -> Scheduling {
        let configured = self.repository(repository);
        let said = configured.scheduling();
        let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let own = configured.executors().into_iter().filter_map(|executor| {
            let most = configured.executor_terms(&executor.name).max_at_once?;
            Some((executor.name, count(most)))
        });
        Scheduling {
            total: count(said.max_at_once),
            per_session: count(said.max_per_session),
            per_repository: count(said.max_per_repository),
            local: count(said.max_local),
            cloud: count(said.max_cloud),
            per_executor: own.collect(),
        }
    }

    /// Where clones were before they had a place of their own.
    pub(crate) fn former_sessions(&self) -> PathBuf {
        self.home.join("sessions")
    }

    /// Where programs are looked for.
    pub(crate) fn search_path(&self) -> &SearchPath {
        &self.path
    }

    /// The operator's variables.
    pub(crate) fn variables(&self) -> &Variables {
        &self.variables
    }

    /// A variable of the operator's; of `PATH`, what programs are looked for in.
    fn variable(&self, name: &str) -> Option<OsString> {
        match name {
            "PATH" => Some(self.path.as_os_str().to_owned()),
            "VIRTUAL_ENV" | "CONDA_PREFIX" => {
                self.variables.os(name).filter(|place| self.is_searched(Path::new(place)))
            }
            _ => self.variables.os(name),
        }
    }

    /// Whether programs of an environment are looked for. Those of the repository that is worked on are not: it is
    /// another there.
    fn is_searched(&self, environment: &Path) -> bool {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let environment = real(environment);
        env::split_paths(self.path.as_os_str()).any(|place| real(&place).starts_with(&environment))
    }

    /// The user's home, where it can be used as one.
    pub(crate) fn user_home(&self) -> Option<AbsolutePath> {
        self.user_home.clone().and_then(|home| AbsolutePath::parse(home).ok())
    }
}
