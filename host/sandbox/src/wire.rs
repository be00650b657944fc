//! What host and supervisor say to each other: a line of JSON each, over a socket pair. The end of the stream is a
//! message too. For the supervisor it means that the host is gone; for the host, that nothing is left.

use std::ffi::OsString;

use serde::{Deserialize, Serialize};

use crate::child::{Exit, Signal};
use crate::policy::Plan;
use crate::resources::{Exceeded, Resources};

/// The one order a supervisor gets, with the program's standard input, output and error beside it, and a socket over
/// which the listeners of its network are sent.
#[derive(Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) program: OsString,
    pub(crate) args: Vec<OsString>,
    pub(crate) env: Vec<(OsString, OsString)>,
    pub(crate) directory: OsString,
    /// Whether the program may gain privileges that its user does not have, by a set-user-id bit or otherwise.
    pub(crate) may_gain_privileges: bool,
    /// `None`: it keeps those of the host.
    pub(crate) limits: Option<Resources>,
    /// The sandbox, when it gets one.
    pub(crate) plan: Option<Plan>,
    /// Whether the sandbox is only tried: nothing is started.
    pub(crate) rehearsal: bool,
}

/// What the host asks for after the order.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Request {
    Signal(Signal),
}

/// What a supervisor tells.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Report {
    /// The system refused the containment, in words. Nothing runs; the supervisor ends.
    Refused(String),
    /// The containment stands, and the order is awaited by this process, as the host sees it.
    Ready { process: u32, fresh_proc: bool },
    /// The program did not start. The supervisor ends.
    Failed(Failure),
    /// The program runs, under this id as the supervisor sees it.
    Started { pid: i32, enforced: Option<Enforced> },
    /// It uses more than it may, and is being ended.
    Exceeded(Exceeded),
    /// The program ended so. What it started is being ended.
    Ended(Exit),
}

/// Which step of a start failed, and the system's error number.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Failure {
    Directory(i32),
    Exec(i32),
    /// Its limits, in words.
    Limits(String),
    /// The sandbox, in words.
    Sandbox(String),
}

/// What a supervisor enforces of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Enforced {
    /// Whether the program has a view of files and namespaces of its own.
    pub(crate) view: bool,
    /// The version of Landlock; 0 when there is none.
    pub(crate) landlock: i32,
    pub(crate) user: u32,
    pub(crate) isolated: bool,
    /// What the system did not give, in words for an operator.
    pub(crate) missing: Vec<String>,
}
