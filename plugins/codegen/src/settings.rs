use cyrus_sdk::{
    Error, Result,
    contract::{Cost, Usage},
};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Value, json};
use std::{fmt, time::Duration};

/// What the operator can set. Its documentation for people is the schema.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) org_id: OrgId,
    #[serde(default = "default_base_url")]
    pub(crate) base_url: String,
    #[serde(default)]
    pub(crate) repo_id: Option<u64>,
    #[serde(default)]
    pub(crate) model: Option<String>,
    #[serde(default)]
    pub(crate) agent_type: Option<AgentType>,
    #[serde(default = "default_poll_interval")]
    poll_interval: Seconds,
    #[serde(default = "default_max_poll_interval")]
    max_poll_interval: Seconds,
    #[serde(default = "default_run_timeout")]
    run_timeout: Seconds,
    #[serde(default = "default_cost")]
    estimated_cost_per_run: f64,
}

/// Which agent Codegen runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AgentType {
    Codegen,
    ClaudeCode,
}

/// An organization's number. Written as a number or as text; zero is nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OrgId(u64);

impl fmt::Display for OrgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for OrgId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u64),
            Text(String),
            Other(de::IgnoredAny),
        }
        let number = match Written::deserialize(deserializer)? {
            Written::Number(number) => Some(number),
            Written::Text(text) => text.trim().parse().ok(),
            Written::Other(_) => None,
        };
        number.filter(|&number| number != 0).map(Self).ok_or_else(|| {
            de::Error::custom(
                "not an organization's number: write the digits that Codegen shows for it, such as 42",
            )
        })
    }
}

/// A length of time, written as seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Seconds(Duration);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        let duration = Duration::try_from_secs_f64(seconds).ok().filter(|d| !d.is_zero());
        duration.map(Self).ok_or_else(|| de::Error::custom("not a number of seconds above zero"))
    }
}

fn default_base_url() -> String {
    "https://api.codegen.com".to_owned()
}

fn default_poll_interval() -> Seconds {
    Seconds(Duration::from_secs(5))
}

fn default_max_poll_interval() -> Seconds {
    Seconds(Duration::from_mins(1))
}

fn default_run_timeout() -> Seconds {
    Seconds(Duration::from_hours(2))
}

/// In US dollars. The service tells no cost; the few published guesses lie between half a dollar and two.
fn default_cost() -> f64 {
    1.0
}

impl Settings {
    /// The shortest time between two looks at a run.
    pub(crate) fn poll_interval(&self) -> Duration {
        self.poll_interval.0
    }

    /// The longest time between two looks at a run of which nothing is heard.
    pub(crate) fn max_poll_interval(&self) -> Duration {
        self.max_poll_interval.0.max(self.poll_interval.0)
    }

    /// How long a run is watched.
    pub(crate) fn run_timeout(&self) -> Duration {
        self.run_timeout.0
    }

    /// What a run is taken to cost.
    pub(crate) fn usage_of_a_run(&self) -> Result<Usage> {
        let cost = Cost::estimated(self.estimated_cost_per_run).ok_or_else(|| {
            Error::invalid_request(format!(
                "settings.estimatedCostPerRun: {} is not an amount in US dollars",
                self.estimated_cost_per_run
            ))
        })?;
        Ok(Usage { cost: Some(cost), ..Usage::default() })
    }

    /// A JSON Schema of all this.
    pub(crate) fn schema() -> Value {
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "required": ["orgId"],
            "additionalProperties": false,
            "properties": {
                "orgId": {
                    "description": "The organization's number, as digits or as a number.",
                    "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": "^[0-9]+$"}],
                },
                "baseUrl": {
                    "description": "Where the API is. Its host has to be granted, and be the token's audience.",
                    "type": "string", "format": "uri", "default": default_base_url(),
                },
                "repoId": {
                    "description": "The repository's number at Codegen. Unless set it is looked up by the git remote.",
                    "type": "integer", "minimum": 1,
                },
                "model": {
                    "description": "The model, unless the task names one. Default: the organization's.",
                    "type": "string",
                },
                "agentType": {
                    "description": "Which agent Codegen runs. Default: the organization's.",
                    "enum": ["codegen", "claude_code"],
                },
                "pollInterval": {
                    "description": "Seconds between two looks at a run that makes progress.",
                    "type": "number", "exclusiveMinimum": 0, "default": 5,
                },
                "maxPollInterval": {
                    "description": "Seconds between two looks at a run of which nothing is heard, at most.",
                    "type": "number", "exclusiveMinimum": 0, "default": 60,
                },
                "runTimeout": {
                    "description": "Seconds that a run is watched. Afterwards it is stopped.",
                    "type": "number", "exclusiveMinimum": 0, "default": 7200,
                },
                "estimatedCostPerRun": {
                    "description": "What a run is taken to cost, in US dollars: Codegen tells no cost.",
                    "type": "number", "minimum": 0, "default": default_cost(),
                },
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cyrus_sdk::{
        contract::{CostSource, ErrorKind},
        parse_settings,
    };

    fn read(settings: &Value) -> Result<Settings> {
        parse_settings(&settings.to_string())
    }

    #[test]
    fn an_organization_is_text_or_a_number() {
        for written in [json!(42), json!("42"), json!(" 42 ")] {
            let settings = read(&json!({"orgId": written})).expect("both are fine");
            assert_eq!(settings.org_id.to_string(), "42");
        }
    }

    #[test]
    fn nobodys_organization_is_refused_by_name() {
        for written in [json!(0), json!("0"), json!(""), json!("acme"), json!(-1), json!(null)] {
            let error = read(&json!({"orgId": written})).expect_err("no organization");
            assert_eq!(error.kind, ErrorKind::InvalidRequest);
            assert!(error.message.starts_with("settings.orgId: "), "{}", error.message);
        }
        let error = read(&json!({})).expect_err("missing");
        assert!(error.message.contains("orgId"), "{}", error.message);
    }

    #[test]
    fn the_cost_is_an_estimate_and_says_so() {
        let cost =
            |settings| read(&settings).and_then(|s| s.usage_of_a_run()).map(|usage| usage.cost);
        let estimated = |amount| Ok(Some(Cost { amount, source: CostSource::Estimated }));
        assert_eq!(cost(json!({"orgId": 1})), estimated(1_000_000));
        assert_eq!(cost(json!({"orgId": 1, "estimatedCostPerRun": 0.25})), estimated(250_000));
        assert!(cost(json!({"orgId": 1, "estimatedCostPerRun": -1})).is_err());
    }

    #[test]
    fn what_is_misspelt_is_named() {
        let error = read(&json!({"orgId": 1, "pollIntervall": 5})).expect_err("unknown");
        assert!(error.message.contains("pollIntervall"), "{}", error.message);
        let error = read(&json!({"orgId": 1, "pollInterval": 0})).expect_err("no time at all");
        assert!(error.message.starts_with("settings.pollInterval: "), "{}", error.message);
    }

    #[test]
    fn every_setting_is_in_the_schema() {
        let schema = Settings::schema();
        let known = schema["properties"].as_object().expect("an object");
        let all = json!({
            "orgId": 1, "baseUrl": "http://127.0.0.1:1", "repoId": 2, "model": "m", "agentType": "claude_code",
            "pollInterval": 1, "maxPollInterval": 2, "runTimeout": 3, "estimatedCostPerRun": 4,
        });
        let written: Vec<_> = all.as_object().expect("an object").keys().collect();
        assert_eq!(known.keys().collect::<Vec<_>>(), written);
        let settings = read(&all).expect("all of them");
        assert_eq!(settings.agent_type, Some(AgentType::ClaudeCode));
    }
}
