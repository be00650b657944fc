use crate::{
    codegen::{CODEGEN, CodegenSection},
    config::Config,
    executor::ExecutorEntry,
    home,
    reader::At,
    tools,
};
use cyrus_core::{Check, CheckSource, Strategy};
use cyrus_executor::{MicroUsd, TaskKind};
use cyrus_plugin::ExecutorConfig;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

/// How long a check may take when nothing is said of it.
const CHECK_TIMEOUT: Duration = Duration::from_mins(10);

/// The executor that upstream's keys for models are a view on.
const CLAUDE: &str = "claude";

/// What agents may use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tools {
    /// What needs no question; `None` is the executor's default.
    pub allowed: Option<Vec<String>>,
    /// What must not be used.
    pub disallowed: Vec<String>,
}

/// The keys that a repository has of its own and the configuration has for all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Section {
    pub(crate) model: Option<String>,
    pub(crate) fallback_model: Option<String>,
    pub(crate) allowed: Option<Vec<String>>,
    pub(crate) disallowed: Option<Vec<String>>,
    /// Tools by the kind of task.
    pub(crate) kinds: BTreeMap<String, KindTools>,
    pub(crate) codegen: Option<CodegenSection>,
    pub(crate) checks: Option<Vec<Check>>,
}

/// Tools for one kind of task.
#[derive(Clone, Debug, Default)]
pub(crate) struct KindTools {
    allowed: Option<Vec<String>>,
    disallowed: Option<Vec<String>>,
}

/// An entry of `repositories`.
#[derive(Clone, Debug)]
pub(crate) struct RepositoryEntry {
    pub(crate) path: PathBuf,
    name: Option<String>,
    base_branch: Option<String>,
    append_instruction: Option<String>,
    pub(crate) section: Section,
}

impl RepositoryEntry {
    /// What is written here. `None`, which is noted, when it does not say where the repository is.
    pub(crate) fn read(
        at: &At<'_>,
        environment: &dyn Fn(&str) -> Option<String>,
        home: Option<&Path>,
    ) -> Option<Self> {
        at.object()?;
        let text = |key| at.get(key).text().map(str::to_owned);
        let section = Section {
            model: text("model"),
            fallback_model: text("fallbackModel"),
            allowed: tools::tools(&at.get("allowedTools")),
            disallowed: tools::tools(&at.get("disallowedTools")),
            kinds: kinds(&at.get("labelPrompts")),
            codegen: CodegenSection::read(&at.get("codegen"), home),
            checks: checks(&at.get("validation")),
        };
        let Some(path) = at.get("repositoryPath").text() else {
            at.wrong(
                "does not say where the repository is: add \"repositoryPath\": \"/path/to/it\"",
            );
            return None;
        };
        Some(Self {
            path: home::expand(path, environment),
            name: text("name").or_else(|| text("id")),
            base_branch: text("baseBranch"),
            append_instruction: text("appendInstruction"),
            section,
        })
    }
}

/// The tools of each kind in `labelPrompts` or `promptDefaults`. A list there is of labels, and says nothing of
/// tools.
pub(crate) fn kinds(at: &At<'_>) -> BTreeMap<String, KindTools> {
    let mut kinds = BTreeMap::new();
    for (kind, at) in at.entries().filter(|(_, at)| !at.is_list()) {
        let allowed = tools::tools(&at.get("allowedTools"));
        let disallowed = tools::tools(&at.get("disallowedTools"));
        kinds.insert(kind.to_owned(), KindTools { allowed, disallowed });
    }
    kinds
}

/// The commands in a section `validation`.
pub(crate) fn checks(at: &At<'_>) -> Option<Vec<Check>> {
    at.object()?;
    let commands = at.get("commands");
    commands.is_present().then(|| commands.items().filter_map(|at| check(&at)).collect())
}

fn check(at: &At<'_>) -> Option<Check> {
    let (command, timeout) = if at.is_text() {
        (at.text(), None)
    } else {
        at.object()?;
        let timeout = at.get("timeoutSeconds").count().map(Duration::from_secs);
        (at.get("command").text(), timeout)
    };
    let Some(command) = command else {
        at.wrong("has no command: write one as a text, or as {\"command\": \"…\", \"timeoutSeconds\": 600}");
        return None;
    };
    let timeout = timeout.unwrap_or(CHECK_TIMEOUT);
    Some(Check { command: command.to_owned(), source: CheckSource::Configured, timeout })
}

/// What of the configuration holds for one repository: its own entry, and what is said for all.
#[derive(Clone, Copy, Debug)]
pub struct RepositoryConfig<'a> {
    config: &'a Config,
    entry: Option<&'a RepositoryEntry>,
}

impl<'a> RepositoryConfig<'a> {
    pub(crate) fn new(config: &'a Config, path: &Path) -> Self {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let path = real(path);
        // The innermost, when one is in another.
        let entry = config
            .repositories
            .iter()
            .map(|entry| (real(&entry.path), entry))
            .filter(|(root, _)| path.starts_with(root))
            .max_by_key(|(root, _)| root.components().count())
            .map(|(_, entry)| entry);
        Self { config, entry }
    }

    /// What the configuration calls it; `None` when it has no entry for it.
    pub fn name(&self) -> Option<&'a str> {
        self.entry?.name.as_deref()
    }

    /// The branch that work starts from, where the entry names one.
    pub fn base_branch(&self) -> Option<&'a str> {
        self.entry?.base_branch.as_deref()
    }

    /// What is added to the agent's system prompt.
    pub fn append_instruction(&self) -> Option<&'a str> {
        self.entry?.append_instruction.as_deref()
    }

    /// The rule to choose an executor by.
    pub fn strategy(&self) -> Strategy {
        self.codegen().strategy.unwrap_or_default()
    }

    /// The most that one task may cost.
    pub fn max_cost_per_task(&self) -> Option<MicroUsd> {
        self.codegen().max_cost_per_task
    }

    /// The most that a day's work may cost.
    pub fn max_cost_per_day(&self) -> Option<MicroUsd> {
        self.codegen().max_cost_per_day
    }

    /// The checks that are configured. None: they are to be detected.
    pub fn checks(&self) -> Vec<Check> {
        self.find(|section| section.checks.as_ref()).cloned().unwrap_or_default()
    }

    /// What agents may use for a task of this kind. What is said of the kind goes before what is said of the
    /// repository, and this before what is said for all.
    pub fn tools(&self, kind: &TaskKind) -> Tools {
        let of_kind = |section: &'a Section| section.kinds.get(kind.as_str());
        let allowed = self
            .find(|section| of_kind(section)?.allowed.as_ref())
            .or_else(|| self.find(|section| section.allowed.as_ref()));
        let disallowed = self
            .find(|section| of_kind(section)?.disallowed.as_ref())
            .or_else(|| self.find(|section| section.disallowed.as_ref()));
        Tools { allowed: allowed.cloned(), disallowed: disallowed.cloned().unwrap_or_default() }
    }

    /// The executors that may be used here, by name.
    pub fn executors(&self) -> Vec<ExecutorConfig> {
        let Config { bundled, executors, .. } = self.config;
        let names: BTreeSet<&str> =
            bundled.keys().chain(executors.keys()).map(String::as_str).collect();
        names.into_iter().filter_map(|name| self.executor(name)).collect()
    }

    /// Whether the configuration says anything of the executor of this name, if only that it is not to be used.
    pub fn mentions(&self, name: &str) -> bool {
        let is_bundled = self.config.bundled.contains_key(name);
        is_bundled || self.config.executors.contains_key(name)
    }

    fn executor(&self, name: &str) -> Option<ExecutorConfig> {
        let bundled = self.config.bundled.get(name).cloned().unwrap_or_default();
        let own = self.config.executors.get(name);
        let is_mentioned = own.is_some() || (name == CODEGEN && self.has_codegen());
        let by_default = if name == CODEGEN { false } else { bundled.enabled.unwrap_or(true) };
        let view = match name {
            CODEGEN => self.codegen().entry(),
            CLAUDE => self.claude(),
            _ => ExecutorEntry::default(),
        };
        // Whoever says no is heard.
        let is_refused =
            view.enabled == Some(false) || own.is_some_and(|own| own.enabled == Some(false));
        if is_refused || !(is_mentioned || by_default) {
            return None;
        }
        // The view comes after the plugin is settled: it is no reason to lose what the entry says.
        let own = own.cloned().unwrap_or_default();
        let plugin = ExecutorEntry { plugin: own.plugin.clone(), ..ExecutorEntry::default() };
        let base = bundled.overlaid(&plugin, name);
        let base = if base.plugin(name) == name { base.overlaid(&view, name) } else { base };
        Some(base.overlaid(&own, name).build(name))
    }

    /// What is said of Codegen: here, else for all, else in the environment.
    fn codegen(&self) -> CodegenSection {
        let said =
            |section: Option<&Section>| section.and_then(|s| s.codegen.clone()).unwrap_or_default();
        said(self.section()).or(&said(Some(&self.config.defaults))).or(&self.config.environment)
    }

    fn has_codegen(&self) -> bool {
        self.find(|section| section.codegen.as_ref()).is_some()
    }

    /// What upstream's keys for models say of Claude Code.
    fn claude(&self) -> ExecutorEntry {
        let mut entry = ExecutorEntry::default();
        for (key, value) in [
            ("model", self.find(|section| section.model.as_ref())),
            ("fallbackModel", self.find(|section| section.fallback_model.as_ref())),
        ] {
            entry.settings.extend(value.map(|value| (key.to_owned(), value.clone().into())));
        }
        entry
    }

    fn section(&self) -> Option<&'a Section> {
        self.entry.map(|entry| &entry.section)
    }

    /// What the repository's own entry says, else what is said for all.
    fn find<T: 'a>(&self, of: impl Fn(&'a Section) -> Option<&'a T>) -> Option<&'a T> {
        self.section().and_then(&of).or_else(|| of(&self.config.defaults))
    }
}
