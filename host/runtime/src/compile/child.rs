//! The child: our own executable with one thing to do. It limits itself before it reads the first foreign byte.

use super::{
    answer::{Answer, Refusal},
    native,
};
use crate::{bound, engine::new_engine, plugin::new_linker};
use cyrus_plugin::{Digest, MAX_COMPONENT_BYTES};
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, rlim_t, setrlimit};
use std::{
    ffi::OsString,
    fs::OpenOptions,
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};
use wasmtime::component::Component;

/// The first argument of an executable that is to compile; the second is the file to write.
pub(super) const ASKED: &str = "__compile";

/// Threads that compile: each has a stack, and works on a function of its own.
pub(super) const THREADS: &str = "2";

/// The memory that a compilation may take, beside the code of this program.
pub(super) const MEMORY_BYTES: u64 = 448 << 20;

/// How long it may take.
pub(super) const TIME: Duration = Duration::from_secs(24);

/// How long the host waits for an answer, in which it will be that time has passed.
pub(super) const PATIENCE: Duration = Duration::from_secs(26);

/// A compilation that had less than this share of one processor in its time says nothing about the component.
const STARVED: u32 = 3;

/// The size of the file that is written.
const CODE_BYTES: u64 = 512 << 20;

/// How often the time is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// One answer is given, by the thread that has one first.
static ANSWERED: Mutex<()> = Mutex::new(());

/// Compiles what is on standard input into this file, and returns the process's exit code.
pub(super) fn run(output: Option<OsString>) -> i32 {
    let Some(output) = output else { return 2 };
    let answer =
        hold_limits().and_then(|()| watch_time()).and_then(|()| read_component()).map_or_else(
            |error| Answer::Failed(error.to_string()),
            |bytes| compile(&bytes, output.as_ref()),
        );
    say(&answer)
}

fn say(answer: &Answer) -> i32 {
    let _held_to_the_end = ANSWERED.lock();
    let mut out = io::stdout().lock();
    let said = serde_json::to_writer(&mut out, answer).map_err(io::Error::from);
    std::process::exit(i32::from(said.and_then(|()| out.flush()).is_err()))
}

/// No memory, time or file beyond what is allowed, whatever the component is.
fn hold_limits() -> io::Result<()> {
    let processor = TIME.as_secs() * 4;
    for (what, most) in [
        (Resource::RLIMIT_DATA, MEMORY_BYTES),
        (Resource::RLIMIT_CPU, processor),
        (Resource::RLIMIT_FSIZE, CODE_BYTES),
        (Resource::RLIMIT_CORE, 0),
    ] {
        let (_, hard) = getrlimit(what)?;
        let most = hard.min(rlim_t::from(most));
        setrlimit(what, most, most)?;
    }
    Ok(())
}

/// Answers in the compilation's place when its time is up.
fn watch_time() -> io::Result<()> {
    let began = Instant::now();
    let watch = move || {
        while began.elapsed() < TIME {
            thread::sleep(LOOK);
        }
        let used = processor_time();
        say(&if used * STARVED < TIME {
            Answer::Failed(format!(
                "it had no more than {} s of a processor in {} s: try again when the machine is less busy",
                used.as_secs(),
                TIME.as_secs()
            ))
        } else {
            Answer::Refused(Refusal::Time)
        });
    };
    thread::Builder::new().name("compile-time".to_owned()).spawn(watch).map(drop)
}

/// What this process has had of the processors.
fn processor_time() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return TIME };
    let seconds = usage.user_time().tv_sec() + usage.system_time().tv_sec();
    Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

fn read_component() -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::stdin().lock().take(MAX_COMPONENT_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_COMPONENT_BYTES {
        return Err(io::Error::other("the component is too large"));
    }
    Ok(bytes)
}

fn compile(bytes: &[u8], output: &Path) -> Answer {
    let engine = match new_engine() {
        Ok(engine) => engine,
        Err(error) => return Answer::Failed(format!("{error:#}")),
    };
    let code = match engine.precompile_component(bytes) {
        Ok(code) => code,
        Err(error) => return refused(&error),
    };
    let digest = Digest::of(&code);
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(output);
    if let Err(error) = file.and_then(|mut file| file.write_all(&code)) {
        return Answer::Failed(format!("cannot write {}: {error}", output.display()));
    }
    drop(code);
    // The host will do the same with it, without limits: here it is found out what that takes.
    let tried = native::load(&engine, output, digest).and_then(|component: Component| {
        let _whether_it_fits_is_said_by_the_host = new_linker(&engine)?.instantiate_pre(&component);
        Ok(())
    });
    match tried {
        Ok(()) => Answer::Compiled { digest },
        Err(error) => Answer::Failed(format!("{error:#}")),
    }
}

fn refused(error: &wasmtime::Error) -> Answer {
    let out_of_memory = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::OutOfMemory)
    };
    Answer::Refused(if error.chain().any(out_of_memory) {
        Refusal::Memory
    } else {
        Refusal::Invalid(bound::text(format!("{error:#}"), bound::MESSAGE_BYTES))
    })
}
