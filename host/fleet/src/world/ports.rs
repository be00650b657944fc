use super::{WorldPorts, git::Git};
use crate::Step;
use cyrus_core::{Base, SessionId, WorkspaceError, WorkspaceSpec};
use cyrus_executor::TaskId;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// Clones of simulated repositories.
#[derive(Clone)]
pub struct SimWorkspaces(pub(super) WorldPorts);

/// Merges in simulated repositories.
#[derive(Clone)]
pub struct SimIntegration(pub(super) WorldPorts);

/// A simulated forge.
#[derive(Clone)]
pub struct SimForge(pub(super) WorldPorts);

/// Checks that look at what is wrong with a simulated commit.
#[derive(Clone)]
pub struct SimValidator(pub(super) WorldPorts);

pub(super) fn root(spec: &WorkspaceSpec) -> PathBuf {
    format!("/clones/{}/{}/{}", spec.session, spec.task, spec.token).into()
}

pub(super) fn kept_ref(session: &SessionId, task: &TaskId) -> String {
    format!("refs/cyrus/{session}/{task}")
}

pub(super) fn git_error(command: &str, path: &Path, output: &str) -> WorkspaceError {
    let (path, output) = (path.to_owned(), output.to_owned());
    WorkspaceError::Git { command: command.to_owned(), path, output }
}

impl WorldPorts {
    /// Does a step that takes this long, between its two points. It is counted.
    pub(super) async fn act<T>(
        &self,
        step: Step,
        about: Duration,
        what: &[&str],
        act: impl FnOnce(&mut super::Outside) -> Result<T, WorkspaceError>,
    ) -> Result<T, WorkspaceError> {
        let was_overtaken = self.process.is_overtaken();
        self.world.takes(about, what).await;
        self.process
            .step(step, || {
                let mut outside = self.world.outside();
                outside.effects += 1;
                // What is removed late was to be removed.
                if step != Step::Discard {
                    outside.note_late(step, &self.process, was_overtaken);
                }
                act(&mut outside)
            })
            .await
    }
}

impl super::Outside {
    pub(super) fn git(&mut self, base: &Base) -> Result<&mut Git, WorkspaceError> {
        let reason = "is no repository of this world".to_owned();
        let unknown = || WorkspaceError::NotUsable { path: base.path.clone(), reason };
        self.repositories.get_mut(&base.path).ok_or_else(unknown)
    }
}
