//! Does a task: finds its session, launches `claude`, and says what came of it.

use crate::{
    args::{Run, arguments},
    conversation::{Conversation, End},
    events::Transcript,
    outcome::Evidence,
    prompt::{prompt, system_prompt},
    session::{SessionId, Start},
    settings::Settings,
};
use cyrus_sdk::{
    Context, Error, Result,
    contract::{Attachment, AttachmentSource, Event, Exit, Finding, Outcome, Task},
};
use serde_json::Value;
use std::time::UNIX_EPOCH;

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
