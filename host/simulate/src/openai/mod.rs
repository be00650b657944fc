//! A stand-in for the Responses API, good enough for the real `codex` program, and for Chat Completions.

mod api;
mod chat;
mod question;
mod responses;

use std::net::SocketAddr;
use std::sync::Arc;

use crate::server::{Server, StartError, serve};

pub use api::{Endpoint, Script};

/// The OpenAI simulator.
#[derive(Debug)]
pub struct OpenAi;

impl OpenAi {
    /// Starts it on a loopback address; port 0 takes any free one.
    pub async fn start(script: Script, address: SocketAddr) -> Result<Server, StartError> {
        script.check().map_err(StartError::Script)?;
        serve(Arc::new(api::Api::new(script)), address).await
    }
}
