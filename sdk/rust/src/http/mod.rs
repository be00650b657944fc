//! HTTP to the hosts that the operator granted. The host adds credentials on the way out: a plugin never has one,
//! and sends no `Authorization` of its own.
//!
//! ```no_run
//! # async fn example(host: cyrus_sdk::Host) -> cyrus_sdk::Result<()> {
//! #[derive(serde::Deserialize)]
//! struct Run {
//!     id: u64,
//! }
//!
//! let api = host.http("https://api.example.com/v1");
//! let run: Run = api.post("/runs").json(&serde_json::json!({"prompt": "hello"})).fetch().await?;
//! # let _ = run.id;
//! # Ok(()) }
//! ```

mod client;
mod error;
mod response;
mod retry_after;
mod url;

pub use client::{HttpClient, Method, Request, RequestBuilder};
pub use error::{HttpError, Rejection};
pub use response::Response;
pub use retry_after::parse_retry_after;

#[cfg(target_arch = "wasm32")]
pub(crate) use url::split;
