//! What the execution has used so far.
//!
//! While Claude works only tokens are known, message by message, and of what the model writes not even those:
//! an `assistant` line is written when the answer begins. Money is known when a `result` line comes.

use crate::line::{Assistant, Bill, RunResult, TokenCounts};
use cyrus_sdk::contract::{Cost, Usage};
use std::collections::BTreeMap;

/// Adds up one process's usage. A process serves one execution, so that is the execution's.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// By message: a message comes in several lines, each with the usage of the whole.
    messages: BTreeMap<String, TokenCounts>,
    turns: u32,
    billed: Option<Billed>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Billed {
    usd: f64,
    tokens: TokenCounts,
    turns: Option<u32>,
}

impl Meter {
    /// Takes note of a line. `true`: it began a message that was not known.
    pub(crate) fn assistant(&mut self, line: &Assistant) -> bool {
        if line.synthetic || line.message_id.is_empty() {
            return false;
        }
        let before = self.messages.len();
        let known = self.messages.entry(line.message_id.clone()).or_default();
        *known = known.at_least(line.usage);
        let new = self.messages.len() > before;
        if new && !line.subagent {
            self.turns = self.turns.saturating_add(1);
        }
        new
    }

    /// Takes note of a bill. There is one for each message that Claude was sent, and now and then another for
    /// a command that ended in the background.
    pub(crate) fn result(&mut self, result: &RunResult) {
        let before = self.billed.unwrap_or_default();
        let turns = result.turns.and_then(|turns| u32::try_from(turns).ok());
        let turns = turns.map(|turns| before.turns.unwrap_or_default().saturating_add(turns));
        let Bill { total_usd, since_last, by_model } = result.bill;
        self.billed = match (since_last, total_usd) {
            // The total of later versions goes on from the session that was resumed, so this comes first.
            (Some((usd, tokens)), _) => {
                Some(Billed { usd: before.usd + usd, tokens: before.tokens.plus(tokens), turns })
            }
            (None, Some(usd)) => Some(Billed { usd, tokens: by_model.unwrap_or_default(), turns }),
            (None, None) => self.billed,
        };
    }

    /// What is known. Cost and written tokens are not known before the bill, which is not the same as zero.
    pub(crate) fn usage(&self) -> Usage {
        let seen = self.messages.values().copied().fold(TokenCounts::default(), TokenCounts::plus);
        let Some(Billed { usd, tokens, turns }) = self.billed else {
            let unknown = self.messages.is_empty();
            return if unknown { Usage::default() } else { self.with(seen, None, None) };
        };
        let turns = turns.unwrap_or(self.turns);
        // A request that was interrupted is on no bill of 2.1.197, though it cost something: the bill is then no
        // more than the least that it can have been.
        if tokens.read() < seen.read() {
            let cost = if usd > 0.0 { Cost::estimated(usd) } else { None };
            let output = (tokens.output > 0).then_some(tokens.output);
            return Usage { turns: Some(turns), ..self.with(tokens.at_least(seen), output, cost) };
        }
        Usage { turns: Some(turns), ..self.with(tokens, Some(tokens.output), Cost::reported(usd)) }
    }

    fn with(&self, tokens: TokenCounts, output_tokens: Option<u64>, cost: Option<Cost>) -> Usage {
        Usage {
            input_tokens: Some(tokens.input),
            output_tokens,
            cache_read_tokens: Some(tokens.cache_read),
            cache_write_tokens: Some(tokens.cache_write),
            turns: Some(self.turns),
            cost,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fixtures, line::Line};

    fn feed(meter: &mut Meter, line: &str) -> bool {
        match Line::parse(line) {
            Line::Assistant(line) => meter.assistant(&line),
            Line::Result(result) => {
                meter.result(&result);
                false
            }
            other => panic!("{other:?}"),
        }
    }

    fn message(id: &str, input: u64) -> String {
        format!(
            r#"{{"type":"assistant","message":{{"id":"{id}","usage":{{"input_tokens":{input},"cache_read_input_tokens":7,"output_tokens":1}}}}}}"#
        )
    }

    #[test]
    fn a_message_in_several_lines_counts_once() {
        let mut meter = Meter::default();
        assert_eq!(meter.usage(), Usage::default());
        assert!(feed(&mut meter, &message("a", 100)));
        assert!(!feed(&mut meter, &message("a", 100)));
        assert!(feed(&mut meter, &message("b", 20)));
        let usage = meter.usage();
        assert_eq!((usage.input_tokens, usage.cache_read_tokens), (Some(120), Some(14)));
        assert_eq!((usage.turns, usage.output_tokens, usage.cost), (Some(2), None, None));
    }

    #[test]
    fn what_the_cli_says_itself_is_no_turn() {
        let mut meter = Meter::default();
        let synthetic = r#"{"type":"assistant","message":{"id":"x","model":"<synthetic>","usage":{"input_tokens":9}}}"#;
        assert!(!feed(&mut meter, synthetic));
        assert_eq!(meter.usage(), Usage::default());
    }

    #[test]
    fn an_old_total_is_the_process_and_the_last_counts() {
        let mut meter = Meter::default();
        let result = |usd: f64, input: u64, turns: u64| {
            format!(
                r#"{{"type":"result","total_cost_usd":{usd},"num_turns":{turns},"usage":{{"input_tokens":1}},"modelUsage":{{"a":{{"inputTokens":{input},"outputTokens":5}},"b":{{"inputTokens":1}}}}}}"#
            )
        };
        feed(&mut meter, &result(0.014_499_999, 2_400, 2));
        feed(&mut meter, &result(0.02, 3_000, 1));
        let usage = meter.usage();
        assert_eq!(usage.cost, Cost::reported(0.02));
        assert_eq!((usage.input_tokens, usage.output_tokens), (Some(3_001), Some(5)));
        assert_eq!(usage.turns, Some(3));
    }

    #[test]
    fn a_total_that_goes_on_from_a_resumed_session_is_corrected() {
        let mut meter = Meter::default();
        let result = r#"{"type":"result","total_cost_usd":0.0116,"num_turns":1,
            "modelUsage":{"m":{"inputTokens":2400,"outputTokens":100,"costUSD":0.0116}},
            "model_usage_since_last_result":{"m":{"inputTokens":1200,"outputTokens":50,"costUSD":0.0058}}}"#;
        feed(&mut meter, result);
        let usage = meter.usage();
        assert_eq!(usage.cost, Cost::reported(0.0058));
        assert_eq!((usage.input_tokens, usage.output_tokens), (Some(1_200), Some(50)));
        feed(&mut meter, result);
        assert_eq!(meter.usage().cost, Cost::reported(0.0116));
    }

    #[test]
    fn a_bill_that_leaves_a_request_out_is_no_bill() {
        let (transcript, _) = fixtures::transcript("interrupted");
        let usage = transcript.usage();
        assert_eq!(
            (usage.input_tokens, usage.output_tokens, usage.cost),
            (Some(1_200), None, None)
        );
        let mut meter = Meter::default();
        feed(&mut meter, &message("a", 100));
        feed(&mut meter, &message("b", 100));
        let one = r#"{"type":"result","total_cost_usd":0.5,"modelUsage":{"m":{"inputTokens":100,
            "outputTokens":9,"cacheReadInputTokens":7}}}"#;
        feed(&mut meter, one);
        let usage = meter.usage();
        assert_eq!((usage.input_tokens, usage.output_tokens), (Some(200), Some(9)));
        assert_eq!(usage.cost, Cost::estimated(0.5));
    }

    #[test]
    fn a_result_without_a_bill_leaves_what_is_known() {
        let mut meter = Meter::default();
        feed(&mut meter, &message("a", 100));
        feed(&mut meter, r#"{"type":"result","total_cost_usd":"many"}"#);
        assert_eq!(meter.usage().cost, None);
        assert_eq!(meter.usage().input_tokens, Some(100));
        feed(&mut meter, r#"{"type":"result","total_cost_usd":-3}"#);
        assert_eq!(meter.usage().cost, None, "a bill that makes no sense is no bill");
    }
}
