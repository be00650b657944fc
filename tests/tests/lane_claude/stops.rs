use crate::{
    bench::{Bench, Claude, bash, done, write},
    process::Process,
};
use cyrus_simulate::{Conversation, RecordedRequest, Turn};
use cyrus_tests::{Held, Report, Signal, Started};
use serde_json::json;
use tempfile::TempDir;

/// A run of Claude Code that is in the middle of a command.
struct InACommand {
    bench: Bench,
    held: Held,
    /// Claude's own session.
    session: String,
    claude: Vec<Process>,
    _directory: TempDir,
}

/// A command that waits, beside one in a session of its own that listens to nobody.
fn command(held: &Held) -> String {
    const WAIT: &str = "python3 -c \"import time; time.sleep(600)\"";
    let deaf = format!("trap \"\" HUP INT TERM QUIT; echo >&9; {WAIT}");
    format!("exec 9>'{}'; setsid sh -c '{deaf}' & {WAIT}", held.path().display())
}

/// The session of Claude's that a question to its model belongs to.
fn session(question: &RecordedRequest) -> &str {
    question.header("x-claude-code-session-id").expect("Claude Code names its session")
}

impl InACommand {
    fn begin(claude: Claude) -> (Self, Started) {
        let directory = tempfile::tempdir().expect("a directory");
        let held = Held::make(directory.path());
        let at_first = vec![bash(&command(&held)), Turn::text("Nobody stopped me.")];
        let resumed = vec![write("hello.txt", "hello\n"), done()];
        let conversations = vec![
            Conversation { when: None, turns: at_first },
            Conversation { when: Some("You were interrupted.".to_owned()), turns: resumed },
        ];
        // What holds it is a file outside of its clone.
        let shared = json!({ "sandbox": { "readWrite": [held.path()] } });
        let bench = Bench::new(claude, conversations).config(shared);
        let run = bench.start(["run", "--json", "Say hello"]);
        held.wait();
        let session = session(&bench.questions()[0]).to_owned();
        let claude = Process::all_with(&session);
        assert!(!claude.is_empty(), "no process of session {session}");
        (Self { bench, held, session, claude, _directory: directory }, run)
    }

    /// Holds that nothing of it is left: neither the program, nor what its tools started.
    fn gone(&self) {
        self.held.wait_released();
        self.claude.iter().for_each(Process::wait_gone);
        assert!(Process::all_with(&self.session).is_empty(), "somebody began it anew");
    }

    /// Goes on with it, in the same session of Claude's.
    fn resume(&self, id: &str) -> Report {
        let before = self.bench.questions().len();
        let report = self.bench.run(["session", "resume", id, "--json"]).code(0).report();
        let report = report.outcome("validated");
        assert_eq!(self.bench.repo().file(report.branch(), "hello.txt"), "hello");
        let questions = self.bench.questions().split_off(before);
        assert!(questions.iter().all(|question| session(question) == self.session));
        // Of a call that was cut off by force the older version keeps nothing, but it knows that it had begun.
        let first = questions[0].json();
        let mut history = first["messages"].as_array().expect("messages").iter();
        assert!(history.any(|message| message["role"] == "assistant"), "it does not know its past");
        report
    }
}

pub(crate) fn an_interrupt_leaves_nothing_running_and_the_session_goes_on_later(claude: Claude) {
    let (work, run) = InACommand::begin(claude);
    run.signal(Signal::SIGINT);
    let report = run.end().code(130).report().outcome("paused");
    work.gone();
    assert_eq!(report.error()["kind"], "cancelled");
    assert_eq!(report.execution()["checkpoint"], work.session);
    assert_eq!(report.execution()["usage"]["inputTokens"], 1_200, "what it used is told");

    let resumed = work.resume(report.session());
    let executions = resumed["executions"].as_array().expect("executions");
    assert_eq!(executions.len(), 2, "{executions:#?}");
    let checkpoint = executions[1]["checkpoint"].as_str().unwrap_or_default();
    assert_eq!(checkpoint.lines().next(), Some(work.session.as_str()), "{checkpoint}");
}

pub(crate) fn killed_it_leaves_nothing_running_and_the_session_is_taken_up(claude: Claude) {
    let (work, mut run) = InACommand::begin(claude);
    let started = run.wait_for("session", |line| line["type"] == "session-started");
    run.signal(Signal::SIGKILL);
    work.gone();
    let resumed = work.resume(started["session"].as_str().expect("an id"));
    let cut_off = &resumed["executions"][0];
    assert_eq!(cut_off["error"]["kind"], "cancelled");
    assert_eq!(cut_off["checkpoint"], work.session);
}
