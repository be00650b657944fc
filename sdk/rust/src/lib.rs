//! What an author of a Cyrus executor depends on.
//!
//! An executor is a type that implements [`Executor`]: one function says what it is, one does a task.
//! [`export!`] makes a WebAssembly component of it, to be built for `wasm32-wasip2` from a crate of type `cdylib`.
//!
//! ```
//! use cyrus_sdk::{contract::*, *};
//!
//! /// Greets whoever the task names.
//! struct Greeter;
//!
//! #[derive(serde::Deserialize)]
//! struct Settings {
//!     #[serde(default = "hello")]
//!     greeting: String,
//! }
//!
//! fn hello() -> String {
//!     "Hello".to_owned()
//! }
//!
//! impl Executor for Greeter {
//!     type Settings = Settings;
//!
//!     fn describe(_: Settings) -> Result<Descriptor> {
//!         Ok(Descriptor::new("Greeter", "0.1.0", "Greets whoever the task names."))
//!     }
//!
//!     async fn execute(task: Task, settings: Settings, context: Context) -> Result<Outcome> {
//!         context.emit(Event::progress("thinking of a name", None)).await;
//!         context.sleep(std::time::Duration::from_millis(100)).await?;
//!         let text = format!("{}, {}!", settings.greeting, task.prompt);
//!         context.emit(Event::message(&text)).await;
//!         Ok(ExecutionResult::new(text).into())
//!     }
//! }
//!
//! export!(Greeter);
//! # let run = cyrus_sdk::testing::TestHost::new().run::<Greeter>("world");
//! # assert_eq!(run.completed().summary, "Hello, world!");
//! ```
//!
//! Waiting is done with what [`Host`] and [`Context`] offer: sleeping, HTTP, processes, checkpoints, questions. All
//! of it gives way to a stop by itself (see [`Executor::execute`]). The executor's functions run on one thread, so
//! whatever blocks it, such as `std::thread::sleep`, blocks the answer to a stop too.
//!
//! On any other target than WebAssembly the same code runs against [`testing::TestHost`], a scripted host with a
//! clock of its own: an executor's logic is tested with `cargo test`, without accounts, programs or waiting.

/// The guide's samples are doc tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/writing-a-plugin.md")]
mod guide {}

mod context;
pub mod contract;
mod error;
mod executor;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod guest;
mod host;
pub mod http;
mod json;
mod outbox;
mod platform;
mod process;
mod run;
mod settings;
mod stop;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod workspace;

pub use context::Context;
pub use error::{Error, Result, Stopped};
pub use executor::Executor;
pub use host::Host;
pub use json::whole_characters;
pub use process::{Lines, Output, Process, ProcessError, Stdin};
pub use settings::{NoSettings, parse_settings};
pub use workspace::Workspace;

/// Makes the exports of a component of an [`Executor`]. On other targets than WebAssembly it only checks that the
/// type is one.
#[macro_export]
macro_rules! export {
    ($executor:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type CyrusComponent = $crate::guest::Component<$executor>;
            $crate::contract::generated::export_component!(
                CyrusComponent with_types_in $crate::contract::generated
            );
        };
        #[cfg(not(target_arch = "wasm32"))]
        const _: () = {
            const fn is_an_executor<E: $crate::Executor>() {}
            is_an_executor::<$executor>();
        };
    };
}
