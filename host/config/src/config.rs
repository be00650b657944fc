use crate::{
    CONFIG_FILE, ConfigError, Problem, RepositoryConfig, Retention, budget,
    codegen::CodegenSection,
    document,
    executor::ExecutorEntry,
    hooks::{self, HooksSection},
    known,
    reader::{At, Problems},
    repository::RepositoryEntry,
    section::{self, Section},
    store, tools, upstream,
};
use cyrus_executor::Limits;
use cyrus_plugin::{HostMaximum, SecretRef};
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// The most that is read of a configuration, in bytes.
const MOST_BYTES: usize = 4 << 20;

/// Upstream's keys that hold a secret in the clear.
const UPSTREAM_SECRETS: [&str; 4] =
    ["linearToken", "linearRefreshToken", "ngrokAuthToken", "openaiApiKey"];

/// An executor that comes with Cyrus.
#[derive(Clone, Copy, Debug)]
pub struct BundledExecutor<'a> {
    /// Its name.
    pub name: &'a str,
    /// What an entry of `executors` would say of it, as JSON: plugin, settings, grants.
    pub json: &'a str,
}

/// Where a configuration comes from.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// Cyrus's home; see [`home`](crate::home).
    pub home: &'a Path,
    /// The executors that come with Cyrus.
    pub bundled: &'a [BundledExecutor<'a>],
    /// Looks up a variable of the environment.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
}

/// The operator's configuration, read and checked. [`Config::repository`] gives what holds for one repository.
#[derive(Debug)]
pub struct Config {
    file: PathBuf,
    warnings: Vec<Problem>,
    not_followed: Vec<Problem>,
    plugin_dirs: Vec<PathBuf>,
    work_dir: PathBuf,
    limits: Limits,
    maximum: HostMaximum,
    pub(crate) bundled: BTreeMap<String, ExecutorEntry>,
    pub(crate) executors: BTreeMap<String, ExecutorEntry>,
    pub(crate) repositories: Vec<RepositoryEntry>,
    pub(crate) defaults: Section,
    pub(crate) environment: CodegenSection,
    pub(crate) time_zone: Option<TimeZone>,
    pub(crate) retention: Retention,
    pub(crate) store_url: Option<SecretRef>,
}

/// Opens a file of Cyrus's home, when it is there. A link that leads nowhere is something: what is configured there is not
/// to be had, which is not the same as that nothing is.
pub(crate) fn open(path: &Path) -> io::Result<Option<File>> {
    let leads_nowhere = |path: &Path| {
        path.symlink_metadata().is_ok_and(|found| found.is_symlink()) && !path.exists()
    };
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            match path.ancestors().find(|above| leads_nowhere(above)) {
                None => Ok(None),
                Some(link) => {
                    let cause = format!("the link {} leads nowhere", link.display());
                    Err(io::Error::new(io::ErrorKind::NotFound, cause))
                }
            }
        }
        Err(error) => Err(error),
    }
}

impl Config {
    /// Reads `config.json` in Cyrus's home. When there is none, everything has its default.
    pub fn load(sources: &Sources<'_>) -> Result<Self, ConfigError> {
        let file = sources.home.join(CONFIG_FILE);
        let unreadable = |cause| ConfigError::Unreadable { file: file.clone(), cause };
        let mut text = String::new();
        let Some(opened) = open(&file).map_err(unreadable)? else {
            return Self::read(sources, file, &json!({}), Vec::new());
        };
        opened.take(MOST_BYTES as u64 + 1).read_to_string(&mut text).map_err(unreadable)?;
        if text.len() > MOST_BYTES {
            return Err(ConfigError::TooLarge { file, limit: MOST_BYTES });
        }
        // An editor's byte-order mark.
        match document::parse(text.strip_prefix('\u{feff}').unwrap_or(&text)) {
            Ok((document, twice)) => Self::read(sources, file, &document, twice),
            Err(error) => {
                let (line, column) = (error.line(), error.column());
                let cause = error.to_string();
                let cause = cause.split(" at line ").next().unwrap_or_default().to_owned();
                Err(ConfigError::Syntax { file, line, column, cause })
            }
        }
    }

    fn read(
        sources: &Sources<'_>,
        file: PathBuf,
        document: &Value,
        mut warnings: Vec<Problem>,
    ) -> Result<Self, ConfigError> {
        let problems = Problems::default();
        let at = At::root("", document, &problems);
        at.object();
        let user_home = (sources.environment)("HOME").map(PathBuf::from);
        let user_home = user_home.as_deref();
        let repositories = at.get("repositories");
        let read_repository = |at: At<'_>| RepositoryEntry::read(&at, sources, user_home);
        let config = Self {
            plugin_dirs: plugin_dirs(&at.get("pluginDirs"), sources),
            work_dir: work_dir(&at.get("workDir"), sources),
            limits: limits(&at.get("limits")),
            maximum: at.get("maximum").read().unwrap_or_default(),
            bundled: bundled(sources, &problems),
            executors: executors(&at.get("executors"), sources, user_home),
            repositories: repositories.items().filter_map(read_repository).collect(),
            defaults: defaults(&at, sources, user_home),
            environment: CodegenSection::of_environment(sources.environment),
            time_zone: budget::time_zone(&at.get("budget").get("timeZone")),
            retention: Retention::read(&at.get("retention")),
            store_url: store::url(&at.get("store"), user_home),
            warnings: Vec::new(),
            not_followed: upstream::not_followed(document),
            file: file.clone(),
        };
        let problems = problems.into_inner();
        if !problems.is_empty() {
            return Err(ConfigError::Invalid { file, problems });
        }
        warnings.extend(known::unknown(document));
        warnings.extend(config.strangers());
        warnings.extend(config.exposed(document));
        Ok(Self { warnings, ..config })
    }

    /// The file, whether it is there or not.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// What is not understood, or unwise. None of it keeps Cyrus from working.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// Directories with plugins, absolute when Cyrus's home is.
    pub fn plugin_dirs(&self) -> &[PathBuf] {
        &self.plugin_dirs
    }

    /// The directory below which programs work, absolute when Cyrus's home is.
    pub fn work_dir(&self) -> &Path {
        &self.work_dir
    }

    /// What an execution may use, where the command line says nothing else.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// What no executor gets, whatever it is granted.
    pub fn maximum(&self) -> &HostMaximum {
        &self.maximum
    }

    /// Where the configured repositories are.
    pub fn repository_paths(&self) -> impl Iterator<Item = &Path> {
        self.repositories.iter().map(|entry| entry.path.as_path())
    }

    /// The keys of upstream Cyrus that are written here and not followed, each with what does its work instead.
    pub fn not_followed(&self) -> &[Problem] {
        &self.not_followed
    }

    /// Where the repository is that the configuration calls this: by its name or id, else by the name of its directory.
    pub fn repository_named(&self, name: &str) -> Option<&Path> {
        let last = name.rsplit('/').next().unwrap_or(name);
        let is_called = |entry: &&RepositoryEntry| {
            entry.names().iter().any(|own| own.eq_ignore_ascii_case(name))
        };
        let is_at = |entry: &&RepositoryEntry| {
            let directory = entry.path.file_name();
            directory.is_some_and(|own| own.to_string_lossy().eq_ignore_ascii_case(last))
        };
        let all = || self.repositories.iter();
        let found = all().find(is_called).or_else(|| all().find(is_at))?;
        Some(&found.path)
    }

    /// What holds for the repository at this path, or that this path is in.
    pub fn repository(&self, path: &Path) -> RepositoryConfig<'_> {
        RepositoryConfig::new(self, path)
    }

    /// Warnings about names of executors and repositories that nothing has.
    fn strangers(&self) -> Vec<Problem> {
        let is_executor =
            |name: &str| self.bundled.contains_key(name) || self.executors.contains_key(name);
        let names: BTreeSet<&str> =
            self.repositories.iter().flat_map(RepositoryEntry::names).collect();
        let is_repository = |name: &str| names.contains(name);
        let own = self.repositories.iter().enumerate();
        let own = own.map(|(index, entry)| (format!("repositories[{index}]"), &entry.section));
        own.chain([(String::new(), &self.defaults)])
            .flat_map(|(path, section)| section.strangers(&path, &is_executor, &is_repository))
            .collect()
    }

    /// Warnings about secrets that others on this machine can read.
    fn exposed(&self, document: &Value) -> Vec<Problem> {
        let of_executors = self.executors.iter().flat_map(|(name, entry)| {
            entry.secrets().map(move |(path, secret)| (format!("executors.{name}.{path}"), secret))
        });
        let sections = self.repositories.iter().map(|entry| &entry.section);
        let of_codegen = sections
            .chain([&self.defaults])
            .filter_map(|section| section.codegen.as_ref()?.token())
            .map(|token| ("codegen.apiToken".to_owned(), token));
        let of_store = self.store_url.iter().map(|secret| ("store.url".to_owned(), secret));
        let mut in_the_clear = holds_upstream_secret(document);
        let mut found = Vec::new();
        for (path, secret) in of_executors.chain(of_codegen).chain(of_store) {
            match secret {
                SecretRef::Value(_) => in_the_clear = true,
                SecretRef::File(file) if is_exposed(file) => {
                    let message = format!("others can read it: run `chmod 600 {}`", file.display());
                    found.push(Problem { path, message });
                }
                _ => {}
            }
        }
        if in_the_clear && is_exposed(&self.file) {
            let message = format!(
                "it holds secrets, and others can read it: run `chmod 600 {}`",
                self.file.display()
            );
            found.push(Problem { path: String::new(), message });
        }
        found
    }
}

/// What is said for all repositories. For models and tools the environment goes before the file, as it does
/// upstream.
fn defaults(at: &At<'_>, sources: &Sources<'_>, user_home: Option<&Path>) -> Section {
    let environment = sources.environment;
    let set = |name| environment(name).filter(|value| !value.trim().is_empty());
    let text =
        |keys: [&str; 2]| keys.into_iter().find_map(|key| at.get(key).text()).map(str::to_owned);
    let listed = |name| set(name).map(|list| tools::split(&list));
    let section = Section::read(at, sources, user_home);
    let setup = || hooks::path(&at.get("global_setup_script"), sources);
    Section {
        model: set("CYRUS_CLAUDE_DEFAULT_MODEL")
            .or_else(|| set("CYRUS_DEFAULT_MODEL"))
            .or_else(|| text(["claudeDefaultModel", "defaultModel"])),
        fallback_model: set("CYRUS_CLAUDE_DEFAULT_FALLBACK_MODEL")
            .or_else(|| set("CYRUS_DEFAULT_FALLBACK_MODEL"))
            .or_else(|| text(["claudeDefaultFallbackModel", "defaultFallbackModel"])),
        allowed: listed("LINEAR_ALLOWED_TOOLS")
            .or_else(|| tools::tools(&at.get("linearAllowedTools")))
            .or_else(|| tools::tools(&at.get("defaultAllowedTools"))),
        disallowed: listed("DISALLOWED_TOOLS")
            .or_else(|| tools::tools(&at.get("defaultDisallowedTools"))),
        kinds: section::kinds(&at.get("promptDefaults")),
        mcp_configs: hooks::paths(&at.get("linearMcpConfigs"), sources),
        hooks: HooksSection { setup: section.hooks.setup.or_else(setup), ..section.hooks },
        ..section
    }
}

fn plugin_dirs(at: &At<'_>, sources: &Sources<'_>) -> Vec<PathBuf> {
    at.items().filter_map(|item| item.path(sources)).map(|path| sources.home.join(path)).collect()
}

/// The directory below which programs work: beside Cyrus's home unless another is named, and with no name that begins
/// with a dot, because tools pass over such directories.
fn work_dir(at: &At<'_>, sources: &Sources<'_>) -> PathBuf {
    if let Some(path) = at.path(sources) {
        return crate::without_parents(sources.home.join(path));
    }
    let name = sources.home.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let plain = match name.trim_start_matches('.') {
        "" => "cyrus",
        plain => plain,
    };
    sources.home.with_file_name(format!("{plain}-work"))
}

fn limits(at: &At<'_>) -> Limits {
    at.object();
    Limits {
        deadline: at.get("deadlineSeconds").seconds(),
        max_cost: at.get("maxCost").money(),
        max_turns: at.get("maxTurns").number(),
    }
}

fn bundled(sources: &Sources<'_>, problems: &Problems) -> BTreeMap<String, ExecutorEntry> {
    let mut entries = BTreeMap::new();
    for bundled in sources.bundled {
        let path = format!("the bundled executor {}", bundled.name);
        match serde_json::from_str::<Value>(bundled.json) {
            Ok(json) => {
                let entry = ExecutorEntry::read(&At::root(&path, &json, problems), sources, None);
                entries.insert(bundled.name.to_owned(), entry);
            }
            Err(error) => At::root(&path, &Value::Null, problems).wrong(error),
        }
    }
    entries
}

fn executors(
    at: &At<'_>,
    sources: &Sources<'_>,
    user_home: Option<&Path>,
) -> BTreeMap<String, ExecutorEntry> {
    let mut entries = BTreeMap::new();
    for (name, at) in at.entries() {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase());
        if !starts_well || !name.chars().all(plain) || name.len() > 64 {
            at.wrong("is no name for an executor: use up to 64 small letters, digits and hyphens, a letter first");
        }
        let entry = ExecutorEntry::read(&at, sources, user_home);
        let bundled = sources.bundled.iter().find(|bundled| bundled.name == name);
        let bundled = bundled.filter(|_| entry.plugin(name) == name).map(|bundled| bundled.json);
        let base =
            bundled.and_then(|json| serde_json::from_str::<Value>(json).ok()).unwrap_or_default();
        for program in entry
            .additions
            .keys()
            .filter(|program| base["grants"]["process"][program.as_str()].is_null())
        {
            let grant = at.get("grants").get("process");
            grant
                .get(program)
                .wrong("has no \"program\", and there is no grant of that name to add to");
        }
        entries.insert(name.to_owned(), entry);
    }
    entries
}

fn holds_upstream_secret(value: &Value) -> bool {
    match value {
        Value::Object(object) => object.iter().any(|(key, value)| {
            let is_secret = UPSTREAM_SECRETS.contains(&key.as_str());
            is_secret && value.as_str().is_some_and(|text| !text.is_empty())
                || holds_upstream_secret(value)
        }),
        Value::Array(items) => items.iter().any(holds_upstream_secret),
        _ => false,
    }
}

fn is_exposed(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}
