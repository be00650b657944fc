use crate::{
    executor::{Capability, ExecutorEntry, expand_file},
    reader::At,
};
use cyrus_core::Strategy;
use cyrus_executor::MicroUsd;
use cyrus_plugin::{HostPattern, SecretGrant, SecretRef};
use serde_json::Value;
use std::path::Path;
use url::Url;

/// The executor that the section `codegen` is a view on.
pub(crate) const CODEGEN: &str = "codegen";

/// The handle that the plugin of [`CODEGEN`] knows its API token by.
const TOKEN: &str = "token";

/// The variable of the token, when nothing else is said of it.
const TOKEN_VARIABLE: &str = "CODEGEN_API_TOKEN";

/// The section `codegen`, of the whole configuration or of one repository.
#[derive(Clone, Debug, Default)]
pub(crate) struct CodegenSection {
    pub(crate) enabled: Option<bool>,
    pub(crate) strategy: Option<Strategy>,
    pub(crate) max_cost_per_task: Option<MicroUsd>,
    pub(crate) max_cost_per_day: Option<MicroUsd>,
    org_id: Option<Value>,
    token: Option<SecretRef>,
    base: Option<Base>,
    model: Option<String>,
}

/// An address of the API other than the usual one, and the only host that the executor then speaks to.
#[derive(Clone, Debug)]
struct Base {
    url: String,
    host: HostPattern,
}

impl CodegenSection {
    /// What is written here; `None` when nothing is.
    pub(crate) fn read(at: &At<'_>, home: Option<&Path>) -> Option<Self> {
        at.object()?;
        let mut token = if at.get("apiToken").is_text() {
            at.get("apiToken").text().map(|text| SecretRef::Value(text.to_owned()))
        } else {
            at.get("apiToken").read()
        };
        if let Some(token) = &mut token {
            expand_file(token, home);
        }
        Some(Self {
            enabled: at.get("enabled").flag(),
            strategy: at.get("strategy").word(),
            max_cost_per_task: at.get("maxCostPerTask").money(),
            max_cost_per_day: at.get("maxCostPerDay").money(),
            org_id: org_id(&at.get("orgId")),
            token,
            base: base(&at.get("baseUrl")),
            model: at.get("defaultModel").text().map(str::to_owned),
        })
    }

    /// What the environment says, for what nothing else does.
    pub(crate) fn of_environment(environment: &dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            org_id: environment("CODEGEN_ORG_ID").filter(|id| !id.is_empty()).map(Value::from),
            token: Some(SecretRef::Env(TOKEN_VARIABLE.to_owned())),
            ..Self::default()
        }
    }

    /// This, and the other where this says nothing.
    pub(crate) fn or(&self, other: &Self) -> Self {
        Self {
            enabled: self.enabled.or(other.enabled),
            strategy: self.strategy.or(other.strategy),
            max_cost_per_task: self.max_cost_per_task.or(other.max_cost_per_task),
            max_cost_per_day: self.max_cost_per_day.or(other.max_cost_per_day),
            org_id: self.org_id.clone().or_else(|| other.org_id.clone()),
            token: self.token.clone().or_else(|| other.token.clone()),
            base: self.base.clone().or_else(|| other.base.clone()),
            model: self.model.clone().or_else(|| other.model.clone()),
        }
    }

    /// What it says of the executor.
    pub(crate) fn entry(&self) -> ExecutorEntry {
        let mut entry = ExecutorEntry { enabled: self.enabled, ..ExecutorEntry::default() };
        let base = self.base.as_ref();
        for (key, value) in [
            ("orgId", self.org_id.clone()),
            ("baseUrl", base.map(|base| base.url.clone().into())),
            ("model", self.model.clone().map(Value::from)),
        ] {
            entry.settings.extend(value.map(|value| (key.to_owned(), value)));
        }
        if let Some(base) = base {
            entry.grants.http = vec![base.host.clone()];
            entry.granted.insert(Capability::Http);
        }
        if let Some(source) = self.token.clone() {
            let audience = base.map(|base| vec![base.host.clone()]);
            entry.grants.secrets.insert(TOKEN.to_owned(), SecretGrant { source, audience });
            entry.granted.insert(Capability::Secrets);
        }
        entry
    }

    /// The token, where one is named here.
    pub(crate) fn token(&self) -> Option<&SecretRef> {
        self.token.as_ref()
    }
}

/// An organization is a number to the API and is often written as a text: both are passed on.
fn org_id(at: &At<'_>) -> Option<Value> {
    if at.is_text() { at.text().map(Value::from) } else { at.count().map(Value::from) }
}

fn base(at: &At<'_>) -> Option<Base> {
    let text = at.text()?;
    let url = Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
    });
    let host = url.and_then(|url| url.origin().ascii_serialization().parse().ok());
    if host.is_none() {
        at.wrong("has to be an address such as https://api.codegen.com, without user and password");
    }
    host.map(|host| Base { url: text.to_owned(), host })
}
