//! Programs.

use crate::{
    bindings::{
        cyrus::executor::{
            process::{Child, ProcessError, Signal, spawn},
            types::{ErrorKind, ExecutionError},
        },
        wasi::clocks::monotonic_clock::wait_for,
        wit_stream,
    },
    guest::{Done, done, error},
};
use futures::future::join3;
use std::future::IntoFuture as _;

fn told(problem: ProcessError) -> ExecutionError {
    let kind = match &problem {
        ProcessError::Denied(_) => ErrorKind::Denied,
        _ => ErrorKind::Failed,
    };
    error(kind, format!("{problem:?}"))
}

fn launch(grant: &str, args: &[&str]) -> Result<Child, ExecutionError> {
    let args: Vec<_> = args.iter().map(|arg| arg.replace('_', " ")).collect();
    spawn(grant, &args).map_err(told)
}

/// Runs a program to its end: how it ended, its output and its errors.
pub(crate) async fn run(grant: &str, args: &[&str]) -> Result<String, ExecutionError> {
    let child = launch(grant, args)?;
    let (stdout, stderr) = (child.stdout().map_err(told)?, child.stderr().map_err(told)?);
    let (out, err, exit) =
        join3(stdout.collect(), stderr.collect(), child.wait().into_future()).await;
    let exit = exit.map_err(told)?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim().to_owned();
    Ok(format!("{exit:?} out={} err={}", text(out), text(err)))
}

/// What a program printed as the component has it in its memory: backwards, so that the host does not know it again on
/// its way out.
pub(crate) async fn run_backwards(grant: &str, args: &[&str]) -> Result<String, ExecutionError> {
    Ok(run(grant, args).await?.chars().rev().collect())
}

/// The same, read when the program has been gone for a while.
pub(crate) async fn run_backwards_late(
    grant: &str,
    args: &[&str],
) -> Result<String, ExecutionError> {
    const WHILE: u64 = 300_000_000;
    let child = launch(grant, args)?;
    let exit = child.wait().await.map_err(told)?;
    wait_for(WHILE).await;
    let out = child.stdout().map_err(told)?.collect().await;
    let said = format!("{exit:?} out={}", String::from_utf8_lossy(&out).trim());
    Ok(said.chars().rev().collect())
}

/// Only waits, with the program's output untouched.
pub(crate) async fn wait_only(grant: &str, args: &[&str]) -> Result<String, ExecutionError> {
    let child = launch(grant, args)?;
    Ok(format!("{:?}", child.wait().await))
}

/// Launches many and keeps them.
pub(crate) fn run_many(grant: &str, count: usize, args: &[&str]) -> String {
    let launched: Vec<_> = (0..count).map(|_| launch(grant, args)).collect();
    let fine = launched.iter().filter(|child| child.is_ok()).count();
    let refused = launched.iter().find_map(|child| child.as_ref().err());
    format!("{fine} launched, {refused:?}")
}

/// Writes a text to a program's input and tells what it made of it.
pub(crate) async fn feed(grant: &str, text: &str) -> Result<String, ExecutionError> {
    let child = launch(grant, &[])?;
    let (mut writer, reader) = wit_stream::new();
    let fed = child.write_stdin(reader);
    let stdout = child.stdout().map_err(told)?;
    let write = async {
        writer.write_all(text.as_bytes().to_vec()).await;
        drop(writer);
    };
    let (out, (), fed) = join3(stdout.collect(), write, fed.into_future()).await;
    let (_, second) = wit_stream::new();
    let second = child.write_stdin(second).await;
    let again = child.stdout().err();
    let exit = child.wait().await;
    Ok(format!("{} {fed:?} {exit:?} {second:?} {again:?}", String::from_utf8_lossy(&out)))
}

/// Waits for a program and sends it a signal at the same time.
pub(crate) async fn signal(grant: &str, args: &[&str]) -> Result<String, ExecutionError> {
    let child = launch(grant, args)?;
    let mut stdout = child.stdout().map_err(told)?;
    // It says so when it is ready for signals.
    let (_, ready) = stdout.read(Vec::with_capacity(64)).await;
    let wait = child.wait();
    let interrupt = async {
        child.signal(Signal::Interrupt).expect("signalling is no error");
        stdout.collect().await
    };
    let (exit, rest, again) =
        join3(wait.into_future(), interrupt, child.wait().into_future()).await;
    child.signal(Signal::Kill).expect("signalling what has ended is no error");
    let text = String::from_utf8_lossy(&ready).into_owned() + &String::from_utf8_lossy(&rest);
    Ok(format!("{} {exit:?} {again:?}", text.replace('\n', " ")))
}

/// Launches a program, and waits for something else.
pub(crate) async fn leave(grant: &str, args: &[&str]) -> Done {
    let _child = launch(grant, args)?;
    wait_for(3_600_000_000_000).await;
    done("an hour later")
}
