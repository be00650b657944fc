//! Running the stand-in and talking with it.

use std::path::PathBuf;
use std::process::Stdio;

use cyrus_simulate::claude::{SCRIPT, Script};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::recorded::summary;

/// A home and a working directory, which outlive the runs in them.
pub(super) struct World {
    pub(super) directory: TempDir,
}

/// One run of the program.
pub(super) struct Run {
    pub(super) child: Child,
    pub(super) stdin: Option<ChildStdin>,
    pub(super) stdout: Lines<BufReader<ChildStdout>>,
    pub(super) lines: Vec<Value>,
    pub(super) raw: Vec<String>,
}

pub(super) const STREAM: [&str; 6] =
    ["-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose"];

impl World {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("work")).unwrap();
        Self { directory }
    }

    pub(super) fn work(&self) -> PathBuf {
        self.directory.path().join("work").canonicalize().unwrap()
    }

    pub(super) fn start(
        &self,
        script: &Script,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Run {
        let file = self.directory.path().join("script.json");
        std::fs::write(&file, serde_json::to_vec(script).unwrap()).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_claude-stand-in"))
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.directory.path())
            .env(SCRIPT, file)
            .envs(variables.iter().copied())
            .current_dir(self.work())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        Run { stdin: child.stdin.take(), child, stdout, lines: Vec::new(), raw: Vec::new() }
    }

    /// A run with one prompt, to its end.
    pub(super) async fn once(
        &self,
        script: &Script,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Ended {
        let mut run = self.start(script, &[&STREAM[..], arguments].concat(), variables);
        run.say("please do it").await;
        run.until("result").await;
        run.end().await
    }

    /// The lines, reduced as the recorded ones are.
    pub(super) fn summary(&self, lines: &[Value]) -> Vec<Value> {
        let text = Value::from(lines.iter().map(summary).collect::<Vec<_>>()).to_string();
        let neutral = text.replace(self.work().to_str().unwrap(), "{cwd}");
        serde_json::from_str(&neutral).unwrap()
    }
}

/// What came of a run.
pub(super) struct Ended {
    pub(super) lines: Vec<Value>,
    pub(super) raw: Vec<String>,
    pub(super) code: Option<i32>,
    pub(super) stderr: String,
}

impl Ended {
    pub(super) fn result(&self) -> &Value {
        self.lines.iter().rfind(|line| line["type"] == "result").expect("a result line")
    }
}

impl Run {
    pub(super) async fn send(&mut self, line: &Value) {
        let text = format!("{line}\n");
        self.stdin.as_mut().unwrap().write_all(text.as_bytes()).await.unwrap();
    }

    pub(super) async fn say(&mut self, prompt: impl Into<Value>) {
        self.send(&json!({"type": "user", "message": {"role": "user", "content": prompt.into()}}))
            .await;
    }

    pub(super) async fn answer(&mut self, question: &Value, response: Value) {
        let response = json!({"subtype": "success", "request_id": question["request_id"], "response": response});
        self.send(&json!({"type": "control_response", "response": response})).await;
    }

    pub(super) async fn interrupt(&mut self) {
        let request = json!({"subtype": "interrupt"});
        self.send(&json!({"type": "control_request", "request_id": "int-1", "request": request}))
            .await;
    }

    /// Reads on, up to a line of this type or subtype.
    pub(super) async fn until(&mut self, kind: &str) -> Value {
        while let Some(line) = self.stdout.next_line().await.unwrap() {
            let value: Value =
                serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            self.lines.push(value.clone());
            self.raw.push(line);
            if value["type"] == kind || value["subtype"] == kind {
                return value;
            }
        }
        panic!("no `{kind}` among {:#?}", self.lines);
    }

    pub(super) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().unwrap().cast_signed());
        kill(pid, signal).unwrap();
    }

    /// Closes standard input and waits.
    pub(super) async fn end(mut self) -> Ended {
        drop(self.stdin.take());
        while let Some(line) = self.stdout.next_line().await.unwrap() {
            self.lines.push(serde_json::from_str(&line).unwrap_or(Value::Null));
            self.raw.push(line);
        }
        let mut stderr = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).await.unwrap();
        let code = self.child.wait().await.unwrap().code();
        Ended { lines: self.lines, raw: self.raw, code, stderr }
    }
}
