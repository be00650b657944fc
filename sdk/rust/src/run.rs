use crate::{
    Context, Error, Executor, Result,
    contract::{Outcome, Task},
    outbox::Outbox,
    settings::parse_settings,
};
use futures::future::{LocalBoxFuture, join};
use std::future::Future;

/// Does a task while `delivery` takes its events away; returns when both are done.
pub(crate) async fn run<E: Executor>(
    task: Task,
    settings: &str,
    context: Context,
    outbox: &Outbox,
    delivery: impl Future<Output = ()>,
) -> Result<Outcome> {
    let host = context.host().clone();
    let work = async {
        let outcome = match parse_settings(settings) {
            Ok(settings) => begin::<E>(task, settings, context).await,
            Err(error) => Err(error),
        };
        if outcome.as_ref().is_err_and(Error::is_stopped) {
            // A host breaks the waits before it calls `stop`. To end between the two would leave that call with
            // nothing to stop.
            host.acknowledge_stop().await;
        }
        outbox.close();
        outcome
    };
    join(work, delivery).await.0
}

/// The executor's work, in a box that is made here: the stack that waits for it then never gets as deep as it is large.
#[inline(never)]
fn begin<'a, E: Executor + 'a>(
    task: Task,
    settings: E::Settings,
    context: Context,
) -> LocalBoxFuture<'a, Result<Outcome>> {
    Box::pin(E::execute(task, settings, context))
}
