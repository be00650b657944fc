//! A talk with a `claude` that was launched, from the task to its end.

use crate::{
    background::Phase,
    events::Transcript,
    line::{Init, Line, PermissionRequest},
    permission::{Asked, interrupt, unsupported},
    prompt::user_message,
    session::SessionId,
};
use cyrus_sdk::{
    Context, Error, Lines, Process, ProcessError, Result, Stdin, Stopped,
    contract::{Answer, Event, Exit, Signal},
};
use futures::{
    FutureExt, StreamExt,
    future::{Either, LocalBoxFuture, select},
    stream::FuturesUnordered,
};
use serde_json::Value;
use std::{collections::BTreeSet, time::Duration};

/// The name under which the operator grants the program.
pub(crate) const GRANT: &str = "claude";
/// The longest line that is read, in bytes. Reading one takes several times its length, and a component has 64 MiB
/// unless the operator says otherwise. What is longer is a tool's result with large pictures in it.
const MAX_LINE: usize = 4 * 1024 * 1024;
/// How much of its standard error is kept, in bytes.
const MAX_STDERR: usize = 16 * 1024;
/// How long it may go on after its result, once its input is closed: it ends commands in the background.
const AFTER_RESULT: Duration = Duration::from_secs(10);
/// How long it may take to begin another turn, once what it waited for in the background has ended.
const AFTER_BACKGROUND: Duration = Duration::from_mins(1);
/// How long it may take to be gone when its output has ended.
const AFTER_OUTPUT: Duration = Duration::from_secs(2);
/// How long an interrupted run may take to say how it ended: it answers in a tenth of a second as a rule. The
/// host wants a stop to be over within a second.
const AFTER_INTERRUPT: Duration = Duration::from_millis(500);
/// How long it may take to end when it was told to terminate. After that the host kills it.
const AFTER_TERMINATE: Duration = Duration::from_millis(200);

/// Why a conversation is over.
pub(crate) enum End {
    /// It closed its output.
    ByItself,
    /// We ended it: the host asked, or nothing more may be spent.
    Because(Error),
}

/// A program under way.
pub(crate) struct Conversation<'a> {
    context: &'a Context,
    pub(crate) process: Process,
    /// Closing it lets the program end, so it stays open until there is a result.
    stdin: Option<Stdin>,
    lines: Lines,
    pub(crate) session: SessionId,
    pub(crate) transcript: Transcript,
    questions: FuturesUnordered<LocalBoxFuture<'a, Answered>>,
    /// Requests whose answers are not wanted any more.
    withdrawn: BTreeSet<String>,
    /// How long commands in the background are waited for.
    commands: Duration,
    /// Where it stood after the line before.
    phase: Phase,
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
    /// Launches it.
    pub(crate) fn begin(
        context: &'a Context,
        args: &[String],
        session: SessionId,
        commands: Duration,
    ) -> Result<Self> {
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
            commands,
            phase: Phase::Turn,
        })
    }

    /// Gives it the task and follows it to its end.
    pub(crate) async fn run(&mut self, prompt: &str) -> End {
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
            Err(_) if self.is_done() => End::ByItself,
            Err(reason) => End::Because(reason),
        }
    }

    fn is_done(&self) -> bool {
        self.transcript.result().is_some() && self.transcript.phase() == Phase::Done
    }

    /// How long the next line may take. A result is not the end while something goes on in the background.
    fn patience(&self) -> Option<Duration> {
        self.transcript.result()?;
        match self.transcript.phase() {
            _ if self.stdin.is_none() => Some(AFTER_RESULT),
            Phase::Turn | Phase::Agents => None,
            Phase::Commands => Some(self.commands),
            Phase::Settling => Some(AFTER_BACKGROUND),
            Phase::Done => Some(AFTER_RESULT),
        }
    }

    /// What happens next; `None` when its output has ended, or has gone on for too long after the result.
    async fn next(&mut self) -> Result<Option<Next>> {
        loop {
            let patience = self.patience();
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
            let next = match patience {
                Some(patience) => self.context.within(patience, next).await,
                None => Some(next.await),
            };
            return match next {
                // Without its input it ends what goes on in the background, and itself.
                None if self.stdin.take().is_some() => continue,
                None | Some(Next::Line(Ok(None))) => Ok(None),
                Some(Next::Line(Err(error @ (ProcessError::Stopped(_) | ProcessError::Io(_))))) => {
                    Err(error.into())
                }
                Some(next) => Ok(Some(next)),
            };
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
            _ => {}
        }
        self.follow_phase().await;
        if metered {
            self.context.spend(&self.transcript.usage()).await?;
        }
        Ok(())
    }

    /// Closes its input when it is done, and says once what is waited for when its turn is over and it is not done.
    async fn follow_phase(&mut self) {
        let before = std::mem::replace(&mut self.phase, self.transcript.phase());
        if self.is_done() {
            self.stdin = None;
        }
        let waits = matches!(self.phase, Phase::Agents | Phase::Commands);
        if waits && before == Phase::Turn {
            let what = self.transcript.in_background();
            let message = format!("waiting for what goes on in the background: {what}");
            self.context.emit(Event::progress(message, None)).await;
        }
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

    /// Sees to it that it ends, and says how if that was seen; else what the host says of it: a limit that it passed.
    pub(crate) async fn finish(&mut self, end: &End) -> Option<Result<Exit, ProcessError>> {
        if self.context.stop_mode().is_some() || matches!(end, End::Because(_)) {
            // Waits have to work again.
            self.context.acknowledge_stop().await;
        }
        if let End::Because(_) = end {
            self.interrupt().await;
        }
        self.stdin = None;
        let grace = match end {
            End::ByItself if self.context.stop_mode().is_none() => AFTER_OUTPUT,
            _ => {
                // Nothing is lost when it cannot be told: it is killed next.
                let _ = self.process.signal(Signal::Terminate);
                AFTER_TERMINATE
            }
        };
        // Whatever is still there then dies when the process is dropped.
        self.context.within(grace, self.process.wait()).await
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
