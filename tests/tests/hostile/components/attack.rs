//! An attack by a component, run in this process.

use super::{
    HOSTILE,
    harness::{PATIENCE, Setup, Tested, request},
};
use crate::case::Case;
use cyrus_executor::{
    Answer, ErrorKind, Event, Execution, ExecutionError, ExecutionHost, ExecutionRequest,
    HostError, HostVerdict, Outcome, Question, SpendVerdict, StopMode, StopResult, Usage,
    Workspace,
};
use futures::future::{BoxFuture, FutureExt as _, ready};
use std::{
    fmt::Write as _,
    fs,
    future::Future,
    path::Path,
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// What stops an attack.
#[derive(Clone, Debug)]
pub(crate) enum Stop {
    /// A limit of the host ends the execution: one of these.
    Limit(&'static [&'static str]),
    /// The component traps, for this reason.
    Trap(&'static str),
    /// Policy denies it; the message has this in it.
    Denied(&'static str),
    /// What the component asked for is refused, and it fails with this in its message.
    Refused(&'static str),
    /// What it asked for is refused: this is in what it holds at its end.
    Holds(&'static str),
    /// What it asked for is refused with one of the errors of a file system.
    FileError,
    /// The host does not act on it: it ends as if nothing had happened.
    Ignored,
    /// The deadline ends it.
    Deadline,
    /// It is told to stop, does not, and is dropped.
    Killed,
    /// It is told to stop, and no longer runs.
    Stopped,
}

/// A host that allows and remembers everything: what is stopped is not stopped by it.
#[derive(Default)]
pub(crate) struct Willing {
    pub(crate) tokens: Mutex<Vec<String>>,
    pub(crate) used: Mutex<Vec<Usage>>,
    pub(crate) questions: Mutex<Vec<Question>>,
}

impl ExecutionHost for Willing {
    fn checkpoint(&self, token: String) -> BoxFuture<'static, Result<(), HostError>> {
        self.tokens.lock().unwrap().push(token);
        ready(Ok(())).boxed()
    }

    fn spend(&self, usage: Usage) -> BoxFuture<'static, Result<SpendVerdict, HostError>> {
        self.used.lock().unwrap().push(usage);
        ready(Ok(SpendVerdict::GoOn)).boxed()
    }

    fn ask(&self, question: Question) -> BoxFuture<'static, Answer> {
        self.questions.lock().unwrap().push(question);
        ready(Answer::Allow).boxed()
    }
}

/// What came of an attack.
pub(crate) struct Outcomes {
    pub(crate) outcome: Result<Outcome, ExecutionError>,
    pub(crate) events: Vec<Event>,
    pub(crate) host: Arc<Willing>,
    pub(crate) tested: Tested,
    /// The directory of the workspace, with what is in it and beside it.
    pub(crate) directory: TempDir,
}

/// Looks at what is left, after the attack was stopped as it has to be.
pub(crate) type Check = fn(&Outcomes);

/// An attack by the hostile component.
pub(crate) struct Attack {
    group: &'static str,
    name: String,
    prompt: String,
    stop: Stop,
    grants: String,
    limits: String,
    deadline: Option<Duration>,
    check: Option<Check>,
}

/// The runtime that all attacks of this process share.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(2).enable_all().build().expect("a runtime")
    });
    &RUNTIME
}

/// A case that is tried with the runtime.
pub(crate) fn case<F: Future<Output = ()> + 'static>(
    group: &'static str,
    name: impl Into<String>,
    stopped_by: impl Into<String>,
    attack: impl FnOnce() -> F + Send + 'static,
) -> Case {
    Case::new("components", group, name, stopped_by, move || runtime().block_on(attack()))
}

/// The hostile component with a manifest that requests everything.
pub(crate) fn setup() -> Setup {
    Setup::new().component(HOSTILE)
}

/// A workspace for an attack, with a secret beside it and links that lead there.
pub(crate) fn workspace(directory: &Path) -> Workspace {
    let root = directory.join("tree");
    fs::create_dir_all(root.join("dir")).unwrap();
    fs::create_dir_all(root.join(".git/hooks")).unwrap();
    fs::write(root.join(".git/config"), "[core]\n\tbare = false\n").unwrap();
    fs::write(root.join("file"), "inside").unwrap();
    fs::write(directory.join("secret"), "TOP SECRET").unwrap();
    let link = |target: &Path, name: &str| {
        std::os::unix::fs::symlink(target, root.join(name)).unwrap();
    };
    link(&directory.join("secret"), "absolute");
    link(Path::new("../secret"), "relative");
    link(Path::new(".."), "above");
    link(Path::new("/proc/self/environ"), "environment");
    link(Path::new("loop"), "loop");
    Workspace::new(root, directory.join("home"), directory.join("record"))
}

impl Attack {
    pub(crate) fn new(group: &'static str, name: &str, prompt: &str, stop: Stop) -> Self {
        Self {
            group,
            name: name.to_owned(),
            prompt: prompt.to_owned(),
            stop,
            grants: "{}".to_owned(),
            limits: r#"{"stopGraceSeconds": 0}"#.to_owned(),
            deadline: None,
            check: None,
        }
    }

    pub(crate) fn grants(mut self, json: &str) -> Self {
        json.clone_into(&mut self.grants);
        self
    }

    pub(crate) fn limits(mut self, json: &str) -> Self {
        json.clone_into(&mut self.limits);
        self
    }

    pub(crate) fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    pub(crate) fn check(mut self, check: Check) -> Self {
        self.check = Some(check);
        self
    }

    pub(crate) fn case(self) -> Case {
        let (group, name) = (self.group, self.name.clone());
        let stopped_by = format!("{:?}", self.stop);
        case(group, name, stopped_by, move || self.run())
    }

    async fn run(self) {
        let tested = setup().grants(&self.grants).limits(&self.limits);
        let tested = tested.build().await;
        let directory = tempfile::tempdir().unwrap();
        let mut request = request(&self.prompt);
        request.workspace = Some(workspace(directory.path()));
        request.limits.deadline = self.deadline;
        let host = Arc::new(Willing::default());
        let stops =
            matches!(self.stop, Stop::Killed | Stop::Stopped) || self.prompt.starts_with("on-stop");
        let (outcome, events) = drive(&tested, request, Arc::clone(&host), stops).await;
        let found = Outcomes { outcome, events, host, tested, directory };
        self.stop.check(&found);
        if let Some(check) = self.check {
            check(&found);
        }
        still_works(&found.tested).await;
    }
}

/// A text as nothing on the way out recognises it.
pub(crate) fn hex(text: &str) -> String {
    text.bytes().fold(String::new(), |mut all, byte| {
        let _written = write!(all, "{byte:02x}");
        all
    })
}

/// The most events of an attack that are kept.
const KEPT: usize = 10_000;

/// Runs an execution to its end, with a reader that takes what comes; stops it once it is under way, if it is to
/// be stopped.
async fn drive(
    tested: &Tested,
    request: ExecutionRequest,
    host: Arc<Willing>,
    stops: bool,
) -> (Result<Outcome, ExecutionError>, Vec<Event>) {
    let execution = tested.begin_with(request, host).await;
    let Execution { outcome, events: mut stream, handle } = execution;
    let (begin, begins) = tokio::sync::oneshot::channel();
    let control = handle.clone();
    let read = async move {
        let (mut events, mut begin) = (Vec::new(), Some(begin));
        while let Some(batch) = stream.recv_batch().await {
            if let Some(begin) = begin.take() {
                let _nobody_stops = begin.send(());
            }
            events.extend(batch.into_iter().take(KEPT.saturating_sub(events.len())));
        }
        events
    };
    let stop = async move {
        // One that never sends an event is stopped all the same.
        let _sent = tokio::time::timeout(Duration::from_millis(200), begins).await;
        if stops {
            let stopped = control.stop(StopMode::Cancel).await;
            assert_ne!(stopped, StopResult::StillRunningRemotely);
        }
    };
    let all = async { tokio::join!(outcome, read, stop) };
    let (outcome, events, ()) = tokio::time::timeout(PATIENCE, all).await.expect("it ends");
    assert!(!handle.is_running(), "it is still running");
    (outcome, events)
}

/// Another execution of the same plugin works.
pub(crate) async fn still_works(tested: &Tested) {
    assert_eq!(tested.summary("echo fine").await, "fine", "the host no longer works");
}

impl Outcomes {
    pub(crate) fn summary(&self) -> &str {
        match &self.outcome {
            Ok(Outcome::Completed(result)) => &result.summary,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn error(&self) -> &ExecutionError {
        self.outcome.as_ref().expect_err("it is stopped")
    }
}

impl Stop {
    fn check(&self, outcomes: &Outcomes) {
        match self {
            Self::Limit(limits) => match outcomes.error().host.as_deref() {
                Some(HostVerdict::Limit { which, .. }) if limits.contains(&which.as_str()) => {}
                _ => panic!("{}", outcomes.error()),
            },
            Self::Trap(reason) => {
                let error = outcomes.error();
                let trap = matches!(error.host.as_deref(), Some(HostVerdict::Trap { .. }));
                assert!(trap && error.message.contains(reason), "{error}");
            }
            Self::Denied(part) => {
                let error = outcomes.error();
                assert_eq!(error.kind, ErrorKind::Denied, "{error}");
                assert!(error.message.contains(part), "{error}");
            }
            Self::Refused(part) => {
                let error = outcomes.error();
                assert!(error.message.contains(part), "{error}");
            }
            Self::Holds(part) => {
                let summary = outcomes.summary();
                assert!(summary.contains(part), "{summary}");
            }
            Self::FileError => {
                let summary = outcomes.summary();
                assert!(summary.starts_with("error: "), "{summary}");
            }
            Self::Ignored => assert!(outcomes.outcome.is_ok(), "{}", outcomes.error()),
            Self::Deadline => {
                let error = outcomes.error();
                assert_eq!(error.host.as_deref(), Some(&HostVerdict::Deadline), "{error}");
            }
            Self::Killed => {
                let error = outcomes.error();
                assert_eq!(error.host.as_deref(), Some(&HostVerdict::Killed), "{error}");
            }
            Self::Stopped => {
                let error = outcomes.error();
                assert_eq!(error.kind, ErrorKind::Cancelled, "{error}");
            }
        }
    }
}
