//! A stand-in for the streaming Messages API, good enough for the real `claude` program.

mod api;
mod question;
mod reply;
mod script;

use std::net::SocketAddr;
use std::sync::Arc;

use crate::server::{Server, StartError, serve};

pub use script::{Endpoint, Script};

/// The Anthropic simulator.
#[derive(Debug)]
pub struct Anthropic;

impl Anthropic {
    /// Starts it on a loopback address; port 0 takes any free one.
    pub async fn start(script: Script, address: SocketAddr) -> Result<Server, StartError> {
        script.check().map_err(StartError::Script)?;
        serve(Arc::new(api::Api::new(script)), address).await
    }
}
