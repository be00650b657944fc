//! Answering one message: the model's turns and the tools between them.

use std::time::Duration;

use serde_json::{Value, json};

use super::attempts::Try;
use super::ending::{Account, Ending};
use super::inbox::Event;
use super::permission::{Answer, Rules, Verdict};
use super::script::Version;
use super::session::{Session, Stop};
use super::tools::{Bash, Files, Outcome};
use crate::conversation::{Prompt, ToolUse, Turn, next_turn};
use crate::message::Message;

/// What the model is told when a tool use is stopped.
const REJECTED: &str = "The user doesn't want to proceed with this tool use. The tool use was rejected (eg. if it was a \
    file edit, the new_string was NOT written to the file). STOP what you are doing and wait for the user to tell you \
    how to proceed.";

const NUDGE: &str = "[structured-output-enforce] You MUST call the StructuredOutput tool to complete this request. Call \
    this tool now.";

/// A message's end, and whether a signal brought it about; or the exit code of a program that ends without a result.
type Answered = Result<(Ending, bool), u8>;

/// What ends a message early.
#[derive(Debug)]
enum Early {
    Ending(Ending, bool),
    Exit(u8),
}

impl Session {
    /// Answers a message with this content.
    pub(super) async fn answer(&mut self, content: &Value, account: &mut Account) -> Answered {
        let text = match content {
            Value::String(text) => text.clone(),
            blocks => {
                let texts = blocks
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|block| block["text"].as_str());
                texts.collect::<Vec<_>>().join("\n")
            }
        };
        self.history.prompts.push(Prompt { text, answers_before: self.history.answers });
        self.printer.init(&self.introduction);
        if self.arguments.replay_user_messages {
            self.printer.user(content, json!({"isReplay": true}));
        }
        match self.turns(account).await {
            Ok(ending) => Ok((ending, false)),
            Err(Early::Ending(ending, by_signal)) => Ok((ending, by_signal)),
            Err(Early::Exit(code)) => Err(code),
        }
    }

    async fn turns(&mut self, account: &mut Account) -> Result<Ending, Early> {
        self.remember().map_err(early)?;
        let mut nudged = false;
        loop {
            let directory = self.rules.directory.to_string_lossy().into_owned();
            let turn =
                next_turn(&self.script.conversations, &self.history.prompts, self.history.answers);
            let turn = turn.placed_in(&directory);
            let answers = self.history.answers;
            self.call_model(&turn, account).await?;
            self.total.add(turn.usage);
            account.spent.add(turn.usage);
            account.calls += 1;
            self.say(&turn, answers);
            self.history.answers += 1;
            self.remember().map_err(early)?;
            if let Some(limit) = self.arguments.max_budget_usd.clone() {
                // The check comes after the call that went over, and before its tools.
                if limit
                    .parse()
                    .is_ok_and(|dollars: f64| self.total.usd(self.script.version) >= dollars)
                {
                    return Ok(Ending::MaxBudget(limit));
                }
            }
            account.bill.add(turn.usage);
            if turn.tools.is_empty() {
                if self.arguments.json_schema.is_some() && !nudged {
                    nudged = true;
                    self.tell(
                        account,
                        &json!([{"type": "text", "text": NUDGE}]),
                        json!({"isSynthetic": true}),
                    );
                    continue;
                }
                let stop_reason = turn.stop_reason().to_owned();
                return Ok(Ending::Done { text: turn.text.unwrap_or_default(), stop_reason });
            }
            if let Some(output) = self.use_tools(&turn, answers, account).await? {
                return Ok(Ending::Structured(output));
            }
            self.remember().map_err(early)?;
            if let Some(limit) = self.arguments.max_turns.filter(|limit| account.calls >= *limit) {
                return Ok(Ending::MaxTurns(limit));
            }
        }
    }

    /// Prints what the model says in a turn.
    fn say(&mut self, turn: &Turn, answers: usize) {
        let model = self.introduction.model.clone();
        let message = Message { model: &model, answers, turn };
        let envelope = message.envelope();
        let mut blocks = message.blocks().into_iter();
        if !self.arguments.partial_messages {
            return blocks.for_each(|block| self.printer.assistant(&envelope, &block));
        }
        self.printer.system("status", json!({"status": "requesting"}));
        for event in message.events().iter().filter(|event| event["type"] != "ping") {
            if event["type"] == "content_block_stop" {
                // The whole block goes before the end of its stream.
                blocks
                    .next()
                    .into_iter()
                    .for_each(|block| self.printer.assistant(&envelope, &block));
            }
            self.printer.stream_event(event);
        }
    }

    /// Prints a `user` line and counts it.
    fn tell(&mut self, account: &mut Account, content: &Value, more: Value) {
        account.user_lines += 1;
        self.printer.user(content, more);
    }

    /// Calls the model until it gives the turn, or cannot.
    async fn call_model(&mut self, turn: &Turn, account: &mut Account) -> Result<(), Early> {
        let retries = Self::max_retries();
        let text = turn.text.clone().unwrap_or_default();
        for attempt in 1.. {
            let trouble = match Try::of(turn.failure_of(attempt), text.len()) {
                Try::Given { pieces, pause_ms } => {
                    let time = Duration::from_millis(pieces.saturating_mul(pause_ms));
                    match self.until(tokio::time::sleep(time)).await {
                        Ok(()) => return Ok(()),
                        Err(stop) => return Err(self.cut_short(stop, "", turn, account)),
                    }
                }
                Try::Silent { after } => {
                    let said = text.get(..after).unwrap_or(&text);
                    match self.until(std::future::pending::<()>()).await {
                        Ok(()) => return Ok(()),
                        Err(stop) => return Err(self.cut_short(stop, said, turn, account)),
                    }
                }
                Try::Failed(trouble) => trouble,
            };
            if !trouble.passes() || attempt > retries {
                let (text, error, status) = trouble.last_words(retries);
                self.printer.synthetic(&text, error);
                return Err(Early::Ending(Ending::ApiError { text, status }, false));
            }
            let delay = self.retry_delay(trouble.retry_after);
            self.printer.system(
                "api_retry",
                json!({
                    "attempt": attempt,
                    "max_retries": retries,
                    "retry_delay_ms": u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
                    "error_status": trouble.status,
                    "error": trouble.error,
                }),
            );
            if let Err(stop) = self.until(tokio::time::sleep(delay)).await {
                return Err(self.cut_short(stop, "", turn, account));
            }
        }
        Ok(())
    }

    /// Ends a message while the model speaks, with what it has said so far.
    fn cut_short(&mut self, stop: Stop, said: &str, turn: &Turn, account: &mut Account) -> Early {
        let Stop::Interrupted { by_signal } = stop else { return early(stop) };
        if !said.is_empty() {
            let partial = Turn { text: Some(said.to_owned()), tools: Vec::new(), ..turn.clone() };
            self.say(&partial, self.history.answers);
        }
        self.tell(
            account,
            &json!([{"type": "text", "text": "[Request interrupted by user]"}]),
            json!({}),
        );
        Early::Ending(Ending::Interrupted { in_tools: false }, by_signal)
    }

    /// Uses the turn's tools. `Some` when one of them gave the structured output.
    async fn use_tools(
        &mut self,
        turn: &Turn,
        answers: usize,
        account: &mut Account,
    ) -> Result<Option<Value>, Early> {
        let mut output = None;
        for (index, tool) in turn.tools.iter().enumerate() {
            let id = Message { model: "", answers, turn }.tool_use_id(index);
            match self.use_tool(tool, &id, account).await {
                Ok(outcome) => {
                    if tool.name == "StructuredOutput" && outcome.is_error.is_none() {
                        output = Some(tool.input.clone());
                    }
                    let mut block = json!({"tool_use_id": id, "type": "tool_result", "content": outcome.content});
                    if let Some(is_error) = outcome.is_error {
                        block["is_error"] = is_error.into();
                    }
                    self.tell(account, &json!([block]), json!({"tool_use_result": outcome.detail}));
                }
                Err(Stop::Interrupted { by_signal }) => {
                    for rest in index..turn.tools.len() {
                        let id = Message { model: "", answers, turn }.tool_use_id(rest);
                        let block = json!({"type": "tool_result", "content": REJECTED, "is_error": true, "tool_use_id": id});
                        self.tell(
                            account,
                            &json!([block]),
                            json!({"tool_use_result": "User rejected tool use"}),
                        );
                    }
                    let text = "[Request interrupted by user for tool use]";
                    self.tell(account, &json!([{"type": "text", "text": text}]), json!({}));
                    return Err(Early::Ending(Ending::Interrupted { in_tools: true }, by_signal));
                }
                Err(stop) => return Err(early(stop)),
            }
        }
        Ok(output)
    }

    async fn use_tool(
        &mut self,
        tool: &ToolUse,
        id: &str,
        account: &mut Account,
    ) -> Result<Outcome, Stop> {
        let structured = tool.name == "StructuredOutput" && self.arguments.json_schema.is_some();
        if !structured && !self.introduction.tools.contains(&tool.name) {
            return Ok(Outcome::unknown(&tool.name));
        }
        let denied = json!({"tool_name": tool.name, "tool_use_id": id, "tool_input": tool.input});
        let input = match self.rules.judge(tool) {
            Verdict::Allowed => tool.input.clone(),
            Verdict::Ask if self.arguments.ask_over_stdio && self.rules.mode != "dontAsk" => {
                match self.ask(tool, id).await {
                    Ok(Answer::Allow(input)) => input,
                    Ok(Answer::Deny { message, interrupt }) => {
                        account.denials.push(denied);
                        if interrupt {
                            return Err(Stop::Interrupted { by_signal: false });
                        }
                        return Ok(Outcome::error(message));
                    }
                    Err(stop) => {
                        account.denials.push(denied);
                        return Err(stop);
                    }
                }
            }
            Verdict::Ask => {
                account.denials.push(denied);
                return Ok(Outcome::error(Rules::denial(tool)));
            }
        };
        let mut files =
            Files { directory: &self.rules.directory, known: &mut self.history.known_files };
        match tool.name.as_str() {
            "Write" => Ok(files.write(&input)),
            "Edit" => Ok(files.edit(&input)),
            "Read" => Ok(files.read(&input)),
            "Bash" => {
                files.note(input["command"].as_str().unwrap_or_default());
                self.bash(&input, id).await
            }
            "StructuredOutput" => {
                let said = "Structured output provided successfully";
                Ok(Outcome { content: said.into(), is_error: None, detail: said.into() })
            }
            name => Ok(Outcome::error(format!("The stand-in does not have the tool {name}"))),
        }
    }

    /// Asks the host over the control protocol, and waits as long as it takes.
    async fn ask(&mut self, tool: &ToolUse, id: &str) -> Result<Answer, Stop> {
        self.questions += 1;
        let request_id = format!("00000000-0000-4000-b000-{:012}", self.questions);
        let request = self.rules.question(tool, id);
        self.printer.control(
            &json!({"type": "control_request", "request_id": request_id, "request": request}),
        );
        loop {
            if self.input_ended {
                let message =
                    "AbortError: Tool permission stream closed before response received".to_owned();
                return Ok(Answer::Deny { message, interrupt: false });
            }
            match self.inbox.next().await {
                Event::ControlResponse(response)
                    if response["request_id"] == request_id.as_str() =>
                {
                    return Ok(Answer::read(&response, &tool.input));
                }
                event => {
                    if interrupts(&event) {
                        let cancel =
                            json!({"type": "control_cancel_request", "request_id": request_id});
                        self.printer.control(&cancel);
                    }
                    if let Some(stop) = self.meanwhile(event) {
                        return Err(stop);
                    }
                }
            }
        }
    }

    /// Runs a command. A long one is announced, and one that is stopped is gone when this returns.
    async fn bash(&mut self, input: &Value, id: &str) -> Result<Outcome, Stop> {
        let bash = match Bash::start(input, &self.rules.directory).await {
            Ok(bash) => bash,
            Err(outcome) => return Ok(outcome),
        };
        let handle = bash.handle();
        let task = json!({"task_id": format!("b{id}"), "tool_use_id": id});
        let mut work = Box::pin(bash.outcome());
        let announce = Duration::from_millis(self.script.task_after_ms);
        let quick = self.until(tokio::time::timeout(announce, &mut work)).await;
        let ended = match quick {
            Ok(Ok(outcome)) => return Ok(outcome),
            Ok(Err(_)) => {
                let mut started = task.clone();
                started["description"] = input["description"].clone();
                started["task_type"] = "local_bash".into();
                self.printer.system("task_started", started);
                self.until(work).await
            }
            Err(stop) => Err(stop),
        };
        match ended {
            Ok(outcome) => Ok(outcome),
            Err(stop) => {
                handle.kill();
                // However its end is reported, it is over.
                let _ = handle.wait().await;
                if matches!(stop, Stop::Interrupted { .. }) {
                    let mut stopped = task;
                    stopped["status"] = "stopped".into();
                    stopped["output_file"] = "".into();
                    stopped["summary"] = input["description"].clone();
                    // The older version says it twice.
                    if self.script.version == Version::V197 {
                        self.printer.system("task_notification", stopped.clone());
                    }
                    self.printer.system("task_notification", stopped);
                }
                Err(stop)
            }
        }
    }
}

fn interrupts(event: &Event) -> bool {
    match event {
        Event::Interrupt => true,
        Event::ControlRequest(_, request) => request["subtype"] == "interrupt",
        _ => false,
    }
}

fn early(stop: Stop) -> Early {
    match stop {
        Stop::Exit(code) => Early::Exit(code),
        Stop::Interrupted { by_signal } => {
            Early::Ending(Ending::Interrupted { in_tools: false }, by_signal)
        }
    }
}
