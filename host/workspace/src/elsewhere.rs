//! Commits that an executor left outside of its branch: on another branch of its clone, under a tag, on no branch
//! at all, in a worktree of its own, or in its stash. Agents go away from the branch that they found, and come back.

use crate::{
    error::io,
    include, landmarks,
    object::ObjectId,
    refs,
    repository::Main,
    scratch::Scratch,
    tips::{Left, tips},
    workspaces::Opened,
};
use cyrus_core::{SessionId, WorkspaceError, WorkspaceSpec};
use cyrus_executor::Line;
use std::{collections::BTreeSet, path::Path};

/// How many are kept of one clone.
const MOST: usize = 8;

/// How many names are looked at: each costs git some runs.
const MOST_LOOKED_AT: usize = 32;

/// See the module.
pub(crate) struct Elsewhere {
    /// None is part of another.
    found: Vec<(Left, ObjectId)>,
    /// How many more there are.
    beyond: usize,
}

impl Elsewhere {
    /// Those in a clone that come from `start`, and are neither in the result, nor in what was taken of its `HEAD`, nor in
    /// the main repository; `known` are not looked at.
    pub(crate) async fn find(
        scratch: &Scratch,
        (main, session): (&Main, &SessionId),
        clone: &Path,
        (known, own): (&[&ObjectId], &ObjectId),
        (start, result): (&ObjectId, &ObjectId),
        uncommitted: Vec<(Left, ObjectId)>,
    ) -> Result<Self, WorkspaceError> {
        let mut named = tips(&clone.join(".git"));
        named.splice(0..0, uncommitted);
        named.retain(|(_, tip)| ![start, result, own].contains(&tip) && !known.contains(&tip));
        let (mut found, mut beyond) = (Vec::<(Left, ObjectId)>::new(), 0);
        if named.is_empty() {
            return Ok(Self { found, beyond });
        }
        scratch.absorb_objects(clone).await?;
        // What was kept of this session is no less left.
        let kept = main.refs(&refs::session(session)).await?;
        let mut left_here = Vec::new();
        for (left, tip) in named {
            // A branch of the executor's may be at a commit that it was given, and is no less the executor's.
            let is_own = matches!(&left, Left::Branch(name) if !landmarks::is_default(name));
            let is_given =
                !is_own && !kept.iter().any(|(_, commit)| *commit == tip) && main.has(&tip).await?;
            left_here.extend((!is_given).then_some((left, tip)));
        }
        let mut named = left_here;
        if let Some(more) = named.len().checked_sub(MOST_LOOKED_AT) {
            named.truncate(MOST_LOOKED_AT);
            beyond += more;
        }
        for (left, tip) in named {
            let Some(tip) = scratch.commit_of(&tip).await? else { continue };
            if found.iter().any(|(_, other)| *other == tip) {
                continue;
            }
            match scratch.admit(start, &tip).await {
                Ok(Some(())) => {}
                Ok(None) => continue,
                Err(WorkspaceError::Unacceptable(problem)) => {
                    tracing::warn!(left = %Line::new(left.to_string()), problem = %Line::new(&problem), "left in the executor's clone");
                    continue;
                }
                Err(error) => return Err(error),
            }
            // The commits of the `HEAD` may have been made anew.
            let is_taken =
                scratch.is_ancestor(&tip, result).await? || scratch.is_ancestor(&tip, own).await?;
            if !is_taken && scratch.is_ancestor(start, &tip).await? {
                found.push((left, tip));
            }
        }
        let ends = scratch.independent(found.iter().map(|(_, tip)| tip)).await?;
        found.retain(|(_, tip)| ends.contains(tip));
        beyond += found.len().saturating_sub(MOST);
        found.truncate(MOST);
        Ok(Self { found, beyond })
    }

    /// What is the result instead of one that is empty, and what to say of it.
    pub(crate) fn result(&self, start: &ObjectId, result: &ObjectId) -> Option<(ObjectId, String)> {
        let [(left, tip)] = &self.found[..] else { return None };
        (result == start && !matches!(left, Left::Stash(_))).then(|| {
            let note = format!(
                "the result is {left} of the executor's clone: nothing was changed on the branch it was given"
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
        included: &BTreeSet<Vec<u8>>,
    ) -> Result<Vec<String>, WorkspaceError> {
        let mut notes = Vec::new();
        for (number, (left, tip)) in self.found.iter().filter(|(_, tip)| tip != result).enumerate()
        {
            if let Some(name) = users_file(scratch, opened, tip, included).await? {
                notes.push(format!(
                    "commits on {left} of the executor's clone are not kept: they hold `{name}`, which was copied from the user's working tree"
                ));
                continue;
            }
            scratch.hand_over(&opened.main.objects, &opened.start, tip).await?;
            let kept = refs::left(&spec.session, &spec.task, number + 1);
            opened.main.keep(&kept, tip).await?;
            notes.push(match left {
                Left::Uncommitted(_) => format!(
                    "{left} of the executor's clone, which were not committed, are not in the result; they are kept: `git show {kept}`"
                ),
                left => format!(
                    "commits on {left} of the executor's clone are not in the result; they are kept: `git log {kept}`"
                ),
            });
        }
        if self.beyond > 0 {
            notes.push(format!(
                "of what else the executor committed, {} ends of branches or stashes are not kept: too many were left",
                self.beyond
            ));
        }
        Ok(notes)
    }
}

/// The name of a file of the user's that a commit on the way from the start to this one holds, by its path or by its
/// content.
async fn users_file(
    scratch: &Scratch,
    opened: &Opened,
    tip: &ObjectId,
    included: &BTreeSet<Vec<u8>>,
) -> Result<Option<String>, WorkspaceError> {
    if included.is_empty() {
        return Ok(None);
    }
    let forms = tempfile::TempDir::new_in(scratch.path());
    let forms = forms.map_err(io("cannot make a directory in", scratch.path()))?;
    let own = include::objects(scratch.git(), &opened.main, included, forms.path()).await?;
    let call = scratch.call(&["rev-list", "--objects"]).arg(tip.as_str());
    let listed = scratch.git().output(call.arg(format!("^{}", opened.start))).await?;
    let holds = |line: &[u8]| {
        let at = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
        let object = ObjectId::parse(&String::from_utf8_lossy(&line[..at]));
        let path = line.get(at + 1..).unwrap_or_default();
        let known = object.and_then(|object| own.get(&object).cloned());
        known.or_else(|| included.get(path).cloned())
    };
    let found = listed.split(|byte| *byte == b'\n').find_map(holds);
    Ok(found.map(|name| Line::new(String::from_utf8_lossy(&name)).to_string()))
}
