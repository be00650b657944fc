//! `process`: programs by grant name, through the sandbox. What they print reaches the component without the secrets that
//! they were given.

use super::{
    home::{Home, home_owner, home_place, login_files},
    logins::Logins,
    mcp, model,
    output::CleanOutput,
    streams::{Input, Output, OutputBudget, StderrTaker, drain_stderr, hold_until_gone},
};
use crate::{
    bindings::process as wit,
    run::{Run, Slot},
    scratch::Scratch,
    state::{HasState, State},
};
use cyrus_executor::{LaunchedProgram, Workspace};
use cyrus_gateway::{Account, Gateway, Lease};
use cyrus_plugin::{Arguments, GrantedProgram, Policy};
use cyrus_sandbox::{
    AbsolutePath, ChildStdin, Exceeded, Exit, GIT_CONFIGURATION, Handle, HomePlace, Identity,
    Launch, Launcher, Lost, Signal, SpawnError,
};
use std::{io, path::PathBuf, sync::Arc};
use tokio::sync::oneshot;
use wasmtime::{
    Result,
    component::{Access, FutureReader, Resource, StreamReader},
};

/// Arguments of one launch, and bytes of all of them.
const ARGUMENTS: usize = 1024;
const ARGUMENT_BYTES: usize = 512 * 1024;

type Outcome<T> = std::result::Result<T, wit::ProcessError>;

/// The host's side of `child`.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Child {
    run: Arc<Run>,
    program: Handle,
    stdin: Option<ChildStdin>,
    stdout: Option<CleanOutput>,
    stderr: Option<StderrTaker>,
    output: OutputBudget,
}

/// A component that lets go of a program ends it, also while somebody still waits for its end.
impl Drop for Child {
    fn drop(&mut self) {
        self.program.kill();
    }
}

impl State {
    fn child(&mut self, child: &Resource<Child>) -> Result<&mut Child> {
        Ok(self.table.get_mut(child)?)
    }
}

impl wit::Host for State {
    async fn spawn(
        &mut self,
        grant: String,
        args: Vec<String>,
    ) -> Result<Outcome<Resource<Child>>> {
        match launch(&self.run, &grant, args).await {
            Ok(child) => Ok(Ok(self.table.push(child)?)),
            Err(error) => Ok(Err(error)),
        }
    }
}

async fn launch(run: &Arc<Run>, grant: &str, args: Vec<String>) -> Outcome<Child> {
    let nothing = || wit::ProcessError::Denied("no program may be launched here".to_owned());
    let policy = run.policy().ok_or_else(nothing)?;
    let granted = policy.process(grant, &args);
    let (program, read) = granted.map_err(|denied| wit::ProcessError::Denied(run.deny(denied)))?;
    if args.len() > ARGUMENTS || args.iter().map(String::len).sum::<usize>() > ARGUMENT_BYTES {
        let most = format!("at most {ARGUMENTS} arguments of {} KiB in all", ARGUMENT_BYTES / 1024);
        return Err(wit::ProcessError::Limit(most));
    }
    if run.stopping.is_cancelled() {
        return Err(wit::ProcessError::Stopped);
    }
    let limits = &run.executor.config.limits;
    let too_many = || {
        let most = limits.live_processes;
        wit::ProcessError::Limit(format!("at most {most} programs may be alive at once"))
    };
    let slot = Slot::take(&run.processes, limits.live_processes).ok_or_else(too_many)?;
    run.allow();
    let Prepared { launch, launcher, home, lease, logins } =
        prepare(run, &policy, program, read).await?;
    tracing::info!(executor = policy.executor(), execution = run.id(), program = %launch.program(), "launch");
    let logins = Arc::new(logins);
    logins.teach(&run.redactor).map_err(wit::ProcessError::Io)?;
    let launched = launcher.spawn(launch).await;
    let mut child = launched.map_err(|error| refused(&error))?;
    let handle = child.handle();
    let (last, redactor) = (Arc::clone(&logins), run.redactor.clone());
    // Where that fails, nothing is passed on any more, as it says there.
    let learn = move || drop(last.teach(&redactor));
    hold_until_gone(&run.programs, slot, home, lease, handle.clone(), learn);
    record(run, program, child.confinement().lacked()).await;
    let most = u64::from(limits.process_output_mib) << 20;
    let output = OutputBudget::new(most, handle.clone());
    let clean = |pipe| CleanOutput::new(pipe, output.clone(), &run.redactor, Arc::clone(&logins));
    Ok(Child {
        run: Arc::clone(run),
        stdin: child.take_stdin(),
        stdout: child.take_stdout().map(clean),
        stderr: child.take_stderr().map(|pipe| drain_stderr(clean(pipe))),
        program: handle,
        output,
    })
}

/// Has the host take note of which file was launched. The program is at work meanwhile.
async fn record(run: &Run, granted: &GrantedProgram, sandbox_lacked: Vec<String>) {
    let (programs, name) = (run.executor.runtime.programs.clone(), granted.program.clone());
    let identify = move || programs.identify(&name.to_string_lossy());
    match tokio::task::spawn_blocking(identify).await {
        Ok(Ok(Identity { file, sha256, changed })) => {
            if changed {
                tracing::warn!(
                    executor = run.executor.config.name,
                    "{} is another program than when it was launched before: its SHA-256 is {sha256} now",
                    file.display()
                );
            }
            let grant = granted.grant.clone();
            run.host.launched(LaunchedProgram { grant, file, sha256, changed, sandbox_lacked });
        }
        Ok(Err(error)) => {
            tracing::warn!(
                "{} could not be read for the record: {error}",
                granted.program.display()
            );
        }
        Err(error) => tracing::error!("a program was not recorded: {error}"),
    }
}

fn refused(error: &SpawnError) -> wit::ProcessError {
    match error {
        SpawnError::NotFound { .. } => wit::ProcessError::NotFound(error.to_string()),
        SpawnError::TooLarge { .. } => wit::ProcessError::Limit(error.to_string()),
        _ => wit::ProcessError::Io(error.to_string()),
    }
}

/// A launch, and what belongs to it.
struct Prepared {
    launch: Launch,
    launcher: Launcher,
    home: Home,
    lease: Option<Lease>,
    logins: Logins,
}

/// Where a program works, and where the homes are.
struct Places {
    directory: AbsolutePath,
    /// Where the program finds it.
    seen: AbsolutePath,
    homes: HomePlace,
    borrowed: Vec<AbsolutePath>,
    /// For git in the homes.
    git_configuration: String,
    /// Where there is no workspace, it all is in here; and what is for this launch alone always is.
    scratch: Scratch,
}

impl Places {
    fn of(run: &Run) -> Result<Self, String> {
        let absolute = |path: &PathBuf| AbsolutePath::parse(path).map_err(|e| e.to_string());
        let scratch = run.executor.runtime.scratch.make().map_err(|e| e.to_string())?;
        let workspace = run.request.as_ref().and_then(|request| request.workspace.as_ref());
        if let Some(workspace) = workspace {
            let Workspace { root, home, home_record, borrowed, .. } = workspace;
            let git_configuration = workspace.git_configuration.clone();
            let borrowed = borrowed.iter().map(absolute).collect::<Result<_, _>>()?;
            let homes = home_place(home, home_record)?;
            let seen = absolute(&workspace.for_programs().to_owned())?;
            let directory = absolute(root)?;
            return Ok(Self { directory, seen, homes, borrowed, git_configuration, scratch });
        }
        let [work, homes, record] = ["work", "homes", "record"].map(|name| scratch.directory(name));
        let made = |path: io::Result<PathBuf>| path.map_err(|e| e.to_string());
        let homes = home_place(&made(homes)?, &made(record)?)?;
        let directory = absolute(&made(work)?)?;
        let (seen, git_configuration) = (directory.clone(), String::new());
        Ok(Self { seen, directory, homes, borrowed: Vec::new(), git_configuration, scratch })
    }
}

/// Everything about a launch that is not the plugin's to say. All that the program gets, it gets by its own grant.
async fn prepare(
    run: &Run,
    policy: &Policy,
    granted: &GrantedProgram,
    mut args: Arguments,
) -> Outcome<Prepared> {
    let (executor, host) = (&run.executor, &run.executor.runtime);
    let (grant, name) = (granted.grant.as_str(), granted.program.to_string_lossy());
    let program = host.programs.find(&name).ok_or_else(|| {
        let place = format!("executors.{}.grants.process.{grant}", executor.config.name);
        wit::ProcessError::NotFound(format!(
            "{name} is no program that can be found in PATH ({place}.program in config.json)"
        ))
    })?;
    let io = |error: &dyn std::fmt::Display| wit::ProcessError::Io(error.to_string());
    let Places { directory, seen, homes, borrowed, git_configuration, scratch } =
        Places::of(run).map_err(|e| io(&e))?;
    let gated = executor.models.get(grant);
    let files = model::home_files(&granted.home_files, gated);
    let name = &executor.config.name;
    let logins = Logins::new(login_files(&homes, name, &host.home, policy.programs()));
    let home = Home::open(homes, &home_owner(name, grant), &host.home, &files).await;
    let mut home = home.map_err(|e| io(&e))?;
    let mut seed = host.tools.seed.clone();
    if !git_configuration.is_empty() {
        seed = seed.file(GIT_CONFIGURATION, git_configuration);
    }
    seed.plant(home.path().as_path()).map_err(|e| io(&e))?;
    let launcher = match gated {
        Some(gated) => {
            let hosts = gated.without_service(&granted.hosts);
            (executor.confine)(&GrantedProgram { hosts, ..granted.clone() })
        }
        None => (executor.confine)(granted),
    };
    let mut sandbox = launcher.sandbox(&program);
    if let Some(flag) = &granted.mcp_flag {
        let own = scratch.directory("mcp").map_err(|e| io(&e))?;
        mcp::provide(run, policy, flag, &mut args, &own)?;
        sandbox = sandbox.read_only(AbsolutePath::parse(own).map_err(|e| io(&e))?);
    }
    for file in &granted.files {
        sandbox = sandbox.read_only(AbsolutePath::parse(file.clone()).map_err(|e| io(&e))?);
    }
    for borrowed in borrowed {
        sandbox = sandbox.read_only(borrowed);
    }
    sandbox = if seen == directory {
        sandbox.read_write(directory)
    } else {
        sandbox.read_write_at(&directory, seen.clone())
    };
    sandbox = sandbox.read_write(home.path()).tmp(home.tmp());
    home.keep(scratch);
    let model = match gated.zip(run.account.as_ref()) {
        Some((gated, account)) => Some(open(gated, account).await.map_err(|e| io(&e))?),
        None => None,
    };
    let (of_model, lease) = model.unzip();
    if let Some(lease) = &lease {
        sandbox = sandbox.host_port(lease.address().port());
    }
    let variables = executor.variables.get(grant).into_iter().flatten();
    let launch = Launch::new(program, seen)
        .args(args.into_list())
        .envs(host.tools.variables.iter().cloned())
        .env("PATH", host.path.clone())
        .env("HOME", home.path().as_path())
        .env("TMPDIR", home.tmp().as_path())
        .env("LANG", "C.UTF-8")
        .envs(variables.map(|(name, value)| (name.as_str(), value.as_str())))
        .envs(of_model.into_iter().flatten())
        .stdin(cyrus_sandbox::Input::Pipe)
        .sandbox(sandbox);
    Ok(Prepared { launch, launcher, home, lease, logins })
}

/// Opens the gateway for a program's model: what the program gets of it, and what keeps it open.
async fn open(
    gated: &model::GatedModel,
    account: &Arc<Account>,
) -> io::Result<([(String, String); 2], Lease)> {
    let (ticket, listener) = (Gateway::ticket()?, model::listen().await?);
    let variables = gated.variables(&ticket, listener.local_addr()?);
    Ok((variables, gated.open(ticket, listener, account)?))
}

impl wit::HostChild for State {
    fn signal(&mut self, child: Resource<Child>, signal: wit::Signal) -> Result<Outcome<()>> {
        self.child(&child)?.program.signal(match signal {
            wit::Signal::Interrupt => Signal::Interrupt,
            wit::Signal::Terminate => Signal::Terminate,
            wit::Signal::Kill => Signal::Kill,
        });
        Ok(Ok(()))
    }

    fn drop(&mut self, child: Resource<Child>) -> Result<()> {
        self.table.delete(child)?;
        Ok(())
    }
}

fn once(what: &str) -> wit::ProcessError {
    wit::ProcessError::Io(format!("{what} was taken before"))
}

impl<T: Send + 'static> wit::HostChildWithStore<T> for HasState {
    fn write_stdin(
        mut store: Access<'_, T, Self>,
        child: Resource<Child>,
        mut data: StreamReader<u8>,
    ) -> Result<FutureReader<Outcome<()>>> {
        let taken = store.get().child(&child)?.stdin.take();
        let Some(pipe) = taken else {
            data.close(&mut store)?;
            let refused = async { wasmtime::error::Ok(Err(once("standard input"))) };
            return FutureReader::new(&mut store, refused);
        };
        let (input, written) = Input::new(pipe);
        data.pipe(&mut store, input)?;
        let answer = async move {
            wasmtime::error::Ok(match written.await {
                Ok(Err(error)) => Err(wit::ProcessError::Io(error.to_string())),
                Ok(Ok(())) | Err(_) => Ok(()),
            })
        };
        FutureReader::new(&mut store, answer)
    }

    fn stdout(
        mut store: Access<'_, T, Self>,
        child: Resource<Child>,
    ) -> Result<Outcome<StreamReader<u8>>> {
        let child = store.get().child(&child)?;
        let Some(pipe) = child.stdout.take() else { return Ok(Err(once("standard output"))) };
        let output = Output::of_pipe(pipe);
        Ok(Ok(StreamReader::new(&mut store, output)?))
    }

    fn stderr(
        mut store: Access<'_, T, Self>,
        child: Resource<Child>,
    ) -> Result<Outcome<StreamReader<u8>>> {
        let child = store.get().child(&child)?;
        let Some(taker) = child.stderr.take() else { return Ok(Err(once("standard error"))) };
        let (to, kept) = oneshot::channel();
        // Nobody drains any more only when the program printed too much.
        let _nothing_to_come = taker.send(to);
        let output = Output::of_drain(kept);
        Ok(Ok(StreamReader::new(&mut store, output)?))
    }

    fn wait(
        mut store: Access<'_, T, Self>,
        child: Resource<Child>,
    ) -> Result<FutureReader<Outcome<wit::Exit>>> {
        let child = store.get().child(&child)?;
        let (run, program, output) =
            (Arc::clone(&child.run), child.program.clone(), child.output.clone());
        let ended = async move {
            let ended = async { ended(program.wait().await, program.exceeded(), &run, &output) };
            let ended = run.unless_stopped(ended, Err(wit::ProcessError::Stopped)).await;
            wasmtime::error::Ok(ended)
        };
        FutureReader::new(&mut store, ended)
    }
}

fn ended(
    how: std::result::Result<Exit, Lost>,
    exceeded: Option<&Exceeded>,
    run: &Run,
    output: &OutputBudget,
) -> Outcome<wit::Exit> {
    if output.is_passed() {
        let most = run.executor.config.limits.process_output_mib;
        let problem = format!("the program printed more than {most} MiB, and was ended");
        return Err(wit::ProcessError::Limit(problem));
    }
    if let Some(limit) = exceeded {
        let executor = &run.executor.config.name;
        let problem = format!(
            "the program was ended: {limit} (executors.{executor}.sandbox.limits.{} in config.json)",
            limit.key()
        );
        return Err(wit::ProcessError::Limit(problem));
    }
    match how {
        Ok(Exit::Code(code)) => Ok(wit::Exit::Code(code)),
        Ok(Exit::Signal(signal)) => Ok(wit::Exit::Signal(signal)),
        Err(lost) => Err(wit::ProcessError::Io(lost.to_string())),
    }
}
