//! Secrets on their way into a request. The component does not see them, and cannot put its own in their place.

use cyrus_plugin::{Capability, Denied, Destination, Injection, Policy};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::collections::BTreeMap;
use wasmtime_wasi_http::Error;
use zeroize::Zeroizing;

/// Headers that say who sends a request.
const CREDENTIALS: [HeaderName; 3] =
    [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION];

/// A secret that a request gets.
pub(super) struct Injected {
    injection: Injection,
    value: Zeroizing<String>,
}

/// The secrets that are for this destination.
pub(super) fn of(
    policy: &Policy,
    values: &BTreeMap<String, Zeroizing<String>>,
    to: &Destination,
) -> Vec<Injected> {
    let meant = policy.secrets().filter(|(_, _, audience)| audience.iter().any(|a| a.matches(to)));
    let known = meant.filter_map(|(request, ..)| {
        let value = values.get(&request.handle)?.clone();
        Some(Injected { injection: request.inject.clone(), value })
    });
    known.collect()
}

/// Refuses credentials of the component's own: what it may say of who it is, the host says for it.
pub(super) fn refuse_own(
    headers: &HeaderMap,
    policy: &Policy,
    to: &Destination,
) -> Result<(), Denied> {
    let carries = |name: &HeaderName| {
        CREDENTIALS.contains(name)
            || name == "x-api-key"
            || policy.credential_headers().any(|own| name.as_str().eq_ignore_ascii_case(own))
    };
    match headers.keys().find(|name| carries(name)) {
        None => Ok(()),
        Some(name) => Err(Denied {
            capability: Capability::Secret,
            wanted: format!("header {name} in a request to {to}"),
            hint: "The host puts credentials into requests: the plugin has to leave the header out, and to name \
                   what goes into it in requests.secrets of its plugin.toml"
                .to_owned(),
        }),
    }
}

/// Puts the secrets into a request's headers.
pub(super) fn inject(headers: &mut HeaderMap, injected: Vec<Injected>) -> Result<(), Error> {
    for Injected { injection, value } in injected {
        let text = Zeroizing::new(format!("{}{}", injection.prefix, value.as_str()));
        let name = HeaderName::try_from(injection.header).map_err(|_| Error::ConfigurationError)?;
        let mut value = HeaderValue::from_str(&text).map_err(|_| Error::ConfigurationError)?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cyrus_plugin::{ExecutorConfig, HostMaximum, Manifest};
    use std::sync::Arc;

    fn injected() -> Vec<Injected> {
        vec![Injected {
            injection: Injection { header: "x-token".to_owned(), prefix: "Key ".to_owned() },
            value: Zeroizing::new("abcdef".to_owned()),
        }]
    }

    /// A policy of a plugin whose one secret goes into the header X-Token, and which may be granted or not.
    fn policy(grants: &str) -> Policy {
        const MANIFEST: &str = r#"
            name = "example"
            version = "0.1.0"
            contract = "0.1"
            component = "example.wasm"
            placement = "cloud"
            [[requests.secrets]]
            handle = "example"
            audience = ["https://api.example.com"]
            inject = { header = "X-Token" }
        "#;
        let manifest = Arc::new(Manifest::parse(MANIFEST.as_bytes()).unwrap());
        let mut config = ExecutorConfig::new("ex", "example");
        config.grants = serde_json::from_str(grants).unwrap();
        Policy::new(manifest, &config, HostMaximum::default())
    }

    #[test]
    fn a_component_cannot_bring_credentials_of_its_own() {
        let to = Destination::of(&"https://other.example.com".parse().unwrap()).unwrap();
        for policy in [policy("{}"), policy(r#"{"secrets": {"example": "abcdef"}}"#)] {
            for name in ["authorization", "cookie", "x-api-key", "x-token", "proxy-authorization"] {
                let mut headers = HeaderMap::new();
                headers.insert(HeaderName::from_static(name), HeaderValue::from_static("own"));
                let denied = refuse_own(&headers, &policy, &to).unwrap_err();
                assert!(denied.wanted.contains(name), "{denied}");
            }
            let mut harmless = HeaderMap::new();
            harmless.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
            assert_eq!(refuse_own(&harmless, &policy, &to), Ok(()));
        }
    }

    #[test]
    fn a_secret_goes_into_its_header_and_is_not_shown() {
        let mut headers = HeaderMap::new();
        inject(&mut headers, injected()).unwrap();
        assert_eq!(headers["x-token"], "Key abcdef");
        assert!(!format!("{headers:?}").contains("abcdef"));
    }
}
