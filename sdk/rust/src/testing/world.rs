use super::{clock::Clock, program::Program, reply::Reply, run::Record};
use crate::{
    Workspace,
    contract::{
        Answer, Attachment, Finding, Limits, Question, Repository, StopMode, Usage,
        generated::cyrus::executor::context::SpendVerdict,
    },
    http::Request,
};
use futures::future::LocalBoxFuture;
use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

/// What the execution is told.
#[derive(Clone)]
pub(super) struct Facts {
    pub(super) execution_id: String,
    pub(super) idempotency_key: String,
    pub(super) attempt: u32,
    pub(super) settings: String,
    pub(super) repository: Option<Repository>,
    pub(super) workspace: Option<Workspace>,
    pub(super) attachments: Vec<Attachment>,
    pub(super) model: Option<String>,
    pub(super) system_prompt: Option<String>,
    pub(super) allowed_tools: Option<Vec<String>>,
    pub(super) disallowed_tools: Vec<String>,
    pub(super) mcp_servers: Option<String>,
    pub(super) output_schema: Option<String>,
    pub(super) limits: Limits,
    pub(super) resume: Option<String>,
    pub(super) findings: Vec<Finding>,
    pub(super) extensions: Vec<(String, String)>,
}

pub(super) type Service = Box<dyn FnMut(&Request) -> Reply>;
pub(super) type Launcher = Box<dyn FnMut(&[String]) -> Program>;
pub(super) type Answerer = Box<dyn FnMut(&Question) -> Answer>;
pub(super) type Ledger = Box<dyn FnMut(&Usage) -> SpendVerdict>;
pub(super) type StopRule = (StopMode, Box<dyn FnMut(&Record) -> bool>);

/// The scripted host that an execution sees.
pub(crate) struct World {
    pub(super) clock: Rc<Clock>,
    pub(super) facts: Facts,
    pub(super) service: RefCell<Service>,
    pub(super) programs: RefCell<BTreeMap<String, Launcher>>,
    pub(super) answerer: RefCell<Answerer>,
    pub(super) ledger: RefCell<Ledger>,
    pub(super) checkpoints_fail: Option<String>,
    pub(super) record: Rc<RefCell<Record>>,
    pub(super) new_tasks: RefCell<Vec<LocalBoxFuture<'static, ()>>>,
}
