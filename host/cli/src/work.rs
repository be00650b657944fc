//! A session from the command line's point of view: wire it, run it, tell of it.

use crate::{
    app::App,
    args::Format,
    exit::Exit,
    interrupt::Interrupts,
    keeper::Keeper,
    log::{Both, Log},
    output::{Telling, print_all, summary},
    site::site,
    sweep::sweep,
};
use anyhow::Context as _;
use cyrus_core::{Lease, Observer, Session, SessionReport, Snapshot};
use cyrus_orchestrator::{Orchestrator, Site};
use cyrus_plugin::Purpose;
use std::sync::Arc;

/// What is to be worked on.
pub(crate) enum Work {
    /// A new session, with who works in its repository.
    Start(Box<Session>, Box<Site>),
    /// One that was taken from the store, with who works in its repository once that is known.
    Resume(Lease, Box<Snapshot>, Option<Box<Site>>),
}

impl Work {
    fn session(&self) -> &Session {
        match self {
            Self::Start(session, _) => session,
            Self::Resume(_, snapshot, _) => &snapshot.session,
        }
    }

    /// The same, with who works in its repository.
    async fn ready(self, app: &App) -> anyhow::Result<Self> {
        let Self::Resume(lease, snapshot, None) = self else { return Ok(self) };
        let site = site(app, &snapshot.session.base.path, None, Purpose::Work).await?;
        Ok(Self::Resume(lease, snapshot, Some(Box::new(site))))
    }
}

/// Works on a session, tells of it, and says how the command ends.
pub(crate) async fn work(app: &App, work: Work, format: Format) -> anyhow::Result<Exit> {
    // What takes time before there is anything to stop ends with the process.
    sweep(app).await;
    let work = work.ready(app).await?;
    let interrupts = Interrupts::listen()?;
    let telling = Arc::new(Telling::new(format));
    let report = follow(app, work, Arc::clone(&telling) as _, &interrupts).await?;
    // Everything told is written before the summary is.
    drop(telling);
    if format == Format::Text {
        print_all(&summary(&report));
    }
    Ok(Exit::of_session(report.outcome, interrupts.came()))
}

/// Works on a session and tells of it.
pub(crate) async fn follow(
    app: &App,
    work: Work,
    observer: Arc<dyn Observer>,
    interrupts: &Interrupts,
) -> anyhow::Result<SessionReport> {
    let work = work.ready(app).await?;
    let session = work.session();
    let repository = session.base.path.clone();
    let store = app.store().await?;
    let ports = app.ports(&repository).await?;
    let orchestrator = Orchestrator::new(ports, app.scheduling(&repository));
    let (log, end) = Log::write(Arc::clone(&store), session.id.clone());
    let observer = Arc::new(Both(observer, log));
    let _keeper = Keeper::keep(store, session.id.clone(), interrupts.switch());
    let stop = interrupts.signal();
    let report = match work {
        Work::Start(session, site) => {
            Box::pin(orchestrator.start(&session, &site, observer, stop)).await
        }
        Work::Resume(lease, snapshot, site) => {
            let site = site.context("the session is not ready")?;
            Box::pin(orchestrator.resume(lease, *snapshot, &site, observer, stop)).await
        }
    };
    end.written().await;
    Ok(report?)
}
