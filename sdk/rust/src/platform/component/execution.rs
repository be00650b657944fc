use crate::{
    Workspace,
    contract::{
        Answer, Attachment, Finding, Limits, Question, Repository, Usage,
        generated::cyrus::executor::context::{ExecutionContext, HostError, SpendVerdict},
    },
};
use std::{
    cell::{Ref, RefCell},
    future::{Future, IntoFuture},
};

/// The host's resource. It is given back before the outcome is told, because the host may leave the component
/// the moment it knows that.
pub(crate) struct Execution(RefCell<Option<ExecutionContext>>);

impl Execution {
    pub(crate) fn new(resource: ExecutionContext) -> Self {
        Self(RefCell::new(Some(resource)))
    }

    pub(crate) fn close(&self) {
        drop(self.0.take());
    }

    fn resource(&self) -> Ref<'_, ExecutionContext> {
        Ref::map(self.0.borrow(), |resource| {
            resource.as_ref().expect("a Context is not used after its execution has ended")
        })
    }

    pub(crate) fn workspace(&self) -> Option<Workspace> {
        self.resource().workspace().map(|workspace| Workspace {
            path: workspace.path.into(),
            process_path: workspace.process_path,
            access: workspace.access,
        })
    }

    pub(crate) fn extension(&self, name: &str) -> Option<String> {
        self.resource().extension(name)
    }

    pub(crate) fn checkpoint(
        &self,
        token: &str,
    ) -> impl Future<Output = Result<(), HostError>> + use<> {
        self.resource().checkpoint(token).into_future()
    }

    pub(crate) fn spend(
        &self,
        usage: Usage,
    ) -> impl Future<Output = Result<SpendVerdict, HostError>> + use<> {
        self.resource().spend(usage).into_future()
    }

    pub(crate) fn ask(&self, question: &Question) -> impl Future<Output = Answer> + use<> {
        self.resource().ask(question).into_future()
    }
}

macro_rules! getters {
    ($($name:ident: $type:ty,)*) => {
        impl Execution {
            $(pub(crate) fn $name(&self) -> $type {
                self.resource().$name()
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
