//! Turns lines into events.

use crate::{
    background::{Background, Phase},
    line::{Assistant, BackgroundTask, Block, Init, Limit, Line, Retry, RunResult, ToolOutput},
    meter::Meter,
    plan::Plan,
};
use cyrus_sdk::contract::{Denial, Event, Usage};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

/// The longest output of a tool that an event carries, in bytes.
const MAX_OUTPUT: usize = 16 * 1024;
/// The most reasons of failed tool calls that are kept, and how long one may be, in bytes.
const MAX_REASONS: usize = 256;
const MAX_REASON: usize = 1024;
/// The most files that are remembered as written, and how long the name of one may be, in bytes.
const MAX_FILES: usize = 30;
const MAX_PATH: usize = 200;
/// How much of the last text goes into an account of the work, in bytes.
const MAX_ACCOUNT: usize = 1024;
/// The most types of unknown lines that are told apart.
const MAX_UNKNOWN: usize = 16;

/// What was seen so far.
#[derive(Debug, Default)]
pub(crate) struct Transcript {
    meter: Meter,
    plan: Plan,
    /// Told already: Claude Code sends some notifications twice.
    told: BTreeSet<(String, String)>,
    /// Why tool calls failed, by call.
    reasons: BTreeMap<String, String>,
    /// Lines that were not understood, by what they were.
    strange: BTreeMap<String, u32>,
    last_text: String,
    last_retry: Option<Retry>,
    api_error: Option<String>,
    /// The last that was said in place of the model, when it did not speak.
    stand_in: Option<String>,
    limit: Option<Limit>,
    background: Background,
    files: BTreeSet<String>,
    writes_lost: bool,
    began: bool,
    worked: bool,
    /// How many lines the model and its tools have written, and how many of them before the last result.
    written: u64,
    written_before: u64,
    result: Option<RunResult>,
}

impl Transcript {
    /// The events of a line.
    pub(crate) fn take(&mut self, line: &Line) -> Vec<Event> {
        self.background.take(line);
        self.written += u64::from(matches!(line, Line::Assistant(_) | Line::User(_)));
        match line {
            Line::Init(init) => self.init(init),
            Line::Retry(retry) => {
                self.last_retry = Some(retry.clone());
                vec![Event::progress(describe_retry(retry), None)]
            }
            Line::Status(status) if status == "compacting" => {
                vec![Event::progress("compacting the conversation", None)]
            }
            Line::Task(task) => self.task(task),
            Line::Assistant(line) => self.assistant(line),
            Line::User(outputs) => outputs.iter().map(|output| self.output(output)).collect(),
            Line::Result(result) => self.ended(result),
            Line::Unknown(kind) => self.strange(format!("of the unknown type {kind:?}")),
            Line::NotJson => self.strange("that is no JSON object".to_owned()),
            Line::Limit(limit) => self.limit(limit),
            Line::WritesLost if !self.writes_lost => {
                self.writes_lost = true;
                let message =
                    "Claude Code could not save its session: a later attempt begins another";
                vec![Event::warning("session", message)]
            }
            Line::Status(_)
            | Line::Tasks(_)
            | Line::State(_)
            | Line::WritesLost
            | Line::Permission(_)
            | Line::OtherRequest(..)
            | Line::RequestCancelled(_)
            | Line::Reply(_)
            | Line::Silent => Vec::new(),
        }
    }

    /// The events of a line that was too long to read.
    pub(crate) fn too_long(&mut self) -> Vec<Event> {
        self.strange("that is too long to read".to_owned())
    }

    /// What was used so far.
    pub(crate) fn usage(&self) -> Usage {
        self.meter.usage()
    }

    /// The last text that was addressed to people.
    pub(crate) fn last_text(&self) -> &str {
        &self.last_text
    }

    /// The last request that had to be made again, if nothing has worked since.
    pub(crate) fn last_retry(&self) -> Option<&Retry> {
        self.last_retry.as_ref()
    }

    /// The word for the last request that failed for good.
    pub(crate) fn api_error(&self) -> Option<&str> {
        self.api_error.as_deref()
    }

    /// What was said in place of the model, if it did not speak last.
    pub(crate) fn stand_in(&self) -> Option<&str> {
        self.stand_in.as_deref()
    }

    /// How the account stands to the limit that turned the last request away, or else to the last that was named.
    pub(crate) fn rate_limit(&self) -> Option<&Limit> {
        self.limit.as_ref()
    }

    /// Where the run stands, between turns too.
    pub(crate) fn phase(&self) -> Phase {
        self.background.phase()
    }

    /// What goes on in the background, for people.
    pub(crate) fn in_background(&self) -> String {
        self.background.descriptions()
    }

    /// Whether what is saved of the session is not all of it.
    pub(crate) fn writes_lost(&self) -> bool {
        self.writes_lost
    }

    /// Whether the model answered at all.
    pub(crate) fn worked(&self) -> bool {
        self.worked
    }

    /// What was done, for whoever continues the work without the conversation.
    pub(crate) fn account(&self) -> String {
        let mut account = shortened(self.last_text.trim(), MAX_ACCOUNT);
        if !self.files.is_empty() {
            let files: Vec<&str> = self.files.iter().map(String::as_str).collect();
            let _ = write!(account, "\n\nFiles it wrote: {}", files.join(", "));
        }
        account.trim().to_owned()
    }

    /// Whether a session began at all.
    pub(crate) fn began(&self) -> bool {
        self.began
    }

    /// The last `result` line.
    pub(crate) fn result(&self) -> Option<&RunResult> {
        self.result.as_ref()
    }

    /// The tool calls that were not allowed, with the reason that Claude was given.
    pub(crate) fn denials(&self) -> Vec<Denial> {
        let denied = self.result.iter().flat_map(|result| &result.denials);
        let denials = denied.map(|denied| Denial {
            tool: denied.tool.clone(),
            input: denied.input.to_string(),
            reason: self.reasons.get(&denied.tool_use_id).cloned().unwrap_or_default(),
        });
        denials.collect()
    }

    /// How many lines were not understood, where any kind of them came more than once: the first of each was
    /// told when it came.
    pub(crate) fn summary(&self) -> Option<Event> {
        self.strange.values().any(|count| *count > 1).then(|| {
            let kinds = self.strange.iter().map(|(what, count)| format!("{count} {what}"));
            let kinds: Vec<String> = kinds.collect();
            unknown_line(format!("lines that were not understood: {}", kinds.join("; ")))
        })
    }

    fn init(&mut self, init: &Init) -> Vec<Event> {
        self.began = true;
        let Init { session_id, model, version, broken_servers } = init;
        let with = if model.is_empty() { String::new() } else { format!(" with {model}") };
        let began = format!("Claude Code {version}{with}, session {session_id}");
        let broken = broken_servers.iter().map(|(name, status)| {
            Event::warning(
                "mcp-server",
                format!("the MCP server {name:?} is not connected: {status}"),
            )
        });
        std::iter::once(Event::progress(began, None)).chain(broken).collect()
    }

    fn task(&mut self, task: &BackgroundTask) -> Vec<Event> {
        if !self.told.insert((task.id.clone(), task.state.clone())) {
            return Vec::new();
        }
        vec![Event::progress(format!("{}: {}", task.description, task.state), None)]
    }

    fn limit(&mut self, limit: &Limit) -> Vec<Event> {
        let news = limit.rejected && self.limit.as_ref().is_none_or(|before| !before.rejected);
        self.limit = Some(limit.clone());
        news.then(|| Event::progress(format!("the limit {:?} is reached", limit.kind), None))
            .into_iter()
            .collect()
    }

    fn assistant(&mut self, line: &Assistant) -> Vec<Event> {
        if !line.subagent {
            let texts = line.blocks.iter().filter_map(|block| match block {
                Block::Text(text) => Some(text.as_str()),
                _ => None,
            });
            let texts = texts.collect::<Vec<_>>().join("\n");
            self.stand_in = (line.synthetic || line.api_error.is_some()).then_some(texts);
        }
        if line.api_error.is_some() {
            // The result line says it again, and for people. What fails for a subagent, its caller deals with.
            if !line.subagent {
                self.api_error.clone_from(&line.api_error);
            }
            return Vec::new();
        }
        let mut events = Vec::new();
        for block in &line.blocks {
            self.block(block, line.subagent, &mut events);
        }
        if !line.synthetic {
            // The service answered: what went wrong before does not matter any more.
            self.last_retry = None;
            self.api_error = None;
            self.worked = true;
            if let Some(limit) = &mut self.limit {
                limit.rejected = false;
            }
        }
        if self.meter.assistant(line) {
            events.push(Event::Usage(self.meter.usage()));
        }
        events
    }

    fn block(&mut self, block: &Block, subagent: bool, events: &mut Vec<Event>) {
        match block {
            Block::Text(text) if text.trim().is_empty() => {}
            // A subagent speaks to the agent that called it, not to people.
            Block::Text(text) if subagent => events.push(Event::thought(text)),
            Block::Text(text) => {
                text.clone_into(&mut self.last_text);
                events.push(Event::message(text));
            }
            Block::Thinking(text) if text.trim().is_empty() => {}
            Block::Thinking(text) => events.push(Event::thought(text)),
            Block::ToolUse { id, name, input } => {
                events.push(Event::tool_use(id, name, input));
                self.file(name, input);
                if !subagent && self.plan.tool_use(id, name, input) {
                    events.push(Event::plan(self.plan.steps()));
                }
            }
        }
    }

    /// Takes note of a file that a tool writes.
    fn file(&mut self, tool: &str, input: &serde_json::Value) {
        let writes = matches!(tool, "Write" | "Edit" | "MultiEdit" | "NotebookEdit");
        let path = input.get("file_path").or_else(|| input.get("notebook_path"));
        if let Some(path) = path.and_then(serde_json::Value::as_str)
            && writes
            && self.files.len() < MAX_FILES
        {
            self.files.insert(shortened(path, MAX_PATH));
        }
    }

    fn output(&mut self, output: &ToolOutput) -> Event {
        self.plan.tool_output(output);
        if output.is_error && self.reasons.len() < MAX_REASONS {
            self.reasons.insert(output.tool_use_id.clone(), shortened(&output.text, MAX_REASON));
        }
        let text = shortened(&output.text, MAX_OUTPUT);
        Event::tool_result(&output.tool_use_id, output.is_error, text)
    }

    fn ended(&mut self, result: &RunResult) -> Vec<Event> {
        self.meter.result(result);
        let before = self.result.as_ref().filter(|before| is_success(before));
        if before.is_some() && self.written == self.written_before && !is_success(result) {
            // What follows a success without a turn of its own says nothing of the work.
            let said = result.errors.join("; ");
            let message = format!("after its result, claude failed at something else: {said}");
            return vec![
                Event::warning("failed-afterwards", message),
                Event::Usage(self.meter.usage()),
            ];
        }
        self.written_before = self.written;
        self.result = Some(result.clone());
        let denials = self.denials().into_iter().map(|denial| {
            let why = if denial.reason.is_empty() { "not allowed" } else { &denial.reason };
            Event::warning("permission-denied", format!("{} was denied: {why}", denial.tool))
        });
        denials.chain([Event::Usage(self.meter.usage())]).collect()
    }

    fn strange(&mut self, what: String) -> Vec<Event> {
        let what = if self.strange.len() < MAX_UNKNOWN || self.strange.contains_key(&what) {
            what
        } else {
            "of other unknown types".to_owned()
        };
        let count = self.strange.entry(what.clone()).or_default();
        *count = count.saturating_add(1);
        let first = *count == 1;
        first
            .then(|| unknown_line(format!("claude wrote a line {what}; it was passed over")))
            .into_iter()
            .collect()
    }
}

fn is_success(result: &RunResult) -> bool {
    result.subtype == "success" && !result.is_error
}

fn unknown_line(message: String) -> Event {
    Event::warning("unknown-line", message)
}

fn describe_retry(retry: &Retry) -> String {
    let Retry { attempt, max_retries, delay_ms, status, error } = retry;
    let status = status.map_or_else(|| "nothing".to_owned(), |status| status.to_string());
    let wait =
        delay_ms.map_or_else(String::new, |ms| format!(" in {}.{} s", ms / 1000, ms % 1000 / 100));
    format!(
        "the model's service answered {status} ({error}); trying again{wait} ({attempt} of {max_retries})"
    )
}

/// At most `limit` bytes of a text, and a word where it was cut.
fn shortened(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(limit);
    format!("{}\n[{} bytes more]", &text[..end], text.len() - end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;
    use cyrus_sdk::contract::{Cost, StepState};
    use serde_json::json;

    fn kinds(events: &[Event]) -> Vec<&'static str> {
        let kind = |event: &Event| match event {
            Event::Message(_) => "message",
            Event::Thought(_) => "thought",
            Event::ToolUse(_) => "tool-use",
            Event::ToolResult(_) => "tool-result",
            Event::Plan(_) => "plan",
            Event::Usage(_) => "usage",
            Event::Progress(_) => "progress",
            Event::Warning(_) => "warning",
            Event::Link(_) | Event::Other(_) => "other",
        };
        events.iter().map(kind).collect()
    }

    fn take(transcript: &mut Transcript, line: &serde_json::Value) -> Vec<Event> {
        transcript.take(&Line::parse(&line.to_string()))
    }

    #[test]
    fn a_turn_with_a_tool_reads_in_order() {
        let (transcript, events) = fixtures::transcript("write");
        assert_eq!(
            kinds(&events),
            [
                "progress",
                "message",
                "usage",
                "tool-use",
                "tool-result",
                "message",
                "usage",
                "usage"
            ]
        );
        let Event::ToolUse(call) = &events[3] else { panic!() };
        let Event::ToolResult(result) = &events[4] else { panic!() };
        assert_eq!((call.tool.as_str(), &call.id), ("Write", &result.id));
        assert_eq!(transcript.last_text(), "Done: final answer 2. ");
        assert_eq!(transcript.usage().cost, Cost::reported(0.0145));
        assert!(transcript.summary().is_none());
    }

    #[test]
    fn the_start_names_the_model_where_it_is_known() {
        for (model, expected) in
            [("opus", "Claude Code 2.1.1 with opus, "), ("", "Claude Code 2.1.1, ")]
        {
            let line = json!({"type": "system", "subtype": "init", "session_id": "s",
                "model": model, "claude_code_version": "2.1.1"});
            let events = take(&mut Transcript::default(), &line);
            let [Event::Progress(progress)] = &events[..] else { panic!("{events:?}") };
            assert!(progress.message.starts_with(expected), "{}", progress.message);
        }
    }

    #[test]
    fn a_denial_is_told_with_its_reason() {
        let (transcript, events) = fixtures::transcript("denied");
        let warnings: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                Event::Warning(warning) => Some(warning),
                _ => None,
            })
            .collect();
        assert_eq!(warnings.len(), 1);
        assert_eq!(warnings[0].code, "permission-denied");
        assert!(warnings[0].message.starts_with("Write was denied: "), "{}", warnings[0].message);
        let denials = transcript.denials();
        assert_eq!(denials[0].tool, "Write");
        assert!(denials[0].reason.contains("permission"), "{}", denials[0].reason);
        assert!(denials[0].input.contains("hello.txt"));
    }

    #[test]
    fn a_notification_that_comes_twice_is_told_once() {
        let (_, events) = fixtures::transcript("interrupted_tool");
        let told: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                Event::Progress(progress) => Some(progress.message.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(told[1..], ["sleep: started", "sleep: stopped"]);
    }

    #[test]
    fn retries_are_told_and_forgotten_once_it_works() {
        let mut transcript = Transcript::default();
        let retry = json!({"type": "system", "subtype": "api_retry", "attempt": 1, "max_retries": 2,
            "retry_delay_ms": 1185.3, "error_status": 429, "error": "rate_limit"});
        let events = take(&mut transcript, &retry);
        let Event::Progress(progress) = &events[0] else { panic!() };
        assert_eq!(
            progress.message,
            "the model's service answered 429 (rate_limit); trying again in 1.1 s (1 of 2)"
        );
        assert_eq!(transcript.last_retry().and_then(|retry| retry.delay_ms), Some(1_186));
        let answer = json!({"type": "assistant", "message": {"id": "m", "content": []}});
        take(&mut transcript, &answer);
        assert_eq!(transcript.last_retry(), None);
    }

    #[test]
    fn what_a_failed_request_says_is_no_message_of_the_agent() {
        let (transcript, events) = fixtures::transcript("api_529");
        assert!(!kinds(&events).contains(&"message"), "{events:?}");
        assert_eq!(transcript.api_error(), Some("server_error"));
        assert_eq!(transcript.last_retry().and_then(|retry| retry.status), Some(529));
    }

    #[test]
    fn a_subagent_does_not_speak_to_people() {
        let mut transcript = Transcript::default();
        let said = json!({"type": "assistant", "parent_tool_use_id": "toolu_1", "message":
            {"id": "m", "content": [{"type": "text", "text": "found it"}, {"type": "thinking", "thinking": "hm"}]}});
        assert_eq!(kinds(&take(&mut transcript, &said)), ["thought", "thought", "usage"]);
        assert_eq!(transcript.last_text(), "");
        assert_eq!(transcript.usage().turns, Some(0));
    }

    #[test]
    fn the_plan_is_an_event_of_its_own() {
        let mut transcript = Transcript::default();
        let call = json!({"type": "assistant", "message": {"id": "m", "content": [{"type": "tool_use",
            "id": "t", "name": "TodoWrite", "input": {"todos": [{"content": "Look", "status": "completed"}]}}]}});
        let events = take(&mut transcript, &call);
        assert_eq!(kinds(&events), ["tool-use", "plan", "usage"]);
        let Event::Plan(steps) = &events[1] else { panic!() };
        assert_eq!((steps[0].text.as_str(), steps[0].state), ("Look", StepState::Completed));
    }

    #[test]
    fn strange_lines_are_told_once_and_counted() {
        let mut transcript = Transcript::default();
        let mut told = 0;
        for _ in 0..50 {
            told += transcript.take(&Line::NotJson).len() + transcript.too_long().len();
        }
        for number in 0..1_000 {
            told += transcript.take(&Line::Unknown(format!("type-{number}"))).len();
        }
        assert_eq!(told, MAX_UNKNOWN + 1, "a flood of them is no flood of events");
        let Some(Event::Warning(summary)) = transcript.summary() else { panic!() };
        assert!(summary.message.contains("50 that is no JSON object"), "{}", summary.message);
        assert!(summary.message.contains("of other unknown types"), "{}", summary.message);
    }

    #[test]
    fn a_long_output_is_cut_where_a_character_ends() {
        let long = "é".repeat(MAX_OUTPUT);
        let mut transcript = Transcript::default();
        let line = json!({"type": "user", "message": {"content":
            [{"type": "tool_result", "tool_use_id": "t", "content": long}]}});
        let events = take(&mut transcript, &line);
        let Event::ToolResult(result) = &events[0] else { panic!() };
        assert!(result.output.ends_with(&format!("é\n[{MAX_OUTPUT} bytes more]")));
    }
}
