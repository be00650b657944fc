//! The token of one execution.

use std::fmt;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Random bytes of a token: 256 bits.
const BYTES: usize = 32;

/// What every token begins with, so that one that turns up in a log is recognised as worthless.
const PREFIX: &str = "cyrus-execution-";

/// The token that a launched agent presents. It opens one lease, and nothing once that lease has ended.
#[derive(Clone)]
pub(crate) struct Token(Zeroizing<String>);

impl Token {
    /// Makes a token from the system's randomness.
    pub(crate) fn random() -> std::io::Result<Self> {
        let mut bytes = Zeroizing::new([0_u8; BYTES]);
        getrandom::fill(&mut *bytes).map_err(std::io::Error::other)?;
        let mut text = String::with_capacity(PREFIX.len() + 2 * BYTES);
        text.push_str(PREFIX);
        for byte in *bytes {
            for nibble in [byte >> 4, byte & 0xf] {
                text.push(char::from_digit(u32::from(nibble), 16).unwrap_or_default());
            }
        }
        Ok(Self(Zeroizing::new(text)))
    }

    /// The token as the agent writes it into a header.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether these are the bytes of this token. It takes the same time wherever they differ.
    pub(crate) fn is(&self, presented: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(presented).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_differ_and_are_not_shown() {
        let (one, other) = (Token::random().unwrap(), Token::random().unwrap());
        assert_eq!(one.as_str().len(), PREFIX.len() + 64);
        assert_ne!(one.as_str(), other.as_str());
        assert!(!format!("{one:?}").contains(one.as_str()));
    }

    #[test]
    fn only_the_whole_token_is_taken() {
        let token = Token::random().unwrap();
        let text = token.as_str().as_bytes();
        assert!(token.is(text));
        assert!(!token.is(&text[..text.len() - 1]));
        assert!(!token.is(b""));
        assert!(!token.is(&text.to_ascii_uppercase()));
        assert!(!token.is(&[text, b" "].concat()));
    }
}
