//! What tokens cost.

use crate::{Format, Tokens};
use cyrus_executor::MicroUsd;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The prices that the services published, as of the date in the file.
const PUBLISHED: &str = include_str!("../prices.json");

/// Tokens that a price is for.
const MILLION: u128 = 1_000_000;

/// Why a price cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PriceError(String);

/// Prices of tokens, in millionths of a US dollar for a million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rates {
    /// Tokens read by the model.
    pub input: u64,
    /// Tokens written by the model.
    pub output: u64,
    /// Tokens read from a cache. Omitted: as `input`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<u64>,
    /// Tokens written to a cache for some minutes. Omitted: as `input`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<u64>,
    /// Tokens written to a cache for an hour. Omitted: as `cacheWrite`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_hour: Option<u64>,
}

/// Prices of one model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelPrice {
    /// The usual prices.
    #[serde(flatten)]
    pub rates: Rates,
    /// The prices of a request with a long prompt, for all of its tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long: Option<LongPrompt>,
}

/// From which length on other prices hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LongPrompt {
    /// Longer than this many tokens, from a cache or not.
    pub above: u64,
    /// The prices.
    #[serde(flatten)]
    pub rates: Rates,
}

#[derive(Clone, Debug, Deserialize)]
struct Published {
    anthropic: Family,
    openai: Family,
}

#[derive(Clone, Debug, Deserialize)]
struct Family {
    /// What one search of the web costs, in millionths of a US dollar.
    searches: u64,
    models: BTreeMap<String, ModelPrice>,
}

/// The prices of all models: those that the services published, and the operator's over them.
#[derive(Clone, Debug)]
pub struct PriceTable {
    published: Published,
    own: BTreeMap<String, ModelPrice>,
}

/// The price of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Price {
    model: ModelPrice,
    search: u64,
    /// The price stands for a model that is not in the table.
    pub(crate) is_guess: bool,
    /// What the request's features make of it, in thousandths.
    factor: u32,
}

impl PriceTable {
    /// The published prices, with the operator's own over them. A name may be a model's in full, or without its date.
    pub fn new(own: BTreeMap<String, ModelPrice>) -> Result<Self, PriceError> {
        let published = serde_json::from_str(PUBLISHED);
        let published = published.map_err(|e| PriceError(format!("prices.json: {e}")))?;
        let own = own.into_iter().map(|(name, price)| (canonical(&name), price)).collect();
        Ok(Self { published, own })
    }

    /// The price of a request for this model. A model that is not known costs what the dearest of its format does.
    pub(crate) fn of(&self, format: Format, model: &str, factor: u32) -> Price {
        let family = match format {
            Format::Anthropic => &self.published.anthropic,
            Format::OpenAi => &self.published.openai,
        };
        let name = canonical(model);
        let names = [name.as_str(), undated(&name)];
        let find = |models: &BTreeMap<String, ModelPrice>| {
            names.iter().find_map(|name| models.get(*name)).copied()
        };
        let known = find(&self.own).or_else(|| find(&family.models));
        let dearest = || {
            let all = self.own.values().chain(family.models.values());
            all.max_by_key(|price| (price.rates.output, price.rates.input)).copied()
        };
        let model = known.or_else(dearest).unwrap_or(ModelPrice::NOTHING_KNOWN);
        Price { model, search: family.searches, is_guess: known.is_none(), factor }
    }
}

impl ModelPrice {
    /// Where there is no price at all: a dollar for a thousand tokens.
    const NOTHING_KNOWN: Self = Self {
        rates: Rates {
            input: 1_000_000_000,
            output: 1_000_000_000,
            cache_read: None,
            cache_write: None,
            cache_write_hour: None,
        },
        long: None,
    };
}

impl Price {
    /// What these tokens of one request cost, rounded up.
    pub(crate) fn cost(&self, tokens: &Tokens) -> MicroUsd {
        let rates = match self.model.long {
            Some(long) if tokens.prompt() > long.above => long.rates,
            _ => self.model.rates,
        };
        let cache_write = rates.cache_write.unwrap_or(rates.input);
        let parts = [
            (tokens.input, rates.input),
            (tokens.output, rates.output),
            (tokens.cache_read, rates.cache_read.unwrap_or(rates.input)),
            (tokens.cache_write, cache_write),
            (tokens.cache_write_hour, rates.cache_write_hour.unwrap_or(cache_write)),
        ];
        // A count is at most 2^64 and so is a rate: five products and more fit only if they saturate.
        let sum = parts.into_iter().fold(0_u128, |sum, (count, rate)| {
            sum.saturating_add(u128::from(count).saturating_mul(u128::from(rate)))
        });
        let tokens_cost = sum.saturating_mul(u128::from(self.factor)).div_ceil(MILLION * 1000);
        let searches = u128::from(tokens.searches) * u128::from(self.search);
        MicroUsd(u64::try_from(tokens_cost.saturating_add(searches)).unwrap_or(u64::MAX))
    }

    /// The most that so many tokens of prompt can cost: all written to the dearest cache.
    pub(crate) fn most_for_prompt(&self, tokens: u64) -> MicroUsd {
        let each = [
            Tokens { input: tokens, ..Tokens::default() },
            Tokens { cache_write: tokens, ..Tokens::default() },
            Tokens { cache_write_hour: tokens, ..Tokens::default() },
        ];
        each.iter().map(|tokens| self.cost(tokens)).max().unwrap_or_default()
    }
}

/// A model's name without what providers put before it, what clients put behind it, and capitals.
fn canonical(model: &str) -> String {
    let name = model.rsplit('/').next().unwrap_or(model);
    let name = name.split('[').next().unwrap_or(name);
    name.trim().to_ascii_lowercase()
}

/// A model's name without its date: `-20250929`, `-2025-09-29`, `-latest`.
fn undated(name: &str) -> &str {
    let digits = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|b| b.is_ascii_digit())
    };
    if let Some(name) = name.strip_suffix("-latest") {
        return name;
    }
    if let Some((rest, date)) = name.rsplit_once('-')
        && digits(date, 8)
    {
        return rest;
    }
    let parts: Vec<&str> = name.rsplitn(4, '-').collect();
    match parts.as_slice() {
        [day, month, year, rest] if digits(day, 2) && digits(month, 2) && digits(year, 4) => rest,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table() -> PriceTable {
        PriceTable::new(BTreeMap::new()).unwrap()
    }

    fn tokens(input: u64, output: u64) -> Tokens {
        Tokens { input, output, ..Tokens::default() }
    }

    #[test]
    fn a_models_names_have_one_price() {
        let table = table();
        let expected = table.of(Format::Anthropic, "claude-sonnet-4-5", 1000);
        assert!(!expected.is_guess);
        for name in [
            "claude-sonnet-4-5-20250929",
            "claude-sonnet-4-5-latest",
            "Claude-Sonnet-4-5",
            "claude-sonnet-4-5[1m]",
            "anthropic/claude-sonnet-4-5",
        ] {
            assert_eq!(table.of(Format::Anthropic, name, 1000), expected, "{name}");
        }
        let dated = table.of(Format::OpenAi, "gpt-5.4-2026-03-05", 1000);
        assert_eq!(dated, table.of(Format::OpenAi, "gpt-5.4", 1000));
    }

    #[test]
    fn the_cost_that_claude_code_reports_is_the_cost_that_is_worked_out() {
        // fixtures of Claude Code 2.1: 2,400 in and 100 out of claude-opus-4-8 are 0.0145 dollars.
        let price = table().of(Format::Anthropic, "claude-opus-4-8[1m]", 1000);
        assert_eq!(price.cost(&tokens(2400, 100)), MicroUsd(14_500));
        let all = Tokens {
            input: 1_501,
            output: 83,
            cache_read: 7_003,
            cache_write: 911,
            ..Tokens::default()
        };
        // 7,505 + 2,075 + 3,501.5 + 5,693.75
        assert_eq!(price.cost(&all), MicroUsd(18_776));
    }

    #[test]
    fn a_model_that_is_not_known_costs_what_the_dearest_does() {
        let table = table();
        for name in ["claude-opus-9", "claude-opus-4-99", "sonnet", "", "gpt-5"] {
            let price = table.of(Format::Anthropic, name, 1000);
            assert!(price.is_guess, "{name}");
            assert_eq!(price.cost(&tokens(0, 1_000_000)), MicroUsd(75_000_000), "{name}");
        }
    }

    #[test]
    fn a_long_prompt_has_its_own_prices_for_all_of_it() {
        let price = table().of(Format::Anthropic, "claude-haiku-5-5", 1000);
        assert_eq!(price.cost(&tokens(100_000, 1000)), MicroUsd(10_500));
        assert_eq!(price.cost(&tokens(100_001, 1000)), MicroUsd(52_501));
        let cached = Tokens { cache_read: 100_001, ..Tokens::default() };
        assert_eq!(price.cost(&cached), MicroUsd(5_001), "a cached prompt is long, too");
    }

    #[test]
    fn features_and_searches_are_charged() {
        let fast = table().of(Format::Anthropic, "claude-opus-5", 6000);
        assert_eq!(fast.cost(&tokens(1_000_000, 0)), MicroUsd(30_000_000));
        let price = table().of(Format::Anthropic, "claude-opus-5", 1000);
        let searched = Tokens { searches: 3, ..Tokens::default() };
        assert_eq!(price.cost(&searched), MicroUsd(30_000));
    }

    #[test]
    fn an_operators_price_stands_over_the_published_one() {
        let own =
            r#"{"Claude-Opus-5": {"input": 1, "output": 2}, "local": {"input": 0, "output": 0}}"#;
        let table = PriceTable::new(serde_json::from_str(own).unwrap()).unwrap();
        let price = table.of(Format::Anthropic, "claude-opus-5-20260101", 1000);
        assert_eq!(price.cost(&tokens(1_000_000, 1_000_000)), MicroUsd(3));
        let free = table.of(Format::OpenAi, "local", 1000);
        assert!(!free.is_guess);
        assert_eq!(free.cost(&tokens(1 << 40, 1 << 40)), MicroUsd::ZERO);
    }

    proptest! {
        #[test]
        fn no_count_overflows_and_more_never_costs_less(
            input in any::<u64>(), output in any::<u64>(), searches in any::<u64>(), factor in 1000..6000_u32,
        ) {
            let price = table().of(Format::Anthropic, "claude-opus-5", factor);
            let all = Tokens { input, output, searches, cache_read: input, ..Tokens::default() };
            let less = Tokens { output: output / 2, ..all };
            prop_assert!(price.cost(&less) <= price.cost(&all));
            prop_assert!(price.cost(&tokens(input, 0)) <= price.most_for_prompt(input));
        }
    }
}
