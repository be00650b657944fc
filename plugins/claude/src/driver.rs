//! Does a task: finds its session, launches `claude`, and says what came of it.

use crate::{
    args::{Run, arguments},
    checkpoint::Checkpoint,
    conversation::{Conversation, End},
    events::Transcript,
    failures::Failures,
    outcome::Evidence,
    prompt::{Prompt, system_prompt},
    session::{SessionId, Start},
    settings::Settings,
};
use cyrus_sdk::{
    Context, Error, Result,
    contract::{Attachment, AttachmentSource, Event, Exit, Finding, Outcome, Task},
};
use jiff::tz::TimeZone;
use serde_json::Value;
use std::time::UNIX_EPOCH;

/// Does the task.
pub(crate) async fn execute(task: Task, settings: Settings, context: Context) -> Result<Outcome> {
    let begin = Begin::of(&context)?;
    let work = Work::of(task, settings, &context)?;
    work.arguments(&begin)?;
    if begin.start == Start::Fresh {
        // Before the program is there at all: whatever it does can be found again after a crash.
        context.checkpoint(begin.session.as_str()).await?;
    }
    for attachment in &work.attachments {
        if matches!(attachment.source, AttachmentSource::File(_)) {
            let message =
                format!("the attachment {:?} is a file, which claude cannot see", attachment.name);
            context.emit(Event::warning("attachment", message)).await;
        }
    }
    let mut attempt = work.attempt(&context, begin).await?;
    if let Some(other) = attempt.never_began() {
        let message = format!("{}: {}", attempt.session, other.reason());
        context.emit(Event::warning("session", message)).await;
        attempt = work.attempt(&context, attempt.begin.clone().instead(other)).await?;
    }
    if let Some(another) = attempt.in_another_session(&work, &context) {
        let message = format!(
            "the session {} cannot be continued: the work goes on in {}, which is told what was done",
            attempt.session, another.session
        );
        context.emit(Event::warning("session", message)).await;
        context.checkpoint(another.session.as_str()).await?;
        attempt = work.attempt(&context, another).await?;
    }
    context.emit_all(attempt.transcript.summary()).await;
    attempt.outcome(&work, &context)
}

/// In which session a run works, and how it begins.
#[derive(Clone, Debug)]
struct Begin {
    session: SessionId,
    start: Start,
    /// What an earlier session did that cannot be continued.
    earlier: Option<String>,
}

impl Begin {
    /// The session to continue, or this execution's own.
    fn of(context: &Context) -> Result<Self> {
        let own = SessionId::of_execution(&context.execution_id());
        let Some(token) = context.resume() else {
            return Ok(Self { session: own, start: Start::Fresh, earlier: None });
        };
        let checkpoint: Checkpoint = token.parse().map_err(|error| {
            Error::unsupported(format!("the checkpoint cannot be resumed: {error}"))
        })?;
        Ok(if checkpoint.broken {
            Self { session: own, start: Start::Fresh, earlier: Some(checkpoint.done) }
        } else {
            let earlier = Some(checkpoint.done).filter(|done| !done.is_empty());
            Self { session: checkpoint.session, start: Start::Resume, earlier }
        })
    }

    /// The same session, begun in the other way.
    fn instead(self, start: Start) -> Self {
        Self { start, ..self }
    }
}

/// What there is to do.
struct Work {
    task: Task,
    settings: Settings,
    run: Run,
    findings: Vec<Finding>,
    attachments: Vec<Attachment>,
    base: Option<String>,
    zone: Option<TimeZone>,
}

impl Work {
    fn of(task: Task, settings: Settings, context: &Context) -> Result<Self> {
        let run = run(&task, context)?;
        let (findings, attachments) = (context.findings(), context.attachments());
        let base = context.repository().map(|repository| repository.base_commit);
        let zone = settings.zone()?;
        Ok(Self { task, settings, run, findings, attachments, base, zone })
    }

    fn arguments(&self, begin: &Begin) -> Result<Vec<String>> {
        arguments(&self.settings, &self.run, &begin.session, begin.start)
    }

    /// Runs `claude` once.
    async fn attempt(&self, context: &Context, begin: Begin) -> Result<Attempt> {
        let args = self.arguments(&begin)?;
        let prompt = Prompt {
            task: &self.task,
            findings: &self.findings,
            attachments: &self.attachments,
            start: begin.start,
            // A session that is continued knows what it did.
            earlier: begin.earlier.as_deref().filter(|_| begin.start == Start::Fresh),
            base: self.base.as_deref(),
            instructions: self.run.instructions(),
        };
        let session = begin.session.clone();
        let commands = self.settings.background_wait();
        let mut conversation = Conversation::begin(context, &args, session, commands)?;
        let end = conversation.run(&prompt.text()).await;
        let (exit, cut) = match conversation.finish(&end).await {
            Some(Ok(exit)) => (Some(exit), None),
            Some(Err(error)) => (None, Some(error.to_string())),
            None => (None, None),
        };
        let stderr = conversation.process.stderr_tail();
        let Conversation { transcript, session, .. } = conversation;
        Ok(Attempt { begin, transcript, session, end, exit, cut, stderr })
    }
}

/// A run of `claude` that is over.
struct Attempt {
    begin: Begin,
    transcript: Transcript,
    session: SessionId,
    end: End,
    exit: Option<Exit>,
    /// Why the host ended it, or did not see how it ended.
    cut: Option<String>,
    stderr: String,
}

impl Attempt {
    /// The other way to start, when it ended before it began because of the session.
    fn never_began(&self) -> Option<Start> {
        if self.transcript.began() || matches!(self.end, End::Because(_)) {
            return None;
        }
        let errors = self.transcript.result().map(|result| result.errors.join("\n"));
        let complaints = format!("{}\n{}", errors.unwrap_or_default(), self.stderr);
        self.begin.start.instead(&complaints)
    }

    /// A session of this execution's own, when the one to continue cannot be and nothing was done in this run.
    fn in_another_session(&self, work: &Work, context: &Context) -> Option<Begin> {
        let own = SessionId::of_execution(&context.execution_id());
        let broken =
            matches!(self.end, End::ByItself) && self.evidence(work, context).is_session_broken();
        let idle = self.begin.start == Start::Resume && !self.transcript.worked();
        (broken && idle && own != self.session).then(|| Begin {
            session: own,
            start: Start::Fresh,
            earlier: Some(self.begin.earlier.clone().unwrap_or_default()),
        })
    }

    fn evidence<'a>(&'a self, work: &'a Work, context: &Context) -> Evidence<'a> {
        Evidence {
            transcript: &self.transcript,
            session: &self.session,
            exit: self.exit,
            cut: self.cut.as_deref(),
            stderr: &self.stderr,
            wants_structured: work.run.output_schema.is_some(),
            has_workspace: context.workspace().is_some(),
            now: context.now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            failures: Failures::with(&work.settings.failures),
            zone: work.zone.as_ref(),
            begins_session: self.begin.start == Start::Fresh,
        }
    }

    fn outcome(&self, work: &Work, context: &Context) -> Result<Outcome> {
        let evidence = self.evidence(work, context);
        match &self.end {
            End::ByItself => evidence.judge().map(Outcome::from),
            End::Because(reason) => Err(evidence.ended_by(reason.clone())),
        }
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
