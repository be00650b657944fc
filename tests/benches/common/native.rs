//! What the same work costs where there is no component: an executor written in Rust, behind the same trait.

use super::raw::ask;
use cyrus_executor::{
    Descriptor, EVENT_BATCH, Event, EventSender, Execution, ExecutionControl, ExecutionError,
    ExecutionHandle, ExecutionHost, ExecutionRequest, ExecutionResult, ExecutorInfo, Health,
    Outcome, Placement, Progress, StopMode, StopResult, TaskExecutor, event_channel,
};
use futures::future::{BoxFuture, FutureExt as _};
use std::sync::Arc;
use tokio::task::{AbortHandle, JoinHandle};

/// It understands the prompts that are measured.
pub(crate) struct Native(ExecutorInfo);

impl Native {
    pub(crate) fn new() -> Self {
        Self(ExecutorInfo {
            name: "native".to_owned(),
            placement: Placement::Local,
            plugin: "none".to_owned(),
            version: "1.0.0".to_owned(),
            digest: String::new(),
        })
    }
}

impl TaskExecutor for Native {
    fn info(&self) -> &ExecutorInfo {
        &self.0
    }

    fn describe(&self) -> BoxFuture<'_, Result<Descriptor, ExecutionError>> {
        let descriptor = Descriptor { name: "Native".to_owned(), ..Descriptor::default() };
        std::future::ready(Ok(descriptor)).boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<Health, ExecutionError>> {
        let health = Health { summary: "well".to_owned(), version: None, details: Vec::new() };
        std::future::ready(Ok(health)).boxed()
    }

    fn execute_streaming(
        &self,
        request: ExecutionRequest,
        _host: Arc<dyn ExecutionHost>,
    ) -> BoxFuture<'_, Result<Execution, ExecutionError>> {
        let (sender, events) = event_channel();
        let work = tokio::spawn(perform(request.task.prompt, sender));
        let handle = ExecutionHandle::new(Arc::new(Control(work.abort_handle())));
        let outcome = Working(work).finished().boxed();
        std::future::ready(Ok(Execution { events, outcome, handle })).boxed()
    }
}

async fn perform(prompt: String, to: EventSender) {
    let words: Vec<_> = prompt.split(' ').collect();
    let number = |word: &str| word.parse::<usize>().expect("a number");
    match words[..] {
        ["events", count, size] => {
            let (mut left, size) = (number(count), number(size));
            while left > 0 {
                let batch = left.min(EVENT_BATCH);
                if !to.send((0..batch).map(|_| Event::Message("x".repeat(size))).collect()).await {
                    break;
                }
                left -= batch;
            }
        }
        ["get", url] => {
            let begun = Progress { message: "begun".to_owned(), fraction: None };
            to.send(vec![Event::Progress(begun)]).await;
            let rest = url.strip_prefix("http://").expect("plain HTTP");
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            ask(authority, path).await;
        }
        _ => panic!("nobody measures {prompt:?}"),
    }
}

/// A task that ends when nobody waits for it any more.
struct Working(JoinHandle<()>);

impl Working {
    async fn finished(mut self) -> Result<Outcome, ExecutionError> {
        (&mut self.0).await.expect("it does not panic");
        Ok(Outcome::Completed(ExecutionResult::default()))
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Control(AbortHandle);

impl ExecutionControl for Control {
    fn is_running(&self) -> bool {
        !self.0.is_finished()
    }

    fn stop(&self, _mode: StopMode) -> BoxFuture<'static, StopResult> {
        self.0.abort();
        std::future::ready(StopResult::Stopped).boxed()
    }
}
