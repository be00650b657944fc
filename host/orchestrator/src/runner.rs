use crate::{
    StopSignal, ToolPolicy, attempt,
    recovery::{NextStep, cut_off, next_step},
};
use cyrus_core::{
    Check, Clock, Collected, DiffStat, ExecutionOutcome, ExecutionRecord, ExecutionReport, Journal,
    JournalError, Observer, PreparedWorkspace, Session, SessionEvent, SessionOutcome,
    SessionReport, SessionState, ValidationReport, ValidationVerdict, Validator, WorkspaceError,
    Workspaces,
};
use cyrus_executor::{ExecutionRequest, Task, TaskExecutor, TaskId, TaskKind, WorkProduct};
use serde_json::Value;
use std::{fmt, sync::Arc};

/// What a session needs of the world.
#[derive(Clone)]
pub struct Ports {
    /// Clones, and what comes back from them.
    pub workspaces: Arc<dyn Workspaces>,
    /// The checks.
    pub validator: Arc<dyn Validator>,
    /// What is written down.
    pub journal: Arc<dyn Journal>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Works on one session.
pub struct Runner {
    /// What it needs of the world.
    pub ports: Ports,
    /// Who does the task.
    pub executor: Arc<dyn TaskExecutor>,
    /// Who hears of it.
    pub observer: Arc<dyn Observer>,
    /// What agents are answered.
    pub policy: ToolPolicy,
    /// What executions are given besides the session: model, tools, system prompt and the like. Its task, ids
    /// and workspace are filled in.
    pub template: RequestTemplate,
}

/// What the operator has every execution given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RequestTemplate {
    /// To be added to the agent's own system prompt.
    pub system_prompt: Option<String>,
    /// Tools that need no question; `None` is the executor's default.
    pub allowed_tools: Option<Vec<String>>,
    /// Tools that must not be used.
    pub disallowed_tools: Vec<String>,
    /// MCP servers, as `{"mcpServers": {…}}`.
    pub mcp_servers: Option<Value>,
}

/// Why a session could not be worked on: nothing could be written down about it.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct RunnerError(#[from] JournalError);

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner").field("executor", self.executor.info()).finish_non_exhaustive()
    }
}

/// What a session has come to so far.
#[derive(Default)]
struct Found {
    branch: Option<String>,
    commit: Option<String>,
    diff: Option<DiffStat>,
    executions: Vec<ExecutionReport>,
    validation: Option<ValidationReport>,
    /// The clone, once everything that is in it has been brought in.
    spent: Option<PreparedWorkspace>,
}

/// How a session ends, and why where that is not plain.
struct Ending(SessionOutcome, Option<String>);

impl From<SessionOutcome> for Ending {
    fn from(outcome: SessionOutcome) -> Self {
        Self(outcome, None)
    }
}

/// Why the work broke off.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
}

impl Runner {
    /// Takes a session in and works on it to its end, or until it is stopped.
    pub async fn start(
        &self,
        session: &Session,
        stop: StopSignal,
    ) -> Result<SessionReport, RunnerError> {
        self.ports.journal.open(session).await?;
        self.go(session, Vec::new(), stop, false).await
    }

    /// Goes on with a session that was taken from the journal.
    pub async fn resume(
        &self,
        session: &Session,
        stop: StopSignal,
    ) -> Result<SessionReport, RunnerError> {
        let past = self.ports.journal.executions(&session.id).await?;
        self.go(session, past, stop, true).await
    }

    async fn go(
        &self,
        session: &Session,
        past: Vec<ExecutionRecord>,
        stop: StopSignal,
        resumed: bool,
    ) -> Result<SessionReport, RunnerError> {
        let begun = self.ports.clock.elapsed();
        self.observer.on_event(SessionEvent::SessionStarted {
            session: session.id.clone(),
            title: session.issue.title.clone(),
            repository: session.base.path.clone(),
            base_commit: session.base.repository.base_commit.clone(),
            resumed,
        });
        let mut found = Found::default();
        let Ending(outcome, reason) = match self.work(session, past, stop, &mut found).await {
            Ok(ending) => ending,
            Err(Broken::Journal(error)) => return Err(error.into()),
            Err(Broken::Workspace(error)) => {
                Ending(SessionOutcome::Failed, Some(error.to_string()))
            }
        };
        let taken = self.ports.clock.elapsed().saturating_sub(begun);
        let Found { branch, commit, diff, executions, validation, spent } = found;
        let report = SessionReport {
            session: session.id.clone(),
            outcome,
            reason,
            branch,
            commit,
            diff,
            executions,
            validation,
            duration_ms: u64::try_from(taken.as_millis()).unwrap_or(u64::MAX),
        };
        let state = match outcome {
            SessionOutcome::Paused => SessionState::Paused,
            outcome => SessionState::Finished(outcome),
        };
        self.ports.journal.close(&session.id, state, &report).await?;
        // Only now: a session that is cut off before would look for its clone.
        if let Some(workspace) = spent {
            self.clear(&workspace).await;
        }
        self.observer.on_event(SessionEvent::SessionFinished(Box::new(report.clone())));
        Ok(report)
    }

    async fn work(
        &self,
        session: &Session,
        past: Vec<ExecutionRecord>,
        mut stop: StopSignal,
        found: &mut Found,
    ) -> Result<Ending, Broken> {
        let task = task(session);
        let workspace = self.ports.workspaces.prepare(&session.id, &task.id, &session.base).await?;
        let checks = self.ports.validator.checks(&workspace).await?;
        self.observer.on_event(SessionEvent::ChecksPlanned { checks: checks.clone() });
        let past = self.settle(past, found).await?;
        let product = match next_step(session, &task.id, &past) {
            NextStep::Finish(product) => product,
            NextStep::Execute { idempotency_key, attempt, resume } => {
                if stop.asked().is_some() {
                    return Ok(SessionOutcome::Paused.into());
                }
                let record = ExecutionRecord {
                    id: format!("{idempotency_key}-{attempt}"),
                    idempotency_key,
                    session: session.id.clone(),
                    task: task.id.clone(),
                    executor: self.executor.info().name.clone(),
                    attempt,
                    started: self.ports.clock.now(),
                    checkpoint: resume,
                    usage: cyrus_executor::Usage::default(),
                    report: None,
                };
                let request = self.request(session, task, &record, &workspace);
                let report = attempt::run(self, record, request, &mut stop).await?;
                found.executions.push(report.clone());
                match conclude(&report, &stop) {
                    Some(ending) => return Ok(ending),
                    None => report.product,
                }
            }
        };
        self.bring_in(session, &workspace, &product, &checks, found).await
    }

    /// Removes a clone that nobody needs any more. That it stays is no reason to fail.
    async fn clear(&self, workspace: &PreparedWorkspace) {
        if let Err(error) = self.ports.workspaces.discard(workspace).await {
            let root = workspace.workspace.root.display();
            let message = format!("the clone {root} could not be removed: {error}");
            self.observer.on_event(SessionEvent::Warning { message });
        }
    }

    /// Writes down the end of executions that were cut off, and tells of all there were.
    async fn settle(
        &self,
        past: Vec<ExecutionRecord>,
        found: &mut Found,
    ) -> Result<Vec<ExecutionRecord>, Broken> {
        for record in &past {
            if let Some(report) = &record.report {
                found.executions.push(report.clone());
            } else {
                let report = cut_off(record, self.executor.info());
                self.ports.journal.finish_execution(&record.id, &report).await?;
                found.executions.push(report);
            }
        }
        Ok(past)
    }

    fn request(
        &self,
        session: &Session,
        task: Task,
        record: &ExecutionRecord,
        workspace: &PreparedWorkspace,
    ) -> ExecutionRequest {
        let template = self.template.clone();
        ExecutionRequest {
            idempotency_key: record.idempotency_key.clone(),
            attempt: record.attempt,
            repository: Some(session.base.repository.clone()),
            workspace: Some(workspace.workspace.clone()),
            model: session.model.clone(),
            system_prompt: template.system_prompt,
            allowed_tools: template.allowed_tools,
            disallowed_tools: template.disallowed_tools,
            mcp_servers: template.mcp_servers,
            limits: session.limits,
            resume: record.checkpoint.clone(),
            ..ExecutionRequest::new(task, record.id.clone())
        }
    }

    /// Brings a result into the repository, and only then checks it: whatever the checks say, it is kept.
    async fn bring_in(
        &self,
        session: &Session,
        workspace: &PreparedWorkspace,
        product: &WorkProduct,
        checks: &[Check],
        found: &mut Found,
    ) -> Result<Ending, Broken> {
        let Ports { workspaces, validator, .. } = &self.ports;
        let message = commit_message(session);
        let collected = workspaces.collect(workspace, product, &message).await?;
        let Collected { commit, diff, .. } = collected.clone();
        if diff.files > 0 {
            found.branch = Some(workspaces.publish(workspace, &collected).await?);
        }
        (found.commit, found.diff) = (Some(commit), Some(diff));
        found.spent = Some(workspace.clone());
        if diff.files == 0 && !writes(&session.kind) {
            let reason = "the answer is in words: there is no change to check";
            return Ok(Ending(SessionOutcome::Unverified, Some(reason.to_owned())));
        }
        let report = validator.validate(workspace, checks, self.observer.as_ref()).await?;
        let verdict = report.verdict;
        let first = report.findings.first().map(|finding| finding.message.clone());
        found.validation = Some(report);
        Ok(match verdict {
            ValidationVerdict::Passed => SessionOutcome::Validated.into(),
            ValidationVerdict::Failed => Ending(SessionOutcome::Rejected, first),
            ValidationVerdict::Unchecked => Ending(
                SessionOutcome::Unverified,
                Some(
                    "there is nothing to check the result with: set `validation.commands` in config.json, or give the repository a test command"
                        .to_owned(),
                ),
            ),
        })
    }
}

/// Whether a task of this kind has failed when it changed nothing. Other kinds may well answer in words.
fn writes(kind: &TaskKind) -> bool {
    *kind == TaskKind::BUILDER || *kind == TaskKind::DEBUGGER
}

/// The session's one task.
fn task(session: &Session) -> Task {
    Task {
        id: first_task(),
        kind: session.kind.clone(),
        title: session.issue.title.clone(),
        prompt: session.issue.text(),
    }
}

fn first_task() -> TaskId {
    #[expect(clippy::unwrap_used, reason = "a literal that the parser's tests cover")]
    "t1".parse().unwrap()
}

/// The end of a session whose execution has no result to bring in; `None` when it has one.
fn conclude(report: &ExecutionReport, stop: &StopSignal) -> Option<Ending> {
    if report.outcome == ExecutionOutcome::Completed {
        return None;
    }
    if attempt::was_stopped(report, stop.asked()) {
        return Some(SessionOutcome::Paused.into());
    }
    let reason = report.error.as_ref().map(ToString::to_string);
    Some(Ending(SessionOutcome::Failed, reason))
}

fn commit_message(session: &Session) -> String {
    let issue = session.issue.identifier.as_ref().map(|id| format!("Issue: {id}\n"));
    format!(
        "{}\n\n{}Cyrus-Session: {}\n",
        session.issue.title,
        issue.unwrap_or_default(),
        session.id
    )
}
