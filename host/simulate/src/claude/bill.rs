//! Tokens and money, counted so that every figure of a result line agrees with the others.

use serde_json::{Value, json};

use super::script::Version;
use crate::conversation::Usage;

/// Billionths of a dollar for a token: read, written, read from the cache, put into the cache. The
/// list prices of the versions' own models, as the recorded runs were charged.
fn nano_usd(version: Version) -> [u64; 4] {
    match version {
        Version::V197 => [5_000, 25_000, 500, 6_250],
        Version::V330 => [4_000, 20_000, 400, 5_000],
    }
}

/// A sum of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bill(Usage);

impl Default for Bill {
    fn default() -> Self {
        Self(Usage {
            input_tokens: 0,
            output_tokens: 0,
            cache_read_input_tokens: 0,
            cache_creation_input_tokens: 0,
        })
    }
}

impl Bill {
    pub(super) fn add(&mut self, usage: Usage) {
        self.0.input_tokens += usage.input_tokens;
        self.0.output_tokens += usage.output_tokens;
        self.0.cache_read_input_tokens += usage.cache_read_input_tokens;
        self.0.cache_creation_input_tokens += usage.cache_creation_input_tokens;
    }

    /// What it costs, in dollars.
    pub(super) fn usd(&self, version: Version) -> f64 {
        let Usage {
            input_tokens,
            output_tokens,
            cache_read_input_tokens,
            cache_creation_input_tokens,
        } = self.0;
        let tokens =
            [input_tokens, output_tokens, cache_read_input_tokens, cache_creation_input_tokens];
        let nano: u64 = tokens
            .iter()
            .zip(nano_usd(version))
            .map(|(tokens, price)| tokens.saturating_mul(price))
            .sum();
        #[expect(clippy::cast_precision_loss, reason = "exact up to nine million dollars")]
        let nano = nano as f64;
        nano / 1e9
    }

    /// `usage` of a result line.
    pub(super) fn usage(&self) -> Value {
        json!({
            "input_tokens": self.0.input_tokens,
            "cache_creation_input_tokens": self.0.cache_creation_input_tokens,
            "cache_read_input_tokens": self.0.cache_read_input_tokens,
            "output_tokens": self.0.output_tokens,
            "server_tool_use": {"web_search_requests": 0, "web_fetch_requests": 0},
            "service_tier": "standard",
            "cache_creation": {"ephemeral_1h_input_tokens": 0, "ephemeral_5m_input_tokens": 0},
            "inference_geo": "",
            "iterations": [],
            "speed": "standard",
        })
    }

    /// `modelUsage` of a result line: empty when no model answered.
    pub(super) fn model_usage(&self, model: &str, version: Version) -> Value {
        if *self == Self::default() {
            return json!({});
        }
        let mut usage = json!({
            "inputTokens": self.0.input_tokens,
            "outputTokens": self.0.output_tokens,
            "cacheReadInputTokens": self.0.cache_read_input_tokens,
            "cacheCreationInputTokens": self.0.cache_creation_input_tokens,
            "webSearchRequests": 0,
            "costUSD": self.usd(version),
            "contextWindow": 200_000,
            "maxOutputTokens": 64_000,
        });
        if version == Version::V330 {
            usage["canonicalModel"] = model.into();
            usage["provider"] = "firstParty".into();
            usage["costBasis"] = "list".into();
        }
        json!({model: usage})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_prices_come_out() {
        let mut bill = Bill::default();
        assert_eq!(bill.model_usage("m", Version::V330), json!({}));
        bill.add(Usage::default());
        for (version, dollars) in [(Version::V197, 0.00725), (Version::V330, 0.0058)] {
            assert!((bill.usd(version) - dollars).abs() < 1e-12);
        }
        bill.add(Usage { input_tokens: 2_000_000, output_tokens: 100, ..Usage::default() });
        let usage = bill.model_usage("m", Version::V330);
        assert_eq!(usage["m"]["costUSD"], json!(bill.usd(Version::V330)));
        assert_eq!(usage["m"]["inputTokens"], bill.usage()["input_tokens"]);
    }
}
