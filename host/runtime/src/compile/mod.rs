//! From a component's bytes to native code, in a child of our own.
//!
//! Compiling is the costliest thing that is done with foreign bytes: a component of a few MB can be made to take
//! gigabytes and minutes, and a compilation cannot be interrupted. So it happens in our own executable, started once
//! more, with limits on its memory and time; what it wrote goes into a cache that only this user can enter, and what
//! did not compile is remembered there too, so that it is paid for once.
//!
//! * [`compile_if_asked`]: the child.
//! * [`Compiler`]: where its executable is.
//! * `cache`: what was compiled, and what was not.
//! * `native`: the one place where native code is loaded.

mod answer;
mod cache;
mod child;
mod native;

pub(crate) use answer::Refusal;

use answer::Answer;
use cache::{Cache, Record};
use cyrus_plugin::Digest;
use cyrus_sandbox::{AbsolutePath, Exit, Finished, Input, Launch, Launcher, Limits};
use std::{io, path::PathBuf};
use wasmtime::{Engine, component::Component};

/// Signals that end a child which passed a limit.
const ABORTED: i32 = 6;
const FAULTED: i32 = 11;
const OUT_OF_TIME: i32 = 24;

/// Compiles and never returns, when this process was started for that; otherwise says that this executable can. To
/// be called first in `main`, like [`cyrus_sandbox::supervise_if_asked`].
pub fn compile_if_asked() -> Compiler {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|arg| arg == child::ASKED) {
        std::process::exit(child::run(args.next()));
    }
    Compiler(None)
}

/// An executable that compiles when it is asked to.
#[derive(Clone, Debug)]
pub struct Compiler(Option<AbsolutePath>);

impl Compiler {
    /// Another executable, whose `main` begins with [`compile_if_asked`].
    pub fn at(executable: AbsolutePath) -> Self {
        Self(Some(executable))
    }

    /// The executable, wherever that file is by now.
    fn executable(&self) -> io::Result<AbsolutePath> {
        let own = || {
            if cfg!(target_os = "linux") {
                Ok(PathBuf::from("/proc/self/exe"))
            } else {
                std::env::current_exe()
            }
        };
        match &self.0 {
            Some(path) => Ok(path.clone()),
            None => AbsolutePath::parse(own()?).map_err(io::Error::other),
        }
    }
}

/// Why a component was not compiled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompileError {
    /// It is not to be compiled, now or later.
    #[error("{refusal}{}", .remembered.as_ref().map(|file| format!(" (remembered in {})", file.display())).unwrap_or_default())]
    Refused {
        /// Why.
        refusal: Refusal,
        /// Where that was written down; `None` where nothing is.
        remembered: Option<PathBuf>,
    },
    /// The host could not do it.
    #[error("{0}")]
    Host(String),
}

/// Compiles components, or finds them compiled.
pub(crate) struct Compilation {
    launcher: Launcher,
    compiler: Compiler,
    cache: Option<Cache>,
}

impl Compilation {
    /// What is compiled is kept in `cache`, which is private to this user; `None`: nowhere.
    pub(crate) fn new(
        launcher: Launcher,
        compiler: Compiler,
        engine: &Engine,
        cache: Option<PathBuf>,
    ) -> Self {
        let cache = cache.map(|directory| Cache::new(directory, engine));
        Self { launcher, compiler, cache }
    }

    /// The component of these bytes, ready to be linked.
    pub(crate) async fn component(
        &self,
        engine: &Engine,
        bytes: Vec<u8>,
    ) -> Result<Component, CompileError> {
        let Some(cache) = &self.cache else {
            let directory = tempfile::tempdir().map_err(|e| host(&e))?;
            let cache = Cache::new(directory.path().to_owned(), engine);
            return self.cached(&cache, false, engine, bytes).await;
        };
        self.cached(cache, true, engine, bytes).await
    }

    async fn cached(
        &self,
        cache: &Cache,
        keep: bool,
        engine: &Engine,
        bytes: Vec<u8>,
    ) -> Result<Component, CompileError> {
        let source = Digest::of(&bytes);
        if let Some(component) = found(cache, source, engine).await? {
            return Ok(component);
        }
        match self.compile(cache, source, bytes).await? {
            Ok(()) => {
                let found = found(cache, source, engine).await?;
                found.ok_or_else(|| host(&"what was compiled is not there"))
            }
            Err(refusal) => {
                let remembered = keep.then(|| cache.refuse(source, &refusal));
                let remembered = remembered.transpose().map_err(|e| host(&e))?;
                Err(CompileError::Refused { refusal, remembered })
            }
        }
    }

    /// Has a child compile these bytes into the cache.
    async fn compile(
        &self,
        cache: &Cache,
        source: Digest,
        bytes: Vec<u8>,
    ) -> Result<Result<(), Refusal>, CompileError> {
        let output = cache.draft().map_err(|e| host(&e))?;
        let executable = self.compiler.executable().map_err(|e| host(&e))?;
        let root = AbsolutePath::parse("/").map_err(|e| host(&e))?;
        let launch = Launch::trusted(executable, root, None, None)
            .args([child::ASKED.as_ref(), output.path().as_os_str()])
            .env("RAYON_NUM_THREADS", child::THREADS)
            // One heap: what each thread would keep for itself counts too.
            .env("MALLOC_ARENA_MAX", "1")
            .stdin(Input::Bytes(bytes));
        let limits = Limits::within(child::PATIENCE);
        let done = self.launcher.run_to_end(launch, &limits).await.map_err(|e| host(&e))?;
        match read(&done) {
            Some(Answer::Compiled { digest }) => {
                cache.keep(source, output, digest).map_err(|e| host(&e))?;
                Ok(Ok(()))
            }
            Some(Answer::Refused(refusal)) => Ok(Err(refusal)),
            Some(Answer::Failed(problem)) => Err(CompileError::Host(problem)),
            None => Err(CompileError::Host(format!(
                "the compiler ended with {:?} and no answer: {}",
                done.exit,
                done.stderr.text().trim()
            ))),
        }
    }
}

/// What a child answered, or what it means that it was ended without an answer.
fn read(done: &Finished) -> Option<Answer> {
    if let Ok(answer) = serde_json::from_slice(&done.stdout.bytes()) {
        return Some(answer);
    }
    match done.exit {
        // What becomes of a Rust program that gets no more memory, or has used up its stack.
        Exit::Signal(ABORTED | FAULTED) => Some(Answer::Refused(Refusal::Memory)),
        Exit::Signal(OUT_OF_TIME) => Some(Answer::Refused(Refusal::Time)),
        _ => None,
    }
}

/// What was compiled before, if it was; or that it is not to be.
async fn found(
    cache: &Cache,
    source: Digest,
    engine: &Engine,
) -> Result<Option<Component>, CompileError> {
    let Some(record) = cache.record(source) else { return Ok(None) };
    let digest = match record {
        Record::Compiled(digest) => digest,
        Record::Refused(refusal) => {
            let remembered = Some(cache.record_file(source));
            return Err(CompileError::Refused { refusal, remembered });
        }
    };
    let (file, engine) = (cache.code_file(source), engine.clone());
    let loaded = tokio::task::spawn_blocking(move || native::load(&engine, &file, digest)).await;
    match loaded.map_err(|e| host(&e))? {
        Ok(component) => Ok(Some(component)),
        Err(error) => {
            tracing::warn!(
                "what was compiled of {source} cannot be used, and is made again: {error:#}"
            );
            Ok(None)
        }
    }
}

fn host(problem: &dyn std::fmt::Display) -> CompileError {
    CompileError::Host(problem.to_string())
}
