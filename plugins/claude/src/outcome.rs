//! What a run comes to. Decided by its `result` line and by whether we asked it to stop, never by the exit
//! code, which differs between versions and from run to run.

use crate::{
    checkpoint::Checkpoint,
    events::Transcript,
    failures::{Failures, Kind, Signs},
    line::RunResult,
    reset,
    session::SessionId,
};
use cyrus_sdk::{
    Error, Result,
    contract::{ExecutionResult, Exit, Usage},
};
use jiff::tz::TimeZone;
use std::time::Duration;

/// The subtype of a run that used up its turns.
const MAX_TURNS: &str = "error_max_turns";
/// The subtype of a run that used up its money.
const MAX_BUDGET: &str = "error_max_budget_usd";

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
    /// Why the host ended it, where it did.
    pub(crate) cut: Option<&'a str>,
    /// The end of its standard error.
    pub(crate) stderr: &'a str,
    /// An answer in a schema was asked for.
    pub(crate) wants_structured: bool,
    /// The execution has files.
    pub(crate) has_workspace: bool,
    /// Seconds since 1970.
    pub(crate) now: u64,
    /// What failures are.
    pub(crate) failures: Failures<'a>,
    /// The zone of times that name none.
    pub(crate) zone: Option<&'a TimeZone>,
    /// The run did not continue an earlier session.
    pub(crate) begins_session: bool,
}

/// Reasons for which the last answer of a run ends before the work does: <https://docs.claude.com/en/api/handling-stop-reasons>.
const UNFINISHED: [&str; 4] =
    ["max_tokens", "tool_use", "pause_turn", "model_context_window_exceeded"];

impl Evidence<'_> {
    /// The outcome of a run that ended by itself.
    pub(crate) fn judge(&self) -> Result<ExecutionResult> {
        let Some(result) = self.transcript.result() else {
            return Err(self.with_rest(self.no_result()));
        };
        if result.is_error || result.subtype != "success" {
            return Err(self.with_rest(self.failure(result)));
        }
        if let Some(said) = self.unspoken() {
            return Err(self.with_rest(self.service_failure(result.api_error_status, said)));
        }
        if result.stop_reason == "refusal" {
            let said = said(result, self.transcript);
            return Err(self.with_rest(Error::refused(format!("the model declined: {said}"))));
        }
        // An answer in a schema is given by a tool.
        if UNFINISHED.contains(&result.stop_reason.as_str()) && result.structured.is_none() {
            let (reason, said) = (&result.stop_reason, said(result, self.transcript));
            let message = format!("the model's answer was cut off ({reason}): {said}");
            return Err(self.with_rest(Error::failed(message)));
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
        let mut error = self.with_rest(reason);
        if self.transcript.began() {
            let session = Checkpoint::of(self.session.clone());
            error =
                error.with_checkpoint(session.broken(self.transcript.writes_lost()).to_string());
        }
        error
    }

    /// Whether the work can only go on in another session.
    pub(crate) fn is_session_broken(&self) -> bool {
        let kind = match self.transcript.result() {
            Some(result) if result.is_error && !is_limit(&result.subtype) => {
                self.kind(result.api_error_status, &said(result, self.transcript))
            }
            Some(_) => self.unspoken().and_then(|said| self.kind(None, said)),
            None => self.kind(None, self.stderr),
        };
        kind == Some(Kind::SessionBroken)
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
            result = result.checkpoint(self.checkpoint());
        }
        result
    }

    /// From where the work goes on.
    fn checkpoint(&self) -> String {
        let broken = self.transcript.writes_lost() || self.is_session_broken();
        let account = self.transcript.account();
        Checkpoint::of(self.session.clone()).broken(broken).done(&account).to_string()
    }

    /// Failed work costs money too, and may have got somewhere.
    fn with_rest(&self, mut error: Error) -> Error {
        let usage = self.transcript.usage();
        if usage != Usage::default() {
            error = error.with_usage(usage);
        }
        if self.transcript.began() {
            error = error.with_checkpoint(self.checkpoint());
        }
        if !self.transcript.last_text().is_empty() {
            error = error.with_partial(self.so_far());
        }
        error
    }

    fn failure(&self, result: &RunResult) -> Error {
        let said = said(result, self.transcript);
        match result.subtype.as_str() {
            MAX_TURNS => Error::turn_limit(format!("Claude Code: {said}")),
            MAX_BUDGET => Error::budget_exceeded(format!("Claude Code: {said}")),
            _ if result.stop_reason == "refusal" => {
                Error::refused(format!("the model declined: {said}"))
            }
            _ => self.service_failure(result.api_error_status, &said),
        }
    }

    /// What Claude Code said in place of the model, of a run that is called a success although its last request failed.
    fn unspoken(&self) -> Option<&str> {
        let said = self.transcript.stand_in()?;
        let fails = || self.kind(None, said).is_some();
        (self.transcript.api_error().is_some() || fails()).then_some(said)
    }

    /// The kind of a failure, as far as it can be told apart.
    fn kind(&self, status: Option<u64>, said: &str) -> Option<Kind> {
        let retry = self.transcript.last_retry();
        let code = self.transcript.api_error().or(retry.map(|retry| retry.error.as_str()));
        let status = status.or(retry.and_then(|retry| retry.status));
        let kind = self.failures.kind(Signs { status, code: code.unwrap_or_default(), said });
        let rejected = self.transcript.rate_limit().is_some_and(|limit| limit.rejected);
        kind.or(rejected.then_some(Kind::RateLimited))
    }

    /// A failure of the model's service, or of Claude Code itself.
    fn service_failure(&self, status: Option<u64>, said: &str) -> Error {
        let kind = self.kind(status, said).unwrap_or(Kind::Failed);
        let nothing_done = self.begins_session && !self.transcript.worked();
        let error = match kind {
            Kind::SessionBroken if nothing_done => Error::unsupported(format!(
                "Claude Code: {said}. The first request of a new session is refused already: shorten the task, or what \
                 the repository's instructions add to it"
            )),
            Kind::SessionBroken => Error::failed(format!(
                "Claude Code: {said}. The session cannot be continued; the next attempt begins another and is given \
                 what was done"
            )),
            kind => Error::new(kind.into(), format!("Claude Code: {said}{}", advice(kind))),
        };
        match (kind, self.retry_after(said)) {
            (Kind::RateLimited, Some(delay)) => error.retry_after(delay),
            _ => error,
        }
    }

    /// When the limit ends: as the account's state has it, as the message has it, or as the last retry waited, which
    /// keeps to the service's `retry-after`.
    fn retry_after(&self, said: &str) -> Option<Duration> {
        let limit = self.transcript.rate_limit();
        let named = limit.and_then(|limit| Some((limit.rejected, limit.resets_at?)));
        let left =
            |at: u64| at.checked_sub(self.now).filter(|left| *left > 0).map(Duration::from_secs);
        let of =
            |rejected: bool| named.filter(|(was, _)| *was == rejected).and_then(|(_, at)| left(at));
        let retry = self.transcript.last_retry();
        let retry = retry.filter(|retry| retry.status == Some(429) || retry.error == "rate_limit");
        of(true)
            .or_else(|| reset::wait(said, self.now, self.zone))
            .or_else(|| of(false))
            .or_else(|| retry.and_then(|retry| retry.delay_ms).map(Duration::from_millis))
    }

    fn no_result(&self) -> Error {
        let ended = match self.exit {
            Some(Exit::Code(code)) => format!("claude ended with code {code}"),
            Some(Exit::Signal(signal)) => format!("claude was ended by signal {signal}"),
            None => "claude closed its output".to_owned(),
        };
        let stderr = quoted(self.stderr);
        if let Some(cut) = self.cut {
            return Error::failed(format!("{cut}{stderr}"));
        }
        if self.transcript.last_retry().is_some() || self.transcript.api_error().is_some() {
            return self
                .service_failure(None, &format!("{ended} while a request was failing{stderr}"));
        }
        let last = self.transcript.stand_in().unwrap_or(self.stderr);
        if self.kind(None, last).is_some() {
            return self.service_failure(None, &format!("{ended}{}", quoted(last)));
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

/// Whether a run ended at a limit of ours.
fn is_limit(subtype: &str) -> bool {
    subtype == MAX_TURNS || subtype == MAX_BUDGET
}

/// What a result says for people.
fn said(result: &RunResult, transcript: &Transcript) -> String {
    let errors = result.errors.join("; ");
    let of_limit = match (result.subtype.as_str(), result.turns) {
        (MAX_TURNS, Some(turns)) => format!("the limit of turns was reached ({turns} were taken)"),
        (MAX_TURNS, None) => "the limit of turns was reached".to_owned(),
        (MAX_BUDGET, _) => "the limit of what the work may cost was reached".to_owned(),
        _ => String::new(),
    };
    let texts = [
        result.text.as_str(),
        if result.is_error { &errors } else { "" },
        &of_limit,
        transcript.last_text(),
    ];
    texts.into_iter().map(str::trim).find(|text| !text.is_empty()).unwrap_or_default().to_owned()
}

fn advice(kind: Kind) -> &'static str {
    match kind {
        Kind::Unauthorized => {
            ". Log in by running `claude` as the user that Cyrus runs as, or set ANTHROPIC_API_KEY, and see that \
             the executor's grant passes it on."
        }
        Kind::QuotaExhausted => ". Add credit to the account, or use another one.",
        _ => "",
    }
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
    use cyrus_sdk::contract::{Cost, ErrorKind, WorkProduct};
    use serde_json::json;

    fn evidence<'a>(
        transcript: &'a Transcript,
        session: &'a SessionId,
        exit: Option<Exit>,
        stderr: &'a str,
    ) -> Evidence<'a> {
        Evidence {
            transcript,
            session,
            exit,
            cut: None,
            stderr,
            wants_structured: false,
            has_workspace: true,
            now: 1_800_000_000,
            failures: Failures::default(),
            zone: None,
            begins_session: true,
        }
    }

    fn judge(transcript: &Transcript, exit: Option<Exit>, stderr: &str) -> Result<ExecutionResult> {
        let session = SessionId::of_execution("e");
        evidence(transcript, &session, exit, stderr).judge()
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
        let checkpoint: Checkpoint =
            error.checkpoint.clone().expect("a checkpoint").parse().unwrap();
        assert_eq!((checkpoint.session, checkpoint.broken), (SessionId::of_execution("e"), false));
        assert_eq!(error_of("max_turns").usage.expect("usage").cost, Cost::reported(0.0145));
    }

    #[test]
    fn a_rate_limit_says_when_it_ends() {
        assert_eq!(error_of("api_429").retry_after, Some(1_186));
        let event = |status: &str| json!({"type": "rate_limit_event", "rate_limit_info": {"status": status, "resetsAt": 1_800_000_025}});
        let failed = json!({"type": "result", "subtype": "success", "is_error": true, "api_error_status": 429,
            "result": "You've hit your limit · resets in 2 minutes"});
        for (lines, wait) in [
            (vec![event("rejected"), failed.clone()], 25_000),
            (vec![event("allowed_warning"), failed.clone()], 120_000),
            (vec![failed], 120_000),
        ] {
            let error = error_of_lines(&lines);
            assert_eq!(
                (error.kind.clone(), error.retry_after),
                (ErrorKind::RateLimited, Some(wait))
            );
        }
    }

    fn error_of_lines(lines: &[serde_json::Value]) -> Error {
        let mut transcript = Transcript::default();
        for line in lines {
            transcript.take(&Line::parse(&line.to_string()));
        }
        judge(&transcript, None, "").expect_err("it failed")
    }

    fn spoken(text: &str) -> serde_json::Value {
        json!({"type": "assistant", "message": {"id": "m", "model": "opus", "content": [{"type": "text", "text": text}]}})
    }

    #[test]
    fn what_fails_after_a_success_without_a_turn_of_its_own_takes_nothing_back() {
        let success = json!({"type": "result", "subtype": "success", "is_error": false, "result": "Done.", "total_cost_usd": 0.01});
        let failed = json!({"type": "result", "subtype": "error_during_execution", "is_error": true, "num_turns": 0,
            "errors": ["only prompt commands are supported in streaming mode"], "total_cost_usd": 0.02});
        let mut transcript = Transcript::default();
        for line in [&spoken("Done."), &success, &failed] {
            transcript.take(&Line::parse(&line.to_string()));
        }
        let done = judge(&transcript, Some(Exit::Code(1)), "").expect("it was done");
        assert_eq!((done.summary.as_str(), done.usage.cost), ("Done.", Cost::reported(0.02)));
        // With a turn of its own it is how the work went.
        let error =
            error_of_lines(&[spoken("Done."), success.clone(), spoken("More"), failed.clone()]);
        assert!(error.message.contains("streaming mode"), "{error}");
        let error = error_of_lines(&[spoken("x"), failed]);
        assert!(error.message.contains("streaming mode"), "{error}");
    }

    #[test]
    fn a_limit_says_so_where_claude_says_nothing() {
        for (subtype, said) in [
            ("error_max_turns", "the limit of turns was reached (4 were taken)"),
            ("error_max_budget_usd", "the limit of what the work may cost was reached"),
        ] {
            let line = json!({"type": "result", "subtype": subtype, "is_error": false, "num_turns": 4, "errors": []});
            let error = error_of_lines(&[line]);
            assert!(error.message.contains(said), "{error}");
        }
    }

    #[test]
    fn a_success_in_which_the_model_did_not_speak_is_none() {
        let said = |error: Option<&str>, text: &str| {
            json!({"type": "assistant", "error": error, "message": {"id": "m", "model": "<synthetic>",
                "content": [{"type": "text", "text": text}]}})
        };
        let result = |text: &str| json!({"type": "result", "subtype": "success", "is_error": false, "result": text});
        let limit = "You've hit your session limit · resets in 5 hours";
        for line in [said(None, limit), said(Some("rate_limit"), limit)] {
            let error = error_of_lines(&[line, result(limit)]);
            assert_eq!(
                (error.kind.clone(), error.retry_after),
                (ErrorKind::RateLimited, Some(18_000_000))
            );
        }
        // The model's own words are never taken for a failure.
        let mut transcript = Transcript::default();
        let spoken = json!({"type": "assistant", "message": {"id": "m", "model": "opus", "content": [{"type": "text", "text": limit}]}});
        for line in [spoken, result(limit)] {
            transcript.take(&Line::parse(&line.to_string()));
        }
        judge(&transcript, None, "").expect("it is about limits");
    }

    #[test]
    fn a_session_that_cannot_be_continued_leaves_what_was_done() {
        let spoken = json!({"type": "assistant", "message": {"id": "m", "model": "opus", "content": [
            {"type": "tool_use", "id": "t", "name": "Write", "input": {"file_path": "/w/a.txt"}},
            {"type": "text", "text": "Half of it is done."}]}});
        let init = json!({"type": "system", "subtype": "init", "session_id": "s"});
        let broken = json!({"type": "result", "subtype": "success", "is_error": true, "api_error_status": 400,
            "result": "Prompt is too long"});
        let error = error_of_lines(&[init.clone(), spoken, broken.clone()]);
        let checkpoint: Checkpoint =
            error.checkpoint.clone().expect("a checkpoint").parse().unwrap();
        assert!(checkpoint.broken && error.kind == ErrorKind::Failed, "{error}");
        assert!(checkpoint.done.contains("Half of it") && checkpoint.done.contains("/w/a.txt"));
        assert_eq!(
            error_of_lines(&[init, broken]).kind,
            ErrorKind::Unsupported,
            "nothing was done"
        );
    }

    #[test]
    fn last_words_on_standard_error_have_their_kind() {
        for (stderr, kind) in [
            ("Invalid API key · Please run /login\n", ErrorKind::Unauthorized),
            ("Claude AI usage limit reached|1800000060\n", ErrorKind::RateLimited),
            ("Error: connect ECONNREFUSED 127.0.0.1:9\n", ErrorKind::Unavailable),
            ("Segmentation fault\n", ErrorKind::Unavailable),
        ] {
            let error =
                judge(&Transcript::default(), Some(Exit::Code(1)), stderr).expect_err(stderr);
            assert_eq!(error.kind, kind, "{stderr}");
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
            let evidence = evidence(&transcript, &session, None, "");
            Evidence { wants_structured: true, has_workspace: false, ..evidence }.judge()
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
    fn what_the_host_ended_it_for_is_named() {
        let (transcript, session) = (Transcript::default(), SessionId::of_execution("e"));
        let cut = "the program was ended: it uses more than 300 MiB of memory";
        let evidence =
            Evidence { cut: Some(cut), ..evidence(&transcript, &session, None, "a last word") };
        let error = evidence.judge().expect_err("there is no result");
        assert_eq!(error.kind, ErrorKind::Failed);
        assert!(error.message.starts_with(cut) && error.message.contains("a last word"));
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

    #[test]
    fn an_answer_that_was_cut_off_is_no_result() {
        let spoken = json!({"type": "assistant", "message": {"id": "m", "model": "opus", "content": [
            {"type": "text", "text": "Then I would"}]}});
        let ended = |stop_reason: &str, structured: Option<&str>| {
            let mut transcript = Transcript::default();
            transcript.take(&Line::parse(&spoken.to_string()));
            let line = json!({"type": "result", "subtype": "success", "is_error": false,
                "stop_reason": stop_reason, "result": "Then I would", "structured_output": structured});
            transcript.take(&Line::parse(&line.to_string()));
            judge(&transcript, Some(Exit::Code(0)), "")
        };
        for reason in UNFINISHED {
            let error = ended(reason, None).expect_err("cut off");
            assert_eq!(error.kind, ErrorKind::Failed, "{reason}");
            assert!(error.message.contains(reason), "{}", error.message);
        }
        for reason in ["end_turn", "stop_sequence", ""] {
            assert!(ended(reason, None).is_ok(), "{reason}");
        }
        assert!(ended("tool_use", Some("an answer")).is_ok(), "it is given by a tool");
    }
}
