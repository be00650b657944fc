//! The native side of `crate::platform`: the same names, answered by a [`World`].

use super::{
    pipe::Pipe,
    program::{Program, Step, Terminal},
    run::Launch,
    world::World,
};
use crate::{
    Workspace,
    contract::{
        Answer as GivenAnswer, Attachment, Exit, Finding, Level, Limits, Question, Repository,
        Signal, Usage,
        generated::cyrus::executor::{
            context::{HostError, SpendVerdict},
            process::ProcessError,
        },
    },
    http::{HttpError, Request},
    platform::{Answer, Sent},
};
use futures::FutureExt;
use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    rc::Rc,
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// When a test begins: 20,454 days after 1970, on 2026-01-01.
const BEGINNING: Duration = Duration::from_hours(20_454 * 24);

type Contract<T> = Result<T, ProcessError>;

#[derive(Clone)]
pub(crate) struct Platform(pub(super) Rc<World>);

impl Platform {
    pub(crate) fn monotonic(&self) -> Duration {
        self.0.clock.now()
    }

    pub(crate) fn wall(&self) -> SystemTime {
        UNIX_EPOCH + BEGINNING + self.0.clock.now()
    }

    pub(crate) async fn sleep(&self, duration: Duration) {
        self.0.clock.sleep(duration).await;
    }

    pub(crate) async fn send(&self, request: Request) -> Sent {
        self.0.record.borrow_mut().requests.push(request.clone());
        let reply = (self.0.service.borrow_mut())(&request);
        turn().await;
        match reply.delay {
            Some(delay) => self.sleep(delay).await,
            None => std::future::pending().await,
        }
        let scripted = reply.answer?;
        let body = Pipe::default();
        for chunk in scripted.chunks {
            body.push(Ok(chunk));
        }
        if scripted.cut {
            body.push(Err("the answer was cut".to_owned()));
        }
        body.close();
        let (status, headers) = (scripted.status, scripted.headers);
        Ok(Answer { status, headers, body: ByteStream(body) })
    }

    pub(crate) fn spawn(&self, grant: &str, args: &[String]) -> Contract<Child> {
        let mut programs = self.0.programs.borrow_mut();
        let Some(launcher) = programs.get_mut(grant) else {
            return Err(ProcessError::Denied(format!("no program is granted as {grant:?}")));
        };
        let program = launcher(args);
        let mut record = self.0.record.borrow_mut();
        record.launches.push(Launch {
            grant: grant.to_owned(),
            args: args.to_vec(),
            lines: Vec::new(),
            input_closed: false,
            signals: Vec::new(),
        });
        let child = Rc::new(Running::new(program, Rc::clone(&self.0), record.launches.len() - 1));
        self.spawn_local(Rc::clone(&child).act());
        Ok(Child(child))
    }

    pub(crate) fn spawn_local(&self, task: impl Future<Output = ()> + 'static) {
        self.0.new_tasks.borrow_mut().push(Box::pin(task));
    }

    pub(crate) fn log(&self, level: Level, message: &str) {
        self.0.record.borrow_mut().logs.push((level, message.to_owned()));
    }
}

pub(crate) struct ByteStream(Pipe);

impl ByteStream {
    pub(crate) fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Vec<u8>, String>>> {
        self.0.poll(cx)
    }
}

pub(crate) struct ByteSink {
    child: Rc<Running>,
    unfinished: Vec<u8>,
}

impl ByteSink {
    #[expect(clippy::unused_async, reason = "a component waits here")]
    pub(crate) async fn write(&mut self, bytes: Vec<u8>) -> bool {
        if self.child.exit.get().is_some() {
            return false;
        }
        self.unfinished.extend(bytes);
        while let Some(end) = self.unfinished.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.unfinished.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line[..end]).into_owned();
            self.child.note(|launch| launch.lines.push(line.clone()));
            self.child.react(|program, terminal| (program.on_line)(&line, terminal));
        }
        true
    }
}

impl Drop for ByteSink {
    fn drop(&mut self) {
        self.child.note(|launch| launch.input_closed = true);
        self.child.react(|program, terminal| (program.on_end)(terminal));
    }
}

pub(crate) struct Child(Rc<Running>);

impl Child {
    pub(crate) fn stdin(&self) -> Contract<ByteSink> {
        once(&self.0.stdin_taken)?;
        Ok(ByteSink { child: Rc::clone(&self.0), unfinished: Vec::new() })
    }

    pub(crate) fn stdout(&self) -> Contract<ByteStream> {
        once(&self.0.stdout_taken).map(|()| ByteStream(self.0.stdout.clone()))
    }

    pub(crate) fn stderr(&self) -> Contract<ByteStream> {
        once(&self.0.stderr_taken).map(|()| ByteStream(self.0.stderr.clone()))
    }

    pub(crate) async fn wait(&self) -> Contract<Exit> {
        let running = &self.0;
        let ended = poll_fn(|cx| {
            if let Some(exit) = running.exit.get() {
                return Poll::Ready(exit);
            }
            running.waiting.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        });
        Ok(ended.await)
    }

    #[expect(clippy::unnecessary_wraps, reason = "a component may be refused here")]
    pub(crate) fn signal(&self, signal: Signal) -> Contract<()> {
        self.0.note(|launch| launch.signals.push(signal));
        if signal == Signal::Kill {
            self.0.end(Exit::Signal(9));
        } else {
            self.0.react(|program, terminal| (program.on_signal)(signal, terminal));
        }
        Ok(())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.0.end(Exit::Signal(9));
    }
}

/// Lets everything else have a turn, as every call that waits does with a real host: a stop can come in it.
fn turn() -> impl Future<Output = ()> {
    let mut waited = false;
    poll_fn(move |cx| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

fn once(taken: &Cell<bool>) -> Contract<()> {
    if taken.replace(true) {
        return Err(ProcessError::Io("it was taken before".to_owned()));
    }
    Ok(())
}

/// A scripted program that was launched.
pub(crate) struct Running {
    program: RefCell<Program>,
    todo: RefCell<Terminal>,
    world: Rc<World>,
    index: usize,
    stdout: Pipe,
    stderr: Pipe,
    stdin_taken: Cell<bool>,
    stdout_taken: Cell<bool>,
    stderr_taken: Cell<bool>,
    exit: Cell<Option<Exit>>,
    waiting: RefCell<Vec<Waker>>,
}

impl Running {
    fn new(mut program: Program, world: Rc<World>, index: usize) -> Self {
        Self {
            todo: RefCell::new(std::mem::take(&mut program.start)),
            program: RefCell::new(program),
            world,
            index,
            stdout: Pipe::default(),
            stderr: Pipe::default(),
            stdin_taken: Cell::new(false),
            stdout_taken: Cell::new(false),
            stderr_taken: Cell::new(false),
            exit: Cell::new(None),
            waiting: RefCell::default(),
        }
    }

    fn note(&self, change: impl FnOnce(&mut Launch)) {
        change(&mut self.world.record.borrow_mut().launches[self.index]);
    }

    fn react(&self, react: impl FnOnce(&mut Program, &mut Terminal)) {
        if self.exit.get().is_none() {
            react(&mut self.program.borrow_mut(), &mut self.todo.borrow_mut());
            self.wake();
        }
    }

    fn end(&self, exit: Exit) {
        if self.exit.get().is_none() {
            self.exit.set(Some(exit));
            self.stdout.close();
            self.stderr.close();
            self.wake();
        }
    }

    fn wake(&self) {
        self.waiting.take().into_iter().for_each(Waker::wake);
    }

    /// Does what the program has to do, one thing after the other, until it ends.
    async fn act(self: Rc<Self>) {
        while self.exit.get().is_none() {
            let step = poll_fn(|cx| {
                if self.exit.get().is_some() {
                    return Poll::Ready(None);
                }
                let step = self.todo.borrow_mut().steps.pop_front();
                if step.is_none() {
                    self.waiting.borrow_mut().push(cx.waker().clone());
                    return Poll::Pending;
                }
                Poll::Ready(step)
            });
            match step.await {
                Some(Step::Print(bytes)) => self.stdout.push(Ok(bytes)),
                Some(Step::PrintError(bytes)) => self.stderr.push(Ok(bytes)),
                Some(Step::Pause(duration)) => self.world.clock.sleep(duration).await,
                Some(Step::End(exit)) => self.end(exit),
                None => {}
            }
        }
    }
}

pub(crate) struct Execution(pub(super) Rc<World>);

impl Execution {
    pub(crate) fn extension(&self, name: &str) -> Option<String> {
        let mut known = self.0.facts.extensions.iter();
        known.find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    pub(crate) fn checkpoint(
        &self,
        token: &str,
    ) -> impl Future<Output = Result<(), HostError>> + use<> {
        let answer = self.0.checkpoints_fail.clone().map_or(Ok(()), |r| Err(HostError::Failed(r)));
        if answer.is_ok() {
            self.0.record.borrow_mut().checkpoints.push(token.to_owned());
        }
        turn().map(|()| answer)
    }

    pub(crate) fn spend(
        &self,
        usage: Usage,
    ) -> impl Future<Output = Result<SpendVerdict, HostError>> + use<> {
        self.0.record.borrow_mut().spends.push(usage);
        let verdict = (self.0.ledger.borrow_mut())(&usage);
        turn().map(move |()| Ok(verdict))
    }

    pub(crate) fn ask(&self, question: &Question) -> impl Future<Output = GivenAnswer> + use<> {
        self.0.record.borrow_mut().questions.push(question.clone());
        let answer = (self.0.answerer.borrow_mut())(question);
        turn().map(|()| answer)
    }
}

macro_rules! getters {
    ($($name:ident: $type:ty,)*) => {
        impl Execution {
            $(pub(crate) fn $name(&self) -> $type {
                self.0.facts.$name.clone()
            })*
        }
    };
}

getters! {
    execution_id: String,
    idempotency_key: String,
    attempt: u32,
    settings: String,
    repository: Option<Repository>,
    workspace: Option<Workspace>,
    attachments: Vec<Attachment>,
    model: Option<String>,
    system_prompt: Option<String>,
    allowed_tools: Option<Vec<String>>,
    disallowed_tools: Vec<String>,
    mcp_servers: Option<String>,
    output_schema: Option<String>,
    limits: Limits,
    resume: Option<String>,
    findings: Vec<Finding>,
}

/// What a scripted host answers a request that no service was scripted for.
pub(super) fn nobody_serves(request: &Request) -> HttpError {
    HttpError::Denied(format!("{}: the test scripts no service", request.line()))
}
