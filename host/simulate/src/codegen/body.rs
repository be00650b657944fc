//! A request's JSON body, checked as the service checks it.

use serde_json::{Map, Value};

use super::problem::Problem;
use crate::server::RecordedRequest;

/// The object in a request's body.
#[derive(Debug)]
pub(super) struct Body(Map<String, Value>);

/// Reads the body of a request.
pub(super) fn body(request: &RecordedRequest) -> Result<Body, Problem> {
    match serde_json::from_slice(&request.body) {
        Ok(Value::Object(fields)) => Ok(Body(fields)),
        Ok(_) => Err(Problem::unprocessable(
            ["body"],
            "Input should be a valid dictionary or object to extract fields from",
            "model_attributes_type",
        )),
        Err(_) if request.body.is_empty() => {
            Err(Problem::unprocessable(["body"], "Field required", "missing"))
        }
        Err(_) => Err(Problem::unprocessable(["body"], "JSON decode error", "json_invalid")),
    }
}

impl Body {
    fn given(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A required text.
    pub(super) fn text(&self, name: &str) -> Result<String, Problem> {
        let value = self.0.get(name).ok_or_else(|| missing(name))?;
        let text = value
            .as_str()
            .ok_or_else(|| wrong(name, "Input should be a valid string", "string_type"))?;
        Ok(text.to_owned())
    }

    /// A required whole number.
    pub(super) fn integer(&self, name: &str) -> Result<u64, Problem> {
        let value = self.0.get(name).ok_or_else(|| missing(name))?;
        value.as_u64().ok_or_else(|| wrong(name, "Input should be a valid integer", "int_type"))
    }

    /// A whole number, or nothing.
    pub(super) fn optional_integer(&self, name: &str) -> Result<Option<u64>, Problem> {
        self.given(name).map(|_| self.integer(name)).transpose()
    }

    /// An object, or `null`.
    pub(super) fn optional_object(&self, name: &str) -> Result<Value, Problem> {
        match self.given(name) {
            None => Ok(Value::Null),
            Some(object @ Value::Object(_)) => Ok(object.clone()),
            Some(_) => Err(wrong(name, "Input should be a valid dictionary", "dict_type")),
        }
    }

    /// Refuses a text that is none of `known`.
    pub(super) fn one_of(&self, name: &str, known: &[&str]) -> Result<(), Problem> {
        match self.given(name) {
            Some(value) if !value.as_str().is_some_and(|value| known.contains(&value)) => {
                Err(wrong(name, "Input is none of the known values", "literal_error"))
            }
            _ => Ok(()),
        }
    }
}

fn missing(name: &str) -> Problem {
    wrong(name, "Field required", "missing")
}

fn wrong(name: &str, message: &'static str, kind: &'static str) -> Problem {
    Problem::unprocessable(["body", name], message, kind)
}
