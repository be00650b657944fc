use crate::{
    Error, Host, Result, Stopped, Workspace,
    contract::{
        Answer, Attachment, Event, Finding, Limits, Question, Repository, Usage,
        generated::cyrus::executor::context::SpendVerdict,
    },
    outbox::Outbox,
    platform::Execution,
};
use serde::{Serialize, de::DeserializeOwned};
use std::{ops::Deref, rc::Rc};

/// One execution, from its executor's side: what the host tells it, and does for it. It is also the [`Host`].
/// Cheap to clone.
///
/// It ends with the execution: what is left of it after [`Executor::execute`](crate::Executor::execute) has
/// returned must not be used.
#[derive(Clone)]
pub struct Context {
    host: Host,
    execution: Rc<Execution>,
    outbox: Rc<Outbox>,
}

impl Deref for Context {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}

impl Context {
    pub(crate) fn new(host: Host, execution: Rc<Execution>, outbox: Rc<Outbox>) -> Self {
        Self { host, execution, outbox }
    }

    /// The host alone, for what outlives a borrow of the context.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Unique, for ever.
    pub fn execution_id(&self) -> String {
        self.execution.execution_id()
    }

    /// The same for every try at the same effect. Pass it to whatever can tell a repeat from a second request.
    pub fn idempotency_key(&self) -> String {
        self.execution.idempotency_key()
    }

    /// 1 for the first try.
    pub fn attempt(&self) -> u32 {
        self.execution.attempt()
    }

    /// The repository the task is about.
    pub fn repository(&self) -> Option<Repository> {
        self.execution.repository()
    }

    /// The working tree. `None`: this execution has no files.
    pub fn workspace(&self) -> Option<Workspace> {
        self.execution.workspace()
    }

    /// What came with the issue.
    pub fn attachments(&self) -> Vec<Attachment> {
        self.execution.attachments()
    }

    /// The model. `None`: the executor's default.
    pub fn model(&self) -> Option<String> {
        self.execution.model()
    }

    /// To be added to the agent's own system prompt.
    pub fn system_prompt(&self) -> Option<String> {
        self.execution.system_prompt()
    }

    /// Tools that need no question, as the agent names them. `None`: its default.
    pub fn allowed_tools(&self) -> Option<Vec<String>> {
        self.execution.allowed_tools()
    }

    /// Tools that must not be used. Wins over [`Context::allowed_tools`].
    pub fn disallowed_tools(&self) -> Vec<String> {
        self.execution.disallowed_tools()
    }

    /// The names of MCP servers that may be used, as JSON `{"mcpServers": {"NAME": {}}}`: pass it to a program with the
    /// flag that the grant has for it.
    pub fn mcp_servers(&self) -> Option<String> {
        self.execution.mcp_servers()
    }

    /// The JSON Schema that the answer has to follow.
    pub fn output_schema(&self) -> Option<String> {
        self.execution.output_schema()
    }

    /// What the execution may use; the deadline counts in milliseconds from the call.
    pub fn limits(&self) -> Limits {
        self.execution.limits()
    }

    /// The last checkpoint, when this is not the beginning.
    pub fn resume(&self) -> Option<String> {
        self.execution.resume()
    }

    /// The last checkpoint, read as what [`Context::checkpoint_as`] wrote. One that does not read is
    /// `unsupported`: it is another plugin's, or another version's.
    pub fn resume_as<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        let read = |token: String| {
            serde_json::from_str(&token).map_err(|error| {
                Error::unsupported(format!("this executor did not write the checkpoint: {error}"))
            })
        };
        self.resume().map(read).transpose()
    }

    /// What validation found wrong with the last result. Empty at first.
    pub fn findings(&self) -> Vec<Finding> {
        self.execution.findings()
    }

    /// Anything else, by name, as JSON.
    pub fn extension(&self, name: &str) -> Option<String> {
        self.execution.extension(name)
    }

    /// Makes `token` the place to go on from, and returns once that would survive a crash: wait for it before an
    /// effect that must not happen twice. At most 64 KiB.
    pub async fn checkpoint(&self, token: &str) -> Result<()> {
        let saving = self.execution.checkpoint(token);
        Ok(self.until_stopped(saving).await??)
    }

    /// [`Context::checkpoint`] of `state` as JSON.
    pub async fn checkpoint_as(&self, state: &impl Serialize) -> Result<()> {
        let token = serde_json::to_string(state)
            .map_err(|error| Error::failed(format!("the checkpoint cannot be written: {error}")))?;
        self.checkpoint(&token).await
    }

    /// Tells what was used so far in this execution, durably. When that is all that may be spent, it fails with
    /// `budget-exceeded`, which is what the execution has to end with.
    pub async fn spend(&self, usage: &Usage) -> Result<()> {
        let telling = self.execution.spend(*usage);
        match self.until_stopped(telling).await?? {
            SpendVerdict::GoOn => Ok(()),
            SpendVerdict::Stop => {
                Err(Error::budget_exceeded("the limit on cost was reached").with_usage(*usage))
            }
        }
    }

    /// Puts a question: the host's policy answers first, then a person. At its deadline it is denied.
    pub async fn ask(&self, question: &Question) -> Result<Answer, Stopped> {
        match self.until_stopped(self.execution.ask(question)).await? {
            Answer::Cancelled => Err(Stopped),
            answer => Ok(answer),
        }
    }

    /// Tells the host what happened. Waits only when the host is far behind; what has gathered leaves as one
    /// batch when the executor next waits for anything.
    pub async fn emit(&self, event: Event) {
        self.outbox.put(event).await;
    }

    /// [`Context::emit`] for each of them.
    pub async fn emit_all(&self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            self.outbox.put(event).await;
        }
    }
}
