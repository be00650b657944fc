//! What a run comes to. Decided by its `result` line and by whether we asked it to stop, never by the exit
//! code, which differs between versions and from run to run.

use crate::{
    events::Transcript,
    line::{Retry, RunResult},
    session::SessionId,
};
use cyrus_sdk::{
    Error, Result,
    contract::{ErrorKind, ExecutionResult, Exit, Usage},
};
use std::time::Duration;

/// How much of what `claude` said on standard error is quoted, in characters.
const QUOTED_STDERR: usize = 2_000;

/// What there is to judge by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evidence<'a> {
    /// Everything that was read.
    pub(crate) transcript: &'a Transcript,
    /// The session.
    pub(crate) session: &'a SessionId,
    /// How the program ended, where that was seen.
    pub(crate) exit: Option<Exit>,
    /// The end of its standard error.
    pub(crate) stderr: &'a str,
    /// An answer in a schema was asked for.
    pub(crate) wants_structured: bool,
    /// The execution has files.
    pub(crate) has_workspace: bool,
    /// Seconds since 1970.
    pub(crate) now: u64,
}

impl Evidence<'_> {
    /// The outcome of a run that ended by itself.
    pub(crate) fn judge(&self) -> Result<ExecutionResult> {
        let Some(result) = self.transcript.result() else {
            return Err(self.with_rest(self.no_result()));
        };
        if result.is_error || result.subtype != "success" {
            return Err(self.with_rest(self.failure(result)));
        }
        if result.stop_reason == "refusal" {
            let said = said(result, self.transcript);
            return Err(self.with_rest(Error::refused(format!("the model declined: {said}"))));
        }
        if self.wants_structured && result.structured.is_none() {
            let message =
                "Claude finished without giving the answer in the schema that was asked for";
            return Err(self.with_rest(Error::failed(message)));
        }
        let mut done = self.so_far();
        done.structured = result.structured.as_ref().map(ToString::to_string);
        Ok(done)
    }

    /// The outcome of a run that was ended because of `reason`.
    pub(crate) fn ended_by(&self, reason: Error) -> Error {
        self.with_rest(reason)
    }

    /// What there is to show.
    fn so_far(&self) -> ExecutionResult {
        // The text of a failed result is about the failure.
        let result = self.transcript.result().filter(|result| !result.is_error);
        let text = result.map(|result| said(result, self.transcript));
        let text = text.unwrap_or_else(|| self.transcript.last_text().trim().to_owned());
        let mut result = ExecutionResult::new(text).usage(self.transcript.usage());
        if self.has_workspace {
            result = result.in_workspace();
        }
        result.denials = self.transcript.denials();
        if self.transcript.began() {
            result = result.checkpoint(self.session.as_str());
        }
        result
    }

    /// Failed work costs money too, and may have got somewhere.
    fn with_rest(&self, mut error: Error) -> Error {
        let usage = self.transcript.usage();
        if usage != Usage::default() {
            error = error.with_usage(usage);
        }
        if self.transcript.began() {
            error = error.with_checkpoint(self.session.as_str());
        }
        if !self.transcript.last_text().is_empty() {
            error = error.with_partial(self.so_far());
        }
        error
    }

    fn failure(&self, result: &RunResult) -> Error {
        let said = said(result, self.transcript);
        match result.subtype.as_str() {
            "error_max_turns" => Error::turn_limit(format!("Claude Code: {said}")),
            "error_max_budget_usd" => Error::budget_exceeded(format!("Claude Code: {said}")),
            _ if result.stop_reason == "refusal" => {
                Error::refused(format!("the model declined: {said}"))
            }
            _ => self.service_failure(result.api_error_status, &said),
        }
    }

    /// A failure of the model's service, or of Claude Code itself, as far as it can be told apart.
    fn service_failure(&self, status: Option<u64>, said: &str) -> Error {
        let retry = self.transcript.last_retry();
        let status = status.or(retry.and_then(|retry| retry.status));
        let word = self.transcript.api_error().or(retry.map(|retry| retry.error.as_str()));
        let kind = kind_of(status, word.unwrap_or_default(), said);
        let error = Error::new(kind.clone(), format!("Claude Code: {said}{}", advice(&kind)));
        match kind {
            ErrorKind::RateLimited => match retry_after(retry, said, self.now) {
                Some(delay) => error.retry_after(delay),
                None => error,
            },
            _ => error,
        }
    }

    fn no_result(&self) -> Error {
        let ended = match self.exit {
            Some(Exit::Code(code)) => format!("claude ended with code {code}"),
            Some(Exit::Signal(signal)) => format!("claude was ended by signal {signal}"),
            None => "claude closed its output".to_owned(),
        };
        let stderr = quoted(self.stderr);
        if self.transcript.last_retry().is_some() || self.transcript.api_error().is_some() {
            return self
                .service_failure(None, &format!("{ended} while a request was failing{stderr}"));
        }
        if !self.transcript.began() {
            let hint = if self.stderr.contains("unknown option") {
                " This version of Claude Code is too old: install 2.1.197 or newer."
            } else {
                ""
            };
            return Error::unavailable(format!("{ended} before it began to work{stderr}{hint}"));
        }
        Error::failed(format!("{ended} without saying how the work went{stderr}"))
    }
}

/// What a result says for people.
fn said(result: &RunResult, transcript: &Transcript) -> String {
    let text = if !result.text.trim().is_empty() {
        result.text.clone()
    } else if result.is_error && !result.errors.is_empty() {
        result.errors.join("; ")
    } else {
        transcript.last_text().to_owned()
    };
    text.trim().to_owned()
}

/// Which kind of failure it is: by the HTTP status where there is one, then by Claude Code's word for it, then
/// by what it says to people. Some failures have only the last: a 529 that was met after retries, in 2.1.197.
fn kind_of(status: Option<u64>, word: &str, said: &str) -> ErrorKind {
    let said = said.to_ascii_lowercase();
    let says = |parts: &[&str]| parts.iter().any(|part| said.contains(part));
    if says(&["credit balance"]) {
        // Comes as a 400.
        return ErrorKind::QuotaExhausted;
    }
    match status {
        Some(401 | 403) => return ErrorKind::Unauthorized,
        Some(402) => return ErrorKind::QuotaExhausted,
        Some(404) => return ErrorKind::InvalidRequest,
        Some(429) => return ErrorKind::RateLimited,
        Some(408 | 500..=599) => return ErrorKind::Unavailable,
        Some(_) => return ErrorKind::Failed,
        None => {}
    }
    match word {
        "authentication_failed" | "oauth_org_not_allowed" => return ErrorKind::Unauthorized,
        "billing_error" => return ErrorKind::QuotaExhausted,
        "rate_limit" => return ErrorKind::RateLimited,
        "overloaded" | "server_error" => return ErrorKind::Unavailable,
        _ => {}
    }
    if says(&["please run /login", "invalid api key", "oauth token"]) {
        ErrorKind::Unauthorized
    } else if says(&["usage limit reached", "hit your limit", "rate limit"]) {
        ErrorKind::RateLimited
    } else if says(&[
        "529",
        "overloaded",
        "connection error",
        "unable to connect",
        "econn",
        "etimedout",
    ]) {
        ErrorKind::Unavailable
    } else {
        ErrorKind::Failed
    }
}

fn advice(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Unauthorized => {
            ". Log in by running `claude` as the user that Cyrus runs as, or set ANTHROPIC_API_KEY, and see that \
             the executor's grant passes it on."
        }
        ErrorKind::QuotaExhausted => ". Add credit to the account, or use another one.",
        _ => "",
    }
}

/// When the limit ends. The delay of the last retry keeps to the service's `retry-after`; a subscription's limit
/// names the second at which it ends.
fn retry_after(retry: Option<&Retry>, said: &str, now: u64) -> Option<Duration> {
    let reset = said.rsplit_once('|').and_then(|(_, end)| end.trim().parse::<u64>().ok());
    if let Some(left) = reset.and_then(|reset| reset.checked_sub(now)).filter(|left| *left > 0) {
        return Some(Duration::from_secs(left));
    }
    let retry = retry.filter(|retry| retry.status == Some(429) || retry.error == "rate_limit");
    retry.and_then(|retry| retry.delay_ms).map(Duration::from_millis)
}

fn quoted(stderr: &str) -> String {
    let stderr = stderr.trim();
    if stderr.is_empty() {
        return ".".to_owned();
    }
    let skip = stderr.chars().count().saturating_sub(QUOTED_STDERR);
    format!(": {}", stderr.chars().skip(skip).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fixtures, line::Line};
    use cyrus_sdk::contract::{Cost, WorkProduct};
    use serde_json::json;

    fn judge(transcript: &Transcript, exit: Option<Exit>, stderr: &str) -> Result<ExecutionResult> {
        let session = SessionId::of_execution("e");
        Evidence {
            transcript,
            session: &session,
            exit,
            stderr,
            wants_structured: false,
            has_workspace: true,
            now: 1_800_000_000,
        }
        .judge()
    }

    fn error_of(name: &str) -> Error {
        judge(&fixtures::transcript(name).0, Some(Exit::Code(0)), "").expect_err(name)
    }

    #[test]
    fn recorded_failures_become_their_kinds() {
        for (name, kind) in [
            ("api_401", ErrorKind::Unauthorized),
            ("api_429", ErrorKind::RateLimited),
            ("api_529", ErrorKind::Unavailable),
            ("api_400_credit", ErrorKind::QuotaExhausted),
            ("max_turns", ErrorKind::TurnLimit),
            ("budget", ErrorKind::BudgetExceeded),
            ("interrupted", ErrorKind::Failed),
            ("no_result", ErrorKind::Failed),
            ("resume_unknown", ErrorKind::Failed),
        ] {
            let error = error_of(name);
            assert_eq!(error.kind, kind, "{name}: {error}");
            assert!(!error.message.is_empty());
        }
    }

    #[test]
    fn what_failed_work_cost_is_told() {
        let error = error_of("budget");
        let usage = error.usage.expect("usage");
        assert_eq!(usage.cost, Cost::reported(10.0025));
        assert_eq!(
            usage.input_tokens,
            Some(2_000_000),
            "by model: the other sum leaves a call out"
        );
        assert_eq!(error.checkpoint.as_deref(), Some(SessionId::of_execution("e").as_str()));
        assert_eq!(error_of("max_turns").usage.expect("usage").cost, Cost::reported(0.0145));
    }

    #[test]
    fn a_rate_limit_says_when_it_ends() {
        assert_eq!(error_of("api_429").retry_after, Some(1_186));
        let at = |said: &str| retry_after(None, said, 1_800_000_000);
        assert_eq!(at("Claude AI usage limit reached|1800000060"), Some(Duration::from_mins(1)));
        assert_eq!(at("Claude AI usage limit reached|1700000000"), None);
        assert_eq!(at("usage limit reached|soon"), None);
        let other = Retry { status: Some(529), delay_ms: Some(5), ..Retry::default() };
        assert_eq!(retry_after(Some(&other), "", 0), None);
    }

    #[test]
    fn without_a_status_the_words_decide() {
        for (status, word, said, kind) in [
            (
                None,
                "authentication_failed",
                "Not logged in · Please run /login",
                ErrorKind::Unauthorized,
            ),
            (None, "", "Not logged in · Please run /login", ErrorKind::Unauthorized),
            (
                None,
                "server_error",
                "API Error: Connection refused (ECONNREFUSED)",
                ErrorKind::Unavailable,
            ),
            (None, "unknown", "API Error: Unable to connect to API", ErrorKind::Unavailable),
            (None, "", "API Error: Repeated 529 Overloaded errors", ErrorKind::Unavailable),
            (None, "", "You've hit your limit · resets 3pm", ErrorKind::RateLimited),
            (Some(400), "invalid_request", "Credit balance is too low", ErrorKind::QuotaExhausted),
            (Some(400), "invalid_request", "Prompt is too long", ErrorKind::Failed),
            (Some(404), "", "There's an issue with the selected model", ErrorKind::InvalidRequest),
            (Some(403), "", "forbidden", ErrorKind::Unauthorized),
            (Some(503), "", "", ErrorKind::Unavailable),
            (None, "", "The tests do not pass", ErrorKind::Failed),
        ] {
            assert_eq!(kind_of(status, word, said), kind, "{status:?} {word} {said}");
        }
    }

    #[test]
    fn finished_work_is_a_result_with_its_denials() {
        for name in ["write", "permission_allow"] {
            let result = judge(&fixtures::transcript(name).0, None, "").expect(name);
            assert_eq!(result.summary, "Done: final answer 2.");
            assert_eq!(result.product, WorkProduct::Workspace);
            assert!(result.denials.is_empty() && result.checkpoint.is_some());
        }
        for name in ["denied", "blocked_redirection", "permission_deny"] {
            let result = judge(&fixtures::transcript(name).0, None, "").expect(name);
            assert_eq!(result.denials.len(), 1, "{name}");
        }
    }

    #[test]
    fn an_answer_in_a_schema_is_there_or_it_failed() {
        let session = SessionId::of_execution("e");
        let judge = |name: &str| {
            let (transcript, _) = fixtures::transcript(name);
            Evidence {
                transcript: &transcript,
                session: &session,
                exit: None,
                stderr: "",
                wants_structured: true,
                has_workspace: false,
                now: 0,
            }
            .judge()
        };
        let result = judge("schema").expect("it answered");
        let answer: serde_json::Value =
            serde_json::from_str(&result.structured.expect("structured")).expect("JSON");
        assert!(answer.is_object());
        assert_eq!(result.product, WorkProduct::Nothing);
        let error = judge("schema_missing").expect_err("it did not");
        assert_eq!(error.kind, ErrorKind::Failed);
        assert_eq!(error.usage.and_then(|usage| usage.cost), Cost::reported(0.0145));
    }

    #[test]
    fn the_exit_code_decides_nothing() {
        let (transcript, _) = fixtures::transcript("write");
        for exit in [None, Some(Exit::Code(1)), Some(Exit::Signal(15))] {
            judge(&transcript, exit, "noise").expect("the result line says success");
        }
    }

    #[test]
    fn a_program_that_never_began_is_not_available_and_says_why() {
        let error = judge(
            &Transcript::default(),
            Some(Exit::Code(1)),
            "error: unknown option '--json-schema'\n",
        )
        .expect_err("nothing");
        assert_eq!(error.kind, ErrorKind::Unavailable);
        for part in ["code 1", "--json-schema", "2.1.197"] {
            assert!(error.message.contains(part), "{}", error.message);
        }
        assert_eq!((error.usage, error.checkpoint.as_deref()), (None, None));
        let noisy = "x".repeat(100_000);
        let error = judge(&Transcript::default(), None, &noisy).expect_err("nothing");
        assert!(error.message.len() < 4_096, "it has to fit");
    }

    #[test]
    fn a_program_that_died_while_a_request_failed_has_that_kind() {
        let mut transcript = Transcript::default();
        let retry = json!({"type": "system", "subtype": "api_retry", "error_status": 529, "error": "overloaded"});
        transcript.take(&Line::parse(&retry.to_string()));
        let error = judge(&transcript, Some(Exit::Signal(9)), "").expect_err("no result");
        assert_eq!(error.kind, ErrorKind::Unavailable);
        assert!(error.message.contains("signal 9"), "{}", error.message);
    }

    #[test]
    fn a_refusal_of_the_model_is_told_apart() {
        for is_error in [true, false] {
            let mut transcript = Transcript::default();
            let line = json!({"type": "result", "subtype": if is_error { "error_during_execution" } else { "success" },
                "is_error": is_error, "stop_reason": "refusal", "result": "I will not"});
            transcript.take(&Line::parse(&line.to_string()));
            assert_eq!(judge(&transcript, None, "").expect_err("refused").kind, ErrorKind::Refused);
        }
    }
}
