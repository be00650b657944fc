//! The clones of a session's tasks.

use super::desk::Desk;
use crate::{Broken, effects::Effect};
use cyrus_core::{
    Collected, EffectKind, ExecutionRecord, PreparedWorkspace, WorkspaceError, WorkspaceSpec,
};
use cyrus_executor::{TaskId, WorkProduct};
use std::{
    collections::BTreeMap,
    sync::{
        MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

impl Desk<'_> {
    /// Makes a clone, or finds it.
    pub(super) async fn workspace(
        &self,
        spec: &WorkspaceSpec,
    ) -> Result<PreparedWorkspace, Broken> {
        let name = (spec.task.clone(), spec.token);
        if let Some(known) = self.clones().get(&name) {
            return Ok(PreparedWorkspace::clone(known));
        }
        let workspaces = &self.ports().workspaces;
        let what = spec.token.to_string();
        let effect = Effect { kind: EffectKind::Clone, task: Some(&spec.task), what: &what };
        let was_made = AtomicBool::new(false);
        let make = || {
            was_made.store(true, Ordering::Relaxed);
            workspaces.prepare(spec)
        };
        let mut workspace = self.effects.perform(effect, make, |_| Vec::new()).await?;
        if !was_made.load(Ordering::Relaxed) {
            // The store says that it was made; whether it is still there only a look can tell.
            workspace = workspaces.prepare(spec).await?;
        }
        self.clones().insert(name, Box::new(workspace.clone()));
        Ok(workspace)
    }

    /// The clone that an attempt was made in, where this process knows it.
    pub(super) fn known_workspace(&self, record: &ExecutionRecord) -> Option<PreparedWorkspace> {
        self.clones().get(&(record.task.clone(), record.token)).map(|known| (**known).clone())
    }

    /// Removes a clone.
    pub(super) async fn drop_workspace(&self, spec: &WorkspaceSpec) -> Result<(), WorkspaceError> {
        let known = self.clones().remove(&(spec.task.clone(), spec.token));
        match known {
            Some(workspace) => self.ports().workspaces.discard(&workspace).await,
            None => Ok(()),
        }
    }

    /// The clones of a task that this process knows.
    pub(super) fn specs(&self, task: &TaskId) -> Vec<WorkspaceSpec> {
        let clones = self.clones();
        let of_task = clones.range((task.clone(), u64::MIN)..=(task.clone(), u64::MAX));
        of_task.map(|(_, known)| known.spec.clone()).collect()
    }

    /// The clone that an execution was made in, and where its result is.
    pub(super) async fn result_of(
        &self,
        task: &TaskId,
        execution: &str,
    ) -> Result<Option<(PreparedWorkspace, WorkProduct)>, Broken> {
        let Some(record) = self.record(task, execution) else { return Ok(None) };
        let Some(report) = &record.report else { return Ok(None) };
        let workspace = self.workspace(&self.spec(&record)).await?;
        Ok(Some((workspace, report.product.clone())))
    }

    /// The clone that an execution was made in, and its result.
    pub(super) fn collected(
        &self,
        task: &TaskId,
        execution: &str,
    ) -> Option<(WorkspaceSpec, Collected)> {
        let record = self.record(task, execution)?;
        let collected = record.collected.clone()?;
        Some((self.spec(&record), collected))
    }

    fn record(&self, task: &TaskId, execution: &str) -> Option<ExecutionRecord> {
        self.board().attempts(task).iter().find(|record| record.id == execution).cloned()
    }

    fn spec(&self, record: &ExecutionRecord) -> WorkspaceSpec {
        WorkspaceSpec {
            session: self.session.id.clone(),
            task: record.task.clone(),
            token: record.token,
            base: self.session.base.clone(),
            start: record.start.clone(),
        }
    }

    fn clones(&self) -> MutexGuard<'_, BTreeMap<(TaskId, u64), Box<PreparedWorkspace>>> {
        self.clones.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
