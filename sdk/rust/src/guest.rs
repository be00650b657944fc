//! The exports of a component, made of an [`Executor`].

use crate::{
    Context, Error, Executor, Host, Result, Stopped,
    contract::{
        Descriptor, Event, ExecutionError, Health, Outcome, StopMode, StopResult, Task,
        generated::{
            cyrus::executor::context::ExecutionContext,
            exports::cyrus::executor::task_executor::Guest, wit_future, wit_stream,
        },
    },
    outbox::Outbox,
    platform::{Execution, Platform},
    run::run,
    settings::parse_settings,
    stop::StopState,
};
use futures::future::LocalBoxFuture;
use std::{cell::RefCell, marker::PhantomData, rc::Rc};
use wit_bindgen::{FutureReader, StreamReader, StreamWriter, spawn_local};

thread_local! {
    /// The execution of this instance. The host makes an instance for each.
    static CURRENT: RefCell<Option<Rc<StopState>>> = const { RefCell::new(None) };
}

/// The exports that an [`Executor`] makes. For [`export!`](crate::export).
pub struct Component<E>(PhantomData<E>);

impl<E: Executor> Guest for Component<E> {
    fn describe(settings: String) -> Result<Descriptor, ExecutionError> {
        Ok(E::describe(parse_settings(&settings)?)?)
    }

    async fn probe(settings: String) -> Result<Health, ExecutionError> {
        let host = Host::new(Platform, Rc::new(StopState::new()));
        Ok(E::probe(parse_settings(&settings)?, host).await?)
    }

    async fn execute(task: Task, context: ExecutionContext) -> Result<Outcome, ExecutionError> {
        Ok(execute::<E>(task, context, begin(), None).await?)
    }

    async fn execute_streaming(
        task: Task,
        context: ExecutionContext,
    ) -> (StreamReader<Event>, FutureReader<Result<Outcome, ExecutionError>>) {
        let (events, stream) = wit_stream::new();
        let (outcome, future) = wit_future::new(abandoned);
        let stop = begin();
        let result = execute::<E>(task, context, stop, Some(events));
        spawn_local(async move {
            // A host that does not want the outcome has given the execution up.
            let _ = outcome.write(result.await.map_err(Into::into)).await;
        });
        (stream, future)
    }

    fn is_running() -> bool {
        current().is_some_and(|stop| !stop.is_finished())
    }

    async fn stop(mode: StopMode) -> StopResult {
        match current() {
            None => StopResult::AlreadyFinished,
            Some(stop) => {
                stop.request(mode);
                stop.outcome().await
            }
        }
    }
}

/// What the host reads of an execution that never said how it ended.
#[expect(clippy::result_large_err, reason = "the contract's type")]
fn abandoned() -> Result<Outcome, ExecutionError> {
    Err(Error::from(Stopped).into())
}

fn current() -> Option<Rc<StopState>> {
    CURRENT.with_borrow(Clone::clone)
}

/// From here on `is-running` is true and `stop` has something to stop.
fn begin() -> Rc<StopState> {
    let stop = Rc::new(StopState::new());
    CURRENT.set(Some(Rc::clone(&stop)));
    stop
}

/// Does a task. It is large, and stands in a box from the beginning: the memory of a stack that it went through on its
/// way would stay with the instance for as long as that waits.
#[inline(never)]
fn execute<E: Executor>(
    task: Task,
    resource: ExecutionContext,
    stop: Rc<StopState>,
    events: Option<StreamWriter<Event>>,
) -> LocalBoxFuture<'static, Result<Outcome>> {
    Box::pin(async move {
        let execution = Rc::new(Execution::new(resource));
        let outbox = Rc::new(Outbox::default());
        let host = Host::new(Platform, Rc::clone(&stop));
        let settings = execution.settings();
        let context = Context::new(host, Rc::clone(&execution), Rc::clone(&outbox));
        let delivery = deliver(&outbox, events);
        let outcome = run::<E>(task, &settings, context, &outbox, delivery).await;
        execution.close();
        stop.settle(outcome)
    })
}

/// Takes events to the host for as long as it wants them.
async fn deliver(outbox: &Outbox, mut events: Option<StreamWriter<Event>>) {
    while let Some(batch) = outbox.take().await {
        if let Some(writer) = &mut events
            && !writer.write_all(batch).await.is_empty()
        {
            events = None;
        }
    }
}
