use crate::{Error, Result};
use serde::{Deserialize, de::DeserializeOwned};

/// The settings of an executor that has none. Anything in them is an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoSettings {}

/// Reads an executor's settings. What does not fit is an invalid request that names the place.
pub fn parse_settings<S: DeserializeOwned>(json: &str) -> Result<S> {
    let mut reader = serde_json::Deserializer::from_str(json);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let place = if path == "." { String::new() } else { format!(".{path}") };
        Error::invalid_request(format!("settings{place}: {}", error.inner()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::ErrorKind;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase")]
    #[expect(dead_code, reason = "only whether it reads matters")]
    struct Settings {
        org_id: u64,
        #[serde(default)]
        hosts: Vec<Host>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only whether it reads matters")]
    struct Host {
        port: u16,
    }

    #[test]
    fn an_error_names_the_place() {
        let cases = [
            (r#"{"orgId": "x"}"#, "settings.orgId: invalid type"),
            (
                r#"{"orgId": 1, "hosts": [{"port": 1}, {"port": 70000}]}"#,
                "settings.hosts[1].port: ",
            ),
            ("{}", "settings: missing field `orgId`"),
            ("nonsense", "settings: expected"),
        ];
        for (json, beginning) in cases {
            let error = parse_settings::<Settings>(json).expect_err(json);
            assert_eq!(error.kind, ErrorKind::InvalidRequest);
            assert!(error.message.starts_with(beginning), "{json}: {}", error.message);
        }
    }

    #[test]
    fn settings_that_mean_nothing_are_refused() {
        assert_eq!(parse_settings("{}"), Ok(NoSettings {}));
        let error = parse_settings::<NoSettings>(r#"{"model": "x"}"#).expect_err("unknown");
        assert!(error.message.contains("model"), "{error}");
    }
}
