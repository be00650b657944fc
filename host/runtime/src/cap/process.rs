//! `process`: programs by grant name, through the sandbox. What they print reaches the component without the secrets that
//! they were given.

use super::{
    home::{Home, Scratch, home_owner},
    logins::Logins,
    mcp, model,
    output::CleanOutput,
    streams::{Input, Output, OutputBudget, StderrTaker, drain_stderr, hold_until_gone},
};
use crate::{
    bindings::process as wit,
    run::{Run, Slot},
    state::{HasState, State},
};
use cyrus_executor::{LaunchedProgram, Workspace};
use cyrus_gateway::{Account, Gateway, Lease};
use cyrus_plugin::{Policy, ProcessGrant};
use cyrus_sandbox::{
    AbsolutePath, ChildStdin, Exceeded, Exit, Handle, Identity, Launch, Lost, Signal, SpawnError,
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
    let process = granted.map_err(|denied| wit::ProcessError::Denied(run.deny(denied)))?;
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
    let (launch, home, lease) = prepare(run, &policy, grant, process, args).await?;
    tracing::info!(executor = policy.executor(), execution = run.id(), program = %launch.program(), "launch");
    let logins = Arc::new(Logins::new(home.path().as_path(), &process.home_files));
    logins.teach(&run.redactor).map_err(wit::ProcessError::Io)?;
    let launched = run.executor.launcher.spawn(launch).await;
    let mut child = launched.map_err(|error| refused(&error))?;
    let program = child.handle();
    hold_until_gone(&run.programs, slot, home, lease, program.clone());
    record(run, grant, process, child.confinement().lacked()).await;
    let most = u64::from(limits.process_output_mib) << 20;
    let output = OutputBudget::new(most, program.clone());
    let clean = |pipe| CleanOutput::new(pipe, output.clone(), &run.redactor, Arc::clone(&logins));
    Ok(Child {
        run: Arc::clone(run),
        stdin: child.take_stdin(),
        stdout: child.take_stdout().map(clean),
        stderr: child.take_stderr().map(|pipe| drain_stderr(clean(pipe))),
        program,
        output,
    })
}

/// Has the host take note of which file was launched. The program is at work meanwhile.
async fn record(run: &Run, grant: &str, process: &ProcessGrant, sandbox_lacked: Vec<String>) {
    let (programs, name) = (run.executor.runtime.programs.clone(), process.program.clone());
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
            run.host.launched(LaunchedProgram {
                grant: grant.to_owned(),
                file,
                sha256,
                changed,
                sandbox_lacked,
            });
        }
        Ok(Err(error)) => {
            tracing::warn!(
                "{} could not be read for the record: {error}",
                process.program.display()
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

/// Everything about a launch that is not the plugin's to say.
async fn prepare(
    run: &Run,
    policy: &Policy,
    grant: &str,
    process: &ProcessGrant,
    args: Vec<String>,
) -> Outcome<(Launch, Home, Option<Lease>)> {
    let host = &run.executor.runtime;
    let program = process.program.to_string_lossy();
    let program = host.programs.find(&program).ok_or_else(|| {
        let place = format!("executors.{}.grants.process.{grant}", run.executor.config.name);
        wit::ProcessError::NotFound(format!(
            "{program} is no program that can be found in PATH ({place}.program in config.json)"
        ))
    })?;
    let io = |error: &dyn std::fmt::Display| wit::ProcessError::Io(error.to_string());
    let workspace = run.request.as_ref().and_then(|request| request.workspace.as_ref());
    let scratch = match workspace {
        Some(_) => None,
        None => Some(Scratch::make().map_err(|e| io(&e))?),
    };
    let (directory, private, tmp, record) = match (workspace, &scratch) {
        (Some(Workspace { root, home, tmp, home_record, .. }), _) => {
            (root.clone(), home.clone(), tmp.clone(), home_record.clone())
        }
        (None, Some(Scratch { work, state })) => {
            let beside = |name: &str| work.path().join(name);
            (work.path().to_owned(), beside("private"), beside("tmp"), state.path().to_owned())
        }
        (None, None) => return Err(io(&"there is no directory to work in")),
    };
    tokio::fs::create_dir_all(&tmp).await.map_err(|e| io(&e))?;
    let gated = run.executor.models.get(grant);
    let files = model::home_files(&process.home_files, gated);
    let owner = home_owner(&run.executor.config.name, grant);
    let place = (private.as_path(), record.as_path());
    let home = Home::open(place, &owner, &host.home, &files, scratch).await;
    let mut home = home.map_err(|e| io(&e))?;
    let args = match &process.mcp_flag {
        Some(flag) => mcp::provide(run, policy, flag, args, &mut home)?,
        None => args,
    };
    let absolute = |path: PathBuf| AbsolutePath::parse(path).map_err(|e| io(&e));
    let directory = absolute(directory)?;
    let mut sandbox = run.executor.launcher.sandbox(&program);
    for borrowed in workspace.iter().flat_map(|workspace| &workspace.borrowed) {
        sandbox = sandbox.read_only(absolute(borrowed.clone())?);
    }
    for own in [directory.clone(), home.path(), absolute(tmp.clone())?] {
        sandbox = sandbox.read_write(own);
    }
    let model = match gated.zip(run.account.as_ref()) {
        Some((gated, account)) => Some(open(gated, account).await.map_err(|e| io(&e))?),
        None => None,
    };
    let (of_model, lease) = model.unzip();
    if let Some(lease) = &lease {
        sandbox = sandbox.host_port(lease.address().port());
    }
    let variables = run.executor.variables.get(grant).into_iter().flatten();
    let launch = Launch::new(program, directory)
        .args(args)
        .env("PATH", host.path.clone())
        .env("HOME", home.path().as_path())
        .env("TMPDIR", tmp)
        .env("LANG", "C.UTF-8")
        .envs(variables.map(|(name, value)| (name.as_str(), value.as_str())))
        .envs(of_model.into_iter().flatten())
        .stdin(cyrus_sandbox::Input::Pipe)
        .sandbox(sandbox);
    Ok((launch, home, lease))
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
