//! What a store holds.

use crate::{bindings::types, egress::Egress, limiter::Limiter, run::Run};
use cyrus_executor::Access;
use std::{
    collections::VecDeque,
    io,
    path::Path,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};
use tokio::io::AsyncWrite;
use wasmtime::{
    Store, UpdateDeadline,
    component::{HasData, ResourceTable},
};
use wasmtime_wasi::{
    FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView,
    cli::{IsTerminal, StdoutStream},
};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// Where a component finds its workspace.
pub(crate) const WORKSPACE_PATH: &str = "/workspace";

/// Where a component finds attachments that are files.
pub(crate) const ATTACHMENTS_PATH: &str = "/attachments";

/// Handles in a store's table: a component that leaks more is stopped.
const TABLE_CAPACITY: usize = 1024;

/// Bytes that one call may carry from the component to the host.
const HOSTCALL_BYTES: usize = 4 << 20;

/// Bytes of random numbers in one call.
const RANDOM_BYTES: u64 = 64 << 10;

/// Bytes of one set of HTTP headers, as they lie in memory.
const HTTP_FIELD_BYTES: usize = 32 << 10;

/// What is kept of a component's standard error, in bytes.
const STDERR_BYTES: usize = 8 << 10;

/// The data of a store: one instance's view of the host.
pub(crate) struct State {
    pub(crate) run: Arc<Run>,
    pub(crate) table: ResourceTable,
    pub(crate) limiter: Limiter,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    egress: Egress,
}

/// Stands for [`State`] in the linker.
pub(crate) struct HasState;

impl HasData for HasState {
    type Data<'a> = &'a mut State;
}

impl State {
    fn new(run: Arc<Run>) -> wasmtime::Result<Self> {
        let limits = &run.executor.config.limits;
        let limiter =
            Limiter::new((limits.memory_mib as usize) << 20, limits.table_elements as usize);
        let mut table = ResourceTable::new();
        table.set_max_capacity(TABLE_CAPACITY);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(HTTP_FIELD_BYTES);
        let wasi = wasi_context(&run)?;
        Ok(Self { egress: Egress::new(Arc::clone(&run)), run, table, limiter, wasi, http })
    }
}

/// Clocks, random numbers, the end of standard error, and the directories that were granted. No environment,
/// no arguments, no sockets.
fn wasi_context(run: &Run) -> wasmtime::Result<WasiCtx> {
    let mut wasi = WasiCtxBuilder::new();
    wasi.max_random_size(RANDOM_BYTES).stderr(run.stderr.clone());
    let Some(request) = &run.request else { return Ok(wasi.build()) };
    let access = run.policy().and_then(|policy| policy.workspace());
    if let (Some(workspace), Some(access)) = (&request.workspace, access) {
        preopen(&mut wasi, &workspace.root, WORKSPACE_PATH, access)?;
    }
    if let Some(directory) = crate::cap::context::attachments_directory(request) {
        preopen(&mut wasi, directory, ATTACHMENTS_PATH, Access::ReadOnly)?;
    }
    Ok(wasi.build())
}

fn preopen(
    wasi: &mut WasiCtxBuilder,
    host: &Path,
    guest: &str,
    access: Access,
) -> wasmtime::Result<()> {
    let permissions = match access {
        Access::ReadOnly => FsPerms::ReadOnly,
        Access::ReadWrite => FsPerms::ReadWrite,
    };
    let opened = wasi.preopened_dir(host, guest, permissions);
    opened.map(|_| ()).map_err(|e| e.context(format!("cannot open {}", host.display())))
}

/// Makes a store for one instance, with every limit set.
pub(crate) fn new_store(run: Arc<Run>) -> wasmtime::Result<Store<State>> {
    let engine = run.executor.plugin.engine().clone();
    let mut store = Store::try_new(&engine, State::new(run)?)?;
    store.limiter(|state| &mut state.limiter);
    store.set_hostcall_fuel(HOSTCALL_BYTES);
    store.set_max_component_handles(TABLE_CAPACITY);
    if let Some(table) = store.concurrent_resource_table() {
        table.set_max_capacity(TABLE_CAPACITY);
    }
    // Each tick gives the other executions of this thread their turn, and is where a kill takes effect.
    store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Yield(1)));
    store.set_epoch_deadline(1);
    Ok(store)
}

impl types::Host for State {}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.egress }
    }
}

/// The end of what a component writes to its standard error: a panic's message is there.
#[derive(Clone, Default)]
pub(crate) struct Stderr(Arc<Mutex<VecDeque<u8>>>);

impl Stderr {
    /// What was written, as far as it was kept.
    pub(crate) fn text(&self) -> String {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(kept.make_contiguous()).trim().to_owned()
    }

    fn write(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(&bytes[bytes.len().saturating_sub(STDERR_BYTES)..]);
        let over = kept.len().saturating_sub(STDERR_BYTES);
        kept.drain(..over);
    }
}

impl IsTerminal for Stderr {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stderr {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for Stderr {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_error_keeps_its_end() {
        let stderr = Stderr::default();
        stderr.write(&vec![b'a'; STDERR_BYTES * 2]);
        stderr.write(b"the end\n");
        let text = stderr.text();
        assert!(text.len() < STDERR_BYTES && text.ends_with("aathe end"));
    }
}
