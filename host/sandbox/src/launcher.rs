//! Starts programs, with the strongest containment that the system allows.

use std::ffi::OsStr;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use tokio::sync::OnceCell;

#[cfg(target_os = "linux")]
use crate::cgroup::{self, Group};
use crate::child::{Child, Handle};
use crate::containment::{Confinement, Containment, Layers};
use crate::error::SpawnError;
use crate::launch::{Input, Launch, Output};
use crate::path::AbsolutePath;
use crate::policy::{
    Network, Outlets, Plan, Profile, Sandbox, SandboxPolicy, WayOut, Withheld, proxy_variables,
    system,
};
#[cfg(target_os = "linux")]
use crate::stem::Supervisors;
#[cfg(target_os = "linux")]
use crate::supervised::{self, Awaited, Starting};
#[cfg(target_os = "linux")]
use crate::supervisor::Part;
use crate::{direct, stdio};

/// An executable that supervises when it is asked to. It is started once for all clones, when it is needed first.
#[derive(Clone, Debug)]
pub struct Supervisor(#[cfg(target_os = "linux")] Supervisors);

impl Supervisor {
    /// Another executable, whose `main` begins with [`supervise_if_asked`].
    pub fn at(executable: AbsolutePath) -> Self {
        #[cfg(target_os = "linux")]
        return Self(Supervisors::of(executable.into()));
        #[cfg(not(target_os = "linux"))]
        {
            drop(executable);
            Self()
        }
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
        Supervisor(Supervisors::of(crate::supervisor::OWN_EXECUTABLE.into()))
    }
    #[cfg(not(target_os = "linux"))]
    Supervisor()
}

/// Starts programs. Cheap to clone; what one clone learns about the system, all know.
#[derive(Clone, Debug)]
pub struct Launcher {
    inner: Arc<Inner>,
    policy: Arc<SandboxPolicy>,
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "there is none"))]
    without_landlock: bool,
}

#[derive(Debug)]
struct Inner {
    supervisor: Option<Supervisor>,
    strongest: Containment,
    /// Why the system refuses process namespaces, once it has.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "there are none to refuse"))]
    refused: OnceLock<String>,
    /// Whether sandboxes with namespaces can be had, or why not.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "there are none to refuse"))]
    namespaces: OnceCell<Result<(), String>>,
    /// Where the control groups of programs are made, where they can be.
    #[cfg(target_os = "linux")]
    groups: OnceLock<Option<cgroup::Parent>>,
}

/// A program that runs, and the listeners of its network.
type Started = (Handle, Vec<TcpListener>);

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
        let inner = Arc::new(Inner {
            supervisor: supervisor.filter(|_| cfg!(target_os = "linux")),
            strongest,
            refused: OnceLock::new(),
            namespaces: OnceCell::new(),
            #[cfg(target_os = "linux")]
            groups: OnceLock::new(),
        });
        Self { inner, policy: Arc::default(), without_landlock: false }
    }

    /// The same, with no stronger containment than this one.
    #[must_use]
    pub fn at_most(&self, containment: Containment) -> Self {
        let strongest = containment.min(self.inner.strongest);
        let weaker = Self::with(self.inner.supervisor.clone(), strongest);
        let (policy, without_landlock) = (Arc::clone(&self.policy), self.without_landlock);
        Self { policy, without_landlock, ..weaker }
    }

    /// The same, without these layers of the sandbox.
    #[must_use]
    pub fn without(&self, withheld: Withheld) -> Self {
        let less =
            if withheld.namespaces { self.at_most(Containment::Subreaper) } else { self.clone() };
        Self { without_landlock: self.without_landlock || withheld.landlock, ..less }
    }

    /// The same, with this policy for the sandboxes of what it launches.
    #[must_use]
    pub fn with_policy(&self, policy: SandboxPolicy) -> Self {
        Self { policy: Arc::new(policy), ..self.clone() }
    }

    /// What programs were refused since this was asked last, see [`WayOut::refusals`].
    pub fn refusals(&self) -> Vec<String> {
        self.policy.ways_out().map(|way_out| way_out.refusals()).unwrap_or_default()
    }

    /// The same, with this way out for the sandboxes of what it launches.
    #[must_use]
    pub fn with_way_out(&self, way_out: Arc<dyn WayOut>) -> Self {
        self.with_policy((*self.policy).clone().way_out(way_out))
    }

    /// The sandbox of a program by this launcher's policy, for the launch to add to.
    pub fn sandbox(&self, program: &AbsolutePath) -> Sandbox {
        self.policy.sandbox(program)
    }

    /// Whether what is launched in a sandbox of this launcher's policy has a view of files of its own, in which a path
    /// can be found elsewhere than on the host. Where that cannot be found out, it has none.
    pub async fn has_views(&self) -> bool {
        #[cfg(target_os = "linux")]
        if let Some(Supervisor(supervisor)) = &self.inner.supervisor
            && self.policy.profile() != Profile::Off
        {
            return matches!(self.namespaces(supervisor).await, Ok(Ok(())));
        }
        false
    }

    /// Starts a program. When this returns, it runs. To be called inside a tokio runtime; dropping the future
    /// unstarts whatever it started.
    pub async fn spawn(&self, mut launch: Launch) -> Result<Child, SpawnError> {
        if let Some(flaw) = launch.flaw() {
            return Err(SpawnError::Invalid { program: launch.program, flaw });
        }
        if !launch.trusted {
            launch.limits.get_or_insert(self.policy.limits_of_launches());
        }
        if launch.sandbox.as_ref().is_some_and(|sandbox| sandbox.profile() == Profile::Off) {
            launch.sandbox = None;
            tracing::warn!(
                program = %launch.program,
                "launched without a sandbox: it reads and writes whatever this user may (the profile is `off`)"
            );
        }
        let way_out = self.open_way_out(&mut launch).await?;
        let (theirs, mut ours) = stdio::open(&launch)
            .map_err(|source| SpawnError::System { program: launch.program.clone(), source })?;
        let input = std::mem::take(&mut launch.stdin);
        let bound =
            launch.sandbox.as_mut().map(|sandbox| std::mem::take(&mut sandbox.outlets.bound));
        let (handle, sent) = self.start(&launch, theirs).await?;
        let mut outlets = bound.filter(|bound| !bound.is_empty()).unwrap_or(sent);
        if let Some(way_out) = way_out {
            let client = launch.program.to_string();
            way_out.serve(std::mem::take(&mut outlets), &client, &handle);
        }
        ours.feed(input);
        tracing::debug!(
            program = %launch.program,
            containment = %handle.confinement().containment,
            "launched"
        );
        Ok(Child::new(ours, outlets, handle))
    }

    #[cfg(target_os = "linux")]
    async fn start(&self, launch: &Launch, theirs: stdio::Theirs) -> Result<Started, SpawnError> {
        let inner = &*self.inner;
        let supervisor = inner.supervisor.as_ref();
        let Some(Supervisor(supervisor)) =
            supervisor.filter(|_| inner.strongest > Containment::ProcessGroup)
        else {
            return unsupervised(launch, theirs);
        };
        if let Some(sandbox) = &launch.sandbox {
            return self.start_sandboxed(supervisor, launch, sandbox, theirs).await;
        }
        let wanted = inner.strongest == Containment::PidNamespace && !launch.trusted;
        if wanted && inner.refused.get().is_none() {
            match supervised::await_ready(supervisor, Part::Outer, launch, self.group(launch))
                .await?
            {
                Awaited::Ready(ready) => {
                    let starting = Starting { launch, plan: None, refused: None };
                    return ready.start(starting, theirs).await;
                }
                Awaited::Refused(reason) => {
                    tracing::warn!(%reason, "no process namespace for programs: using a subreaper");
                    inner.refused.get_or_init(|| reason);
                }
            }
        }
        let refused = inner.refused.get().filter(|_| wanted).cloned();
        let starting = Starting { launch, plan: None, refused };
        with_subreaper(supervisor, starting, self.group(launch), theirs).await
    }

    /// The control group of a program that has limits.
    #[cfg(target_os = "linux")]
    fn group(&self, launch: &Launch) -> Option<Group> {
        let limits = launch.limits.as_ref()?;
        let parent = self.inner.groups.get_or_init(cgroup::Parent::find).as_ref()?;
        match parent.make(limits) {
            Ok(group) => Some(group),
            Err(error) => {
                tracing::debug!(%error, "no control group for a program");
                None
            }
        }
    }

    #[cfg(target_os = "linux")]
    async fn start_sandboxed(
        &self,
        supervisor: &Supervisors,
        launch: &Launch,
        sandbox: &Sandbox,
        theirs: stdio::Theirs,
    ) -> Result<Started, SpawnError> {
        let mut plan = Plan::new(sandbox, system(), launch.env.get(OsStr::new("HOME")));
        plan.without_landlock = self.without_landlock;
        let reason = match self.namespaces(supervisor).await? {
            Ok(()) => {
                match supervised::await_ready(supervisor, Part::Sandbox, launch, self.group(launch))
                    .await?
                {
                    Awaited::Ready(ready) => {
                        let starting = Starting { launch, plan: Some(plan), refused: None };
                        return ready.start(starting, theirs).await;
                    }
                    Awaited::Refused(reason) => reason,
                }
            }
            Err(reason) => reason.clone(),
        };
        if sandbox.profile() == Profile::Strict {
            let problem = format!(
                "the profile `strict` needs namespaces, and {reason}. Allow this user or container to make them, or \
                 choose the profile `standard`, which is weaker here"
            );
            return Err(SpawnError::Sandbox { program: launch.program.clone(), problem });
        }
        let starting = Starting { launch, plan: Some(plan), refused: Some(reason) };
        with_subreaper(supervisor, starting, self.group(launch), theirs).await
    }

    /// Whether sandboxes with namespaces can be had, found out once, by making one.
    #[cfg(target_os = "linux")]
    async fn namespaces(
        &self,
        supervisor: &Supervisors,
    ) -> Result<&Result<(), String>, SpawnError> {
        let rehearse = async || {
            if self.inner.strongest < Containment::PidNamespace {
                return Ok(Err("they are not to be used".to_owned()));
            }
            let launch = self.nothing().stdout(Output::Null).stderr(Output::Null);
            let system_error =
                |source| SpawnError::System { program: launch.program.clone(), source };
            let (theirs, _ours) = stdio::open(&launch).map_err(system_error)?;
            let tried =
                match supervised::await_ready(supervisor, Part::Sandbox, &launch, None).await? {
                    Awaited::Refused(reason) => Err(reason),
                    Awaited::Ready(ready) => {
                        let plan = Plan::new(&Sandbox::new(Profile::Standard), system(), None);
                        ready.rehearse(&launch, plan, theirs).await?
                    }
                };
            if let Err(reason) = &tried {
                tracing::warn!(%reason, "no namespaces for programs: their sandbox is weaker");
            }
            Ok(tried)
        };
        self.inner.namespaces.get_or_try_init(rehearse).await
    }

    /// Gives a program the way out of this launcher's policy, unless its launch has outlets of its own.
    async fn open_way_out(&self, launch: &mut Launch) -> Result<Option<Opened>, SpawnError> {
        let (Some(sandbox), Some(way_out)) = (&mut launch.sandbox, self.policy.ways_out()) else {
            return Ok(None);
        };
        if sandbox.network != Network::Isolated || !sandbox.outlets.ports().is_empty() {
            return Ok(None);
        }
        let mut ports = way_out.loopback_ports();
        ports.extend(
            sandbox
                .host_ports
                .iter()
                .filter(|port| !ports.contains(port))
                .copied()
                .collect::<Vec<_>>(),
        );
        sandbox.outlets = self.choose_outlets(1, &ports).await?;
        for (name, value) in proxy_variables(sandbox.outlets.ports()[0]) {
            let known = name.to_string_lossy().to_lowercase();
            // A program that takes nothing past the proxy goes on doing so.
            if known == "no_proxy" && launch.env.get(&name).is_some_and(|value| value.is_empty()) {
                continue;
            }
            // There is no other way out of the program's network: a proxy of the user's is none.
            if known.ends_with("_proxy") {
                launch.env.insert(name, value);
            } else {
                launch.env.entry(name).or_insert(value);
            }
        }
        Ok(Some(Opened { way_out: Arc::clone(way_out), ports }))
    }

    /// Chooses ports of a program's loopback interface that the host will serve it.
    pub async fn outlets(&self, count: u16) -> Result<Outlets, SpawnError> {
        self.choose_outlets(count, &[]).await
    }

    async fn choose_outlets(&self, count: u16, named: &[u16]) -> Result<Outlets, SpawnError> {
        #[cfg(target_os = "linux")]
        if let Some(Supervisor(supervisor)) = &self.inner.supervisor
            && self.namespaces(supervisor).await?.is_ok()
        {
            return Ok(Outlets::inside(count, named));
        }
        let program = AbsolutePath::parse("/").expect("it is absolute");
        Outlets::on_host(count, named).map_err(|source| SpawnError::System { program, source })
    }

    #[cfg(not(target_os = "linux"))]
    #[expect(clippy::unused_async, reason = "the same signature as with a supervisor")]
    async fn start(&self, launch: &Launch, theirs: stdio::Theirs) -> Result<Started, SpawnError> {
        unsupervised(launch, theirs)
    }

    /// Finds out, by making one, which layers of a sandbox programs get here.
    pub async fn probe_sandbox(&self, profile: Profile) -> Result<Confinement, SpawnError> {
        let program = AbsolutePath::parse("/bin/sh").expect("it is absolute");
        let root = AbsolutePath::parse("/").expect("it is absolute");
        let launch = Launch::new(program, root).args(["-c", ":"]).sandbox(Sandbox::new(profile));
        let child = self.spawn(launch.stdout(Output::Null).stderr(Output::Null)).await?;
        let confinement = child.confinement().clone();
        // How it ends is of no interest.
        let _ = child.wait().await;
        Ok(confinement)
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
        if let Some(Supervisor(supervisor)) = &self.inner.supervisor {
            use crate::supervisor::ASKED;
            return Launch::new(path(supervisor.executable().to_owned()), root)
                .args([ASKED, Part::Nothing.argument()])
                .stdin(Input::Null);
        }
        Launch::new(path(PathBuf::from("/bin/sh")), root).args(["-c", ":"]).stdin(Input::Null)
    }
}

#[cfg(target_os = "linux")]
async fn with_subreaper(
    supervisor: &Supervisors,
    starting: Starting<'_>,
    group: Option<Group>,
    theirs: stdio::Theirs,
) -> Result<Started, SpawnError> {
    match supervised::await_ready(supervisor, Part::Subreaper, starting.launch, group).await? {
        Awaited::Ready(ready) => ready.start(starting, theirs).await,
        Awaited::Refused(problem) => {
            Err(SpawnError::Supervisor { supervisor: supervisor.executable().to_owned(), problem })
        }
    }
}

/// A way out, and the ports of the host's loopback interface that go with it.
struct Opened {
    way_out: Arc<dyn WayOut>,
    ports: Vec<u16>,
}

impl Opened {
    /// Serves a program's listeners until it has ended: the proxy's first, then the ports in their order.
    fn serve(&self, listeners: Vec<TcpListener>, client: &str, program: &Handle) {
        let ports = std::iter::once(None).chain(self.ports.iter().copied().map(Some));
        let serving: Vec<_> = listeners
            .into_iter()
            .zip(ports)
            .map(|(listener, port)| self.way_out.serve(listener, port, client))
            .collect();
        let ended = program.ended();
        tokio::spawn(async move {
            ended.await;
            drop(serving);
        });
    }
}

/// A program without a supervisor has no sandbox.
fn unsupervised(launch: &Launch, theirs: stdio::Theirs) -> Result<Started, SpawnError> {
    const REASON: &str = "no supervisor runs beside the program";
    let profile = launch.sandbox.as_ref().map(Sandbox::profile);
    if profile == Some(Profile::Strict) {
        let problem = format!("the profile `strict` needs all of it, and {REASON}");
        return Err(SpawnError::Sandbox { program: launch.program.clone(), problem });
    }
    let layers = profile.map(|profile| Layers::none(profile, REASON));
    Ok((direct::start(launch, theirs, layers)?, Vec::new()))
}
