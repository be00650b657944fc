//! Executors that are a function: what is measured is who calls them.

use cyrus_executor::{
    Descriptor, Execution, ExecutionError, ExecutionHost, ExecutionRequest, ExecutorInfo, Health,
    Placement, TaskExecutor,
};
use futures::future::{BoxFuture, FutureExt as _, ready};
use std::sync::Arc;

/// An executor whose executions this function begins.
pub(crate) struct StandIn<F> {
    info: ExecutorInfo,
    begin: F,
}

impl<F> StandIn<F>
where
    F: Fn(ExecutionRequest, Arc<dyn ExecutionHost>) -> Execution + Send + Sync,
{
    pub(crate) fn new(name: &str, placement: Placement, begin: F) -> Self {
        let info = ExecutorInfo {
            name: name.into(),
            placement,
            plugin: name.into(),
            version: "0.0.0".into(),
            digest: "sha256:0".into(),
        };
        Self { info, begin }
    }
}

impl<F> TaskExecutor for StandIn<F>
where
    F: Fn(ExecutionRequest, Arc<dyn ExecutionHost>) -> Execution + Send + Sync,
{
    fn info(&self) -> &ExecutorInfo {
        &self.info
    }

    fn describe(&self) -> BoxFuture<'_, Result<Descriptor, ExecutionError>> {
        ready(Ok(Descriptor::default())).boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<Health, ExecutionError>> {
        ready(Ok(Health { summary: "ready".into(), version: None, details: Vec::new() })).boxed()
    }

    fn execute_streaming(
        &self,
        request: ExecutionRequest,
        host: Arc<dyn ExecutionHost>,
    ) -> BoxFuture<'_, Result<Execution, ExecutionError>> {
        ready(Ok((self.begin)(request, host))).boxed()
    }
}
