use super::{Attempt, Script};
use crate::world::git::{Content, Tree, faults};
use std::{collections::BTreeMap, sync::Arc};

/// What an agent changes in these files. With findings it mends everything that is wrong; marks of a conflict it sees
/// by itself.
pub(crate) fn work(tree: &Tree, attempt: &Attempt, script: &Script) -> BTreeMap<Arc<str>, Content> {
    let mut random = attempt.random();
    let wrong = script.wrong && !attempt.has_findings;
    let found = faults(tree);
    let mut edits = BTreeMap::new();
    if attempt.has_findings {
        edits.extend(found.wrong.into_iter().map(|path| (path, Content::good(random.number()))));
    }
    if !wrong {
        edits.extend(found.marked.into_iter().map(|path| (path, Content::good(random.number()))));
    }
    let mends = !edits.is_empty();
    let paths: Vec<_> = tree.keys().collect();
    // Who mends changes nothing else, or two who mend would never come to an end.
    for _ in 0..if mends { 0 } else { script.changes } {
        let Some(path) = random.pick(&paths) else { break };
        let clash = script.clash.filter(|_| !attempt.has_findings);
        let content = Content::Version { id: random.number(), wrong, clash };
        edits.insert(Arc::clone(path), content);
    }
    edits
}
