use serde_json::Value;
use std::{fmt, ops::Deref};

/// How the command ended, and what it said.
#[derive(Debug)]
pub struct Ended {
    pub(crate) code: Option<i32>,
    /// What it printed on standard output.
    pub stdout: String,
    /// What it printed on standard error.
    pub stderr: String,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, stdout, stderr } = self;
        write!(f, "exit {code:?}\n-- standard output:\n{stdout}\n-- standard error:\n{stderr}")
    }
}

impl Ended {
    /// Holds it to an exit status.
    #[track_caller]
    #[must_use]
    pub fn code(self, expected: i32) -> Self {
        assert_eq!(self.code, Some(expected), "{self}");
        self
    }

    /// Holds it to having said something on standard error.
    #[track_caller]
    #[must_use]
    pub fn complains(self, of: &str) -> Self {
        assert!(self.stderr.contains(of), "nothing of {of:?}: {self}");
        self
    }

    /// Holds it to having printed something on standard output.
    #[track_caller]
    #[must_use]
    pub fn prints(self, what: &str) -> Self {
        assert!(self.stdout.contains(what), "nothing of {what:?}: {self}");
        self
    }

    /// Standard output as one JSON value.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// Standard output as lines of JSON, each with a `type`.
    #[track_caller]
    pub fn lines(&self) -> Vec<Value> {
        let read = |line: &str| -> Value {
            let value: Value =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            assert!(value["type"].is_string(), "{line}");
            value
        };
        self.stdout.lines().map(read).collect()
    }

    /// The last line of JSON, which tells how the session ended. There is one such line for a session.
    #[track_caller]
    pub fn report(&self) -> Report {
        let mut lines = self.lines();
        let last = lines.pop().unwrap_or_else(|| panic!("no lines: {self}"));
        assert_eq!(last["type"], "session-finished", "{self}");
        Report(last)
    }
}

/// The last line of `--json`.
#[derive(Debug)]
pub struct Report(Value);

impl Deref for Report {
    type Target = Value;
    fn deref(&self) -> &Value {
        &self.0
    }
}

impl Report {
    /// Holds the session to an outcome.
    #[track_caller]
    #[must_use]
    pub fn outcome(self, expected: &str) -> Self {
        assert_eq!(self.0["outcome"], expected, "{:#}", self.0);
        self
    }

    /// The session's id.
    pub fn session(&self) -> &str {
        self.0["session"].as_str().expect("an id")
    }

    /// The last execution's report.
    pub fn execution(&self) -> &Value {
        self.0["executions"].as_array().and_then(|all| all.last()).expect("an execution")
    }

    /// The last execution's error.
    pub fn error(&self) -> &Value {
        &self.execution()["error"]
    }

    /// The branch with the result.
    #[track_caller]
    pub fn branch(&self) -> &str {
        self.0["branch"].as_str().unwrap_or_else(|| panic!("no branch: {:#}", self.0))
    }
}
