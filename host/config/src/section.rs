use crate::{
    Planning, Problem, Sources,
    budget::BudgetSection,
    codegen::{CODEGEN, CodegenSection},
    hooks::HooksSection,
    network::NetworkSection,
    publishing::IntegrationSection,
    reader::At,
    result_limits::ResultLimits,
    sandbox::SandboxSettings,
    scheduling::{AttemptsSection, SchedulingSection},
    selection::SelectionSection,
    tools,
    validation::ValidationSection,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// The keys that a repository has of its own and the configuration has for all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Section {
    pub(crate) model: Option<String>,
    pub(crate) fallback_model: Option<String>,
    /// Whether agents go by the settings that a repository has for them.
    pub(crate) project_settings: Option<bool>,
    pub(crate) allowed: Option<Vec<String>>,
    pub(crate) disallowed: Option<Vec<String>>,
    /// Tools by the kind of task.
    pub(crate) kinds: BTreeMap<String, KindTools>,
    pub(crate) mcp_configs: Option<Vec<PathBuf>>,
    pub(crate) codegen: Option<CodegenSection>,
    pub(crate) selection: SelectionSection,
    pub(crate) budget: BudgetSection,
    pub(crate) scheduling: SchedulingSection,
    pub(crate) attempts: AttemptsSection,
    pub(crate) validation: ValidationSection,
    pub(crate) integration: IntegrationSection,
    pub(crate) planning: Option<Planning>,
    pub(crate) result_limits: ResultLimits,
    pub(crate) hooks: HooksSection,
    pub(crate) network: NetworkSection,
    pub(crate) sandbox: SandboxSettings,
}

/// Tools for one kind of task.
#[derive(Clone, Debug, Default)]
pub(crate) struct KindTools {
    pub(crate) allowed: Option<Vec<String>>,
    pub(crate) disallowed: Option<Vec<String>>,
}

impl Section {
    /// What has the same name in both places. Models and tools have not.
    pub(crate) fn read(at: &At<'_>, sources: &Sources<'_>, user_home: Option<&Path>) -> Self {
        Self {
            codegen: CodegenSection::read(&at.get(CODEGEN), user_home),
            selection: SelectionSection::read(&at.get("selection")),
            budget: BudgetSection::read(&at.get("budget")),
            scheduling: SchedulingSection::read(&at.get("scheduling")),
            attempts: AttemptsSection::read(&at.get("attempts")),
            validation: ValidationSection::read(&at.get("validation")),
            integration: IntegrationSection::read(&at.get("integration")),
            planning: at.get("planning").read(),
            result_limits: ResultLimits::read(&at.get("resultLimits")),
            project_settings: at.get("projectSettings").read(),
            hooks: HooksSection::read(&at.get("hooks"), sources),
            network: NetworkSection::read(&at.get("network")),
            sandbox: SandboxSettings::read(&at.get("sandbox"), sources),
            ..Self::default()
        }
    }

    /// A warning for each name that nothing has. `path` is where this is: empty, or `repositories[0]`.
    pub(crate) fn strangers(
        &self,
        path: &str,
        is_executor: &dyn Fn(&str) -> bool,
        is_repository: &dyn Fn(&str) -> bool,
    ) -> Vec<Problem> {
        let below = |key: &str| crate::reader::join(path, key);
        let mut found = self.selection.strangers(&below("selection"), is_executor, is_repository);
        let reviewer = self.validation.reviewer().filter(|name| !is_executor(name));
        found.extend(reviewer.map(|name| Problem {
            path: below("validation") + ".review.executor",
            message: format!(
                "{name:?}: no executor of this name is configured: add it to `executors`"
            ),
        }));
        found
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
