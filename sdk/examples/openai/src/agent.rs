use crate::{
    Settings,
    api::{Call, Response, classify},
    tools::{Tool, resolve},
};
use cyrus_sdk::{
    Context, Error, Result, Workspace,
    contract::{Answer, Cost, Denial, Event, ExecutionResult, Question, Task, Usage},
    http::HttpClient,
};
use serde_json::{Value, json};
use std::time::Duration;

/// How long the model may think.
const PATIENCE: Duration = Duration::from_mins(10);

/// One execution: what the model is told, does, and has used.
pub(crate) struct Agent {
    settings: Settings,
    context: Context,
    api: HttpClient,
    workspace: Option<Workspace>,
    tools: Vec<Tool>,
    usage: Usage,
    denials: Vec<Denial>,
    /// The last answer, which is where a later execution goes on.
    last: Option<String>,
}

impl Agent {
    pub(crate) fn new(settings: Settings, context: Context) -> Self {
        let api = context.http(&settings.base_url).timeout(PATIENCE);
        let workspace = context.workspace();
        let disallowed = context.disallowed_tools();
        let tools = workspace.as_ref().map(|w| Tool::offered(w.access, &disallowed));
        Self {
            settings,
            api,
            workspace,
            tools: tools.unwrap_or_default(),
            usage: Usage::default(),
            denials: Vec::new(),
            last: None,
            context,
        }
    }

    /// The error with what is known about the execution that ends with it.
    pub(crate) fn ended(&self, error: Error) -> Error {
        let error = error.with_usage(self.usage);
        match &self.last {
            Some(id) => error.with_checkpoint(id),
            None => error,
        }
    }

    pub(crate) async fn run(&mut self, task: &Task) -> Result<ExecutionResult> {
        let mut input = self.beginning(task).await?;
        loop {
            if self.context.limits().max_turns.is_some_and(|max| self.usage.turns >= Some(max)) {
                return Err(Error::turn_limit("the model has had all the turns it may have"));
            }
            let response = self.respond(&input).await?;
            let calls = response.calls();
            if calls.is_empty() {
                return self.result(&response);
            }
            input = self.call(&calls).await?;
        }
    }

    /// What to tell the model first. When the last execution broke off between an answer and its tools, the calls
    /// are still to be made: the service has the answer, so the checkpoint need not.
    async fn beginning(&mut self, task: &Task) -> Result<Value> {
        let prompt = json!([{"role": "user", "content": prompt(task, &self.context)}]);
        let Some(id) = self.context.resume() else { return Ok(prompt) };
        let fetch = self.api.get(&format!("/responses/{id}")).fetch::<Response>().await;
        let response = fetch.map_err(classify)?;
        self.last = Some(response.id.clone());
        match response.calls() {
            calls if calls.is_empty() => Ok(prompt),
            calls => self.call(&calls).await,
        }
    }

    async fn respond(&mut self, input: &Value) -> Result<Response> {
        let model = self.context.model().unwrap_or_else(|| self.settings.model.clone());
        let tools: Vec<Value> = self.tools.iter().map(|tool| tool.declaration()).collect();
        let mut body = json!({"model": model, "input": input, "tools": tools, "store": true});
        if let Some(id) = &self.last {
            body["previous_response_id"] = json!(id);
        }
        if let Some(instructions) = self.context.system_prompt() {
            body["instructions"] = json!(instructions);
        }
        if let Some(schema) = self.context.output_schema() {
            let schema: Value = serde_json::from_str(&schema)
                .map_err(|error| Error::invalid_request(format!("the output schema: {error}")))?;
            let format =
                json!({"type": "json_schema", "name": "answer", "strict": true, "schema": schema});
            body["text"] = json!({"format": format});
        }
        self.context.emit(Event::progress(format!("waiting for {model}"), None)).await;
        let response: Response =
            self.api.post("/responses").json(&body).fetch().await.map_err(classify)?;
        self.account(&response).await?;
        match response.problem() {
            Some(problem) => Err(problem),
            None => Ok(response),
        }
    }

    /// Makes the answer durable and tells what it took, before anything is done because of it.
    async fn account(&mut self, response: &Response) -> Result<()> {
        response.add_to(&mut self.usage);
        self.usage.cost = self.cost();
        self.context.emit_all(response.events()).await;
        self.context.emit(Event::Usage(self.usage)).await;
        if response.problem().is_none() {
            self.context.checkpoint(&response.id).await?;
            self.last = Some(response.id.clone());
        }
        self.context.spend(&self.usage).await
    }

    /// There is no cost in this API: tokens and the operator's prices make an estimate.
    fn cost(&self) -> Option<Cost> {
        let prices = self.settings.prices?;
        #[expect(clippy::cast_precision_loss, reason = "an estimate, and tokens are few")]
        let part = |tokens: Option<u64>, price: f64| tokens.unwrap_or(0) as f64 / 1e6 * price;
        Cost::estimated(
            part(self.usage.input_tokens, prices.input)
                + part(self.usage.cache_read_tokens, prices.cached_input)
                + part(self.usage.output_tokens, prices.output),
        )
    }

    /// Makes the calls and returns what to tell the model of them.
    async fn call(&mut self, calls: &[Call]) -> Result<Value> {
        let mut outputs = Vec::new();
        for call in calls {
            let done = match resolve(call, &self.tools) {
                Ok((tool, arguments)) => self.use_tool(call, tool, arguments).await?,
                Err(reason) => Err(reason),
            };
            let output = done.unwrap_or_else(|reason| format!("error: {reason}"));
            outputs.push(json!({
                "type": "function_call_output", "call_id": call.id, "output": output,
            }));
        }
        Ok(Value::Array(outputs))
    }

    async fn use_tool(
        &mut self,
        call: &Call,
        tool: Tool,
        arguments: Value,
    ) -> Result<Result<String, String>> {
        let Some(workspace) = self.workspace.clone() else { return Ok(Err("no files".to_owned())) };
        let arguments = match self.permission(call, tool, arguments).await? {
            Ok(arguments) => arguments,
            Err(reason) => {
                self.context.emit(Event::warning("permission-denied", &reason)).await;
                let (tool, input) = (tool.name().to_owned(), call.arguments.clone());
                self.denials.push(Denial { tool, input, reason: reason.clone() });
                return Ok(Err(reason));
            }
        };
        self.context.emit(Event::tool_use(&call.id, tool.name(), &arguments)).await;
        let done = tool.run(&workspace, &arguments);
        let shown = done.as_ref().unwrap_or_else(|reason| reason);
        self.context.emit(Event::tool_result(&call.id, done.is_err(), shown)).await;
        Ok(done)
    }

    /// The arguments that the tool may be used with, or why it may not. A list of allowed tools means that the
    /// others need a question; without one, the tools offered are all within the workspace anyway.
    async fn permission(
        &self,
        call: &Call,
        tool: Tool,
        arguments: Value,
    ) -> Result<Result<Value, String>> {
        let allowed = self.context.allowed_tools();
        if allowed.is_none_or(|names| names.iter().any(|name| name == tool.name())) {
            return Ok(Ok(arguments));
        }
        let question = Question::tool_permission(&call.id, tool.name(), &arguments);
        Ok(match self.context.ask(&question).await? {
            Answer::Allow => Ok(arguments),
            Answer::AllowModified(modified) => serde_json::from_str(&modified)
                .map_err(|error| format!("the modified input is not JSON: {error}")),
            Answer::Deny(reason) => Err(reason),
            other => Err(format!("not an answer to a permission: {other:?}")),
        })
    }

    fn result(&mut self, response: &Response) -> Result<ExecutionResult> {
        let text = response.text();
        let mut result = ExecutionResult::new(&text).usage(self.usage).checkpoint(&response.id);
        result.denials = std::mem::take(&mut self.denials);
        if self.context.output_schema().is_some() {
            let answer = serde_json::from_str(&text)
                .map_err(|error| Error::failed(format!("the answer is not JSON: {error}")))?;
            result = result.structured(&answer);
        }
        let writes = self.tools.contains(&Tool::WriteFile);
        Ok(if writes { result.in_workspace() } else { result })
    }
}

/// The task, and what was found wrong with the last try at it.
fn prompt(task: &Task, context: &Context) -> String {
    let findings = context.findings().into_iter().map(|finding| {
        let output = finding.output.unwrap_or_default();
        format!("The last result was checked: {}: {}\n{output}", finding.code, finding.message)
    });
    let texts: Vec<String> = [task.prompt.clone()].into_iter().chain(findings).collect();
    texts.join("\n\n")
}
