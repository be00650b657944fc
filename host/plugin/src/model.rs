//! The model's service that a launched program uses, and the gateway that stands between.

use crate::manifest::ManifestError;
use cyrus_executor::MicroUsd;
use serde::{Deserialize, Deserializer, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

/// A wire format that programs speak with their model's service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelFormat {
    /// Anthropic's Messages.
    Anthropic,
    /// The Responses and Chat Completions of `OpenAI`.
    #[serde(rename = "openai")]
    OpenAi,
}

/// What a model's service is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelCredential {
    /// A key of the service.
    Key,
    /// A bearer token.
    Bearer,
    /// The token of a subscription's login.
    Login,
}

/// How a program is pointed at its model's service: `[requests.process.NAME.model]` in a manifest.
///
/// Where the operator sets a variable that holds a credential, the program gets the gateway's address and a token of its
/// execution in place of the service's address and the credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ModelRequest {
    /// The wire format.
    pub format: ModelFormat,
    /// The variable that holds the key.
    pub key: String,
    /// The variable that holds a bearer token, which counts before the key.
    #[serde(default)]
    pub bearer: Option<String>,
    /// The variable that holds the token of a subscription's login, which counts after the key.
    #[serde(default)]
    pub login_token: Option<String>,
    /// The variable that holds the service's address.
    pub base_url: String,
    /// The file of the home that holds a login, which the program does not need beside a key.
    #[serde(default)]
    pub login: Option<PathBuf>,
}

impl ModelRequest {
    /// The variables that may hold a credential, in the order in which they count.
    pub fn credentials(&self) -> impl Iterator<Item = (ModelCredential, &str)> {
        let bearer = self.bearer.as_deref().map(|name| (ModelCredential::Bearer, name));
        let login = self.login_token.as_deref().map(|name| (ModelCredential::Login, name));
        bearer.into_iter().chain([(ModelCredential::Key, self.key.as_str())]).chain(login)
    }

    /// Refuses names that no variable has, and one name for two things.
    pub(crate) fn check(&self) -> Result<(), ManifestError> {
        let plain = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
        let is_name = |name: &str| !name.is_empty() && name.bytes().all(plain);
        let credentials = self.credentials().map(|(_, name)| name);
        let names: Vec<&str> = credentials.chain([self.base_url.as_str()]).collect();
        let differ = names.iter().collect::<BTreeSet<_>>().len() == names.len();
        if differ && names.iter().all(|name| is_name(name)) {
            return Ok(());
        }
        Err(ManifestError::Model { variables: names.join(", ") })
    }
}

/// What the operator says of the gateway: `executors.NAME.gateway` in the configuration, `false` or an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayConfig {
    /// Whether programs get the gateway in place of their key.
    pub enabled: bool,
    /// The models that may be used, as names or beginnings with `*`. `None`: every model.
    pub models: Option<Vec<String>>,
    /// Prices that stand over the published ones, by model.
    pub prices: BTreeMap<String, PriceConfig>,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self { enabled: true, models: None, prices: BTreeMap::new() }
    }
}

/// Prices of a model, each for a million tokens: in the configuration, in US dollars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PriceConfig {
    /// Tokens that the model reads.
    #[serde(deserialize_with = "usd")]
    pub input: MicroUsd,
    /// Tokens that the model writes.
    #[serde(deserialize_with = "usd")]
    pub output: MicroUsd,
    /// Tokens read from a cache. Omitted: as `input`.
    #[serde(default, deserialize_with = "some_usd")]
    pub cache_read: Option<MicroUsd>,
    /// Tokens written to a cache for some minutes. Omitted: as `input`.
    #[serde(default, deserialize_with = "some_usd")]
    pub cache_write: Option<MicroUsd>,
    /// Tokens written to a cache for an hour. Omitted: as `cacheWrite`.
    #[serde(default, deserialize_with = "some_usd")]
    pub cache_write_hour: Option<MicroUsd>,
}

fn usd<'de, D: Deserializer<'de>>(from: D) -> Result<MicroUsd, D::Error> {
    let dollars = f64::deserialize(from)?;
    let amount = MicroUsd::from_usd(dollars);
    amount.ok_or_else(|| {
        serde::de::Error::custom(format!("{dollars} is not an amount in US dollars"))
    })
}

fn some_usd<'de, D: Deserializer<'de>>(from: D) -> Result<Option<MicroUsd>, D::Error> {
    usd(from).map(Some)
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "write false, or an object with models and prices")]
enum RawGateway {
    Switch(bool),
    Settings(RawSettings),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawSettings {
    #[serde(default)]
    models: Option<Vec<String>>,
    #[serde(default)]
    prices: BTreeMap<String, PriceConfig>,
}

impl<'de> Deserialize<'de> for GatewayConfig {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(match RawGateway::deserialize(from)? {
            RawGateway::Switch(enabled) => Self { enabled, ..Self::default() },
            RawGateway::Settings(RawSettings { models, prices }) => {
                Self { enabled: true, models, prices }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<GatewayConfig, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn the_gateway_is_on_unless_it_is_switched_off() {
        assert!(GatewayConfig::default().enabled);
        assert!(!read("false").unwrap().enabled);
        assert_eq!(read("true").unwrap(), GatewayConfig::default());
        let set = read(
            r#"{"models": ["claude-*"], "prices": {"claude-x": {"input": 1.25, "output": 10, "cacheRead": 0.125}}}"#,
        );
        let set = set.unwrap();
        assert!(set.enabled);
        assert_eq!(set.models.unwrap(), ["claude-*"]);
        let price = set.prices["claude-x"];
        assert_eq!((price.input, price.output), (MicroUsd(1_250_000), MicroUsd(10_000_000)));
        assert_eq!((price.cache_read, price.cache_write), (Some(MicroUsd(125_000)), None));
    }

    #[test]
    fn variables_of_a_model_are_names_and_differ() {
        let check = |key: &str, bearer: Option<&str>, base_url: &str| {
            let request = ModelRequest {
                format: ModelFormat::Anthropic,
                key: key.to_owned(),
                bearer: bearer.map(str::to_owned),
                login_token: None,
                base_url: base_url.to_owned(),
                login: None,
            };
            request.check().is_ok()
        };
        assert!(check("KEY", None, "URL") && check("MY_KEY2", Some("TOKEN"), "URL_1"));
        for (key, bearer, base_url) in [
            ("key", None, "URL"),
            ("KEY", None, "U-RL"),
            ("KEY", None, "U=RL"),
            ("", None, "URL"),
            ("KEY", Some(""), "URL"),
            ("KEY", None, ""),
            ("KEY", None, "KEY"),
            ("KEY", Some("KEY"), "URL"),
        ] {
            assert!(!check(key, bearer, base_url), "{key} {bearer:?} {base_url}");
        }
    }

    #[test]
    fn what_is_no_gateway_is_an_error() {
        for bad in [
            r#""off""#,
            r#"{"model": []}"#,
            r#"{"prices": {"x": {"input": 1}}}"#,
            r#"{"prices": {"x": {"input": -1, "output": 1}}}"#,
            r#"{"prices": {"x": {"input": 1, "output": 1, "cached": 1}}}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
