//! A configured plugin, as the port sees it.

use crate::{
    cap::model::GatedModel,
    control::{Control, EndGuard, Handle},
    convert, execution,
    plugin::Loaded,
    redact::Redactor,
    run::Run,
    runtime::Common,
    segment, spending, verdict,
};
use cyrus_executor::{
    Descriptor, ErrorKind, Execution, ExecutionError, ExecutionHandle, ExecutionHost,
    ExecutionRequest, ExecutorInfo, Health, TaskExecutor, Unattended, event_channel,
};
use cyrus_plugin::{Denied, DigestMismatch, ExecutorConfig, GrantedProgram, PolicyHandle};
use cyrus_sandbox::Launcher;
use futures::future::{BoxFuture, FutureExt as _};
use std::{collections::BTreeMap, sync::Arc};
use tokio_util::task::AbortOnDropHandle;
use zeroize::Zeroizing;

/// Why a plugin and a configuration make no executor.
#[derive(Debug, thiserror::Error)]
pub enum ExecutorError {
    /// The settings are no object.
    #[error("executors.{0}.settings in config.json is not an object")]
    Settings(String),
    /// The grants are bound to another plugin.
    #[error(transparent)]
    Digest(#[from] DigestMismatch),
    /// A secret that the plugin cannot do without is not granted.
    #[error("denied: {0}")]
    SecretNotGranted(Denied),
    /// The model gateway cannot be used.
    #[error("executors.{executor}.gateway in config.json: {problem}")]
    Gateway {
        /// The executor.
        executor: String,
        /// What is wrong.
        problem: String,
    },
    /// A secret, or a program's variable, has no value.
    #[error("executors.{executor}.grants.{place} in config.json: {problem}")]
    NoValue {
        /// The executor.
        executor: String,
        /// Where it is granted.
        place: String,
        /// What is wrong.
        problem: String,
    },
}

/// Makes the launcher of one granted program: its policy for sandboxes, with the hosts that this program reaches.
pub type Confine = Arc<dyn Fn(&GrantedProgram) -> Launcher + Send + Sync>;

/// What all executions of one executor share.
pub(crate) struct Shared {
    pub(crate) info: ExecutorInfo,
    pub(crate) config: ExecutorConfig,
    /// The settings as JSON text.
    pub(crate) settings: String,
    pub(crate) policy: PolicyHandle,
    pub(crate) redactor: Redactor,
    /// Secrets by handle.
    pub(crate) secrets: BTreeMap<String, Zeroizing<String>>,
    /// Variables by name, by the grant they belong to.
    pub(crate) variables: BTreeMap<String, Vec<(String, Zeroizing<String>)>>,
    /// Models behind the gateway, by the grant of the program that uses them.
    pub(crate) models: BTreeMap<String, GatedModel>,
    pub(crate) plugin: Arc<Loaded>,
    pub(crate) runtime: Arc<Common>,
    /// Launches the programs that are granted.
    pub(crate) confine: Confine,
    pub(crate) clients: crate::egress::Clients,
}

/// A plugin with its settings and grants: something that does tasks. Cheap to clone.
#[derive(Clone)]
pub struct PluginExecutor(Arc<Shared>);

impl PluginExecutor {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// What it is allowed, now. Replacing it holds at once, for executions under way too; secrets and
    /// variables stay those that it was made with.
    pub fn policy(&self) -> &PolicyHandle {
        &self.0.policy
    }

    fn short_run(&self, granted: bool) -> Arc<Run> {
        Arc::new(Run::new(Arc::clone(&self.0), None, Arc::new(Unattended), granted, None))
    }
}

impl std::fmt::Debug for PluginExecutor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PluginExecutor").field(&self.0.info).finish()
    }
}

/// Runs in a task of its own, which ends when the caller loses interest and whose panic is no panic of the
/// caller's.
async fn apart<T: Send + 'static>(
    run: Arc<Run>,
    work: impl Future<Output = Result<T, ExecutionError>> + Send + 'static,
) -> Result<T, ExecutionError> {
    let task = AbortOnDropHandle::new(tokio::spawn(work));
    task.await.unwrap_or_else(|panic| Err(verdict::of_host(&run, &panic)))
}

impl TaskExecutor for PluginExecutor {
    fn info(&self) -> &ExecutorInfo {
        &self.0.info
    }

    fn describe(&self) -> BoxFuture<'_, Result<Descriptor, ExecutionError>> {
        let run = self.short_run(false);
        let settings = self.0.settings.clone();
        let call = segment::call(Arc::clone(&run), "describe", move |store, instance| {
            let guest = instance.cyrus_executor_task_executor();
            async move { guest.call_describe(store, settings).await }.boxed()
        });
        let described = apart(Arc::clone(&run), call);
        async move { Ok(convert::descriptor(described.await?, &run.redactor)) }.boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<Health, ExecutionError>> {
        let run = self.short_run(true);
        let settings = self.0.settings.clone();
        let call = segment::call(Arc::clone(&run), "probe", move |store, instance| {
            let guest = instance.cyrus_executor_task_executor();
            async move { guest.call_probe(store, settings).await }.boxed()
        });
        let probed = apart(Arc::clone(&run), call);
        async move { Ok(convert::health(probed.await?, &run.redactor)) }.boxed()
    }

    fn execute_streaming(
        &self,
        request: ExecutionRequest,
        host: Arc<dyn ExecutionHost>,
    ) -> BoxFuture<'_, Result<Execution, ExecutionError>> {
        self.begin(request, host).boxed()
    }
}

impl PluginExecutor {
    /// Whether each program that is granted has a view of files of its own.
    async fn has_views(&self) -> bool {
        for program in self.0.policy.current().programs() {
            if !(self.0.confine)(program).has_views().await {
                return false;
            }
        }
        true
    }

    async fn begin(
        &self,
        mut request: ExecutionRequest,
        host: Arc<dyn ExecutionHost>,
    ) -> Result<Execution, ExecutionError> {
        if let Some(workspace) = &mut request.workspace
            && workspace.seen.is_some()
            && !self.has_views().await
        {
            workspace.seen = None;
        }
        if let Some(workspace) = &request.workspace
            && ![&workspace.root, &workspace.home].iter().all(|path| path.is_absolute())
        {
            let problem = "the workspace and its home need absolute paths";
            return Err(ExecutionError::new(ErrorKind::InvalidRequest, problem));
        }
        let time = self.0.config.limits.deadline(request.limits.deadline);
        let run = Arc::new(Run::new(Arc::clone(&self.0), Some(request), host, true, time));
        spending::report(&run);
        let control = Control::new();
        let (sender, events) = event_channel();
        let work = {
            let (run, end) = (Arc::clone(&run), EndGuard(Arc::clone(&control)));
            let sender = sender.into_inner();
            async move {
                let outcome = execution::drive(run, Arc::clone(&end.0), sender).await;
                if outcome.as_ref().is_err_and(|error| error.kind == ErrorKind::Cancelled) {
                    end.0.was_cancelled();
                }
                drop(end);
                outcome
            }
        };
        // Spawned here and not when it is first asked for its outcome; dropping the outcome ends it.
        let task = AbortOnDropHandle::new(tokio::spawn(work));
        let outcome =
            async move { task.await.unwrap_or_else(|panic| Err(verdict::of_host(&run, &panic))) };
        let handle = ExecutionHandle::new(Arc::new(Handle(control)));
        Ok(Execution { events, outcome: outcome.boxed(), handle })
    }
}
