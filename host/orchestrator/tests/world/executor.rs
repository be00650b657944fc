use super::{Act, Log};
use cyrus_executor::{
    Cost, CostSource, Descriptor, ErrorKind, Execution, ExecutionControl, ExecutionError,
    ExecutionHandle, ExecutionHost, ExecutionRequest, ExecutionResult, ExecutorInfo, Health,
    Outcome, Placement, SpendVerdict, StopMode, StopResult, TaskExecutor, Usage, WorkProduct,
    event_channel,
};
use futures::{
    FutureExt,
    future::{BoxFuture, ready},
};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};
use tokio::sync::Notify;

/// Does what its script says, one act an execution.
pub(crate) struct ScriptedExecutor {
    info: ExecutorInfo,
    script: Mutex<VecDeque<Act>>,
    log: Arc<Log>,
}

impl ScriptedExecutor {
    pub(crate) fn new(script: impl IntoIterator<Item = Act>, log: Arc<Log>) -> Self {
        let info = ExecutorInfo {
            name: "scripted".into(),
            placement: Placement::Local,
            plugin: "scripted".into(),
            version: "1.0.0".into(),
            digest: "sha256:0".into(),
        };
        Self { info, script: Mutex::new(script.into_iter().collect()), log }
    }
}

struct Control(Arc<Notify>);

impl ExecutionControl for Control {
    fn is_running(&self) -> bool {
        true
    }

    fn stop(&self, _mode: StopMode) -> BoxFuture<'static, StopResult> {
        self.0.notify_one();
        ready(StopResult::Stopped).boxed()
    }
}

impl TaskExecutor for ScriptedExecutor {
    fn info(&self) -> &ExecutorInfo {
        &self.info
    }

    fn describe(&self) -> BoxFuture<'_, Result<Descriptor, ExecutionError>> {
        ready(Ok(Descriptor::default())).boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<Health, ExecutionError>> {
        ready(Ok(Health { summary: "ready".into(), version: None, details: vec![] })).boxed()
    }

    fn execute_streaming(
        &self,
        request: ExecutionRequest,
        host: Arc<dyn ExecutionHost>,
    ) -> BoxFuture<'_, Result<Execution, ExecutionError>> {
        let act = self.script.lock().unwrap().pop_front().expect("one act for each execution");
        self.log.requests.lock().unwrap().push(request);
        let stopped = Arc::new(Notify::new());
        let (_no_events, events) = event_channel();
        let outcome = perform(act, host, Arc::clone(&self.log), Arc::clone(&stopped)).boxed();
        let handle = ExecutionHandle::new(Arc::new(Control(stopped)));
        ready(Ok(Execution { events, outcome, handle })).boxed()
    }
}

async fn perform(
    act: Act,
    host: Arc<dyn ExecutionHost>,
    log: Arc<Log>,
    stopped: Arc<Notify>,
) -> Result<Outcome, ExecutionError> {
    match act {
        Act::Complete => Ok(Outcome::Completed(ExecutionResult {
            summary: "done".into(),
            product: WorkProduct::Workspace,
            ..ExecutionResult::default()
        })),
        Act::Fail(error) => Err(error),
        Act::WaitForStop { checkpoint } => {
            host.checkpoint(checkpoint.to_owned()).await.unwrap();
            log.waiting.notify_one();
            stopped.notified().await;
            Err(ExecutionError::new(ErrorKind::Cancelled, "stopped"))
        }
        Act::Spend(amounts) => {
            for amount in amounts {
                let cost = Some(Cost { amount, source: CostSource::Reported });
                let verdict = host.spend(Usage { cost, ..Usage::default() }).await.unwrap();
                log.verdicts.lock().unwrap().push(verdict);
                if verdict == SpendVerdict::Stop {
                    break;
                }
            }
            Err(ExecutionError::new(ErrorKind::BudgetExceeded, "told to stop"))
        }
    }
}
