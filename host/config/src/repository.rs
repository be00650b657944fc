use crate::{
    Sources,
    codegen::{CODEGEN, CodegenSection},
    config::Config,
    executor::ExecutorEntry,
    hooks, labels,
    reader::At,
    sandbox::SandboxSettings,
    section::{self, Section},
    tools,
    worktree::common_dir,
};
use cyrus_executor::TaskKind;
use cyrus_plugin::ExecutorConfig;
use serde_json::json;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

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

/// An entry of `repositories`.
#[derive(Clone, Debug)]
pub(crate) struct RepositoryEntry {
    pub(crate) path: PathBuf,
    id: Option<String>,
    name: Option<String>,
    base_branch: Option<String>,
    issue_branches: Vec<String>,
    append_instruction: Option<String>,
    labels: Vec<(TaskKind, Vec<String>)>,
    pub(crate) section: Section,
}

impl RepositoryEntry {
    /// What is written here. `None`, which is noted, when it does not say where the repository is.
    pub(crate) fn read(
        at: &At<'_>,
        sources: &Sources<'_>,
        user_home: Option<&Path>,
    ) -> Option<Self> {
        at.object()?;
        let text = |key| at.get(key).text().map(str::to_owned);
        let section = Section {
            model: text("model"),
            fallback_model: text("fallbackModel"),
            allowed: tools::tools(&at.get("allowedTools")),
            disallowed: tools::tools(&at.get("disallowedTools")),
            kinds: section::kinds(&at.get("labelPrompts")),
            mcp_configs: hooks::paths(&at.get("mcpConfigPath"), sources),
            ..Section::read(at, sources, user_home)
        };
        let Some(path) = at.get("repositoryPath").text() else {
            at.wrong(
                "does not say where the repository is: add \"repositoryPath\": \"/path/to/it\"",
            );
            return None;
        };
        Some(Self {
            path: at.get("repositoryPath").path(sources).unwrap_or_else(|| path.into()),
            id: text("id"),
            name: text("name").or_else(|| text("id")),
            base_branch: text("baseBranch"),
            issue_branches: at.get("issueBranches").texts().unwrap_or_default(),
            append_instruction: text("appendInstruction"),
            labels: labels::labels(&at.get("labelPrompts")),
            section,
        })
    }

    /// What the configuration calls it: its name, and its id.
    pub(crate) fn names(&self) -> Vec<&str> {
        [&self.name, &self.id].into_iter().flatten().map(String::as_str).collect()
    }
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
        let innermost = config
            .repositories
            .iter()
            .map(|entry| (real(&entry.path), entry))
            .filter(|(root, _)| path.starts_with(root))
            .max_by_key(|(root, _)| root.components().count())
            .map(|(_, entry)| entry);
        // Else one for another working tree of the same repository.
        let of_another_tree = || {
            let common = common_dir(&path)?;
            config
                .repositories
                .iter()
                .find(|entry| common_dir(&entry.path).as_ref() == Some(&common))
        };
        Self { config, entry: innermost.or_else(of_another_tree) }
    }

    /// What the configuration calls it; `None` when it has no entry for it.
    pub fn name(&self) -> Option<&'a str> {
        self.entry?.name.as_deref()
    }

    /// The branch that work starts from, where the entry names one.
    pub fn base_branch(&self) -> Option<&'a str> {
        self.entry?.base_branch.as_deref()
    }

    /// Whether the text of an issue may choose this branch to start from: it is `baseBranch`, or a name or pattern of
    /// `issueBranches` matches it.
    pub fn issue_may_name(&self, branch: &str) -> bool {
        let Some(entry) = self.entry else { return false };
        entry.base_branch.as_deref() == Some(branch)
            || entry.issue_branches.iter().any(|pattern| matches(pattern, branch))
    }

    /// What is added to the agent's system prompt.
    pub fn append_instruction(&self) -> Option<&'a str> {
        self.entry?.append_instruction.as_deref()
    }

    /// The files that say which MCP servers agents may use, in upstream's form; a later one goes before an earlier.
    /// Those for all count where the repository has no tools of its own, as they do upstream.
    pub fn mcp_configs(&self) -> Vec<PathBuf> {
        let own = self.section();
        let for_all = own.is_none_or(|section| section.allowed.is_none());
        let for_all = for_all.then(|| self.config.defaults.mcp_configs.iter().flatten());
        let own = own.and_then(|section| section.mcp_configs.as_ref()).into_iter().flatten();
        for_all.into_iter().flatten().chain(own).cloned().collect()
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
        let bundled = self.config.bundled.get(name);
        let own = self.config.executors.get(name);
        let is_mentioned = own.is_some() || (name == CODEGEN && self.has_codegen());
        let by_default =
            name != CODEGEN && bundled.is_none_or(|bundled| bundled.enabled.unwrap_or(true));
        // Whoever says no is heard.
        let is_refused = self.view(name).enabled == Some(false)
            || own.is_some_and(|own| own.enabled == Some(false));
        if is_refused || !(is_mentioned || by_default) {
            return None;
        }
        Some(self.entry(name).build(name))
    }

    /// Everything that is said of the executor of this name, laid over one another.
    pub(crate) fn entry(&self, name: &str) -> ExecutorEntry {
        let bundled = self.config.bundled.get(name).cloned().unwrap_or_default();
        // The view comes after the plugin is settled: it is no reason to lose what the entry says.
        let own = self.config.executors.get(name).cloned().unwrap_or_default();
        let plugin = ExecutorEntry { plugin: own.plugin.clone(), ..ExecutorEntry::default() };
        let base = bundled.overlaid(&plugin, name);
        let base =
            if base.plugin(name) == name { base.overlaid(&self.view(name), name) } else { base };
        base.overlaid(&own, name)
    }

    /// What the keys that are a view on the executor of this name say of it.
    fn view(&self, name: &str) -> ExecutorEntry {
        match name {
            CODEGEN => self.codegen().entry(),
            CLAUDE => self.claude(),
            _ => ExecutorEntry::default(),
        }
    }

    /// What is said of Codegen: here, else for all, else in the environment.
    pub(crate) fn codegen(&self) -> CodegenSection {
        let said =
            |section: Option<&Section>| section.and_then(|s| s.codegen.clone()).unwrap_or_default();
        said(self.section()).or(&said(Some(&self.config.defaults))).or(&self.config.environment)
    }

    fn has_codegen(&self) -> bool {
        self.find(|section| section.codegen.as_ref()).is_some()
    }

    /// What the keys for models and for a repository's own settings say of Claude Code.
    fn claude(&self) -> ExecutorEntry {
        let mut entry = ExecutorEntry::default();
        for (key, value) in [
            ("model", self.find(|section| section.model.as_ref())),
            ("fallbackModel", self.find(|section| section.fallback_model.as_ref())),
        ] {
            entry.settings.extend(value.map(|value| (key.to_owned(), value.clone().into())));
        }
        if let Some(own) = self.find(|section| section.project_settings.as_ref()) {
            let sources = if *own { json!(["user", "project"]) } else { json!(["user"]) };
            entry.settings.insert("settingSources".to_owned(), sources);
        }
        entry
    }

    /// What the configuration calls it: its name, and its id.
    pub(crate) fn names(&self) -> Vec<&'a str> {
        self.entry.map(RepositoryEntry::names).unwrap_or_default()
    }

    /// The labels of each kind in its `labelPrompts`.
    pub(crate) fn labels(&self) -> &'a [(TaskKind, Vec<String>)] {
        self.entry.map_or(&[], |entry| &entry.labels)
    }

    /// What is said for all repositories.
    pub(crate) fn for_all(&self) -> &'a Section {
        &self.config.defaults
    }

    pub(crate) fn own_sandbox(&self) -> Option<&'a SandboxSettings> {
        Some(&self.section()?.sandbox)
    }

    fn section(&self) -> Option<&'a Section> {
        self.entry.map(|entry| &entry.section)
    }

    /// What the repository's own entry says, else what is said for all.
    pub(crate) fn find<T: 'a>(&self, of: impl Fn(&'a Section) -> Option<&'a T>) -> Option<&'a T> {
        self.section().and_then(&of).or_else(|| of(&self.config.defaults))
    }
}

/// Whether a branch has the form of a pattern, in which each `*` stands for any text.
fn matches(pattern: &str, branch: &str) -> bool {
    let Some((beginning, rest)) = pattern.split_once('*') else { return pattern == branch };
    let Some(left) = branch.strip_prefix(beginning) else { return false };
    let starts = left.char_indices().map(|(at, _)| at).chain([left.len()]);
    starts.into_iter().any(|at| matches(rest, &left[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_stands_for_the_branches_it_describes() {
        for (pattern, branch) in [
            ("develop", "develop"),
            ("release/*", "release/1/x"),
            ("*", "é"),
            ("v*-lts", "v1-lts-lts"),
        ] {
            assert!(matches(pattern, branch), "{pattern} {branch}");
        }
        for (pattern, branch) in
            [("develop", "develop2"), ("release/*", "releases/1"), ("v*-lts", "v1"), ("", "main")]
        {
            assert!(!matches(pattern, branch), "{pattern} {branch}");
        }
    }
}
