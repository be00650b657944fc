//! The Responses API of `OpenAI` as an executor: the agent's loop runs in the component, its tools are files of the
//! workspace, and the host adds the key to what it sends.

mod agent;
mod api;
mod tools;

use agent::Agent;
use cyrus_sdk::{
    Context, Error, Executor, Host, Result,
    contract::{Descriptor, Health, Outcome, Task, feature},
};
use serde::Deserialize;
use serde_json::{Value, json};

/// What the operator can set.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    /// Where the API is.
    base_url: String,
    /// The model, unless the task names one.
    model: String,
    /// What a million tokens cost, in US dollars; for the estimate of what was spent.
    prices: Option<Prices>,
}

/// What a million tokens cost, in US dollars.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Prices {
    input: f64,
    cached_input: f64,
    output: f64,
}

impl Default for Settings {
    fn default() -> Self {
        let base_url = "https://api.openai.com/v1".to_owned();
        Self { base_url, model: "gpt-5".to_owned(), prices: None }
    }
}

/// The executor.
pub struct OpenAi;

impl Executor for OpenAi {
    type Settings = Settings;

    fn describe(settings: Settings) -> Result<Descriptor> {
        let description =
            format!("{} over the Responses API, with file tools in the workspace.", settings.model);
        Ok(Descriptor::new("OpenAI", env!("CARGO_PKG_VERSION"), description)
            .features([
                feature::RESUME,
                feature::ASK,
                feature::STRUCTURED_OUTPUT,
                feature::TOOL_POLICY,
                feature::TURN_LIMIT,
            ])
            .settings_schema(&json!({
                "type": "object",
                "properties": {
                    "baseUrl": {"type": "string"},
                    "model": {"type": "string"},
                    "prices": {
                        "type": "object",
                        "description": "US dollars for a million tokens",
                        "required": ["input", "cachedInput", "output"],
                        "properties": {
                            "input": {"type": "number"},
                            "cachedInput": {"type": "number"},
                            "output": {"type": "number"},
                        },
                    },
                },
            })))
    }

    async fn probe(settings: Settings, host: Host) -> Result<Health> {
        let path = format!("/models/{}", settings.model);
        let api = host.http(&settings.base_url);
        let model: Value = api.get(&path).fetch().await.map_err(api::classify)?;
        let id = model["id"].as_str().ok_or_else(|| Error::unavailable("the model has no id"))?;
        Ok(Health::new(format!("{id} answers")).version(id))
    }

    async fn execute(task: Task, settings: Settings, context: Context) -> Result<Outcome> {
        let mut agent = Agent::new(settings, context);
        match agent.run(&task).await {
            Ok(result) => Ok(result.into()),
            Err(error) => Err(agent.ended(error)),
        }
    }
}

cyrus_sdk::export!(OpenAi);

#[cfg(test)]
mod tests;
