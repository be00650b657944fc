//! Starts programs, with the strongest containment that the system allows.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use crate::child::{Child, Handle};
use crate::containment::{Confinement, Containment};
use crate::error::SpawnError;
use crate::launch::{Input, Launch, Output};
use crate::path::AbsolutePath;
use crate::{direct, stdio};

/// An executable that supervises when it is asked to.
#[derive(Clone, Debug)]
pub struct Supervisor(
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "there is none to start"))]
    PathBuf,
);

impl Supervisor {
    /// Another executable, whose `main` begins with [`supervise_if_asked`].
    pub fn at(executable: AbsolutePath) -> Self {
        Self(executable.into())
    }
}

/// Supervises and never returns, when this process was started for that; otherwise says that this executable can.
///
/// To be called first in `main`, before a runtime and before any thread: a process that has threads cannot enter a
/// namespace.
pub fn supervise_if_asked() -> Supervisor {
    #[cfg(target_os = "linux")]
    {
        let mut args = std::env::args_os().skip(1);
        if args.next().is_some_and(|arg| arg == crate::supervisor::ASKED) {
            std::process::exit(crate::supervisor::run(args.next().as_deref()));
        }
        Supervisor(PathBuf::from(crate::supervisor::OWN_EXECUTABLE))
    }
    #[cfg(not(target_os = "linux"))]
    Supervisor(PathBuf::new())
}

/// Starts programs. Cheap to clone; what one clone learns about the system, all know.
#[derive(Clone, Debug)]
pub struct Launcher(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    supervisor: Option<Supervisor>,
    strongest: Containment,
    /// Why the system refuses process namespaces, once it has.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "there are none to refuse"))]
    refused: OnceLock<String>,
}

impl Launcher {
    /// With a supervisor beside each program. On other systems than Linux there is none, and this is the same as
    /// [`Launcher::unsupervised`].
    pub fn supervised(supervisor: Supervisor) -> Self {
        Self::with(Some(supervisor), Containment::PidNamespace)
    }

    /// Without a supervisor: only process groups are killed, and nothing notices when the host is. For tests of
    /// other things, where no executable can supervise.
    pub fn unsupervised() -> Self {
        Self::with(None, Containment::ProcessGroup)
    }

    fn with(supervisor: Option<Supervisor>, strongest: Containment) -> Self {
        Self(Arc::new(Inner {
            supervisor: supervisor.filter(|_| cfg!(target_os = "linux")),
            strongest,
            refused: OnceLock::new(),
        }))
    }

    /// The same, with no stronger containment than this one.
    #[must_use]
    pub fn at_most(&self, containment: Containment) -> Self {
        let strongest = containment.min(self.0.strongest);
        Self::with(self.0.supervisor.clone(), strongest)
    }

    /// Starts a program. When this returns, it runs. To be called inside a tokio runtime; dropping the future
    /// unstarts whatever it started.
    pub async fn spawn(&self, mut launch: Launch) -> Result<Child, SpawnError> {
        if let Some(flaw) = launch.flaw() {
            return Err(SpawnError::Invalid { program: launch.program, flaw });
        }
        let (theirs, mut ours) = stdio::open(&launch)
            .map_err(|source| SpawnError::System { program: launch.program.clone(), source })?;
        let input = std::mem::take(&mut launch.stdin);
        let handle = self.start(&launch, theirs).await?;
        ours.feed(input);
        tracing::debug!(
            program = %launch.program,
            containment = %handle.confinement().containment,
            "launched"
        );
        Ok(Child::new(ours, handle))
    }

    #[cfg(target_os = "linux")]
    async fn start(&self, launch: &Launch, theirs: stdio::Theirs) -> Result<Handle, SpawnError> {
        use crate::supervised::{self, Awaited};

        let inner = &*self.0;
        let Some(Supervisor(supervisor)) = &inner.supervisor else {
            return direct::start(launch, theirs);
        };
        if inner.strongest == Containment::ProcessGroup {
            return direct::start(launch, theirs);
        }
        let wanted = inner.strongest == Containment::PidNamespace && !launch.trusted;
        if wanted && inner.refused.get().is_none() {
            match supervised::await_ready(supervisor, Containment::PidNamespace, launch).await? {
                Awaited::Ready(ready) => return ready.start(launch, theirs, None).await,
                Awaited::Refused(reason) => {
                    tracing::warn!(%reason, "no process namespace for programs: using a subreaper");
                    inner.refused.get_or_init(|| reason);
                }
            }
        }
        let refused = inner.refused.get().filter(|_| wanted).cloned();
        match supervised::await_ready(supervisor, Containment::Subreaper, launch).await? {
            Awaited::Ready(ready) => ready.start(launch, theirs, refused).await,
            Awaited::Refused(problem) => {
                Err(SpawnError::Supervisor { supervisor: supervisor.clone(), problem })
            }
        }
    }

    #[cfg(not(target_os = "linux"))]
    #[expect(clippy::unused_async, reason = "the same signature as with a supervisor")]
    async fn start(&self, launch: &Launch, theirs: stdio::Theirs) -> Result<Handle, SpawnError> {
        direct::start(launch, theirs)
    }

    /// Finds out, by launching a program that does nothing, which containment programs get here.
    pub async fn probe(&self) -> Result<Confinement, SpawnError> {
        let child = self.spawn(self.nothing().stdout(Output::Null).stderr(Output::Null)).await?;
        let confinement = child.confinement().clone();
        // How it ends is of no interest.
        let _ = child.wait().await;
        Ok(confinement)
    }

    fn nothing(&self) -> Launch {
        let path = |path: PathBuf| AbsolutePath::parse(path).expect("these paths are absolute");
        let root = path(PathBuf::from("/"));
        #[cfg(target_os = "linux")]
        if let Some(Supervisor(supervisor)) = &self.0.supervisor {
            use crate::supervisor::{ASKED, Part};
            return Launch::new(path(supervisor.clone()), root)
                .args([ASKED, Part::Nothing.argument()])
                .stdin(Input::Null);
        }
        Launch::new(path(PathBuf::from("/bin/sh")), root).args(["-c", ":"]).stdin(Input::Null)
    }
}
