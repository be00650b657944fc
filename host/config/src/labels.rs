use crate::{RepositoryConfig, reader::At};
use cyrus_executor::TaskKind;

/// The label that makes an orchestrator's task of an issue, configured or not, as it does upstream.
const ALWAYS: (TaskKind, &str) = (TaskKind::ORCHESTRATOR, "orchestrator");

/// What `labelPrompts` calls them, in the order in which upstream looks at them, and the kind that each is.
const KINDS: [(&str, TaskKind); 5] = [
    ("graphite-orchestrator", TaskKind::ORCHESTRATOR),
    ("debugger", TaskKind::DEBUGGER),
    ("builder", TaskKind::BUILDER),
    ("scoper", TaskKind::SCOPER),
    ("orchestrator", TaskKind::ORCHESTRATOR),
];

/// A key of `labelPrompts` that is no kind: it marks a tool that pull requests are made with.
const NO_KIND: &str = "graphite";

/// The labels of each kind in `labelPrompts`: known kinds in upstream's order, then other words.
pub(crate) fn labels(at: &At<'_>) -> Vec<(TaskKind, Vec<String>)> {
    let of = |at: &At<'_>| {
        let list = if at.is_list() { at.texts() } else { at.get("labels").texts() };
        list.filter(|labels| !labels.is_empty())
    };
    let is_other = |key: &str| key != NO_KIND && KINDS.iter().all(|(known, _)| *known != key);
    let known = KINDS.into_iter().filter_map(|(key, kind)| Some((kind, of(&at.get(key))?)));
    let others = at.entries().filter(|(key, _)| is_other(key));
    known.chain(others.filter_map(|(key, at)| Some((TaskKind::new(key), of(&at)?)))).collect()
}

impl RepositoryConfig<'_> {
    /// The kind of task that an issue with one of these labels is; the first that fits counts, and capital and small
    /// letters are the same. They are those of `labelPrompts`, and `orchestrator`.
    pub fn label_rules(&self) -> Vec<(TaskKind, Vec<String>)> {
        let mut rules = self.labels().to_vec();
        let (kind, label) = ALWAYS;
        rules.push((kind, vec![label.to_owned()]));
        rules
    }
}
