//! One run of the program: its session, and what reaches it from outside.

use std::collections::VecDeque;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::arguments::Arguments;
use super::bill::Bill;
use super::ending::{Account, unknown_session};
use super::inbox::{Event, Inbox};
use super::permission::Rules;
use super::printer::{Introduction, Printer, mcp_servers};
use super::script::{Script, Version};
use super::store::{History, Store};

/// How often the real program calls a failing model again, unless `CLAUDE_CODE_MAX_RETRIES` says.
const MAX_RETRIES: u64 = 10;

/// Why work was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The message is to end; the program says so in its result.
    Interrupted { by_signal: bool },
    /// The program ends at once, with this exit code and no result.
    Exit(u8),
}

/// The program at work.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) arguments: Arguments,
    pub(super) script: Script,
    pub(super) printer: Printer,
    pub(super) introduction: Introduction,
    pub(super) rules: Rules,
    pub(super) history: History,
    /// What the process has cost so far.
    pub(super) total: Bill,
    pub(super) inbox: Inbox,
    /// Messages that came while another was answered.
    queued: VecDeque<Value>,
    /// Standard input has ended.
    pub(super) input_ended: bool,
    /// The only prompt of a run without `--input-format stream-json` was taken.
    prompted: bool,
    id: String,
    /// Absent when sessions are not to be kept.
    store: Option<Store>,
    /// Questions asked so far: their ids are counted.
    pub(super) questions: u64,
}

impl Session {
    /// Opens the session that the arguments ask for. The error is for standard error; a session
    /// that cannot be resumed has its result line as well.
    pub(super) fn open(arguments: Arguments, script: Script) -> Result<Self, String> {
        let directory = std::env::current_dir()
            .map_err(|error| format!("Error: working directory: {error}"))?;
        let home = std::env::var_os("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from);
        let store = Store::new(&home, &directory);
        let (id, history) = identify(&arguments, &script, &store)?;
        let mode = arguments.permission_mode.clone().unwrap_or_else(|| "default".into());
        let introduction = Introduction {
            directory: directory.clone(),
            model: arguments.model.clone().unwrap_or_else(|| script.version.model().into()),
            permission_mode: mode.clone(),
            tools: Introduction::tools(arguments.tools.as_deref(), &arguments.disallowed_tools),
            mcp_servers: mcp_servers(&arguments.mcp_config)?,
            memory: store.project().join("memory"),
        };
        let inbox =
            Inbox::open(arguments.stream_input).map_err(|error| format!("Error: {error}"))?;
        Ok(Self {
            printer: Printer::new(script.version, arguments.output, id.clone()),
            rules: Rules { mode, allowed: arguments.allowed_tools.clone(), directory },
            store: Some(store).filter(|_| !arguments.forget_session),
            input_ended: !arguments.stream_input,
            total: Bill::default(),
            queued: VecDeque::new(),
            questions: 0,
            prompted: false,
            introduction,
            inbox,
            history,
            id,
            script,
            arguments,
        })
    }

    /// Answers every message, and gives the exit code.
    pub(super) async fn run(mut self) -> u8 {
        let mut last_failed = false;
        loop {
            let message = match self.next_message().await {
                Ok(Some(message)) => message,
                Ok(None) => return u8::from(last_failed),
                Err(code) => return code,
            };
            let mut account = Account::default();
            match self.answer(&message, &mut account).await {
                Ok((ending, by_signal)) => {
                    let model = &self.introduction.model;
                    let result = ending.result(&account, &self.total, model, self.script.version);
                    self.printer.result(result);
                    last_failed = ending.is_error();
                    if by_signal {
                        // The newer version returns 0 after SIGINT, whatever the result says.
                        return u8::from(self.script.version == Version::V197);
                    }
                }
                Err(code) => return code,
            }
        }
    }

    /// The next message to answer; none when there will be no more.
    async fn next_message(&mut self) -> Result<Option<Value>, u8> {
        if !self.arguments.stream_input {
            return if std::mem::replace(&mut self.prompted, true) {
                Ok(None)
            } else {
                self.only_prompt().map(Some)
            };
        }
        loop {
            if let Some(message) = self.queued.pop_front() {
                return Ok(Some(message["content"].clone()));
            }
            if self.input_ended {
                return Ok(None);
            }
            let event = self.inbox.next().await;
            match self.meanwhile(event) {
                Some(Stop::Exit(code)) => return Err(code),
                Some(Stop::Interrupted { by_signal: true }) => return Err(0),
                Some(Stop::Interrupted { by_signal: false }) | None => {}
            }
        }
    }

    /// The prompt among the arguments, or else all of standard input.
    fn only_prompt(&mut self) -> Result<Value, u8> {
        if let Some(prompt) = self.arguments.prompt.take() {
            return Ok(prompt.into());
        }
        match std::io::read_to_string(std::io::stdin()) {
            Ok(text) if !text.trim().is_empty() => Ok(text.trim_end().into()),
            _ => {
                eprintln!(
                    "Error: Input must be provided either through stdin or as a prompt argument when using --print"
                );
                Err(1)
            }
        }
    }

    /// Does some work, and meanwhile takes what comes from outside.
    pub(super) async fn until<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Stop> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                event = self.inbox.next() => {
                    if let Some(stop) = self.meanwhile(event) {
                        return Err(stop);
                    }
                }
                done = &mut work => return Ok(done),
            }
        }
    }

    /// Takes one thing from outside, and says whether it stops the work.
    pub(super) fn meanwhile(&mut self, event: Event) -> Option<Stop> {
        match event {
            Event::User(message) => self.queued.push_back(message),
            Event::ControlRequest(id, request) => return self.control(&id, &request),
            // An answer to a question that nobody waits for any more.
            Event::ControlResponse(_) => {}
            Event::End => self.input_ended = true,
            Event::Garbage(line) => {
                eprintln!("Error parsing streaming input line: {line}");
                return Some(Stop::Exit(1));
            }
            Event::Interrupt => return Some(Stop::Interrupted { by_signal: true }),
            Event::Terminate(code) => return Some(Stop::Exit(code)),
        }
        None
    }

    fn control(&mut self, id: &str, request: &Value) -> Option<Stop> {
        let mut response = json!({"subtype": "success", "request_id": id});
        let stop = match request["subtype"].as_str() {
            Some("interrupt") => {
                if self.script.version == Version::V330 {
                    response["response"] = json!({"still_queued": []});
                }
                Some(Stop::Interrupted { by_signal: false })
            }
            Some("initialize") => {
                response["response"] = json!({"commands": [], "output_style": "default"});
                None
            }
            Some("set_permission_mode") => {
                if let Some(mode) = request["mode"].as_str() {
                    mode.clone_into(&mut self.rules.mode);
                }
                None
            }
            other => {
                let error =
                    format!("Unsupported control request subtype: {}", other.unwrap_or_default());
                response = json!({"subtype": "error", "request_id": id, "error": error});
                None
            }
        };
        self.printer.control(&json!({"type": "control_response", "response": response}));
        stop
    }

    /// Writes down where the session is, so that a resume finds it even after a kill.
    pub(super) fn remember(&self) -> Result<(), Stop> {
        let Some(store) = &self.store else { return Ok(()) };
        store.save(&self.id, &self.history).map_err(|error| {
            eprintln!("Error: cannot keep the session: {error}");
            Stop::Exit(1)
        })
    }

    /// How often a failing model is called again.
    pub(super) fn max_retries() -> u64 {
        let set = std::env::var("CLAUDE_CODE_MAX_RETRIES").ok().and_then(|text| text.parse().ok());
        set.unwrap_or(MAX_RETRIES)
    }

    /// How long to wait before the model is called again.
    pub(super) fn retry_delay(&self, retry_after: Option<u64>) -> Duration {
        retry_after.map_or(Duration::from_millis(self.script.retry_delay_ms), Duration::from_secs)
    }
}

/// Finds or takes the session's id, and what it remembers.
fn identify(
    arguments: &Arguments,
    script: &Script,
    store: &Store,
) -> Result<(String, History), String> {
    let Some(resumed) = &arguments.resume else {
        return match (&arguments.session_id, arguments.forget_session) {
            (Some(id), true) => Ok((id.clone(), History::default())),
            (wanted, _) => Ok((store.claim(wanted.as_deref())?, History::default())),
        };
    };
    let Some(history) = store.load(resumed) else {
        Printer::new(script.version, arguments.output, resumed.clone())
            .result(unknown_session(resumed));
        return Err(format!("No conversation found with session ID: {resumed}"));
    };
    let id = if arguments.fork_session {
        store.claim(arguments.session_id.as_deref())?
    } else {
        resumed.clone()
    };
    Ok((id, history))
}
