use crate::{
    Settings,
    permission::{self, decide, question},
    update::Seen,
    wire::{Agent, Incoming},
};
use cyrus_sdk::{
    Context, Error, Host, Result,
    contract::{Denial, Event, ExecutionResult, Task},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, time::Duration};

/// How long an agent may take to end a turn that was cancelled. The host gives a stop some seconds in all.
const CANCEL_GRACE: Duration = Duration::from_secs(2);

/// Where a later execution goes on.
#[derive(Debug, Serialize, Deserialize)]
struct Checkpoint {
    session: String,
    /// What the session had cost by then, in millionths of a US dollar.
    spent: u64,
}

/// A session with an agent.
pub(crate) struct Session {
    agent: Agent,
    context: Context,
    id: String,
    seen: Seen,
    denials: Vec<Denial>,
    questions: u32,
    /// What the agent waits for an answer to.
    asked: Option<Value>,
    prompted: Option<u64>,
    /// An agent that takes a session up tells its history again.
    replaying: bool,
}

/// What an agent says it is, without giving it anything to do.
pub(crate) async fn introduce(host: &Host, settings: &Settings) -> Result<Value> {
    let mut agent = Agent::launch(host, &settings.args)?;
    let mut result = initialize(&mut agent, settings).await?;
    agent.farewell().await?;
    Ok(result["agentInfo"].take())
}

async fn initialize(agent: &mut Agent, settings: &Settings) -> Result<Value> {
    // No capabilities: files and terminals are the agent's own, in the sandbox it is launched in.
    let params = json!({
        "protocolVersion": 1, "clientCapabilities": {"fs": {"readTextFile": false, "writeTextFile": false}},
        "clientInfo": {"name": "cyrus", "version": env!("CARGO_PKG_VERSION")},
    });
    let id = agent.request("initialize", &params).await?;
    let result = answer_of(agent, id).await?;
    if result["protocolVersion"].as_u64() != Some(1) {
        return Err(Error::unsupported("the agent does not speak version 1 of the protocol"));
    }
    if let Some(method) = &settings.auth_method {
        let id = agent.request("authenticate", &json!({"methodId": method})).await?;
        answer_of(agent, id).await?;
    }
    Ok(result)
}

/// The answer to a request before there is a session.
async fn answer_of(agent: &mut Agent, wanted: u64) -> Result<Value> {
    loop {
        match agent.next().await? {
            Some(Incoming::Response { id, answer }) if id == wanted => return Ok(answer?),
            Some(Incoming::Request { id, method, .. }) => agent.refuse(&id, &method).await?,
            Some(_) => {}
            None => return Err(agent.obituary().await),
        }
    }
}

impl Session {
    /// Launches the agent and opens a session, or takes up the one of the checkpoint.
    pub(crate) async fn open(settings: &Settings, context: &Context) -> Result<Self> {
        let workspace =
            context.workspace().ok_or_else(|| Error::unsupported("an agent needs files"))?;
        let resumed: Option<Checkpoint> = context.resume_as()?;
        let mut agent = Agent::launch(context, &settings.args)?;
        let about = initialize(&mut agent, settings).await?;
        let params = json!({"cwd": workspace.process_path, "mcpServers": mcp_servers(context)?});
        let spent = resumed.as_ref().map_or(0, |checkpoint| checkpoint.spent);
        let mut session = Self {
            agent,
            context: context.clone(),
            id: String::new(),
            seen: Seen::after(spent),
            denials: Vec::new(),
            questions: 0,
            asked: None,
            prompted: None,
            replaying: resumed.is_some(),
        };
        match resumed {
            None => {
                let opened = session.call("session/new", &params).await?;
                let id = opened["sessionId"].as_str();
                id.ok_or_else(|| Error::failed("the agent's session has no id"))?
                    .clone_into(&mut session.id);
            }
            Some(checkpoint) => {
                if about["agentCapabilities"]["loadSession"].as_bool() != Some(true) {
                    return Err(Error::unsupported("the agent cannot take up a session"));
                }
                let mut params = params;
                params["sessionId"] = json!(checkpoint.session);
                session.call("session/load", &params).await?;
                session.id = checkpoint.session;
                session.replaying = false;
            }
        }
        Ok(session)
    }

    /// Does the task in one turn.
    pub(crate) async fn run(&mut self, task: &Task) -> Result<ExecutionResult> {
        // Durable before the agent can do anything.
        self.context.checkpoint(&self.checkpoint()?).await?;
        let params = json!({"sessionId": self.id, "prompt": prompt(task, &self.context)});
        let result = self.call("session/prompt", &params).await?;
        self.turn_ended(&result).await?;
        match result["stopReason"].as_str().unwrap_or_default() {
            "end_turn" => {}
            "cancelled" => return Err(Error::failed("the agent says the turn was cancelled")),
            "max_turn_requests" => return Err(Error::turn_limit("the agent's own limit")),
            "refusal" => return Err(Error::refused("the agent declines to do it")),
            other => return Err(Error::failed(format!("the turn ended with {other:?}"))),
        }
        self.context.spend(&self.seen.usage()).await?;
        let mut done = ExecutionResult::new(self.seen.said())
            .usage(self.seen.usage())
            .checkpoint(self.checkpoint()?);
        done.denials = std::mem::take(&mut self.denials);
        Ok(done.in_workspace())
    }

    /// Asks the agent to leave off, and takes note of what it used.
    pub(crate) async fn cancel(&mut self, error: Error) -> Error {
        let host = self.context.host().clone();
        host.acknowledge_stop().await;
        // Broken off or not: the stop is what the execution ends with.
        let _ = host.within(CANCEL_GRACE, self.wind_down()).await;
        self.ended(error)
    }

    async fn wind_down(&mut self) -> Result<()> {
        if let Some(id) = self.asked.take() {
            self.agent.answer(&id, &permission::cancelled()).await?;
        }
        let Some(prompted) = self.prompted else { return Ok(()) };
        self.agent.notify("session/cancel", &json!({"sessionId": self.id})).await?;
        let result = self.answer(prompted).await?;
        self.turn_ended(&result).await
    }

    /// The error with what is known about the execution that ends with it.
    pub(crate) fn ended(&self, error: Error) -> Error {
        let error = error.with_usage(self.seen.usage());
        match self.checkpoint() {
            Ok(token) => error.with_checkpoint(token),
            Err(_) => error,
        }
    }

    fn checkpoint(&self) -> Result<String> {
        let checkpoint = Checkpoint { session: self.id.clone(), spent: self.seen.spent() };
        serde_json::to_string(&checkpoint).map_err(|error| Error::failed(error.to_string()))
    }

    /// Takes the counts of a turn, and what the agent says after its end.
    async fn turn_ended(&mut self, result: &Value) -> Result<()> {
        self.seen.turn_ended(result);
        for late in self.agent.farewell().await? {
            if let Incoming::Notification { method, params } = late {
                self.notified(&method, &params).await;
            }
        }
        self.context.emit(Event::Usage(self.seen.usage())).await;
        self.context.emit_all(self.agent.noise_warning()).await;
        Ok(())
    }

    async fn call(&mut self, method: &str, params: &Value) -> Result<Value> {
        let id = self.agent.request(method, params).await?;
        self.prompted = (method == "session/prompt").then_some(id);
        self.answer(id).await
    }

    /// Serves the agent until it answers.
    async fn answer(&mut self, wanted: u64) -> Result<Value> {
        loop {
            match self.agent.next().await? {
                Some(Incoming::Response { id, answer }) if id == wanted => {
                    self.prompted = None;
                    return Ok(answer?);
                }
                Some(Incoming::Response { .. }) => {}
                Some(Incoming::Notification { method, params }) => {
                    self.notified(&method, &params).await;
                }
                Some(Incoming::Request { id, method, params }) => {
                    self.serve(id, &method, &params).await?;
                }
                None => return Err(self.agent.obituary().await),
            }
        }
    }

    async fn notified(&mut self, method: &str, params: &Value) {
        if method == "session/update" {
            let events = self.seen.events(&params["update"]);
            if !self.replaying {
                self.context.emit_all(events).await;
            }
        }
    }

    async fn serve(&mut self, id: Value, method: &str, params: &Value) -> Result<()> {
        if method != "session/request_permission" {
            return self.agent.refuse(&id, method).await;
        }
        self.questions += 1;
        let question = question(params, self.questions);
        self.asked = Some(id.clone());
        let answer = self.context.ask(&question).await?;
        let (decision, denial) = decide(params, &question, answer);
        self.agent.answer(&id, &decision).await?;
        self.asked = None;
        if let Some(denial) = denial {
            self.context.emit(Event::warning("permission-denied", &denial.reason)).await;
            self.denials.push(denial);
        }
        Ok(())
    }
}

/// The task, what it is to be done under, and what was found wrong with the last try at it.
fn prompt(task: &Task, context: &Context) -> Value {
    let findings = context.findings().into_iter().map(|finding| {
        let output = finding.output.unwrap_or_default();
        format!("The last result was checked: {}: {}\n{output}", finding.code, finding.message)
    });
    let texts = context.system_prompt().into_iter().chain([task.prompt.clone()]).chain(findings);
    texts.map(|text| json!({"type": "text", "text": text})).collect()
}

/// The MCP servers as this protocol writes them: a list, and variables as a list too.
fn mcp_servers(context: &Context) -> Result<Value> {
    #[derive(Deserialize)]
    struct Given {
        #[serde(rename = "mcpServers")]
        servers: BTreeMap<String, Map<String, Value>>,
    }
    let Some(text) = context.mcp_servers() else { return Ok(json!([])) };
    let given: Given = serde_json::from_str(&text)
        .map_err(|error| Error::invalid_request(format!("the MCP servers: {error}")))?;
    let list = given.servers.into_iter().map(|(name, mut server)| {
        for key in ["env", "headers"] {
            if let Some(Value::Object(map)) = server.get(key) {
                let pairs = map.iter().map(|(name, value)| json!({"name": name, "value": value}));
                let pairs: Value = pairs.collect();
                server.insert(key.to_owned(), pairs);
            }
        }
        server.insert("name".to_owned(), json!(name));
        Value::Object(server)
    });
    Ok(list.collect())
}
