//! A session from the command line's point of view: wire it, run it, tell of it.

use crate::{
    app::App,
    args::Format,
    exit::Exit,
    interrupt::Interrupts,
    output::{Telling, summary},
};
use cyrus_core::{Session, SessionReport};
use cyrus_executor::TaskExecutor;
use cyrus_orchestrator::{Runner, StopSignal};
use std::sync::Arc;

/// What is to be worked on.
pub(crate) enum Work {
    /// A new session, with the executor that was chosen for it.
    Start(Session, Arc<dyn TaskExecutor>),
    /// One that was taken from the journal.
    Resume(Session),
}

/// Works on a session, tells of it, and says how the command ends.
pub(crate) async fn work(app: &App, work: Work, format: Format) -> anyhow::Result<Exit> {
    let (interrupts, stop) = Interrupts::listen()?;
    let telling = Arc::new(Telling::new(format));
    let report = follow(app, work, &telling, stop).await?;
    // Everything told is written before the summary is.
    drop(telling);
    if format == Format::Text {
        print!("{}", summary(&report));
    }
    Ok(Exit::of_session(report.outcome, interrupts.came()))
}

/// Works on a session and tells of it.
pub(crate) async fn follow(
    app: &App,
    work: Work,
    telling: &Arc<Telling>,
    stop: StopSignal,
) -> anyhow::Result<SessionReport> {
    let (session, executor, fresh) = match work {
        Work::Start(session, executor) => (session, executor, true),
        Work::Resume(session) => {
            let executor = app.executor(&session.executor, &session.base.path).await?;
            (session, executor, false)
        }
    };
    let wiring = app.wiring(&session.base.path, &session.kind).await?;
    let runner = Runner {
        ports: wiring.ports,
        executor,
        observer: Arc::clone(telling) as _,
        policy: wiring.policy,
        template: wiring.template,
    };
    Ok(if fresh {
        runner.start(&session, stop).await?
    } else {
        runner.resume(&session, stop).await?
    })
}
