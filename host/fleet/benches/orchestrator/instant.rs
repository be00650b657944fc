//! Workspaces, merges and checks that take no time.

use async_trait::async_trait;
use cyrus_core::{
    Base, Check, CheckReport, Collected, CommandOrigin, DiffStat, Integration, Merge, Observer,
    PreparedWorkspace, SessionId, Subject, ValidationReport, Validator, WorkspaceError,
    WorkspaceSpec, Workspaces,
};
use cyrus_executor::{Repository, TaskId, WorkProduct, Workspace};
use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// A repository in which every task changes a file of its own.
#[derive(Default)]
pub(crate) struct InstantRepository {
    commits: AtomicU64,
}

const DIFF: DiffStat = DiffStat { files: 1, insertions: 1, deletions: 0 };

impl InstantRepository {
    fn commit(&self) -> String {
        format!("{:040x}", self.commits.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

pub(crate) fn base(work_branch: &str) -> Base {
    Base {
        path: "/repository".into(),
        repository: Repository {
            remote: None,
            base_branch: Some("main".into()),
            base_commit: "0".repeat(40),
            work_branch: work_branch.to_owned(),
        },
        dirty: false,
    }
}

#[async_trait]
impl Workspaces for InstantRepository {
    async fn base(&self, _: &Path, work_branch: &str) -> Result<Base, WorkspaceError> {
        Ok(base(work_branch))
    }

    async fn prepare(&self, spec: &WorkspaceSpec) -> Result<PreparedWorkspace, WorkspaceError> {
        let root = format!("/clones/{}/{}-{}", spec.session, spec.task, spec.token);
        let workspace = Workspace::new(root, "/home", "/state");
        Ok(PreparedWorkspace { spec: spec.clone(), workspace })
    }

    async fn collect(
        &self,
        workspace: &PreparedWorkspace,
        _: &WorkProduct,
        _: &str,
    ) -> Result<Collected, WorkspaceError> {
        let WorkspaceSpec { session, task, .. } = &workspace.spec;
        let kept = format!("refs/cyrus/{session}/{task}");
        Ok(Collected { commit: self.commit(), kept, diff: DIFF, notes: vec![] })
    }

    async fn discard(&self, _: &PreparedWorkspace) -> Result<(), WorkspaceError> {
        Ok(())
    }

    async fn clear(&self, _: &Base, _: &SessionId) -> Result<(), WorkspaceError> {
        Ok(())
    }

    async fn present(&self) -> Result<Vec<SessionId>, WorkspaceError> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl Integration for InstantRepository {
    async fn merge(
        &self,
        _: &Base,
        _: &SessionId,
        _: &TaskId,
        _: &str,
        _: &str,
        _: &str,
    ) -> Result<Merge, WorkspaceError> {
        Ok(Merge::Clean { commit: self.commit() })
    }

    async fn resolve(
        &self,
        _: &Base,
        _: &SessionId,
        _: &TaskId,
        _: (&str, &str),
        resolved: &str,
        _: &str,
    ) -> Result<String, WorkspaceError> {
        Ok(resolved.to_owned())
    }

    async fn diff(&self, _: &Base, _: &str) -> Result<DiffStat, WorkspaceError> {
        Ok(DIFF)
    }

    async fn publish(
        &self,
        _: &Base,
        session: &SessionId,
        _: &str,
    ) -> Result<String, WorkspaceError> {
        Ok(session.branch())
    }

    async fn share(&self, base: &Base, commit: &str) -> Result<String, WorkspaceError> {
        Ok(base.shared_branch(commit))
    }

    async fn unshare(&self, _: &Base) -> Result<(), WorkspaceError> {
        Ok(())
    }

    async fn push(&self, _: &Base, _: &str, _: &str) -> Result<(), WorkspaceError> {
        Ok(())
    }
}

#[async_trait]
impl Validator for InstantRepository {
    async fn checks(&self, _: &Base) -> Result<Vec<Check>, WorkspaceError> {
        let timeout = Duration::from_mins(1);
        Ok(vec![Check { command: "true".into(), origin: CommandOrigin::Operator, timeout }])
    }

    async fn validate(
        &self,
        _: &Subject<'_>,
        checks: &[Check],
        _: &dyn Observer,
    ) -> Result<ValidationReport, WorkspaceError> {
        let passed = |check: &Check| CheckReport {
            check: check.clone(),
            passed: true,
            exit_code: Some(0),
            timed_out: false,
            duration_ms: 0,
            tests: None,
            on_base: None,
            output: String::new(),
        };
        Ok(ValidationReport::new(checks.iter().map(passed).collect(), Vec::new()))
    }
}
