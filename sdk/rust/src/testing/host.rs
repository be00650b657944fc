use super::{
    clock::Clock,
    platform::{Execution, Platform, nobody_serves},
    program::Program,
    reply::Reply,
    run::{Record, Run},
    world::{Answerer, Facts, Launcher, Ledger, Service, StopRule, World},
};
use crate::{
    Context, Executor, Host, Result, Workspace,
    contract::{
        Access, Answer, Attachment, Descriptor, Finding, Health, Limits, Question, Repository,
        StopMode, Task, Usage, generated::cyrus::executor::context::SpendVerdict,
    },
    http::Request,
    outbox::Outbox,
    run::run,
    settings::parse_settings,
    stop::StopState,
};
use futures::{
    StreamExt,
    future::{Either, LocalBoxFuture, select},
    stream::FuturesUnordered,
};
use serde_json::Value;
use std::{
    cell::RefCell,
    collections::BTreeMap,
    future::Future,
    path::Path,
    pin::pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context as PollContext, Poll, Wake, Waker},
    time::Duration,
};

/// A scripted host. Unless told otherwise: a first try with no settings, no repository, no files; nothing is granted,
/// questions are denied, money is no object.
#[must_use = "a host does nothing until something runs on it"]
pub struct TestHost {
    facts: Facts,
    service: Service,
    programs: BTreeMap<String, Launcher>,
    answerer: Answerer,
    ledger: Ledger,
    checkpoints_fail: Option<String>,
    stop_rule: Option<StopRule>,
    stop_at: Option<(Duration, StopMode)>,
}

impl Default for TestHost {
    fn default() -> Self {
        Self::new()
    }
}

impl TestHost {
    /// See [`TestHost`].
    pub fn new() -> Self {
        let facts = Facts {
            execution_id: "execution-1".to_owned(),
            idempotency_key: "key-1".to_owned(),
            attempt: 1,
            settings: "{}".to_owned(),
            repository: None,
            workspace: None,
            attachments: Vec::new(),
            model: None,
            system_prompt: None,
            allowed_tools: None,
            disallowed_tools: Vec::new(),
            mcp_servers: None,
            output_schema: None,
            limits: Limits::default(),
            resume: None,
            findings: Vec::new(),
            extensions: Vec::new(),
        };
        Self {
            facts,
            service: Box::new(|request| Reply::fail(nobody_serves(request))),
            programs: BTreeMap::new(),
            answerer: Box::new(|_| Answer::Deny("nobody is there to answer".to_owned())),
            ledger: Box::new(|_| SpendVerdict::GoOn),
            checkpoints_fail: None,
            stop_rule: None,
            stop_at: None,
        }
    }

    /// The operator's settings.
    pub fn settings(mut self, settings: &Value) -> Self {
        self.facts.settings = settings.to_string();
        self
    }

    /// The idempotency key, in place of `key-1`.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.facts.idempotency_key = key.into();
        self
    }

    /// Which try it is.
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.facts.attempt = attempt;
        self
    }

    /// The checkpoint to go on from.
    pub fn resume(mut self, token: impl Into<String>) -> Self {
        self.facts.resume = Some(token.into());
        self
    }

    /// The repository.
    pub fn repository(mut self, repository: Repository) -> Self {
        self.facts.repository = Some(repository);
        self
    }

    /// A directory as the workspace, to be read and written; programs find it at `/workspace`.
    pub fn workspace(mut self, path: impl AsRef<Path>) -> Self {
        self.facts.workspace = Some(Workspace {
            path: path.as_ref().to_owned(),
            process_path: "/workspace".to_owned(),
            access: Access::ReadWrite,
        });
        self
    }

    /// What came with the issue.
    pub fn attachment(mut self, attachment: Attachment) -> Self {
        self.facts.attachments.push(attachment);
        self
    }

    /// The model.
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.facts.model = Some(model.into());
        self
    }

    /// What is added to the system prompt.
    pub fn system_prompt(mut self, prompt: impl Into<String>) -> Self {
        self.facts.system_prompt = Some(prompt.into());
        self
    }

    /// Tools that need no question.
    pub fn allowed_tools<S: Into<String>>(mut self, tools: impl IntoIterator<Item = S>) -> Self {
        self.facts.allowed_tools = Some(tools.into_iter().map(Into::into).collect());
        self
    }

    /// Tools that must not be used.
    pub fn disallowed_tools<S: Into<String>>(mut self, tools: impl IntoIterator<Item = S>) -> Self {
        self.facts.disallowed_tools = tools.into_iter().map(Into::into).collect();
        self
    }

    /// MCP servers.
    pub fn mcp_servers(mut self, servers: &Value) -> Self {
        self.facts.mcp_servers = Some(servers.to_string());
        self
    }

    /// The schema of the answer.
    pub fn output_schema(mut self, schema: &Value) -> Self {
        self.facts.output_schema = Some(schema.to_string());
        self
    }

    /// What may be used.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.facts.limits = limits;
        self
    }

    /// What validation found.
    pub fn finding(mut self, finding: Finding) -> Self {
        self.facts.findings.push(finding);
        self
    }

    /// Anything else, by name.
    pub fn extension(mut self, name: impl Into<String>, value: &Value) -> Self {
        self.facts.extensions.push((name.into(), value.to_string()));
        self
    }

    /// Answers every request.
    pub fn http(mut self, service: impl FnMut(&Request) -> Reply + 'static) -> Self {
        self.service = Box::new(service);
        self
    }

    /// Grants a program under a name; `launch` sees the arguments and says what the program does.
    pub fn program(
        mut self,
        grant: impl Into<String>,
        launch: impl FnMut(&[String]) -> Program + 'static,
    ) -> Self {
        self.programs.insert(grant.into(), Box::new(launch));
        self
    }

    /// Answers every question.
    pub fn answers(mut self, answerer: impl FnMut(&Question) -> Answer + 'static) -> Self {
        self.answerer = Box::new(answerer);
        self
    }

    /// Whether the execution may go on after it told what it used.
    pub fn budget(mut self, mut goes_on: impl FnMut(&Usage) -> bool + 'static) -> Self {
        self.ledger =
            Box::new(
                move |usage| {
                    if goes_on(usage) { SpendVerdict::GoOn } else { SpendVerdict::Stop }
                },
            );
        self
    }

    /// Commits no checkpoint.
    pub fn checkpoints_fail(mut self, reason: impl Into<String>) -> Self {
        self.checkpoints_fail = Some(reason.into());
        self
    }

    /// Stops the execution after this much simulated time.
    pub fn stop_at(mut self, time: Duration, mode: StopMode) -> Self {
        self.stop_at = Some((time, mode));
        self
    }

    /// Stops the execution once it has done what `when` looks for.
    pub fn stop_when(
        mut self,
        mode: StopMode,
        when: impl FnMut(&Record) -> bool + 'static,
    ) -> Self {
        self.stop_rule = Some((mode, Box::new(when)));
        self
    }

    /// Has an executor describe itself.
    pub fn describe<E: Executor>(self) -> Result<Descriptor> {
        E::describe(parse_settings(&self.facts.settings)?)
    }

    /// Probes an executor.
    pub fn probe<E: Executor>(self) -> Result<Health> {
        let settings = parse_settings(&self.facts.settings)?;
        let (world, ..) = self.into_world();
        let host = Host::new(Platform(Rc::clone(&world)), Rc::new(StopState::new()));
        simulate(&world, E::probe(settings, host), || {})
    }

    /// Runs a task of kind `builder` with this prompt.
    pub fn run<E: Executor>(self, prompt: impl Into<String>) -> Run {
        self.run_task::<E>(Task {
            id: "task-1".to_owned(),
            kind: "builder".to_owned(),
            title: String::new(),
            prompt: prompt.into(),
        })
    }

    /// Runs a task.
    ///
    /// # Panics
    /// When the executor waits for something that never comes.
    pub fn run_task<E: Executor>(self, task: Task) -> Run {
        let (world, mut rule, stop_at) = self.into_world();
        let stop = Rc::new(StopState::new());
        let outbox = Rc::new(Outbox::default());
        let platform = Platform(Rc::clone(&world));
        let host = Host::new(platform.clone(), Rc::clone(&stop));
        let execution = Rc::new(Execution(Rc::clone(&world)));
        let settings = execution.settings();
        let context = Context::new(host, execution, Rc::clone(&outbox));
        let deliver = async {
            while let Some(batch) = outbox.take().await {
                world.record.borrow_mut().events.extend(batch);
            }
        };
        let work =
            async { stop.settle(run::<E>(task, &settings, context, &outbox, deliver).await) };
        let timed = async {
            if let Some((time, mode)) = stop_at {
                platform.sleep(time).await;
                stop.request(mode);
            }
            std::future::pending::<()>().await;
        };
        let whole = async {
            match select(pin!(work), pin!(timed)).await {
                Either::Left((outcome, _)) => outcome,
                Either::Right(_) => unreachable!("it never ends"),
            }
        };
        let outcome = simulate(&world, whole, || {
            if let Some((mode, _)) = rule.take_if(|(_, when)| when(&world.record.borrow())) {
                stop.request(mode);
            }
        });
        let stopped = stop.mode().map(|_| futures::executor::block_on(stop.outcome()));
        Run { outcome, stopped, elapsed: world.clock.now(), record: world.record.take() }
    }

    fn into_world(self) -> (Rc<World>, Option<StopRule>, Option<(Duration, StopMode)>) {
        let world = World {
            clock: Rc::new(Clock::default()),
            facts: self.facts,
            service: RefCell::new(self.service),
            programs: RefCell::new(self.programs),
            answerer: RefCell::new(self.answerer),
            ledger: RefCell::new(self.ledger),
            checkpoints_fail: self.checkpoints_fail,
            record: Rc::default(),
            new_tasks: RefCell::default(),
        };
        (Rc::new(world), self.stop_rule, self.stop_at)
    }
}

/// Whether anything has something to do.
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `main` and what it spawned until `main` is done. When all of it waits, the clock jumps.
fn simulate<T>(world: &World, main: impl Future<Output = T>, mut between: impl FnMut()) -> T {
    let flag = Arc::new(Flag(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&flag));
    let mut cx = PollContext::from_waker(&waker);
    let mut tasks: FuturesUnordered<LocalBoxFuture<'static, ()>> = FuturesUnordered::new();
    let mut main = pin!(main);
    loop {
        if !flag.0.swap(false, Ordering::Relaxed) {
            assert!(
                world.clock.advance(),
                "the executor waits for something that never comes: {:?}",
                world.record.borrow()
            );
            continue;
        }
        between();
        if let Poll::Ready(value) = main.as_mut().poll(&mut cx) {
            return value;
        }
        loop {
            tasks.extend(world.new_tasks.take());
            match tasks.poll_next_unpin(&mut cx) {
                Poll::Ready(Some(())) => {}
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
    }
}
