//! JSON-RPC 2.0, line by line.

use cyrus_sdk::{
    Error, Host, Lines, Process, ProcessError, Result, Stdin,
    contract::{ErrorKind, Event, Exit},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// How long a line of an agent may be: a tool's output travels in one.
const MAX_LINE: usize = 8 * 1024 * 1024;
const STDERR_TAIL: usize = 2 * 1024;
/// How long an agent may take to end once it has nothing left to read.
const FAREWELL: Duration = Duration::from_secs(5);

/// What an agent sends.
#[derive(Debug, PartialEq)]
pub(crate) enum Incoming {
    /// It wants to know something. Its ids are its own: they may equal ours.
    Request { id: Value, method: String, params: Value },
    /// It tells something.
    Notification { method: String, params: Value },
    /// It answers our request of this id.
    Response { id: u64, answer: Result<Value, RpcError> },
}

/// An answer that is an error.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct RpcError {
    #[serde(default)]
    pub(crate) code: i64,
    #[serde(default)]
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) data: Value,
}

impl Incoming {
    /// `None` for what is no JSON-RPC: some agents print logs between the lines.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let Value::Object(mut message) = serde_json::from_str(line).ok()? else { return None };
        let method = message.get("method").and_then(Value::as_str).map(str::to_owned);
        let params = message.remove("params").unwrap_or_default();
        match (method, message.remove("id")) {
            (Some(method), Some(id)) => Some(Self::Request { id, method, params }),
            (Some(method), None) => Some(Self::Notification { method, params }),
            (None, Some(id)) => {
                let answer = match message.remove("error") {
                    Some(error) => Err(serde_json::from_value(error).ok()?),
                    None => Ok(message.remove("result").unwrap_or_default()),
                };
                Some(Self::Response { id: id.as_u64()?, answer })
            }
            (None, None) => None,
        }
    }
}

impl From<RpcError> for Error {
    /// Agents say in `data` what JSON-RPC has no code for, each a little differently.
    fn from(error: RpcError) -> Self {
        /// The protocol's own code for "log in first".
        const AUTH_REQUIRED: i64 = -32_000;
        let said = error.data["errorKind"].as_str().unwrap_or_default();
        let kind = match said {
            "billing_error" => ErrorKind::QuotaExhausted,
            "authentication_error" | "authentication_failed" => ErrorKind::Unauthorized,
            "rate_limit" | "rate_limit_error" => ErrorKind::RateLimited,
            "overloaded" | "overloaded_error" => ErrorKind::Unavailable,
            _ if error.code == AUTH_REQUIRED => ErrorKind::Unauthorized,
            _ => ErrorKind::Failed,
        };
        let detail = error.data["details"].as_str().map(|d| format!(": {d}")).unwrap_or_default();
        Error::new(kind, format!("the agent answered: {}{detail}", error.message))
    }
}

/// A launched agent.
pub(crate) struct Agent {
    host: Host,
    process: Process,
    stdin: Option<Stdin>,
    lines: Lines,
    last_id: u64,
    /// How many lines were no JSON-RPC.
    pub(crate) noise: u32,
}

impl Agent {
    pub(crate) fn launch(host: &Host, args: &[String]) -> Result<Self> {
        let process = host.spawn("agent", args)?;
        process.keep_stderr(STDERR_TAIL)?;
        let (stdin, lines) = (Some(process.stdin()?), process.stdout()?.lines(MAX_LINE));
        Ok(Self { host: host.clone(), process, stdin, lines, last_id: 0, noise: 0 })
    }

    /// Sends a request and returns its id; the answer is among what comes.
    pub(crate) async fn request(&mut self, method: &str, params: &Value) -> Result<u64> {
        self.last_id += 1;
        let id = self.last_id;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})).await?;
        Ok(id)
    }

    pub(crate) async fn notify(&mut self, method: &str, params: &Value) -> Result<()> {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params})).await
    }

    pub(crate) async fn answer(&mut self, id: &Value, result: &Value) -> Result<()> {
        self.send(&json!({"jsonrpc": "2.0", "id": id, "result": result})).await
    }

    pub(crate) async fn refuse(&mut self, id: &Value, method: &str) -> Result<()> {
        let message = format!("this client does not serve {method}");
        let error = json!({"code": -32_601, "message": message});
        self.send(&json!({"jsonrpc": "2.0", "id": id, "error": error})).await
    }

    /// An agent that reads no more is at its end, which the next line will tell better.
    async fn send(&mut self, message: &Value) -> Result<()> {
        let Some(stdin) = &mut self.stdin else { return Ok(()) };
        match stdin.write_line(&message.to_string()).await {
            Err(ProcessError::InputClosed) => Ok(()),
            sent => Ok(sent?),
        }
    }

    /// What the agent sends next; `None` when it sends no more.
    pub(crate) async fn next(&mut self) -> Result<Option<Incoming>> {
        loop {
            match self.lines.next().await {
                Ok(None) => return Ok(None),
                Ok(Some(line)) => match Incoming::parse(&line) {
                    Some(incoming) => return Ok(Some(incoming)),
                    None => self.noise += u32::from(!line.trim().is_empty()),
                },
                Err(ProcessError::LineTooLong { .. }) => self.noise += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Closes its standard input, on which an agent ends, and returns what it still had to say. One that does not
    /// end is killed when this is dropped.
    pub(crate) async fn farewell(&mut self) -> Result<Vec<Incoming>> {
        self.stdin = None;
        let (host, mut rest) = (self.host.clone(), Vec::new());
        let reading = async {
            while let Some(incoming) = self.next().await? {
                rest.push(incoming);
            }
            Ok::<_, Error>(())
        };
        host.within(FAREWELL, reading).await.unwrap_or(Ok(()))?;
        Ok(rest)
    }

    /// Why it ended before it had answered.
    pub(crate) async fn obituary(&self) -> Error {
        let end = match self.host.within(FAREWELL, self.process.wait()).await {
            Some(Ok(Exit::Code(code))) => format!("with code {code}"),
            Some(Ok(Exit::Signal(signal))) => format!("by signal {signal}"),
            Some(Err(error)) => return error.into(),
            None => "its output, but not itself".to_owned(),
        };
        let tail = self.process.stderr_tail();
        Error::failed(format!("the agent ended {end} before it had answered. {}", tail.trim()))
    }

    /// The warning that is due for lines that were no JSON-RPC.
    pub(crate) fn noise_warning(&self) -> Option<Event> {
        let message = format!("{} lines of the agent's output were no JSON-RPC", self.noise);
        (self.noise > 0).then(|| Event::warning("unknown-line", message))
    }
}
