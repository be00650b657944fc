use crate::{
    Context, Host, Result,
    contract::{Descriptor, Health, Outcome, Task},
};
use serde::de::DeserializeOwned;
use std::future::Future;

/// An executor. [`describe`](Executor::describe) says what it is, [`execute`](Executor::execute) does a task;
/// [`export!`](crate::export) makes a component of it.
///
/// There is no `self`: the host makes an instance for each execution, so what an execution knows lives in its
/// variables and its checkpoint.
pub trait Executor: 'static {
    /// What the operator can set. The SDK reads it before it calls anything: settings that do not fit are an
    /// error that names the place. [`NoSettings`](crate::NoSettings) when there are none.
    type Settings: DeserializeOwned + 'static;

    /// What this executor is with these settings. No effects and no waiting.
    fn describe(settings: Self::Settings) -> Result<Descriptor>;

    /// Does the task. Events go to [`Context::emit`]; the contract's `execute` and `execute-streaming` are both
    /// made of this.
    ///
    /// After a stop every wait of the SDK fails with [`Stopped`](crate::Stopped), so an executor that writes `?`
    /// ends by itself, as cancelled. One that has something to put away first (a remote run, say) looks for
    /// [`Error::is_stopped`](crate::Error::is_stopped) and calls [`Host::acknowledge_stop`].
    fn execute(
        task: Task,
        settings: Self::Settings,
        context: Context,
    ) -> impl Future<Output = Result<Outcome>>;

    /// Can it work right now? Looks, and changes nothing. Unless written, it only says what the executor is.
    fn probe(settings: Self::Settings, host: Host) -> impl Future<Output = Result<Health>> {
        let _ = host;
        async move {
            let Descriptor { name, version, .. } = Self::describe(settings)?;
            Ok(Health::new(format!("{name} {version}")).version(version))
        }
    }
}
