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

use cyrus_sandbox::Launcher;

use crate::clock::{Clock, SystemClock};
use crate::server::{Server, StartError, serve};

use api::Api;
pub use run::Run;
pub use script::{
    Endpoint, LogEntry, LogsPath, Organization, PullRequest, Push, RateLimits, Repository,
    RunScript, Script, Step,
};

/// What the simulator uses of the machine.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Measures the rate limits.
    pub clock: Arc<dyn Clock>,
    /// Starts git for scripted pushes.
    pub launcher: Launcher,
}

/// The machine's clock, and programs without a supervisor.
impl Default for Surroundings {
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock::default()), launcher: Launcher::unsupervised() }
    }
}

/// The Codegen simulator.
#[derive(Debug)]
pub struct Codegen;

impl Codegen {
    /// Starts it on a loopback address; port 0 takes any free one.
    pub async fn start(script: Script, address: SocketAddr) -> Result<Running, StartError> {
        Self::start_in(Surroundings::default(), script, address).await
    }

    /// The same, with a clock and a launcher of the caller's.
    pub async fn start_in(
        surroundings: Surroundings,
        script: Script,
        address: SocketAddr,
    ) -> Result<Running, StartError> {
        let start = script.check().map_err(StartError::Script)?;
        let api = Arc::new(Api::new(script, start, surroundings));
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
