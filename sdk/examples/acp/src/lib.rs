//! Any agent that speaks the Agent Client Protocol, as an executor: JSON-RPC over the standard input and output of
//! the program that the operator granted as `agent`.

mod permission;
mod session;
mod update;
mod wire;

use cyrus_sdk::{
    Context, Executor, Host, Result,
    contract::{Descriptor, Health, Outcome, Task, feature},
};
use serde::Deserialize;
use serde_json::json;
use session::Session;

/// What the operator can set: which agent this is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    /// The agent's name, for people.
    name: Option<String>,
    /// The arguments that make it speak ACP.
    args: Vec<String>,
    /// The method to authenticate by, of those the agent offers. Unset: it needs none.
    auth_method: Option<String>,
}

/// The executor.
pub struct Acp;

impl Executor for Acp {
    type Settings = Settings;

    fn describe(settings: Settings) -> Result<Descriptor> {
        let name = settings.name.unwrap_or_else(|| "ACP agent".to_owned());
        let description = format!("{name}, over the Agent Client Protocol.");
        Ok(Descriptor::new(name, env!("CARGO_PKG_VERSION"), description)
            .features([feature::RESUME, feature::ASK, feature::REPORTED_COST, feature::MCP])
            .settings_schema(&json!({
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "args": {"type": "array", "items": {"type": "string"}},
                    "authMethod": {"type": "string"},
                },
            })))
    }

    async fn probe(settings: Settings, host: Host) -> Result<Health> {
        let info = session::introduce(&host, &settings).await?;
        let word = |key: &str| info[key].as_str().unwrap_or_default().to_owned();
        Ok(Health::new(format!("{} {}", word("name"), word("version"))).version(word("version")))
    }

    async fn execute(task: Task, settings: Settings, context: Context) -> Result<Outcome> {
        let mut session = Session::open(&settings, &context).await?;
        match session.run(&task).await {
            Ok(result) => Ok(result.into()),
            Err(error) if error.is_stopped() => Err(session.cancel(error).await),
            Err(error) => Err(session.ended(error)),
        }
    }
}

cyrus_sdk::export!(Acp);

#[cfg(test)]
mod tests;
