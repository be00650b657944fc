//! A scripted host, so that an executor's logic is tested natively.
//!
//! Time is simulated: when everything waits, the clock jumps to the next thing that is due. A test neither sleeps
//! nor depends on the machine, and an executor that waits for something that never comes fails it at once.
//!
//! ```
//! use cyrus_sdk::{contract::*, testing::{Reply, TestHost}, *};
//! use serde_json::json;
//!
//! struct Weather;
//!
//! impl Executor for Weather {
//!     type Settings = NoSettings;
//!
//!     fn describe(_: NoSettings) -> Result<Descriptor> {
//!         Ok(Descriptor::new("Weather", "0.1.0", "Says what the weather is."))
//!     }
//!
//!     async fn execute(task: Task, _: NoSettings, context: Context) -> Result<Outcome> {
//!         let api = context.http("https://weather.example");
//!         let sky: String = api.get("/now").query("at", &task.prompt).fetch().await?;
//!         Ok(ExecutionResult::new(sky).into())
//!     }
//! }
//!
//! let run = TestHost::new().http(|_request| Reply::json(200, &json!("sunny"))).run::<Weather>("Bern");
//! assert_eq!(run.completed().summary, "sunny");
//! assert_eq!(run.record.requests[0].url, "https://weather.example/now?at=Bern");
//!
//! let run = TestHost::new().http(|_request| Reply::text(503, "closed")).run::<Weather>("Bern");
//! assert_eq!(run.error().kind, ErrorKind::Unavailable);
//! ```

mod clock;
mod host;
mod pipe;
pub(crate) mod platform;
mod program;
mod reply;
mod run;
mod world;

pub use host::TestHost;
pub use program::{Program, Terminal};
pub use reply::Reply;
pub use run::{Launch, Record, Run};
