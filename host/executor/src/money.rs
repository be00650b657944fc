use serde::{Deserialize, Serialize};
use std::{fmt, iter::Sum, ops::Add, str::FromStr};

/// Money, in millionths of a US dollar. Never a float.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct MicroUsd(pub u64);

/// Why a text is not an amount of money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an amount in US dollars: write it like 1.50, with at most six decimals")]
pub struct ParseMoneyError(pub String);

impl MicroUsd {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The amount of a JSON number in US dollars, rounded to the nearest millionth. `None` when it is
    /// negative, not finite, or too large to hold.
    pub fn from_usd(usd: f64) -> Option<Self> {
        let micro = (usd * 1e6).round();
        // 2^53 millionths, nine billion dollars, is where a float stops being exact.
        let exact = (0.0..=9_007_199_254_740_992.0).contains(&micro);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "in range, as was just checked"
        )]
        exact.then_some(Self(micro as u64))
    }

    /// The sum, or the largest amount there is.
    #[must_use]
    pub fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, or nothing.
    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Add for MicroUsd {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        self.saturating_add(other)
    }
}

impl Sum for MicroUsd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Self::saturating_add)
    }
}

impl fmt::Display for MicroUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (dollars, micro) = (self.0 / 1_000_000, self.0 % 1_000_000);
        if micro % 10_000 == 0 {
            write!(f, "${dollars}.{:02}", micro / 10_000)
        } else if micro % 100 == 0 {
            write!(f, "${dollars}.{:04}", micro / 100)
        } else {
            write!(f, "${dollars}.{micro:06}")
        }
    }
}

impl FromStr for MicroUsd {
    type Err = ParseMoneyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || ParseMoneyError(text.to_owned());
        let digits = text.strip_prefix('$').unwrap_or(text);
        let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
        let plain = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        if !plain(whole) || !plain(part) || part.len() > 6 {
            return Err(refuse());
        }
        let whole: u64 = whole.parse().map_err(|_| refuse())?;
        let part: u64 = format!("{part:0<6}").parse().map_err(|_| refuse())?;
        let micro = whole.checked_mul(1_000_000).and_then(|w| w.checked_add(part));
        micro.map(Self).ok_or_else(refuse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shows_cents_and_no_more_than_it_needs() {
        let shown = |micro| MicroUsd(micro).to_string();
        assert_eq!(shown(0), "$0.00");
        assert_eq!(shown(1_500_000), "$1.50");
        assert_eq!(shown(14_500), "$0.0145");
        assert_eq!(shown(1), "$0.000001");
    }

    #[test]
    fn refuses_what_is_no_amount() {
        for text in ["", ".", "1.", ".5", "-1", "1e3", "1.0000001", "1,50", "99999999999999999999"]
        {
            assert_eq!(text.parse::<MicroUsd>(), Err(ParseMoneyError(text.to_owned())));
        }
        for usd in [-0.1, f64::NAN, f64::INFINITY, 1e300] {
            assert_eq!(MicroUsd::from_usd(usd), None);
        }
    }

    #[test]
    fn takes_the_cost_that_claude_reports() {
        assert_eq!(MicroUsd::from_usd(0.014_499_999_999_999_999), Some(MicroUsd(14_500)));
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(micro in any::<u64>()) {
            prop_assert_eq!(MicroUsd(micro).to_string().parse(), Ok(MicroUsd(micro)));
        }
    }
}
