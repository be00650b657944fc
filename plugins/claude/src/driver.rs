//! Runs `claude` and talks with it until it has ended.

use crate::{
    args::{Run, arguments},
    events::Transcript,
    line::{Init, Line, PermissionRequest},
    outcome::Evidence,
    permission::{Asked, interrupt, unsupported},
    prompt::{prompt, system_prompt, user_message},
    session::{SessionId, Start},
    settings::Settings,
};
use cyrus_sdk::{
    Context, Error, Lines, Process, ProcessError, Result, Stdin, Stopped,
    contract::{Answer, Attachment, AttachmentSource, Event, Exit, Finding, Outcome, Signal, Task},
};
use futures::{
    FutureExt, StreamExt,
    future::{Either, LocalBoxFuture, select},
    stream::FuturesUnordered,
};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    time::{Duration, UNIX_EPOCH},
};

/// The name under which the operator grants the program.
pub(crate) const GRANT: &str = "claude";
/// The longest line that is read, in bytes. Reading one takes several times its length, and a component has 64 MiB
/// unless the operator says otherwise. What is longer is a tool's result with large pictures in it.
const MAX_LINE: usize = 4 * 1024 * 1024;
/// How much of its standard error is kept, in bytes.
const MAX_STDERR: usize = 16 * 1024;
/// How long it may go on after its result, once its input is closed: it ends commands in the background.
const AFTER_RESULT: Duration = Duration::from_secs(10);
/// How long it may take to be gone when its output has ended.
const AFTER_OUTPUT: Duration = Duration::from_secs(2);
/// How long an interrupted run may take to say how it ended: it answers in a tenth of a second as a rule. The
/// host wants a stop to be over within a second.
const AFTER_INTERRUPT: Duration = Duration::from_millis(500);
/// How long it may take to end when it was told to terminate. After that the host kills it.
const AFTER_TERMINATE: Duration = Duration::from_millis(200);

/// Does the task.
pub(crate) async fn execute(task: Task, settings: Settings, context: Context) -> Result<Outcome> {
    let (session, start) = session(&context)?;
    let work = Work::of(task, settings, &context)?;
    work.arguments(&session, start)?;
    if start == Start::Fresh {
        // Before the program is there at all: whatever it does can be found again after a crash.
        context.checkpoint(session.as_str()).await?;
    }
    for attachment in &work.attachments {
        if matches!(attachment.source, AttachmentSource::File(_)) {
            let message =
                format!("the attachment {:?} is a file, which claude cannot see", attachment.name);
            context.emit(Event::warning("attachment", message)).await;
        }
    }
    let mut attempt = work.attempt(&context, session.clone(), start).await?;
    if let Some(other) = attempt.never_began(start) {
        let message = format!("{session}: {}", other.reason());
        context.emit(Event::warning("session", message)).await;
        attempt = work.attempt(&context, session, other).await?;
    }
    context.emit_all(attempt.transcript.summary()).await;
    attempt.outcome(&work, &context)
}

/// What there is to do.
struct Work {
    task: Task,
    settings: Settings,
    run: Run,
    findings: Vec<Finding>,
    attachments: Vec<Attachment>,
}

impl Work {
    fn of(task: Task, settings: Settings, context: &Context) -> Result<Self> {
        let run = run(&task, context)?;
        let (findings, attachments) = (context.findings(), context.attachments());
        Ok(Self { task, settings, run, findings, attachments })
    }

    fn arguments(&self, session: &SessionId, start: Start) -> Result<Vec<String>> {
        arguments(&self.settings, &self.run, session, start)
    }

    /// Runs `claude` once.
    async fn attempt(
        &self,
        context: &Context,
        session: SessionId,
        start: Start,
    ) -> Result<Attempt> {
        let args = self.arguments(&session, start)?;
        let prompt = prompt(&self.task, &self.findings, &self.attachments, start);
        let mut conversation = Conversation::begin(context, &args, session)?;
        let end = conversation.run(&prompt).await;
        let exit = conversation.finish(&end).await;
        let stderr = conversation.process.stderr_tail();
        let Conversation { transcript, session, .. } = conversation;
        Ok(Attempt { transcript, session, end, exit, stderr })
    }
}

/// A run of `claude` that is over.
struct Attempt {
    transcript: Transcript,
    session: SessionId,
    end: End,
    exit: Option<Exit>,
    stderr: String,
}

impl Attempt {
    /// The other way to start, when it ended before it began because of the session.
    fn never_began(&self, start: Start) -> Option<Start> {
        if self.transcript.began() || matches!(self.end, End::Because(_)) {
            return None;
        }
        let errors = self.transcript.result().map(|result| result.errors.join("\n"));
        start.instead(&format!("{}\n{}", errors.unwrap_or_default(), self.stderr))
    }

    fn outcome(self, work: &Work, context: &Context) -> Result<Outcome> {
        let evidence = Evidence {
            transcript: &self.transcript,
            session: &self.session,
            exit: self.exit,
            stderr: &self.stderr,
            wants_structured: work.run.output_schema.is_some(),
            has_workspace: context.workspace().is_some(),
            now: context.now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        };
        match self.end {
            End::ByItself => evidence.judge().map(Outcome::from),
            End::Because(reason) => Err(evidence.ended_by(reason)),
        }
    }
}

/// The session to work in: the one to resume, or this execution's own.
fn session(context: &Context) -> Result<(SessionId, Start)> {
    match context.resume() {
        None => Ok((SessionId::of_execution(&context.execution_id()), Start::Fresh)),
        Some(token) => match token.parse() {
            Ok(session) => Ok((session, Start::Resume)),
            Err(error) => {
                Err(Error::unsupported(format!("the checkpoint cannot be resumed: {error}")))
            }
        },
    }
}

fn run(task: &Task, context: &Context) -> Result<Run> {
    let json = |name: &str, text: Option<String>| {
        let parse = |text: String| {
            serde_json::from_str::<Value>(&text)
                .map_err(|error| Error::invalid_request(format!("{name} is not JSON: {error}")))
        };
        text.map(parse).transpose()
    };
    Ok(Run {
        model: context.model(),
        system_prompt: system_prompt(task, context.system_prompt().as_deref()),
        allowed_tools: context.allowed_tools(),
        disallowed_tools: context.disallowed_tools(),
        mcp_servers: json("the MCP configuration", context.mcp_servers())?,
        output_schema: json("the output schema", context.output_schema())?,
        limits: context.limits(),
    })
}

/// Why a conversation is over.
enum End {
    /// It closed its output.
    ByItself,
    /// We ended it: the host asked, or nothing more may be spent.
    Because(Error),
}

/// A program under way.
struct Conversation<'a> {
    context: &'a Context,
    process: Process,
    /// Closing it lets the program end, so it stays open until there is a result.
    stdin: Option<Stdin>,
    lines: Lines,
    session: SessionId,
    transcript: Transcript,
    questions: FuturesUnordered<LocalBoxFuture<'a, Answered>>,
    /// Requests whose answers are not wanted any more.
    withdrawn: BTreeSet<String>,
}

/// A permission request with what was answered.
struct Answered {
    request: PermissionRequest,
    asked: Asked,
    answers: Result<Vec<Answer>, Stopped>,
}

/// What happened next.
enum Next {
    Line(Result<Option<String>, ProcessError>),
    Answered(Answered),
}

impl<'a> Conversation<'a> {
    fn begin(context: &'a Context, args: &[String], session: SessionId) -> Result<Self> {
        let process = context.spawn(GRANT, args).map_err(not_launched)?;
        process.keep_stderr(MAX_STDERR)?;
        let stdin = Some(process.stdin()?);
        let lines = process.stdout()?.lines(MAX_LINE);
        Ok(Self {
            context,
            process,
            stdin,
            lines,
            session,
            transcript: Transcript::default(),
            questions: FuturesUnordered::new(),
            withdrawn: BTreeSet::new(),
        })
    }

    /// Gives it the task and follows it to its end.
    async fn run(&mut self, prompt: &str) -> End {
        let outcome = async {
            self.write(&user_message(prompt)).await?;
            while let Some(next) = self.next().await? {
                self.handle(next).await?;
            }
            Ok(())
        };
        match outcome.await {
            Ok(()) => End::ByItself,
            // It had finished before it was asked to stop, and only had not gone yet.
            Err(_) if self.transcript.result().is_some() => End::ByItself,
            Err(reason) => End::Because(reason),
        }
    }

    /// What happens next; `None` when its output has ended, or has gone on for too long after the result.
    async fn next(&mut self) -> Result<Option<Next>> {
        let after_result = self.transcript.result().is_some();
        let next = async {
            let line = self.lines.next();
            if self.questions.is_empty() {
                return Next::Line(line.await);
            }
            match select(Box::pin(line), self.questions.select_next_some()).await {
                Either::Left((line, _)) => Next::Line(line),
                Either::Right((answered, _)) => Next::Answered(answered),
            }
        };
        let next = if after_result {
            self.context.within(AFTER_RESULT, next).await
        } else {
            Some(next.await)
        };
        match next {
            None | Some(Next::Line(Ok(None))) => Ok(None),
            Some(Next::Line(Err(error @ (ProcessError::Stopped(_) | ProcessError::Io(_))))) => {
                Err(error.into())
            }
            Some(next) => Ok(Some(next)),
        }
    }

    async fn handle(&mut self, next: Next) -> Result<()> {
        match next {
            Next::Answered(answered) => self.reply(answered).await,
            Next::Line(Ok(Some(line))) => self.line(&Line::parse(&line)).await,
            Next::Line(_) => {
                let events = self.transcript.too_long();
                self.context.emit_all(events).await;
                Ok(())
            }
        }
    }

    async fn line(&mut self, line: &Line) -> Result<()> {
        let events = self.transcript.take(line);
        let metered = events.iter().any(|event| matches!(event, Event::Usage(_)));
        self.context.emit_all(events).await;
        match line {
            Line::Init(init) => self.began(init).await?,
            Line::Permission(request) => self.ask(request),
            Line::RequestCancelled(id) => drop(self.withdrawn.insert(id.clone())),
            Line::OtherRequest(id, subtype) => self.write(&unsupported(id, subtype)).await?,
            Line::Result(_) => self.stdin = None,
            _ => {}
        }
        if metered {
            self.context.spend(&self.transcript.usage()).await?;
        }
        Ok(())
    }

    /// It works in another session than it was told: that is the one to go on from.
    async fn began(&mut self, init: &Init) -> Result<()> {
        match init.session_id.parse::<SessionId>() {
            Ok(session) if session != self.session => {
                self.context.checkpoint(session.as_str()).await?;
                self.session = session;
            }
            _ => {}
        }
        Ok(())
    }

    fn ask(&mut self, request: &PermissionRequest) {
        let (context, request) = (self.context, request.clone());
        let asking = async move {
            let asked = Asked::of(&request);
            let answers = answers(context, &asked).await;
            Answered { request, asked, answers }
        };
        self.questions.push(asking.boxed_local());
    }

    async fn reply(&mut self, answered: Answered) -> Result<()> {
        let Answered { request, asked, answers } = answered;
        let answers = answers?;
        if self.withdrawn.remove(&request.request_id) {
            return Ok(());
        }
        self.write(&asked.reply(&request, answers)).await
    }

    /// Writes a line to it. That it does not read any more is no error: its output says why.
    async fn write(&mut self, line: &Value) -> Result<()> {
        let Some(stdin) = &mut self.stdin else { return Ok(()) };
        match stdin.write_line(&line.to_string()).await {
            Err(ProcessError::InputClosed) => {
                self.stdin = None;
                Ok(())
            }
            written => Ok(written?),
        }
    }

    /// Sees to it that it ends, and says how if that was seen.
    async fn finish(&mut self, end: &End) -> Option<Exit> {
        if self.context.stop_mode().is_some() || matches!(end, End::Because(_)) {
            // Waits have to work again.
            self.context.acknowledge_stop().await;
        }
        if let End::Because(_) = end {
            self.interrupt().await;
        }
        self.stdin = None;
        let grace = match end {
            End::ByItself => AFTER_OUTPUT,
            End::Because(_) => {
                // Nothing is lost when it cannot be told: it is killed next.
                let _ = self.process.signal(Signal::Terminate);
                AFTER_TERMINATE
            }
        };
        // Whatever is still there then dies when the process is dropped.
        self.context.within(grace, self.process.wait()).await?.ok()
    }

    /// Asks it to stop, and waits a little for it to say what was done and what it cost.
    async fn interrupt(&mut self) {
        let context = self.context;
        self.questions.clear();
        let last_words = async {
            self.write(&interrupt("cyrus-stop")).await?;
            while self.transcript.result().is_none() {
                let Ok(Some(line)) = self.lines.next().await else { break };
                let events = self.transcript.take(&Line::parse(&line));
                context.emit_all(events).await;
            }
            Ok::<(), Error>(())
        };
        // Late or broken, the answer makes no difference to what comes next.
        let _ = context.within(AFTER_INTERRUPT, last_words).await;
    }
}

/// Puts questions one after the other, and no more after a refusal.
async fn answers(context: &Context, asked: &Asked) -> Result<Vec<Answer>, Stopped> {
    let mut answers = Vec::new();
    for question in asked.questions() {
        let answer = context.ask(question).await?;
        let refused = matches!(answer, Answer::Deny(_));
        answers.push(answer);
        if refused {
            break;
        }
    }
    Ok(answers)
}

pub(crate) fn not_launched(error: ProcessError) -> Error {
    match error {
        ProcessError::NotFound(what) => {
            Error::unavailable(format!("{what}. Install Claude Code, 2.1.197 or newer"))
        }
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cyrus_sdk::contract::ErrorKind;

    #[test]
    fn a_program_that_is_not_there_says_what_to_install() {
        let error = not_launched(ProcessError::NotFound("there is no `claude` in PATH".to_owned()));
        assert_eq!(error.kind, ErrorKind::Unavailable);
        assert!(error.message.starts_with("there is no `claude` in PATH. Install"), "{error}");
        let denied = not_launched(ProcessError::Denied("add this line".to_owned()));
        assert_eq!((&denied.kind, denied.message.as_str()), (&ErrorKind::Denied, "add this line"));
    }
}
