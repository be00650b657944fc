//! A stand-in for the Codegen REST API.

mod api;
mod body;
mod limits;
mod page;
mod problem;
mod push;
mod route;
mod run;
mod script;

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;

use crate::clock::{Clock, SystemClock};
use crate::server::{Server, StartError, serve};

use api::Api;
pub use run::Run;
pub use script::{
    Endpoint, LogEntry, LogsPath, Organization, PullRequest, Push, RateLimits, Repository,
    RunScript, Script, Step,
};

/// The Codegen simulator.
#[derive(Debug)]
pub struct Codegen;

impl Codegen {
    /// Starts it on a loopback address; port 0 takes any free one.
    pub async fn start(script: Script, address: SocketAddr) -> Result<Running, StartError> {
        Self::start_with_clock(script, address, Arc::new(SystemClock::default())).await
    }

    /// The same, with the clock that the rate limits are measured by.
    pub async fn start_with_clock(
        script: Script,
        address: SocketAddr,
        clock: Arc<dyn Clock>,
    ) -> Result<Running, StartError> {
        let start = script.check().map_err(StartError::Script)?;
        let api = Arc::new(Api::new(script, start, clock));
        let server = serve(Arc::clone(&api), address).await?;
        Ok(Running { server, api })
    }
}

/// A running Codegen simulator. Dropping it stops it.
#[derive(Debug)]
pub struct Running {
    server: Server,
    api: Arc<Api>,
}

impl Running {
    /// Every run that was created, in order, whether or not its creator heard of it.
    pub async fn runs(&self) -> Vec<Run> {
        self.api.runs().await
    }

    /// Closes the listener and every connection, also those that hang.
    pub async fn shutdown(self) {
        self.server.shutdown().await;
    }
}

impl Deref for Running {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}
