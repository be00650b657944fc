//! Commits that an executor left where nobody looks for them: on another branch of its clone, or in its stash. Agents
//! make branches of their own and go back to the one they found.

use crate::{
    harvest::{self, STASH},
    object::ObjectId,
    refs,
    scratch::Scratch,
    workspaces::Opened,
};
use cyrus_core::{WorkspaceError, WorkspaceSpec};
use cyrus_executor::Line;
use std::path::Path;

/// How many branches are kept of one clone.
const MOST: usize = 8;

/// See the module.
pub(crate) struct Elsewhere {
    /// Each with the branch's name. None is part of another.
    found: Vec<(String, ObjectId)>,
}

impl Elsewhere {
    /// Those in a clone that come from `start`, and are not in the result; `known` are not looked at.
    pub(crate) async fn find(
        scratch: &Scratch,
        clone: &Path,
        known: &[&ObjectId],
        start: &ObjectId,
        result: &ObjectId,
    ) -> Result<Self, WorkspaceError> {
        let mut named = harvest::others(&clone.join(".git"));
        named.retain(|(_, tip)| tip != start && tip != result && !known.contains(&tip));
        let mut found: Vec<(String, ObjectId)> = Vec::new();
        if named.is_empty() {
            return Ok(Self { found });
        }
        scratch.absorb_objects(clone).await?;
        for (name, tip) in named {
            let twice = found.iter().any(|(_, other)| *other == tip);
            if twice || found.len() >= MOST {
                continue;
            }
            match scratch.admit(start, &tip).await {
                Ok(Some(())) => {}
                Ok(None) => continue,
                Err(WorkspaceError::Unacceptable(problem)) => {
                    tracing::warn!(branch = %Line::new(&name), problem = %Line::new(&problem), "left in the executor's clone");
                    continue;
                }
                Err(error) => return Err(error),
            }
            if scratch.is_ancestor(start, &tip).await? && !scratch.is_ancestor(&tip, result).await?
            {
                found.push((name, tip));
            }
        }
        let mut outer = Vec::new();
        for (name, tip) in &found {
            let mut inner = false;
            for (_, other) in &found {
                inner |= other != tip && scratch.is_ancestor(tip, other).await?;
            }
            if !inner {
                outer.push((name.clone(), tip.clone()));
            }
        }
        Ok(Self { found: outer })
    }

    /// What is the result instead of one that is empty, and what to say of it.
    pub(crate) fn result(&self, start: &ObjectId, result: &ObjectId) -> Option<(ObjectId, String)> {
        let [(name, tip)] = &self.found[..] else { return None };
        (result == start && name != STASH).then(|| {
            let note = format!(
                "the result is the branch {name} of the executor's clone: nothing was changed on the one it was given"
            );
            (tip.clone(), note)
        })
    }

    /// Keeps what is not in the result, and says where.
    pub(crate) async fn keep(
        &self,
        scratch: &Scratch,
        opened: &Opened,
        spec: &WorkspaceSpec,
        result: &ObjectId,
    ) -> Result<Vec<String>, WorkspaceError> {
        let mut notes = Vec::new();
        for (number, (name, tip)) in self.found.iter().filter(|(_, tip)| tip != result).enumerate()
        {
            scratch.hand_over(&opened.main.objects, &opened.start, tip).await?;
            let kept = refs::left(&spec.session, &spec.task, number + 1);
            opened.main.keep(&kept, tip).await?;
            notes.push(format!(
                "commits on {name} of the executor's clone are not in the result; they are kept: `git log {kept}`"
            ));
        }
        Ok(notes)
    }
}
