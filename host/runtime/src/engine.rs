//! The engine: one for the process, with a clock that interrupts what does not yield.

use std::{
    fs::DirBuilder,
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt},
    path::Path,
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread,
    time::Duration,
};
use wasmtime::{Config, Engine};

/// How long a component may compute before others get their turn, and how late a kill may be.
const TICK: Duration = Duration::from_millis(10);

/// Advances the engine's epoch until it is dropped.
#[derive(Debug)]
pub(crate) struct Ticker {
    /// Closed by dropping it, which ends the thread.
    _stop: Sender<()>,
}

impl Ticker {
    /// Starts it. It holds the engine weakly: neither keeps the other alive.
    pub(crate) fn start(engine: &Engine) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel::<()>();
        let engine = engine.weak();
        thread::Builder::new().name("wasm-epoch".to_owned()).spawn(move || {
            while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                let Some(engine) = engine.upgrade() else { break };
                engine.increment_epoch();
            }
        })?;
        Ok(Self { _stop: stop })
    }
}

/// Makes the engine: the same for the host and for the child that compiles for it.
pub(crate) fn new_engine() -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config.epoch_interruption(true);
    // Ten thousand instances wait within the system's 65,530 mappings only if one takes no more than six: three
    // for its memory, one for what is reserved behind it, two for a stack. A guard before the memory, which
    // nothing that is compiled reaches, would be a seventh. The other way to six is to copy a component's data
    // instead of mapping it; measured, that makes a Python plugin's instance take 15 MB in place of 7, and 15 ms
    // in place of 3 to be made.
    config.guard_before_linear_memory(false);
    Engine::new(&config)
}

/// Makes a directory that only this user can enter, or checks that it is one.
pub(crate) fn make_private(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let found = directory.metadata()?;
    let own = own_user(directory)?;
    if found.uid() != own {
        let problem = "it belongs to somebody else: remove it, or name another directory";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, problem));
    }
    if found.permissions().mode() & 0o077 != 0 {
        std::fs::set_permissions(directory, PermissionsExt::from_mode(0o700))?;
    }
    Ok(())
}

/// The user this process acts as, as the file system sees it: the owner of what it makes.
fn own_user(directory: &Path) -> io::Result<u32> {
    let probe = directory.join(format!(".owner-{}", std::process::id()));
    let owner = std::fs::File::create(&probe).and_then(|file| file.metadata()).map(|m| m.uid());
    let _gone_already = std::fs::remove_file(&probe);
    owner
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_made_private() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("a/b");
        make_private(&directory).unwrap();
        let mode = || directory.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(), 0o700);
        std::fs::set_permissions(&directory, PermissionsExt::from_mode(0o755)).unwrap();
        make_private(&directory).unwrap();
        assert_eq!(mode(), 0o700, "an open one is closed");
    }

    #[test]
    fn the_ticker_does_not_keep_the_engine() {
        let engine = new_engine().unwrap();
        let ticker = Ticker::start(&engine).unwrap();
        let weak = engine.weak();
        drop(engine);
        // It may hold the engine for the moment of one tick.
        while weak.upgrade().is_some() {
            thread::yield_now();
        }
        drop(ticker);
    }
}
