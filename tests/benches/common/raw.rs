//! The floor: wasmtime with the same component, engine settings, WASI context, preopen and limits, and nothing of
//! our host. What a component says is taken and thrown away.

use super::{COMPONENT, MEMORY_BYTES, TABLE_ELEMENTS, workspace};
use exports::cyrus::executor::task_executor::{Descriptor, Event, ExecutionError, Outcome, Task};
use futures::channel::oneshot;
use http::{Request, Response};
use std::{
    path::Path,
    pin::Pin,
    task::{Context as TaskContext, Poll},
    thread,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use wasmtime::{
    Config, Engine, Result, Store, StoreContextMut, StoreLimits, StoreLimitsBuilder,
    UpdateDeadline, bail,
    component::{
        Accessor, Component, FutureConsumer, Linker, Resource, ResourceTable, ResourceType, Source,
        StreamConsumer, StreamResult, types::ComponentItem,
    },
};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

wasmtime::component::bindgen!({
    path: "../wit",
    world: "cyrus:executor/executor-plugin",
    imports: { default: trappable },
    exports: { default: async | store },
    with: {
        "cyrus:executor/context.execution-context": Context,
        "cyrus:executor/process.child": Context,
    },
    require_store_data_send: true,
});

/// The one function of the contract that the component calls.
const SETTINGS: &str = "[method]execution-context.settings";

type Done = std::result::Result<Outcome, ExecutionError>;

/// What a component gets as its context.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Context;

struct State {
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    limits: StoreLimits,
    network: Network,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.network }
    }
}

/// Sends the least that is a request, and waits for an answer.
struct Network;

type Sent = std::result::Result<
    (Response<WasiBody>, Box<dyn Future<Output = std::result::Result<(), Error>> + Send>),
    Error,
>;

impl WasiHttpHooks for Network {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        _options: Option<RequestOptions>,
        _processed: Box<dyn Future<Output = std::result::Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        Box::new(async move {
            let authority = request.uri().authority().map(ToString::to_string).unwrap_or_default();
            let path = request.uri().path().to_owned();
            drop(request);
            ask(&authority, &path).await;
            Err(Error::ConnectionTerminated)
        })
    }
}

/// Sends a request to a server, and returns when it says something or hangs up.
pub(crate) async fn ask(authority: &str, path: &str) {
    let Ok(mut connection) = TcpStream::connect(authority).await else { return };
    let head = format!("GET {path} HTTP/1.1\r\nhost: {authority}\r\n\r\n");
    if connection.write_all(head.as_bytes()).await.is_ok() {
        let _hung_up = connection.read_u8().await;
    }
}

/// The component, compiled and linked.
pub(crate) struct Raw {
    engine: Engine,
    pre: ExecutorPluginPre<State>,
}

impl Raw {
    pub(crate) fn new() -> Result<Self> {
        let engine = Engine::new(&config())?;
        let ticking = engine.weak();
        thread::spawn(move || {
            while let Some(engine) = ticking.upgrade() {
                engine.increment_epoch();
                drop(engine);
                thread::sleep(Duration::from_millis(10));
            }
        });
        let component = Component::from_binary(&engine, COMPONENT)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
        wasmtime_wasi::p3::clocks::add_to_linker(&mut linker)?;
        wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
        stand_in(&mut linker, &engine, &component)?;
        let pre = ExecutorPluginPre::new(linker.instantiate_pre(&component)?)?;
        Ok(Self { engine, pre })
    }

    fn store(&self, workspace: Option<&Path>) -> Result<Store<State>> {
        let mut wasi = WasiCtxBuilder::new();
        if let Some(workspace) = workspace {
            wasi.preopened_dir(workspace, "/workspace", FsPerms::ReadWrite)?;
        }
        let limits = StoreLimitsBuilder::new()
            .memory_size(MEMORY_BYTES)
            .table_elements(TABLE_ELEMENTS)
            .trap_on_grow_failure(true);
        let state = State {
            table: ResourceTable::new(),
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            limits: limits.build(),
            network: Network,
        };
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.limits);
        store.set_hostcall_fuel(4 << 20);
        store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Yield(1)));
        store.set_epoch_deadline(1);
        Ok(store)
    }

    /// A store, an instance, one execution of this prompt; gives how many events came.
    pub(crate) async fn execute(&self, prompt: &str) -> Result<usize> {
        self.execute_in(Some(workspace()), prompt).await
    }

    /// The same in this directory, or in none.
    pub(crate) async fn execute_in(&self, workspace: Option<&Path>, prompt: &str) -> Result<usize> {
        let mut store = self.store(workspace)?;
        let instance = self.pre.instantiate_async(&mut store).await?;
        let prompt = prompt.to_owned();
        store.run_concurrent(async |store| run(store, &instance, prompt).await).await?
    }

    /// A store, an instance and one call of `describe`.
    pub(crate) async fn describe(&self) -> Result<()> {
        let mut store = self.store(Some(workspace()))?;
        let instance = self.pre.instantiate_async(&mut store).await?;
        store.run_concurrent(async |store| describe(store, &instance).await).await?
    }

    /// Calls `is-running`, or `describe`, so many times on one instance.
    pub(crate) async fn call(&self, times: usize, what: Call) -> Result<()> {
        let mut store = self.store(Some(workspace()))?;
        let instance = self.pre.instantiate_async(&mut store).await?;
        let guest = instance.cyrus_executor_task_executor();
        let calls = async |store: &Accessor<State>| {
            for _ in 0..times {
                match what {
                    Call::IsRunning => assert!(!guest.call_is_running(store).await?),
                    Call::Describe => describe(store, &instance).await?,
                }
            }
            Result::Ok(())
        };
        store.run_concurrent(calls).await?
    }
}

/// Gives the component what it imports of the contract, as far as it uses it.
fn stand_in(linker: &mut Linker<State>, engine: &Engine, component: &Component) -> Result<()> {
    for (interface, import) in component.component_type().imports(engine) {
        let (true, ComponentItem::ComponentInstance(instance)) =
            (interface.starts_with("cyrus:executor/"), import.ty)
        else {
            continue;
        };
        let mut imports = linker.instance(interface)?;
        for (name, export) in instance.exports(engine) {
            match export.ty {
                ComponentItem::Resource(_) => {
                    let let_go = |mut store: StoreContextMut<'_, State>, handle| {
                        store.data_mut().table.delete(Resource::<Context>::new_own(handle))?;
                        Ok(())
                    };
                    imports.resource(name, ResourceType::host::<Context>(), let_go)?;
                }
                // The SDK asks for the settings, and nobody asks anything else.
                ComponentItem::ComponentFunc(_) if name == SETTINGS => {
                    let settings = |_: StoreContextMut<'_, State>, _: (Resource<Context>,)| {
                        Ok(("{}".to_owned(),))
                    };
                    imports.func_wrap(name, settings)?;
                }
                ComponentItem::ComponentFunc(_) => {
                    let called = name.to_owned();
                    imports.func_new(name, move |_, _, _, _| bail!("{called} was called"))?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// An export that answers by itself.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    IsRunning,
    Describe,
}

async fn describe(store: &Accessor<State>, instance: &ExecutorPlugin) -> Result<()> {
    let guest = instance.cyrus_executor_task_executor();
    let described: Descriptor = guest.call_describe(store, "{}".to_owned()).await?.expect("itself");
    assert_eq!(described.name, "Measured");
    Ok(())
}

async fn run(store: &Accessor<State>, instance: &ExecutorPlugin, prompt: String) -> Result<usize> {
    let task = Task {
        id: "measured".to_owned(),
        kind: "builder".to_owned(),
        title: String::new(),
        prompt,
    };
    let context = store.with(|mut store| store.get().table.push(Context))?;
    let guest = instance.cyrus_executor_task_executor();
    let (events, outcome) = guest.call_execute_streaming(store, task, context).await?;
    let (done, outcome_came) = oneshot::channel();
    let (counted, events_ended) = oneshot::channel();
    store.with(|mut store| {
        outcome.pipe(&mut store, Take(Some(done)))?;
        events.pipe(&mut store, Count { batch: Vec::new(), seen: 0, ended: Some(counted) })
    })?;
    outcome_came.await?.expect("it succeeds");
    Ok(events_ended.await?)
}

/// Takes the outcome.
struct Take(Option<oneshot::Sender<Done>>);

impl FutureConsumer<State> for Take {
    type Item = Done;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        _cx: &mut TaskContext<'_>,
        mut store: StoreContextMut<State>,
        mut source: Source<'_, Done>,
        _finish: bool,
    ) -> Poll<Result<()>> {
        let mut done = None;
        source.read(&mut store, &mut done)?;
        if let (Some(done), Some(to)) = (done, self.0.take()) {
            let _nobody_waits = to.send(done);
        }
        Poll::Ready(Ok(()))
    }
}

/// Counts events.
struct Count {
    batch: Vec<Event>,
    seen: usize,
    ended: Option<oneshot::Sender<usize>>,
}

impl StreamConsumer<State> for Count {
    type Item = Event;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        _cx: &mut TaskContext<'_>,
        mut store: StoreContextMut<State>,
        mut source: Source<'_, Event>,
        _finish: bool,
    ) -> Poll<Result<StreamResult>> {
        let this = &mut *self;
        let there = source.remaining(&mut store);
        if there > 0 {
            this.batch.reserve(there);
            source.read(&mut store, &mut this.batch)?;
            this.seen += this.batch.drain(..).count();
        }
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        if let Some(ended) = self.ended.take() {
            let _nobody_waits = ended.send(self.seen);
        }
    }
}

/// The engine's settings, as in `host/runtime/src/engine.rs`.
fn config() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.guard_before_linear_memory(false);
    config
}
