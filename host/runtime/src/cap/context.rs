//! `context`: what an execution is told, and what the host does for it durably.

use crate::{
    bindings::{context as wit, types},
    bound::CHECKPOINT_BYTES,
    cap::mcp,
    convert,
    held::{Charge, HELD_BYTES},
    run::{AnswerFuture, AskedQuestion, Run},
    state::{ATTACHMENTS_PATH, HasState, State, WORKSPACE_PATH},
};
use cyrus_executor::{
    Answer, AttachmentSource, ExecutionRequest, HostError, Question, SpendVerdict,
};
use cyrus_plugin::Digest;
use futures::FutureExt as _;
use std::{collections::hash_map::Entry, path::Path, sync::Arc, time::Duration};
use tokio::sync::oneshot;
use wasmtime::{
    Result,
    component::{Access, FutureReader, Resource},
    format_err,
};

/// Questions that one execution may put.
const QUESTIONS: usize = 1000;

/// The most that one question may be long, in bytes, all of its texts together.
const QUESTION_BYTES: usize = 256 * 1024;

/// The most that all questions of one execution are long together, in bytes: the host may keep them.
const ALL_QUESTION_BYTES: usize = 16 << 20;

/// What each choice takes besides its texts, in bytes.
const CHOICE_BYTES: usize = 64;

/// How long an answer may take where neither the question nor the execution has a limit.
const LONGEST_ANSWER: Duration = Duration::from_hours(24);

/// The host's side of `execution-context`.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Context {
    run: Arc<Run>,
    resume: Option<String>,
    /// Answered by dropping it: tells that the component has let go.
    _gone: oneshot::Sender<()>,
}

impl Context {
    pub(crate) fn new(run: Arc<Run>, resume: Option<String>, gone: oneshot::Sender<()>) -> Self {
        Self { run, resume, _gone: gone }
    }

    fn request(&self) -> Result<&ExecutionRequest> {
        self.run.request.as_ref().ok_or_else(|| format_err!("a context without an execution"))
    }
}

/// The directory that the attachments which are files lie in, when there are any. It is the host's own, one for
/// each issue, and holds nothing else.
pub(crate) fn attachments_directory(request: &ExecutionRequest) -> Option<&Path> {
    request.attachments.iter().find_map(|attachment| match &attachment.source {
        AttachmentSource::File(path) => path.parent(),
        AttachmentSource::Url(_) => None,
    })
}

impl State {
    fn context(&mut self, context: &Resource<Context>) -> Result<&Context> {
        Ok(self.table.get(context)?)
    }

    fn asked(&mut self, context: &Resource<Context>) -> Result<&ExecutionRequest> {
        self.context(context)?.request()
    }
}

impl wit::Host for State {}

impl wit::HostExecutionContext for State {
    fn execution_id(&mut self, context: Resource<Context>) -> Result<String> {
        Ok(self.asked(&context)?.execution_id.clone())
    }

    fn idempotency_key(&mut self, context: Resource<Context>) -> Result<String> {
        Ok(self.asked(&context)?.idempotency_key.clone())
    }

    fn attempt(&mut self, context: Resource<Context>) -> Result<u32> {
        Ok(self.asked(&context)?.attempt)
    }

    fn settings(&mut self, _context: Resource<Context>) -> Result<String> {
        Ok(self.run.executor.settings.clone())
    }

    fn repository(&mut self, context: Resource<Context>) -> Result<Option<wit::Repository>> {
        Ok(self.asked(&context)?.repository.as_ref().map(convert::repository))
    }

    fn workspace(&mut self, context: Resource<Context>) -> Result<Option<wit::Workspace>> {
        let policy = self.run.policy();
        let access = policy.as_ref().and_then(|policy| policy.workspace());
        let workspace = self.asked(&context)?.workspace.clone();
        // A component can live without, so it is not refused; if it fails of it, that is known.
        if let Some(denied) = policy.and_then(|policy| policy.workspace_denied())
            && workspace.is_some()
        {
            self.run.deny(denied);
        }
        Ok(workspace.zip(access).map(|(workspace, access)| wit::Workspace {
            path: WORKSPACE_PATH.to_owned(),
            process_path: workspace.for_programs().display().to_string(),
            access: match access {
                cyrus_executor::Access::ReadOnly => wit::Access::ReadOnly,
                cyrus_executor::Access::ReadWrite => wit::Access::ReadWrite,
            },
        }))
    }

    fn attachments(&mut self, context: Resource<Context>) -> Result<Vec<wit::Attachment>> {
        let request = self.asked(&context)?;
        let directory = attachments_directory(request);
        let shown = |path: &Path| {
            let within = path.strip_prefix(directory?).ok()?;
            Some(format!("{ATTACHMENTS_PATH}/{}", within.display()))
        };
        let attachments = request.attachments.iter().filter_map(|attachment| {
            let source = match &attachment.source {
                AttachmentSource::File(path) => wit::AttachmentSource::File(shown(path)?),
                AttachmentSource::Url(url) => wit::AttachmentSource::Url(url.clone()),
            };
            let (name, media_type) = (attachment.name.clone(), attachment.media_type.clone());
            Some(wit::Attachment { name, media_type, source })
        });
        Ok(attachments.collect())
    }

    fn model(&mut self, context: Resource<Context>) -> Result<Option<String>> {
        Ok(self.asked(&context)?.model.clone())
    }

    fn system_prompt(&mut self, context: Resource<Context>) -> Result<Option<String>> {
        Ok(self.asked(&context)?.system_prompt.clone())
    }

    fn allowed_tools(&mut self, context: Resource<Context>) -> Result<Option<Vec<String>>> {
        Ok(self.asked(&context)?.allowed_tools.clone())
    }

    fn disallowed_tools(&mut self, context: Resource<Context>) -> Result<Vec<String>> {
        Ok(self.asked(&context)?.disallowed_tools.clone())
    }

    fn mcp_servers(&mut self, context: Resource<Context>) -> Result<Option<String>> {
        let policy = self.run.policy();
        let servers = self.asked(&context)?.mcp_servers.as_ref();
        let shown = servers.zip(policy).and_then(|(servers, policy)| mcp::shown(servers, &policy));
        Ok(shown.map(|servers| servers.to_string()))
    }

    fn output_schema(&mut self, context: Resource<Context>) -> Result<Option<String>> {
        Ok(self.asked(&context)?.output_schema.as_ref().map(ToString::to_string))
    }

    fn limits(&mut self, context: Resource<Context>) -> Result<wit::Limits> {
        let deadline = self.run.time_left().map(convert::milliseconds);
        let limits = &self.asked(&context)?.limits;
        Ok(wit::Limits {
            deadline,
            max_cost: limits.max_cost.map(|cost| cost.0),
            max_turns: limits.max_turns,
        })
    }

    fn resume(&mut self, context: Resource<Context>) -> Result<Option<String>> {
        Ok(self.context(&context)?.resume.clone())
    }

    fn findings(&mut self, context: Resource<Context>) -> Result<Vec<wit::Finding>> {
        Ok(self.asked(&context)?.findings.iter().map(convert::finding).collect())
    }

    fn extension(&mut self, context: Resource<Context>, name: String) -> Result<Option<String>> {
        let extensions = &self.asked(&context)?.extensions;
        let found = extensions.iter().find(|(known, _)| *known == name);
        Ok(found.map(|(_, value)| value.to_string()))
    }

    fn drop(&mut self, context: Resource<Context>) -> Result<()> {
        self.table.delete(context)?;
        Ok(())
    }
}

type Durable<T> = std::result::Result<T, wit::HostError>;

impl<T: Send + 'static> wit::HostExecutionContextWithStore<T> for HasState {
    fn checkpoint(
        mut store: Access<'_, T, Self>,
        context: Resource<Context>,
        token: String,
    ) -> Result<FutureReader<Durable<()>>> {
        let run = Arc::clone(&store.get().context(&context)?.run);
        // Before anything is kept: a component need not read what it gets.
        let kept = accept_checkpoint(&run, token);
        let saved = async move {
            wasmtime::error::Ok(match kept {
                Ok(kept) => checkpoint(&run, kept).await,
                Err(problem) => Err(wit::HostError::Invalid(problem)),
            })
        };
        FutureReader::new(&mut store, saved)
    }

    fn spend(
        mut store: Access<'_, T, Self>,
        context: Resource<Context>,
        usage: types::Usage,
    ) -> Result<FutureReader<Durable<wit::SpendVerdict>>> {
        let run = Arc::clone(&store.get().context(&context)?.run);
        FutureReader::new(&mut store, async move { wasmtime::error::Ok(spend(&run, usage).await) })
    }

    fn ask(
        mut store: Access<'_, T, Self>,
        context: Resource<Context>,
        question: wit::Question,
    ) -> Result<FutureReader<wit::Answer>> {
        let run = Arc::clone(&store.get().context(&context)?.run);
        let kept = accept_question(&run, question);
        let answer = async move {
            wasmtime::error::Ok(match kept {
                Ok(kept) => ask(&run, kept).await,
                Err(problem) => wit::Answer::Deny(problem),
            })
        };
        FutureReader::new(&mut store, answer)
    }
}

/// Runs a durable write, when it is its turn, in a task of its own: a component that lets go of its future does not
/// undo it.
async fn durable<T: Send + 'static>(
    run: &Run,
    write: impl Future<Output = std::result::Result<T, HostError>> + Send + 'static,
) -> Durable<T> {
    let answered = async {
        run.pace.turn().await;
        match tokio::spawn(write).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(HostError::Stopped)) => Err(wit::HostError::Stopped),
            Ok(Err(HostError::Invalid(what))) => Err(wit::HostError::Invalid(what)),
            Ok(Err(HostError::Failed(why))) => Err(wit::HostError::Failed(why)),
            Err(_) => Err(wit::HostError::Failed("the host failed to write it".to_owned())),
        }
    };
    run.unless_stopped(answered, Err(wit::HostError::Stopped)).await
}

/// What a call was given, and what that is counted as until it is done.
struct Kept<T>(T, Charge);

impl<T> Kept<T> {
    fn charge(run: &Run, given: T, bytes: usize) -> std::result::Result<Self, String> {
        let charge = run.held.charge(bytes).ok_or_else(|| {
            format!("calls that are not done hold more than {} MiB", HELD_BYTES >> 20)
        })?;
        Ok(Self(given, charge))
    }
}

fn accept_checkpoint(run: &Run, token: String) -> std::result::Result<Kept<String>, String> {
    if token.len() > CHECKPOINT_BYTES {
        return Err(format!("a checkpoint is at most {CHECKPOINT_BYTES} bytes long"));
    }
    let bytes = token.len();
    Kept::charge(run, token, bytes)
}

fn accept_question(
    run: &Run,
    question: wit::Question,
) -> std::result::Result<Kept<wit::Question>, String> {
    let bytes = question_size(&question);
    if bytes > QUESTION_BYTES {
        // Cut it would be another question, and the answer to that one is no answer to this.
        return Err(format!("a question is at most {} KiB long", QUESTION_BYTES / 1024));
    }
    Kept::charge(run, question, bytes)
}

async fn checkpoint(run: &Arc<Run>, Kept(token, _charge): Kept<String>) -> Durable<()> {
    let token = run.redactor.text(token);
    let (write, noted) = (run.host.checkpoint(token.clone()), Arc::clone(run));
    let and_note = async move {
        write.await?;
        noted.notes().checkpoint = Some(token);
        Ok(())
    };
    durable(run, and_note).await
}

async fn spend(run: &Run, usage: types::Usage) -> Durable<wit::SpendVerdict> {
    let usage = run.counted(convert::usage(usage));
    run.notes().usage = Some(usage.clone());
    let verdict = durable(run, run.host.spend(usage)).await?;
    Ok(match verdict {
        SpendVerdict::GoOn => wit::SpendVerdict::GoOn,
        SpendVerdict::Stop => wit::SpendVerdict::Stop,
    })
}

async fn ask(run: &Arc<Run>, question: Kept<wit::Question>) -> wit::Answer {
    let allowed = run.policy().map(|policy| policy.ask());
    match allowed {
        Some(Ok(())) => {}
        Some(Err(denied)) => return wit::Answer::Deny(run.deny(denied)),
        None => return wit::Answer::Deny("nothing may be asked here".to_owned()),
    }
    if run.stopping.is_cancelled() {
        return wit::Answer::Cancelled;
    }
    let answer = match known_or_new(run, question) {
        Ok(answer) => answer,
        Err(problem) => return wit::Answer::Deny(problem),
    };
    convert::answer(run.unless_stopped(answer, Answer::Cancelled).await)
}

/// The answer to this question: the one that was given before to the very same question, or a new one.
///
/// What is remembered is remembered of an id *and* its content: an agent may choose ids, and must not have something
/// else allowed under one that was allowed.
fn known_or_new(
    run: &Arc<Run>,
    Kept(question, charge): Kept<wit::Question>,
) -> std::result::Result<AnswerFuture, String> {
    let id = Digest::of(question.id.as_bytes());
    let (content, bytes) = (content(&question), question_size(&question));
    let question = convert::question(question, &run.redactor);
    let mut notes = run.notes();
    let notes = &mut *notes;
    let (asked, all) = (notes.questions.len(), notes.question_bytes.saturating_add(bytes));
    match notes.questions.entry(id) {
        Entry::Occupied(known) if known.get().content == content => Ok(known.get().answer.clone()),
        Entry::Occupied(_) => Err(format!(
            "the question {:?} was put before with other content; every question needs an id of its own",
            question.id
        )),
        Entry::Vacant(_) if asked >= QUESTIONS => {
            Err(format!("an execution may put {QUESTIONS} questions"))
        }
        Entry::Vacant(_) if all > ALL_QUESTION_BYTES => Err(format!(
            "the questions of an execution are at most {} MiB long, all together",
            ALL_QUESTION_BYTES >> 20
        )),
        Entry::Vacant(free) => {
            let answer = put(run, question, charge);
            let answer = free.insert(AskedQuestion { content, answer }).answer.clone();
            notes.question_bytes = all;
            Ok(answer)
        }
    }
}

/// Everything that an answer depends on. Its time limit is not part of it.
fn content(question: &wit::Question) -> Digest {
    let wit::Question { id: _, kind, subject, input, choices, deadline: _ } = question;
    let kind = match kind {
        wit::QuestionKind::ToolPermission => "tool-permission",
        wit::QuestionKind::UserQuestion => "user-question",
    };
    let choices: Vec<_> = choices.iter().map(|choice| (&choice.id, &choice.label)).collect();
    // As JSON, in which no part can pass for another.
    Digest::of(serde_json::json!([kind, subject, input, choices]).to_string().as_bytes())
}

fn question_size(question: &wit::Question) -> usize {
    let wit::Question { id, kind: _, subject, input, choices, deadline: _ } = question;
    let choices: usize = choices.iter().map(|c| CHOICE_BYTES + c.id.len() + c.label.len()).sum();
    id.len() + subject.len() + input.len() + choices
}

fn put(run: &Run, question: Question, charge: Charge) -> AnswerFuture {
    let limits = [question.deadline, run.time_left(), Some(LONGEST_ANSWER)];
    let time = limits.into_iter().flatten().min().unwrap_or(LONGEST_ANSWER);
    let answer = run.host.ask(Question { deadline: Some(time), ..question });
    // In a task of its own, so that it is answered also when nobody polls.
    let answered = tokio::spawn(async move {
        let answer = tokio::time::timeout(time, answer).await;
        drop(charge);
        answer
    });
    async move {
        match answered.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Answer::Deny("nobody answered in time".to_owned()),
            Err(_) => Answer::Deny("the host could not put the question".to_owned()),
        }
    }
    .boxed()
    .shared()
}
